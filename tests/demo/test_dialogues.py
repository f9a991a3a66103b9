import json
import re
from collections import Counter, defaultdict
from random import Random

import pytest

from demo.dialogues import TARGETS, generate_dialogues, hand_written
from demo.phrasings.bank import LABELS, LANGUAGES, load_bank, split_of
from demo.phrasings.grammar import expand, parse, slots_in
from demo.phrasings.slots import Filler, Noun
from demo.phrasings.style import PERSONAS, write_as

WIDE = {"search", "refine", "recommend", "compare", "ask_product", "ask_policy", "order_status", "cart_add", "complaint",
        "accept", "reject", "chitchat", "out_of_scope"}  # fmt: skip


@pytest.fixture(scope="module")
def dialogues():
    return list(generate_dialogues())


def user_turns(dialogues):
    for dialogue in dialogues:
        for message in dialogue["messages"]:
            if message["role"] == "user":
                yield dialogue, message


def test_count_languages_and_splits(dialogues):
    assert Counter(d["language"] for d in dialogues) == {"en": 3000, "zh": 1000}
    assert len({d["dialogue_id"] for d in dialogues}) == 4000
    splits = Counter(d["split"] for d in dialogues)
    assert set(splits) == {"train", "validation", "test"}
    assert min(splits["validation"], splits["test"]) > 200


def test_every_label_is_at_least_three_percent_of_user_turns_in_each_language(dialogues):
    for language in LANGUAGES:
        counts = Counter(m["intents"][0] for d, m in user_turns(dialogues) if d["language"] == language)
        assert set(counts) == set(LABELS)
        assert min(counts.values()) / counts.total() >= 0.03, counts


def test_targets_are_shares_of_one_whole():
    assert set(TARGETS) == set(LABELS)
    assert 0.97 < sum(TARGETS.values()) < 1.04


def test_roles_alternate_and_time_moves_forward(dialogues):
    for dialogue in dialogues:
        messages = dialogue["messages"]
        assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        assert 1 <= len(messages) // 2 <= 8
        stamps = [m["timestamp"] for m in messages]
        assert stamps == sorted(stamps)
        assert all(("intents" in m) == (m["role"] == "user") for m in messages)


def test_every_text_is_filled(dialogues):
    for dialogue in dialogues:
        for message in dialogue["messages"]:
            assert message["content"].strip()
            assert not re.search(r"[{}\[\]|]|\\n", message["content"]), message["content"]


def test_same_seed_same_dialogues_and_other_seed_others():
    first = [json.dumps(d, ensure_ascii=False) for d in generate_dialogues(seed=3, english=40, chinese=40)]
    assert first == [json.dumps(d, ensure_ascii=False) for d in generate_dialogues(seed=3, english=40, chinese=40)]
    assert first != [json.dumps(d, ensure_ascii=False) for d in generate_dialogues(seed=4, english=40, chinese=40)]


def test_dialogues_of_one_language_do_not_depend_on_the_other():
    alone = list(generate_dialogues(english=0, chinese=20))
    assert alone == [d for d in generate_dialogues(english=5, chinese=20) if d["language"] == "zh"]


@pytest.mark.parametrize(("language", "wide", "narrow"), [("en", 180, 120), ("zh", 60, 40)])
def test_bank_is_wide(language, wide, narrow):
    for label, skeletons in load_bank(language).skeletons.items():
        assert len(skeletons) >= (wide if label in WIDE else narrow), label
    assert len(load_bank(language).slots["product"]) >= (300 if language == "en" else 200)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrasing_and_slot_can_be_filled(language):
    bank = load_bank(language)
    filler = Filler(bank, Random(1))
    patterns = [s.pattern for skeletons in bank.skeletons.values() for s in skeletons]
    for group in (bank.assistant, bank.slots, bank.affixes):
        patterns += [line for name, lines in group.items() if name != "product" for line in lines]
    for pattern in patterns:
        assert not re.search(r"[{}\[\]|]", filler.say(pattern)), pattern


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrasing_has_two_labels_in_one_situation(language):
    owners = defaultdict(set)
    for label, skeletons in load_bank(language).skeletons.items():
        for skeleton in skeletons:
            plain = re.sub(r"[^\w{}]+", " ", skeleton.pattern.lower()).strip()
            for situation in skeleton.situations:
                owners[situation, plain].add(label)
    conflicts = {text: labels for (_, text), labels in owners.items() if len(labels) > 1 and text}
    assert not conflicts


