"""Past replies: which are kept, how they are merged, and that the right ones are found in the customer's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from bot.desk.replies import (
    PastDialogue,
    PastMessage,
    PastReply,
    ReplyIndex,
    VectorStore,
    past_replies,
    stored_dialogues,
)
from bot.desk.reply_book import ReplyBook
from bot.desk.reply_encoder import ReplyEncoder, Vectors
from index.encoders import Encoder
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.principal import Principal, Role
from storage.tickets import answer, claim, close, hand_to_team
from tests.bot.conftest import Conversation
from tests.bot.desk.cases import AGENT, ordered, proposed

ADMIN, SHOP = Principal("operator", Role.ADMIN), Principal("shop", Role.SERVICE)
NORA, OMAR = (Principal(name, Role.CUSTOMER) for name in ("nora", "omar"))
EN = (
    "I'm sorry. Could you send us a photo of the damage?",
    "The refund takes about five working days.",
    "This size is cut narrow, take one larger.",
    "Your parcel {tracking} is at the depot.",
)
ZH = ("很抱歉，请发一张破损处的照片。", "退款大约五个工作日到账。", "这款偏小，建议大一码。")


def dialogue(name: str, *said: tuple[str, str]) -> PastDialogue:
    return PastDialogue(name, [PastMessage(role, text) for role, text in said])


def test_replies_that_differ_in_the_customer_alone_are_one() -> None:
    first = dialogue("d1", ("user", "order A10001?"), ("agent", "Hi Nora, A10001 left."))
    second = dialogue("d2", ("user", "where is order B20002"), ("agent", "hi Omar, B20002 left."))
    assert past_replies([first, second]) == [PastReply("hi {first_name}, {order_id} left.", "d2", 2)]


def test_where_a_person_answered_the_bot_is_not_quoted() -> None:
    both = dialogue(
        "d", ("user", "help"), ("assistant", "Handing over."), ("agent", "What happened?"), ("user", "broken")
    )
    assert [each.template for each in past_replies([both])] == ["What happened?"]
    alone = dialogue("d", ("user", "help"), ("assistant", "How can I help?"))
    assert [each.template for each in past_replies([alone])] == ["How can I help?"]


def test_a_reply_with_a_thumb_down_or_of_somebody_else_is_left_out() -> None:
    said = [
        PastMessage("user", "hi"),
        PastMessage("agent", "Go away.", "down"),
        PastMessage("user", "my card is 4111 1111 1111 1111"),
        PastMessage("agent", "I noted 4111 1111 1111 1111."),
        PastMessage("system", "note"),
        PastMessage("agent", "A second message in a row."),
    ]
    assert past_replies([PastDialogue("d", said)]) == []


@pytest.fixture
def encoder(encoders_by_space: Mapping[str, Encoder]) -> ReplyEncoder:
    return ReplyEncoder(encoders_by_space.__getitem__)


def index_of(encoder: ReplyEncoder, texts: Sequence[str], store: VectorStore | None = None) -> ReplyIndex:
    return ReplyIndex.build([PastReply(text, f"d{place}", 1) for place, text in enumerate(texts)], encoder, store)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("how long until I get my money back?", EN[1]),
        ("does it run small? what size do I need", EN[2]),
        ("退款多久到账？", ZH[1]),
        ("这件偏小吗，选几码？", ZH[2]),
    ],
)
def test_the_fitting_reply_is_found_in_the_language_of_the_customer(
    encoder: ReplyEncoder, asked: str, expected: str
) -> None:
    index = index_of(encoder, [*EN, *ZH])
    found = index.suggest([{"role": "user", "content": asked}], k=2)
    assert found[0].text_template == expected
    assert found[0].score >= found[1].score
    assert all((each.text_template in ZH) == (expected in ZH) for each in found)
    assert len(index) == len(EN) + len(ZH)


def test_what_says_the_same_is_suggested_once(encoder: ReplyEncoder) -> None:
    index = index_of(encoder, [EN[1], "The refund takes about five working days!", EN[0]])
    found = index.suggest([{"role": "user", "content": "when is the refund here?"}], k=3)
    assert len(found) == 2


@pytest.mark.parametrize("history", [[], [{"role": "agent", "content": "hello"}], [{"role": "user", "content": "  "}]])
def test_nothing_is_suggested_where_nothing_was_said(encoder: ReplyEncoder, history: list[dict[str, object]]) -> None:
    assert index_of(encoder, EN).suggest(history) == []
    assert index_of(encoder, []).suggest([{"role": "user", "content": "hi"}]) == []
    assert index_of(encoder, EN).suggest([{"role": "user", "content": "hi"}], k=0) == []


def test_vectors_are_kept_without_texts_and_a_damaged_file_costs_only_time(
    encoder: ReplyEncoder, tmp_path: Path
) -> None:
    embedded: list[int] = []

    class Counting(ReplyEncoder):
        def replies(self, texts: Sequence[str], space: str) -> Vectors:
            embedded.append(len(texts))
            return super().replies(texts, space)

    counting = Counting(encoder.pretrained)
    asked = [{"role": "user", "content": "how long does the refund take?"}]
    first = index_of(counting, EN[:3], VectorStore(tmp_path)).suggest(asked)
    again = index_of(counting, EN, VectorStore(tmp_path)).suggest(asked)
    assert embedded == [3, 1]
    assert first[0].text_template == again[0].text_template == EN[1]
    files = [path for path in (tmp_path / "models" / "reply-vectors").rglob("*") if path.is_file()]
    assert not any(b"refund" in path.read_bytes() for path in files)
    for path in files:
        if path.name == "vectors.npy":
            path.write_bytes(path.read_bytes()[:-4])
    assert index_of(counting, EN, VectorStore(tmp_path)).suggest(asked)[0].text_template == EN[1]
    assert embedded == [3, 1, 4]
    index_of(counting, EN[:1], VectorStore(tmp_path))
    (kept,) = (tmp_path / "models" / "reply-vectors").rglob("vectors.npy")
    assert len(np.load(kept)) == 1  # what is no longer said is not kept


def resolved(database: Database, who: Principal, asked: str, reply: str) -> str:
    """A conversation that an agent answered and closed."""
    conversation = start(database, who)
    append(database, who, conversation, [Turn(role="user", content=asked)])
    hand_to_team(database, who, conversation)
    claim(database, AGENT, conversation)
    answer(database, AGENT, conversation, Turn(role="agent", content=reply))
    close(database, AGENT, conversation, "answered")
    return conversation


def test_only_resolved_conversations_that_may_be_learnt_from_are_read(database: Database) -> None:
    resolved(database, NORA, "mine is late", "It left yesterday.")
    waiting = start(database, OMAR)
    append(database, OMAR, waiting, [Turn(role="user", content="his is late")])
    hand_to_team(database, OMAR, waiting)
    records = {"nora": {"yesterday": "expected_at"}, "omar": {}}
    found = list(stored_dialogues(database, ADMIN, Consent(train=True), records.__getitem__))
    assert [reply.template for reply in past_replies(found)] == ["It left {expected_at}."]
    assert not list(stored_dialogues(database, ADMIN, Consent(train=False), records.__getitem__))


def test_the_desk_fills_what_an_agent_said_to_another_customer(talk: Conversation) -> None:
    assistant, database = talk.assistant, talk.assistant.database
    said = "Hi Omar, B20002 is on its way, please wait until Friday."
    other = resolved(database, OMAR, "order B20002 has not come", said)
    set_consent(database, OMAR, OMAR.id, Consent(train=True))
    book = ReplyBook(assistant)
    book.renew()
    ordered(database, "A100042")
    talk.say("order_status", "my order A100042 has not come")
    found = [each for each in proposed(talk, replies=book) if each.proposal.source == other]
    assert [each.proposal.text for each in found] == [
        "Hi {first_name}, A100042 is on its way, please wait until Friday."
    ]
    assert "first_name" in found[0].missing
    book.forget()
    assert list(book.suggest([{"role": "user", "content": "where is it?"}], 3)) == []
