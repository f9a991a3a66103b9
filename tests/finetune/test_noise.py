from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.edits import NEIGHBOURS, PLACEHOLDER, is_han, pieces
from finetune.lexicon import NEGATIONS, homophones, lookalikes, synonym_sets, synonyms
from finetune.logs import Dialogue, Message
from finetune.noise import NOISES, noisy
from storage.redaction import redact

ENGLISH = (
    "Hello, can you help me find a blue jacket for my son?",
    "I want to cancel my order and get a refund, please.",
    "When will the package arrive? It is already late.",
    "This kettle is broken, how do I return it?",
    "What is the cheapest laptop you have in stock?",
    "thanks, that was really helpful",
    "please add two of these mugs to my basket",
    "Is the second one waterproof, and what size is it?",
    "My coupon does not work. Could somebody look into it?",
    "show me something similar but less expensive",
)
CHINESE = (
    "你好，帮我推荐一个便宜的水壶",
    "我的订单什么时候发货？已经等了三天了",
    "这个杯子坏了，我想退货。",
    "有没有大一点的背包，预算两百以内",
    "运费多少钱，可以包邮吗？",
    "谢谢，没问题，马上下单",
    "把这个手机加到购物车里",
    "质量怎么样？会不会很容易坏",
)
PERSONAL = redact("call +49 170 1234567 or mail a.b@c.de, my card is 4111 1111 1111 1111")
PERSONAL_CHINESE = redact("我的电话是13812345678，邮箱是a.b@c.de，卡号4111 1111 1111 1111，请尽快联系我")

few = settings(max_examples=40, deadline=None)
any_text = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.text(alphabet="的我水壶退货 ,。!?ab'3.5_rn", max_size=12),
        st.sampled_from(["REDACTED_EMAIL", "REDACTED_PHONE", *ENGLISH, *CHINESE]),
    ),
    max_size=6,
).map(" ".join)
kinds = pytest.mark.parametrize("kind", list(NOISES))


def changed(kind: str, text: str, seeds: int = 20) -> list[str]:
    return [NOISES[kind](text, random.Random(seed)) for seed in range(seeds)]


def test_there_are_seven_kinds() -> None:
    assert list(NOISES) == ["keyboard", "ocr", "casing", "punctuation", "missing_words", "synonyms", "fillers"]


@kinds
@given(text=any_text, seed=st.integers(0, 9))
@few
def test_any_text_stays_a_text_with_its_placeholders(kind: str, text: str, seed: int) -> None:
    found = NOISES[kind](text, random.Random(seed))
    assert found == NOISES[kind](text, random.Random(seed))
    assert bool(found.strip()) == bool(text.strip())
    assert bool(found) == bool(text)
    assert PLACEHOLDER.findall(found) == PLACEHOLDER.findall(text)
    assert len(found) <= 4 * len(text) + 8


@given(any_text)
@few
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


@kinds
@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_most_texts_change_and_none_beyond_recognition(kind: str, texts: tuple[str, ...]) -> None:
    pairs = [(text, found) for text in texts for found in changed(kind, text)]
    different = sum(text != found for text, found in pairs)
    if kind == "casing" and texts is CHINESE:
        assert different == 0
        return
    assert different >= 0.8 * len(pairs)
    assert all(0.6 <= len(found) / len(text) <= 1.9 for text, found in pairs)
    assert len({found for _, found in pairs}) > len(texts)


@kinds
@pytest.mark.parametrize("text", [PERSONAL, PERSONAL_CHINESE], ids=["english", "chinese"])
def test_placeholders_of_personal_data_stay(kind: str, text: str) -> None:
    assert len(PLACEHOLDER.findall(text)) == 3
    for found in changed(kind, text, seeds=60):
        assert PLACEHOLDER.findall(found) == PLACEHOLDER.findall(text)


@kinds
@pytest.mark.parametrize("text", ["", " ", "?!", "\U0001f44d", "a", "好", "REDACTED_EMAIL", "128", "\n\t", "no", "..."])
def test_texts_of_nearly_nothing(kind: str, text: str) -> None:
    for found in changed(kind, text):
        assert bool(found.strip()) == bool(text.strip())


def test_keyboard_hits_neighbours_of_a_key_at_the_rate_of_phones() -> None:
    assert set(NEIGHBOURS["s"]) == set("adwezx")
    assert set(NEIGHBOURS["p"]) == set("ol")
    text = " ".join(ENGLISH)
    off = [sum((Counter(text) - Counter(found)).values()) for found in changed("keyboard", text, seeds=50)]
    assert 0 < max(off) <= round(0.023 * len(text)) + 1
    found = {each for each in changed("keyboard", "kkkkkk", seeds=200) if len(each) == 6}
    assert found - {"kkkkkk"}
    assert {sign for each in found for sign in each} <= {"k", *NEIGHBOURS["k"]}


def test_a_pinyin_keyboard_offers_homophones() -> None:
    assert set(changed("keyboard", "再", seeds=30)) == {"在", "载"}
    for text in CHINESE:
        for found in changed("keyboard", text):
            assert len(found) == len(text)
            assert all(new in homophones()[old] for old, new in zip(text, found, strict=True) if old != new)


def test_recognition_takes_what_looks_alike() -> None:
    assert set(changed("ocr", "rn", seeds=40)) == {"m"}
    assert {"O", "o"} == set(changed("ocr", "0", seeds=40))
    assert set(changed("ocr", "未", seeds=20)) == {"末"}