def test_no_text_has_two_labels_after_the_same_assistant_turn(dialogues):
    owners = defaultdict(set)
    for dialogue in dialogues:
        before = ""
        for message in dialogue["messages"]:
            if message["role"] == "user":
                owners[before, message["content"].lower()].add(message["intents"][0])
            else:
                before = message["content"]
    conflicts = {key: labels for key, labels in owners.items() if len(labels) > 1}
    assert not conflicts


def test_held_out_phrasings_stay_out_of_training():
    for language in LANGUAGES:
        splits = Counter(s.split for skeletons in load_bank(language).skeletons.values() for s in skeletons)
        assert splits["test"] > 30
        assert splits["validation"] > 30
    assert split_of("yes") == "all"


def test_openings_do_not_give_the_label_away(dialogues):
    turns = [(m["content"].lower(), m["intents"][0]) for d, m in user_turns(dialogues) if d["language"] == "en"]
    for opening in ("can you", "i want", "do you have", "i'm", "what", "thanks"):
        assert len({label for text, label in turns if text.startswith(opening)}) >= 5, opening


def test_grammar_expands_nested_choices_and_refuses_broken_ones():
    said = {expand("hi[ there[!|]|]", Random(n), str) for n in range(40)}
    assert said == {"hi", "hi there", "hi there!"}
    assert slots_in("a {color} [{size}|x]") == {"color", "size"}
    for broken in ("a [b", "a b]", "a | b", "{Open"):
        with pytest.raises(ValueError, match="phrasing"):
            parse(broken)


def test_nouns_take_their_article_and_plural():
    nouns = {text: Noun.parse(text) for text in ("air fryer", "usb hub", "socks*", "honey~", "chef's knife", "watch")}
    assert [noun.with_article() for noun in nouns.values()] == [
        "an air fryer", "a usb hub", "socks", "some honey", "a chef's knife", "a watch",
    ]  # fmt: skip
    assert [noun.plural() for noun in nouns.values()] == [
        "air fryers", "usb hubs", "socks", "honey", "chef's knives", "watches",
    ]  # fmt: skip


def test_personas_keep_short_words_readable():
    for persona in PERSONAS:
        for text, language in (("yes", "en"), ("?", "en"), ("好", "zh")):
            assert write_as(text, persona, language, Random(2))


def test_hand_written_dialogues_are_labelled_in_full_and_no_turn_is_repeated():
    dialogues = list(hand_written())
    assert len({d["dialogue_id"] for d in dialogues}) == len(dialogues)
    for dialogue in dialogues:
        messages = dialogue["messages"]
        assert [m["role"] for m in messages] == (["user", "assistant"] * len(messages))[: len(messages)]
        assert all(m["content"].strip() for m in messages)
        assert all(("intents" in m) == (m["role"] == "user") for m in messages)
        assert all(set(m.get("intents", [])) <= set(LABELS) for m in messages)
    for language in LANGUAGES:
        turns = [m for d, m in user_turns(dialogues) if d["language"] == language]
        counts = Counter(m["intents"][0] for m in turns)
        assert min(counts[label] for label in LABELS) >= 50
        texts = Counter(m["content"].casefold() for m in turns)
        assert texts.total() - len(texts) < 0.02 * len(turns)


def test_hand_written_dialogues_are_held_out_by_a_draw_that_never_changes():
    splits = Counter(d["split"] for d in hand_written())
    assert splits["train"] > 0.8 * splits.total()
    assert min(splits["validation"], splits["test"]) > 20
    assert [d["split"] for d in hand_written()] == [d["split"] for d in hand_written()]
