"""What is mined from dialogues, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from finetune.answer_mining import mine, trimmed
from finetune.answer_run import load_answers
from finetune.logs import Dialogue, Message, read_logs
from finetune.turn_keys import keyed_conversations
from index.encoders import Encoder
from storage.answers import approved_answers, list_answers, propose
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import TooManyRejected
from storage.principal import Principal, Role
from storage.tickets import hand_to_team

ADMIN = Principal("boss", Role.ADMIN)
ASKED = "Do you offer gift wrapping?"
SAID = "Gift wrapping can be chosen in the cart."


def talk(name: str, *said: str, last: Message | None = None, **fields: object) -> Dialogue:
    """Customer and agent in turn; `fields` are of the second message."""
    messages = [Message("agent" if place % 2 else "user", text) for place, text in enumerate(said)]
    if fields:
        messages[1] = Message(fields.pop("role", "agent"), said[1], **fields)  # type: ignore[arg-type]
    return Dialogue(name, tuple(messages) + ((last,) if last else ()))


def test_questions_that_mean_the_same_become_one_pair_with_a_persons_answer(
    encoders_by_space: Mapping[str, Encoder],
) -> None:
    dialogues = [
        talk("a", ASKED, "Wrapping of gifts is not known to me as a machine.", role="assistant"),
        talk("b", "Do you offer gift wrapping", f"Hi there! {SAID} Is there anything else I can help with?"),
        talk("c", "Do you offer gift-wrapping, please?", SAID, "thanks!"),
        talk("d", "可以礼品包装吗？", "您好！礼品包装可以在购物车里选。还有什么可以帮您？"),
        talk("e", "When are you open?", "We are open from 9 to 18, Monday to Friday."),
    ]
    mined = mine(dialogues, encoders_by_space)
    pairs = {pair.question: pair for pair in mined.pairs}
    assert len(pairs) == 3
    (wrapping,) = (pair for pair in mined.pairs if "wrapping" in pair.question)
    assert (wrapping.answer, wrapping.asked, wrapping.conversation_id) == (SAID, 3, None)
    assert pairs["可以礼品包装吗？"].answer == "礼品包装可以在购物车里选。"
    assert mined.turns == 5


@pytest.mark.parametrize(
    ("dialogue", "reason"),
    [
        (talk("a", ASKED, "Gift wrapping costs $3 in the cart."), "a price"),
        (talk("a", ASKED, SAID, feedback="down"), "not content"),
        (talk("a", ASKED, SAID, last=Message("user", "That's wrong, get me a human")), "not content"),
        (talk("a", ASKED, SAID, last=Message("user", ASKED)), "not content"),
        (talk("a", ASKED, SAID, last=Message("user", "hm", ("complaint",))), "not content"),
        (talk("a", ASKED, SAID, products=("p1",)), "products"),
        (talk("a", ASKED, "可以，在购物车里选择礼品包装就行。"), "two languages"),
        (talk("a", ASKED, "Sorry, I can't help with that one."), "turns it down"),
        (talk("a", ASKED, "Sailing boats have three masts and a crew."), "something else"),
        (talk("a", "Does it come wrapped?", SAID), "said before"),
    ],
)
def test_what_is_refused_says_why(dialogue: Dialogue, reason: str, encoders_by_space: Mapping[str, Encoder]) -> None:
    mined = mine([dialogue], encoders_by_space)
    assert mined.pairs == []
    assert reason in mined.refused[0].reason
    assert sum(mined.by_reason.values()) == 1


def test_what_asks_nothing_is_no_pair(encoders_by_space: Mapping[str, Encoder]) -> None:
    dialogues = [talk("a", "Show me gift paper", SAID), talk("b", ASKED), Dialogue("c", ()), talk("d", "")]
    mined = mine(dialogues, encoders_by_space)
    assert (mined.turns, mined.pairs, mined.refused) == (0, [], [])


def test_greetings_and_offers_belong_to_the_moment() -> None:
    assert trimmed("Hello there! Sure, we wrap gifts. Is there anything else I can help you with?") == "We wrap gifts."
    assert trimmed("您好！可以礼品包装。还有其他需要吗？") == "可以礼品包装。"
    assert trimmed("We wrap gifts.") == "We wrap gifts."


def test_logs_bring_products_and_thumbs(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "agent", "content": "b", "products": ["p", 1], "feedback": "up"},
                        {"role": "agent", "content": "c", "products": "p", "feedback": "?"}]}  # fmt: skip
    (tmp_path / "log.jsonl").write_text(json.dumps(row))
    reading = read_logs([tmp_path / "log.jsonl"])
    _, good, bad = reading.dialogues[0].messages
    assert (good.products, good.feedback) == (("p", "1"), "up")
    assert (bad.products, bad.feedback) == ((), "")
    assert reading.dropped_fields == 2


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database.connect(sqlite_url)
    yield opened
    opened.close()


def test_of_the_database_only_peoples_answers_under_a_consent(
    database: Database, encoders_by_space: Mapping[str, Encoder]
) -> None:
    for name, train in (("ann", True), ("bob", False)):
        customer = Principal(name, Role.CUSTOMER)
        set_consent(database, customer, name, Consent(train=train))
        talking = start(database, customer)
        hand_to_team(database, customer, talking, "support")
        said = [
            ("user", "When are you open?"),
            ("assistant", "We are open at times that no page says."),
            ("user", f"{ASKED} {name}@x.example"),
        ]
        append(database, customer, talking, [Turn(role=role, content=text) for role, text in said])  # type: ignore[arg-type]
        agent = Principal("al", Role.AGENT, "support")
        append(database, agent, talking, [Turn(role="agent", content=SAID)])
    dialogues = [each.dialogue for each in keyed_conversations(database, ADMIN, Consent())]
    assert len(dialogues) == 1
    mined = mine(dialogues, encoders_by_space, kept=True, people_only=True)
    assert mined.pairs == []  # the address is personal data
    assert "personal data" in mined.refused[0].reason
    clean = [
        Dialogue(each.id, tuple(Message(m.role, m.content.replace(" REDACTED_EMAIL", "")) for m in each.messages))
        for each in dialogues
    ]
    mined = mine(clean, encoders_by_space, kept=True, people_only=True)
    assert [(pair.question, pair.conversation_id) for pair in mined.pairs] == [(ASKED, dialogues[0].id)]
    propose(database, ADMIN, mined.pairs)
    assert [each.status for each in list_answers(database, ADMIN)] == ["mined"]


def test_a_file_of_the_shops_own_pairs(database: Database, tmp_path: Path) -> None:
    rows = [
        {"question": "Is there <b>parking</b> at the shop?", "answer": "There are spaces behind the building."},
        {"question": "可以到店自提吗？", "answer": "结账时选自提，柜台保留七天。", "language": "zh"},
        {"question": "Do you sell gift cards?", "answer": "Yes, from $10 upwards."},
        {"question": "Do you sell gift cards?", "answer": 7},
        {"question": "Est-ce que vous livrez?", "answer": "Oui, partout en France.", "language": "fr"},
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + "{\n", encoding="utf-8")
    loaded = load_answers(database, ADMIN, path, tmp_path / "rejected.jsonl", 0.01)
    assert (loaded.read, loaded.approved, loaded.rejected) == (6, 2, 4)
    reasons = [json.loads(line)["reason"] for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert reasons[:3] == ["it holds a price", "answer: not a text", "language: not one of en, zh"]
    assert {pair.question for pair in approved_answers(database)} == {
        "Is there parking at the shop?",
        "可以到店自提吗？",
    }
    assert load_answers(database, ADMIN, path, tmp_path / "rejected.jsonl", 0.01).approved == 2
    path.write_text("{\n" * 11)
    with pytest.raises(TooManyRejected):
        load_answers(database, ADMIN, path, tmp_path / "rejected.jsonl", 0.01)