def test_casing_shouts_whispers_and_mixes() -> None:
    found = set(changed("casing", "Where is my Order", seeds=60))
    assert {"where is my order", "WHERE IS MY ORDER", "Where Is My Order"} < found
    assert {each.lower() for each in found} == {"where is my order"}


def test_punctuation_leaves_words_and_numbers() -> None:
    text = "It's 3.50, isn't it? Delivery at 10:30!"
    found = set(changed("punctuation", text, seeds=60))
    assert "Its 3.50 isnt it Delivery at 10:30" in found
    for each in found:
        assert re.sub(r"\W", "", each) == re.sub(r"\W", "", text)
        assert "3.50" in each
        assert "10:30" in each
    assert "红的还是蓝的" in changed("punctuation", "红的，还是蓝的？", seeds=60)
    assert "red blue" in changed("punctuation", "red,blue", seeds=60)


def test_missing_words_are_small_ones_and_never_a_negation() -> None:
    taken: Counter[str] = Counter()
    for text in ENGLISH:
        for found in changed("missing_words", text, seeds=60):
            taken += Counter(pieces(text.lower())) - Counter(pieces(found.lower()))
    assert taken["the"]
    assert not NEGATIONS & taken.keys()
    assert {"cancel order"} == set(changed("missing_words", "cancel order"))
    assert set(changed("missing_words", "is it")) <= {"is", "it"}
    assert all("不" in found for found in changed("missing_words", "我不想要这个水壶了", seeds=60))


def test_synonyms_keep_inflection_and_capitals() -> None:
    assert set(changed("synonyms", "Parcels")) == {"Packages"}
    assert set(changed("synonyms", "i bought it")) == {"i purchased it"}
    assert set(changed("synonyms", "你好")) == {"您好"}
    assert set(changed("synonyms", "My zip code")) == {"My postcode", "My postal code"}


def test_fillers_only_add() -> None:
    for text in (*ENGLISH, *CHINESE):
        for found in changed("fillers", text):
            rest = iter(found)
            assert all(sign in rest for sign in text)
    heard = " ".join(changed("fillers", ENGLISH[0], seeds=200))
    assert "um " in heard
    assert "can can" in heard
    assert re.search(r"(\w+)- \1\w", heard)
    assert "嗯，" in "".join(changed("fillers", CHINESE[1], seeds=60))


DIALOGUE = Dialogue(
    "a",
    (
        Message("user", "Hello there, good morning", ("greet",)),
        Message("assistant", "Hello, what can I do for you?"),
        Message("user", "I want to return this broken kettle", ("ask_policy",)),
    ),
    "test",
)


@kinds
def test_noise_is_on_all_that_the_user_says_and_nothing_else(kind: str) -> None:
    seen: set[int] = set()
    for seed in range(10):
        (found,) = noisy([DIALOGUE], kind, seed)
        assert [found] == noisy([DIALOGUE], kind, seed)
        assert (found.id, found.split, found.messages[1]) == (DIALOGUE.id, DIALOGUE.split, DIALOGUE.messages[1])
        assert [each.intents for each in found.messages] == [each.intents for each in DIALOGUE.messages]
        seen |= {place for place in (0, 2) if found.messages[place] != DIALOGUE.messages[place]}
    assert seen == {0, 2}


def test_a_dialogue_gets_the_same_noise_in_any_company() -> None:
    other = Dialogue("b", DIALOGUE.messages)
    assert noisy([other, DIALOGUE], "keyboard", 0)[1:] == noisy([DIALOGUE], "keyboard", 0)
    assert noisy([other], "keyboard", 0)[0].messages != noisy([DIALOGUE], "keyboard", 0)[0].messages


def test_synonym_sets_are_well_formed() -> None:
    found: dict[str, tuple[str, ...]] = {}
    for words in synonym_sets():
        assert len(set(words)) == len(words) >= 2, words
        for word in words:
            assert word == word.strip().lower()
            assert found.setdefault(word, words) == words, f"{word} means two things"
    bases = [words for words in set(found.values()) if not is_han(words[0])]
    assert len(bases) >= 300
    assert len(set(found.values())) - len(bases) >= 120


def test_words_bend_as_english_does() -> None:
    known = synonyms()
    assert known["batteries"] == ("power cells",)
    assert known["packages"] == ("parcels",)
    assert known["called off"] == ("canceled",)
    assert known["shipping"] == ("dispatching",)
    assert known["preferring"] == ("favoring",)
    assert known["shipped"] == ("dispatched",)
    assert known["using"] == ("utilizing",)
    assert known["tries"] == ("attempts",)
    assert known["tried out"] == ("tested",)
    assert known["sent"] == ("forwarded",)
    assert "took" not in known


def test_confusions_are_well_formed() -> None:
    assert len({frozenset((sign, *others)) for sign, others in homophones().items()}) >= 80
    for sign, others in homophones().items():
        assert is_han(sign)
        assert all(sign in homophones()[other] for other in others)
    for sign, others in lookalikes().items():
        assert sign not in others
        assert len({is_han(each) for each in (sign, *others)}) == 1
    assert {"得", "地"} == set(homophones()["的"])
    assert "m" in lookalikes()["rn"]
