from __future__ import annotations

import random
from collections import Counter

from finetune.logs import Dialogue, Message
from finetune.split import near_duplicates, split_dialogues
from tests.finetune.conftest import made_up_dialogues

WORDS = (
    "red",
    "blue",
    "tall",
    "small",
    "kettle",
    "tent",
    "lamp",
    "scarf",
    "wool",
    "steel",
    "light",
    "heavy",
    "cheap",
    "new",
)


def dialogue(number: int, text: str, label: str = "search", split: str = "") -> Dialogue:
    return Dialogue(str(number), (Message("user", text, (label,)),), split)


def sentence(number: int) -> str:
    return " ".join(
        WORDS[(number * 7 + step * (number % 5 + 1)) % len(WORDS)] + str(chr(97 + number % 26)) for step in range(9)
    )


def test_the_same_seed_gives_the_same_split_and_nobody_is_lost() -> None:
    dialogues = [dialogue(number, sentence(number)) for number in range(100)]
    first, second = split_dialogues(dialogues, seed=4), split_dialogues(dialogues, seed=4)
    assert first == second
    assert {each.id for part in first for each in part} == {each.id for each in dialogues}
    assert first[1] != split_dialogues(dialogues, seed=5)[1]


def test_every_label_is_on_both_sides_where_it_can_be() -> None:
    labels = ["common"] * 150 + ["rare"] * 4 + ["once"]
    dialogues = [
        dialogue(number, f"{label} {sentence(number)} {number:b}", label) for number, label in enumerate(labels)
    ]
    training, validation = split_dialogues(dialogues, share=0.1)
    held = Counter(each.messages[0].intents[0] for each in validation)
    assert 10 <= held["common"] <= 31
    assert held["rare"] == 1
    assert held["once"] == 0
    assert {"once", "rare"} <= {each.messages[0].intents[0] for each in training}


def test_near_duplicates_share_a_group_whatever_their_numbers() -> None:
    base = "please show me a blue tent for 4 people that costs less than 150 dollars and comes with a bag"
    other = base.replace("150", "99").replace("4", "6")
    groups = near_duplicates(
        [dialogue(0, base), dialogue(1, other.upper() + "!"), dialogue(2, "where is my order, it is late again")]
    )
    assert groups[0] == groups[1] != groups[2]


def test_near_duplicates_never_straddle() -> None:
    dialogues = [dialogue(number, f"{sentence(number // 3)} for {number} dollars") for number in range(90)]
    training, validation = split_dialogues(dialogues, share=0.2)
    assert validation
    groups = dict(zip((each.id for each in dialogues), near_duplicates(dialogues), strict=True))
    assert not {groups[each.id] for each in training} & {groups[each.id] for each in validation}


def test_chinese_near_duplicates_are_found() -> None:
    groups = near_duplicates(
        [
            dialogue(0, "请问有没有适合四个人用的蓝色帐篷三百以内"),
            dialogue(1, "请问有没有适合四个人用的蓝色帐篷，三百以内？"),
            dialogue(2, "我的订单怎么还没有到"),
        ]
    )
    assert groups[0] == groups[1] != groups[2]


def test_the_split_of_the_log_is_honored_but_its_leaks_are_not_trained_on() -> None:
    dialogues = [
        dialogue(0, "a blue tent for four people with a bag", split="train"),
        dialogue(1, "where is my order", split="train"),
        dialogue(2, "A blue tent for four people, with a bag!", split="validation"),
        dialogue(3, "is this wool or cotton", split="test"),
        dialogue(4, "two red lamps in the cart"),
    ]
    training, validation = split_dialogues(dialogues)
    assert [each.id for each in training] == ["1", "4"]
    assert [each.id for each in validation] == ["2"]


def test_an_empty_dialogue_splits_too() -> None:
    dialogues = [
        dialogue(0, ""),
        dialogue(1, "\U0001f600"),
        *[dialogue(2 + number, sentence(number)) for number in range(20)],
    ]
    training, validation = split_dialogues(dialogues)
    assert len(training) + len(validation) == 22


def test_made_up_dialogues_hold_something_out() -> None:
    dialogues = [
        Dialogue(
            row["dialogue_id"],
            tuple(Message(each["role"], each["content"], tuple(each.get("intents", ()))) for each in row["messages"]),
        )
        for row in made_up_dialogues(80, seed=2)
    ]
    training, validation = split_dialogues(dialogues)
    assert 4 <= len(validation) <= 25
    assert len(training) + len(validation) == 80


def test_what_nearly_repeats_a_marked_test_is_in_no_part() -> None:
    tents = "a blue tent for four people with a bag"
    dialogues = [
        dialogue(0, tents),
        dialogue(1, f"{tents}!", split="train"),
        dialogue(2, tents.upper(), split="test"),
        *(dialogue(3 + number, f"{number:b} {sentence(number)}") for number in range(30)),
    ]
    parts = split_dialogues(dialogues)
    assert {each.id for part in parts for each in part} == {str(number) for number in range(3, 33)}
    assert parts[1]


def test_a_marked_validation_without_labels_is_no_validation() -> None:
    unlabelled = Dialogue("none", (Message("user", "what have you got for a winter hike"),), "validation")
    dialogues = [unlabelled, *(dialogue(number, f"{number:b} {sentence(number)}") for number in range(40))]
    training, validation = split_dialogues(dialogues)
    assert sum(bool(list(each.golds())) for each in validation) >= 4
    assert len(training) + len(validation) == 41


def test_no_dialogue_and_nothing_but_tests_give_empty_parts() -> None:
    assert split_dialogues([]) == ([], [])
    assert split_dialogues([dialogue(number, sentence(number), split="test") for number in range(5)]) == ([], [])


def test_dialogues_that_all_repeat_each_other_stay_in_training() -> None:
    training, validation = split_dialogues([dialogue(number, f"i want {number} kettles") for number in range(50)])
    assert (len(training), validation) == (50, [])


def test_two_hundred_labels_are_held_out_where_two_dialogues_have_them() -> None:
    dialogues = [
        dialogue(
            number,
            " ".join(f"{chr(97 + number % 26)}{chr(97 + number // 26)}{end}" for end in "aeiou"),
            f"label {number % 200}",
        )
        for number in range(600)
    ]
    dialogues.append(dialogue(600, "one that nobody else has said so far", "once"))
    training, validation = split_dialogues(dialogues)
    held = {label for each in validation for (label,) in each.golds()}
    assert len(held) == 200
    assert {label for each in training for (label,) in each.golds()} == held | {"once"}


def test_near_duplicates_are_those_of_all_pairs() -> None:
    draw = random.Random(5)
    template = (
        "please show me a {} kettle if you still have one in stock and tell me whether the {} lamp comes with a bulb "
        "because my {} tent needs light and i would also like to return the old {} scarf from last week"
    )
    dialogues = [dialogue(number, template.format(*draw.choices(WORDS[:8], k=4))) for number in range(200)]

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = ["^", *text.split(), "$"]
        return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}

    sets = [shingles(each.messages[0].content) for each in dialogues]
    groups = near_duplicates(dialogues)
    similar = [
        (one, other)
        for one in range(200)
        for other in range(one)
        if len(sets[one] & sets[other]) >= 0.8 * len(sets[one] | sets[other])
    ]
    assert len(similar) > 20
    assert all(groups[one] == groups[other] for one, other in similar)
    # And none that no chain of such pairs connects: joining each to the other leaves as many groups.
    parent = list(range(200))
    for one, other in similar:
        old, new = parent[one], parent[other]
        parent = [new if each == old else each for each in parent]
    assert len(set(groups)) == len(set(parent))
