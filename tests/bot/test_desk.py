"""A customer, agents and Aisle in one conversation: over HTTP with a real server, and in the assistant."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from bot.api.agent import happens
from bot.desk.desk import Desk
from bot.desk.feed import MOST_OF_ONE, OVERLAP_MS, Feed
from bot.service import Assistant
from storage.conversations import Turn, append, conversation, conversations_of, start, turns_of
from storage.database import Database
from storage.desk import be_present
from storage.errors import Conflict, InvalidInput, NotFound, Unavailable
from storage.orders import Order, put_orders
from storage.principal import Principal, Role
from storage.settings import DeskSettings
from storage.tables import presence, suggestions
from storage.tickets import ABSENT_MS, answer, changes, claim, close, hand_to_team, queue, release, tickets_of
from tests.bot.catalog import PRODUCTS
from tests.bot.conftest import Conversation, Live, ToldIntents

MIA = Principal("mia", Role.AGENT, "support")
BEN = Principal("ben", Role.AGENT, "support")
OTHER = Principal("ole", Role.AGENT, "repairs")
DI = Principal("di", Role.SUPERVISOR)


@pytest.fixture
def desk(assistant: Assistant) -> Desk:
    return Desk(assistant)


@pytest.fixture
def handed(talk: Conversation) -> str:
    """A conversation that waits for an agent."""
    talk.say("search", "a kettle under $100")
    talk.say("handoff", "let me talk to a person")
    assert talk.id is not None
    return talk.id


class TestSilence:
    def test_aisle_says_nothing_while_an_agent_holds_it(self, talk: Conversation, handed: str) -> None:
        database = talk.assistant.database
        claim(database, MIA, handed)
        reply = talk.say("search", "show me kettles")
        assert (reply.text, reply.products, reply.action) == ("", (), "handoff")
        last = turns_of(database, MIA, handed)[-1]
        assert (last.role, last.content, last.message_id) == ("user", "show me kettles", reply.message_id)
        assert last.data["intent"]["label"] == "search"
        assert last.data["task"] == "agent"
        close(database, MIA, handed, "solved")
        assert talk.say("search", "show me kettles").products

    def test_aisle_is_there_again_once_the_agent_has_left_without_a_word(
        self, talk: Conversation, handed: str, desk: Desk
    ) -> None:
        database = talk.assistant.database
        desk.claim(MIA, handed)
        assert talk.say("search", "show me kettles").text == ""
        with database.write() as connection:
            connection.execute(update(presence).values(seen_at=presence.c.seen_at - ABSENT_MS - 1))
        assert talk.say("search", "show me kettles").products
        assert queue(database, MIA)[0].holder is None

    def test_what_cannot_be_read_is_told_by_aisle_all_the_same(self, talk: Conversation, handed: str) -> None:
        claim(talk.assistant.database, MIA, handed)
        reply = talk.say("search", "x" * 5_000)
        assert "4,000" in reply.text
        events = list(talk.assistant.stream(talk.principal, "x" * 5_000, handed))
        assert [name for name, _ in events if name == "text"]

    def test_a_ticket_that_was_not_opened_in_time_is_opened_when_asked_for_again(
        self, talk: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise Unavailable("The database does not answer.", "Try again.")

        with monkeypatch.context() as context:
            context.setattr("bot.talk.hand_to_team", away)
            with pytest.raises(Unavailable):
                talk.say("handoff", "a person please")
        ours = conversations_of(talk.assistant.database, talk.principal, talk.principal.id)
        talk.id = ours[0].conversation_id
        talk.say("handoff", "a person please!")
        assert tickets_of(talk.assistant.database, talk.principal, talk.id)

    def test_the_stream_of_a_held_turn_ends_with_done(self, talk: Conversation, handed: str) -> None:
        claim(talk.assistant.database, MIA, handed)
        names = [name for name, _ in talk.assistant.stream(talk.principal, "hello?", handed)]
        assert names == ["meta", "products", "citations", "cart", "done"]

    def test_an_agent_who_comes_while_aisle_thinks_is_not_talked_over(
        self, talk: Conversation, handed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database, shelf = talk.assistant.database, talk.assistant.parts.shelf
        find = type(shelf).find

        def slow(*given: Any, **named: Any) -> Any:
            claim(database, MIA, handed)
            return find(*given, **named)

        monkeypatch.setattr(type(shelf), "find", slow)
        reply = talk.say("search", "a toaster")
        assert (reply.text, reply.products, reply.action) == ("", (), "handoff")
        assert [turn.role for turn in turns_of(database, MIA, handed)][-2:] == ["system", "user"]

    def test_what_was_done_is_told_even_then(
        self, talk: Conversation, handed: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = talk.assistant.database
        talk.say("search", "a kettle")
        add = talk.assistant.parts.shelf.__class__.product

        def slow(*given: Any) -> Any:
            if conversation(database, DI, handed).holder is None:
                claim(database, MIA, handed)
            return add(*given)

        with monkeypatch.context() as context:
            context.setattr(talk.assistant.parts.shelf.__class__, "product", slow)
            reply = talk.say("cart_add", "add the first one to my cart")
        assert reply.cart is not None
        assert reply.cart.lines
        assert reply.text
        assert turns_of(database, MIA, handed)[-1].content == reply.text

    def test_products_that_the_agent_showed_can_be_pointed_at(
        self, talk: Conversation, handed: str, desk: Desk
    ) -> None:
        first, second = (str(product["id"]) for product in PRODUCTS[:2])
        desk.claim(MIA, handed)
        desk.say(MIA, handed, "One of these?", [first, second])
        desk.release(MIA, handed, "aisle")
        reply = talk.say("ask_product", "how much is the second one?")
        assert [card.product_id for card in reply.products] == [second]

    def test_after_the_agent_a_person_can_be_asked_for_again(self, talk: Conversation, handed: str) -> None:
        database = talk.assistant.database
        claim(database, MIA, handed)
        release(database, MIA, handed, "aisle")
        assert queue(database, MIA) == []
        assert talk.say("handoff", "a person please").action == "handoff"
        assert [each.reason for each in tickets_of(database, MIA, handed)] == ["asked", "asked"]


class TestHandingOver:
    def test_somebody_is_there(self, talk: Conversation) -> None:
        be_present(talk.assistant.database, MIA)
        reply = talk.say("handoff", "a person please")
        assert reply.action == "handoff"
        assert "e-mail" not in reply.text

    @pytest.mark.parametrize(
        ("ask", "address", "hours"),
        [
            ("I want to talk to a person", "alice@shop.example", "on weekdays from 9 to 17"),
            ("我要人工客服", "邮箱是 alice@shop.example 谢谢", "工作日9点到17点"),
        ],
    )
    def test_nobody_is_there(
        self, talk: Conversation, assistant: Assistant, ask: str, address: str, hours: str
    ) -> None:
        language = "en" if ask.isascii() else "zh"
        assistant.settings = assistant.settings.model_copy(update={"desk": DeskSettings(hours={language: hours})})
        reply = talk.say("handoff", ask)
        assert reply.action == "handoff"
        assert hours in reply.text
        told = talk.say("chitchat", address)
        assert told.action == "handoff"
        assert "alice@shop.example" in told.text
        assert talk.id is not None
        assert tickets_of(assistant.database, MIA, talk.id)[0].contact == "alice@shop.example"

    def test_a_no_leaves_no_address(self, talk: Conversation) -> None:
        talk.say("handoff", "a person please")
        assert talk.say("reject", "no").action == "answer"
        assert talk.id is not None
        assert tickets_of(talk.assistant.database, MIA, talk.id)[0].contact is None

    def test_a_yes_without_an_address_is_asked_for_it(self, talk: Conversation) -> None:
        talk.say("handoff", "a person please")
        assert talk.say("accept", "yes").text
        talk.say("chitchat", "it is alice@shop.example")
        assert talk.id is not None
        assert tickets_of(talk.assistant.database, MIA, talk.id)[0].contact == "alice@shop.example"

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            ([("complaint", "this is broken"), ("complaint", "still broken, nobody cares")], "complaint"),
            ([("complaint", "this is broken"), ("accept", "yes")], "complaint"),
            ([("search", "I want to kill myself")], "danger"),
            ([("ask_policy", "do you have a pilot's lounge for cats?"), ("accept", "yes")], "unanswered"),
        ],
    )
    def test_the_ticket_says_why(self, talk: Conversation, said: list[tuple[str, str]], reason: str) -> None:
        for label, text in said:
            talk.say(label, text)
        assert talk.id is not None
        assert tickets_of(talk.assistant.database, MIA, talk.id)[0].reason == reason


class TestRows:
    def test_a_shop_system_that_is_silent_takes_nothing_down(
        self, talk: Conversation, handed: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def silent(*_: object) -> None:
            raise Unavailable("The shop's system does not answer.", "Try again.")

        for name in ("user", "orders"):
            monkeypatch.setattr(type(talk.assistant.backend), name, silent)
        (row,) = desk.queue(MIA).conversations
        assert row.name == talk.principal.id
        assert desk.case(MIA, handed).customer.orders == ()

    def test_a_row_says_what_an_agent_wants_to_know(self, talk: Conversation, handed: str, desk: Desk) -> None:
        database = talk.assistant.database
        talk.assistant.add_to_cart(talk.principal, str(PRODUCTS[0]["id"]))
        order = {"order_id": "o1", "user_id": talk.principal.id, "status": "shipped", "placed_at": 1, "currency": "USD"}
        order |= {"items": [{"product_id": "p", "quantity": 2, "price": 1_000}]}
        put_orders(database, Principal("shop", Role.SERVICE), [Order.model_validate(order)])
        (row,) = desk.queue(MIA).conversations
        assert (row.state, row.reason, row.channel, row.language) == ("waiting", "asked", "api", "en")
        assert row.intent is not None
        assert row.intent.label == "handoff"
        cart = talk.assistant.cart(talk.principal).subtotal
        assert row.value is not None
        assert cart is not None
        assert row.value.amount == cart.amount + 2_000
        assert desk.queue(OTHER).conversations == ()
        assert len(desk.queue(DI).conversations) == 1
        assert desk.queue(MIA, "held").conversations == ()
        desk.claim(MIA, handed)
        assert desk.queue(MIA, "mine").conversations
        assert not desk.queue(BEN, "mine").conversations

    def test_a_supervisor_sees_who_talks_with_aisle(self, talk: Conversation, desk: Desk) -> None:
        talk.say("search", "a kettle")
        (row,) = desk.queue(DI, "live").conversations
        assert (row.conversation_id, row.state, row.reason) == (talk.id, "live", None)
        assert talk.id is not None
        desk.claim(DI, talk.id)
        assert desk.queue(DI, "mine").conversations[0].reason == "agent"

    def test_nothing_of_who_was_erased_is_kept(
        self, talk: Conversation, handed: str, desk: Desk, tmp_path: Any
    ) -> None:
        assistant = talk.assistant
        assistant.shop = tmp_path
        looked = tuple(desk.feed.look())
        assert any(handed in row for row in desk.spelled(looked))
        assistant.erase(talk.principal, talk.principal.id)
        assert list(desk.spelled(looked)) == []


class TestCase:
    def test_all_that_stands_beside_a_conversation(self, talk: Conversation, handed: str, desk: Desk) -> None:
        desk.claim(MIA, handed)
        desk.note(MIA, handed, "Wants it soon.")
        desk.draft(MIA, handed, "Dear")
        hostile = "<img src=x onerror=alert(1)>"
        append(talk.assistant.database, talk.principal, handed, [Turn(role="user", content=hostile)])
        desk.say(MIA, handed, "Sure", [str(PRODUCTS[0]["id"])], message_id="once")
        desk.say(MIA, handed, "Sure", [str(PRODUCTS[0]["id"])], message_id="once")
        case = desk.case(MIA, handed)
        assert [message.role for message in case.messages] == [
            "user",
            "assistant",
            "user",
            "assistant",
            "user",
            "agent",
        ]
        assert case.messages[-1].agent == "mia"
        assert case.messages[-1].products
        assert case.messages[0].intent is not None
        assert case.messages[4].text == hostile
        assert [(each.event, each.place) for each in case.happenings] == [("joined", 4)]
        assert [note.text for note in case.notes] == ["Wants it soon."]
        assert case.draft == ""
        assert "search" in case.labels
        assert case.labels[-1] == "out_of_scope"
        assert case.customer.user_id == talk.principal.id
        assert case.customer.stage

    def test_a_wrong_intent_is_set_right_in_one_call(self, handed: str, desk: Desk) -> None:
        message = desk.messages(MIA, handed)[0]
        desk.correct(MIA, handed, message.message_id, ["ask_policy"])
        assert desk.case(MIA, handed).messages[0].corrected == ("ask_policy",)
        assert desk.messages(MIA, handed)[0].intent == message.intent
        with pytest.raises(InvalidInput, match="ask_policy"):
            desk.correct(MIA, handed, message.message_id, ["no such intent"])
        with pytest.raises(NotFound):
            desk.correct(OTHER, handed, message.message_id, ["search"])

    def test_what_cannot_be_said_is_not(self, handed: str, desk: Desk) -> None:
        with pytest.raises(Conflict):
            desk.say(MIA, handed, "Hi")
        desk.claim(MIA, handed)
        for text, products in (("", []), (" ", []), ("x" * 5_000, []), ("Hi", ["p"] * 11)):
            with pytest.raises(InvalidInput):
                desk.say(MIA, handed, text, products)
        with pytest.raises(NotFound):
            desk.say(MIA, handed, "Hi", ["no such product"])
        with pytest.raises(InvalidInput, match="solved"):
            desk.close(MIA, handed, "whatever")
        with pytest.raises(InvalidInput):
            desk.note(MIA, handed, "  ")


def run_alone(what: Coroutine[Any, Any, object]) -> object:
    """Runs it in a thread of its own, because a browser's test leaves its loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, what).result()


class TestFeed:
    def test_a_stream_that_is_left_listens_no_more(self, desk: Desk) -> None:
        async def leave() -> None:
            stream = happens(desk, MIA, None)
            assert (await anext(stream)).startswith("event: queue")
            assert len(desk.feed._listeners) == 1
            await stream.aclose()
            assert not desk.feed._listeners

        run_alone(leave())

    def test_what_happens_while_the_database_is_away_is_told_afterwards(
        self, database: Database, shopper: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def listen() -> str:
            feed = Feed(database)
            listener = feed.listen(lambda _: True, "mia")
            looks = 0

            def away(*given: Any) -> Any:
                nonlocal looks
                looks += 1
                if looks < 4:
                    raise Unavailable("The database does not answer.", "Try again.")
                return changes(*given)

            monkeypatch.setattr("bot.desk.feed.SECONDS", 0.02)
            monkeypatch.setattr("bot.desk.feed.changes", away)
            talk = start(database, shopper)
            looked = await listener.next(20)
            feed.leave(listener)
            assert looks >= 4
            assert looked is not None
            assert [each.conversation_id for each in looked] == [talk]
            return talk

        assert run_alone(listen())

    def test_one_person_has_only_so_many_windows(self, database: Database) -> None:
        async def listen() -> None:
            feed = Feed(database)
            for _ in range(MOST_OF_ONE):
                feed.require_room("alice")
                listener = feed.listen(lambda _: True, "alice")
            with pytest.raises(Unavailable):
                feed.require_room("alice")
            feed.require_room("bob")
            feed.leave(listener)
            feed.require_room("alice")

        run_alone(listen())

    def test_each_change_is_seen_once(self, database: Database, shopper: Principal) -> None:
        feed = Feed(database)
        feed.look()
        talks = [start(database, shopper) for _ in range(3)]
        assert [each.conversation_id for each in feed.look()] == talks
        assert feed.look() == ()
        append(database, shopper, talks[1], [Turn(role="user", content="x")])
        append(database, shopper, talks[1], [Turn(role="user", content="y")])
        assert [each.conversation_id for each in feed.look()] == [talks[1]]

    def test_a_change_that_ends_late_is_not_missed(self, database: Database, shopper: Principal) -> None:
        feed = Feed(database)
        late, soon = start(database, shopper), start(database, shopper)
        feed.look()
        with database.write() as connection:
            newest = feed._newest
            connection.exec_driver_sql(
                f"UPDATE conversations SET updated_at = {newest + OVERLAP_MS - 500} WHERE conversation_id = '{soon}'"
            )
        feed.look()
        with database.write() as connection:
            connection.exec_driver_sql(
                f"UPDATE conversations SET updated_at = {newest + 1} WHERE conversation_id = '{late}'"
            )
        assert [each.conversation_id for each in feed.look()] == [late]


def bearer(live: Live, who: Principal) -> dict[str, str]:
    return {"Authorization": f"Bearer {live.identity.token(who)}"}


@contextmanager
def listening(live: Live, who: Principal, path: str) -> Iterator[Iterator[tuple[str, Any]]]:
    with httpx.stream("GET", live.url + path, headers=bearer(live, who), timeout=20) as response:
        assert response.status_code == 200, response.read()

        def events() -> Iterator[tuple[str, Any]]:
            name = ""
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    yield name, json.loads(line[6:])

        yield events()


class TestHttp:
    def test_the_whole_way(self, live: Live) -> None:
        customer = Principal("desk-customer", Role.CUSTOMER)
        with listening(live, MIA, "/api/agent/stream") as events, httpx.Client(base_url=live.url) as client:
            name, first = next(events)
            assert name == "queue"
            assert first["rows"] == []
            assert "mia" in first["agents"]
            live.intents.label = "handoff"
            asked = {"message": "a person please"}
            reply = client.post("/api/chat", json=asked, headers=bearer(live, customer)).json()
            talk = reply["conversation_id"]
            assert next(row for _, told in events for row in told["rows"])["conversation_id"] == talk
            own = f"/api/agent/conversations/{talk}"
            agent = bearer(live, MIA)
            assert client.post(f"{own}/claim", headers=agent).json()["holder"] == "mia"
            refused = client.post(f"{own}/claim", headers=bearer(live, BEN))
            assert refused.status_code == 409
            assert refused.json()["detail"] == "mia has this conversation."
            with listening(live, customer, f"/api/conversations/{talk}/stream") as own_events:
                assert next(own_events)[1]["agent"] == "mia"
                said = client.post(f"{own}/messages", json={"text": "Hello!"}, headers=agent)
                assert said.status_code == 200
                assert said.json()["agent"] == "mia"
                assert next(own_events)[0] == "changed"
            transcript = client.get(f"/api/conversations/{talk}", headers=bearer(live, customer)).json()
            assert transcript["messages"][-1]["text"] == "Hello!"
            assert client.post(f"{own}/notes", json={"text": "n"}, headers=agent).json()["author"] == "mia"
            assert client.put(f"{own}/draft", json={"text": "d"}, headers=agent).status_code == 204
            assert client.get(own, headers=agent).json()["draft"] == "d"
            assert client.post(f"{own}/close", json={"code": "solved"}, headers=agent).json()["state"] == "live"
            assert any(talk in told["gone"] for _, told in events)
            rated = client.post(f"/api/conversations/{talk}/rating", json={"rating": 5}, headers=bearer(live, customer))
            assert rated.status_code == 204

    def test_who_may_not(self, live: Live) -> None:
        customer = Principal("desk-stranger", Role.CUSTOMER)
        talk = start(live.assistant.database, customer)
        hand_to_team(live.assistant.database, customer, talk)
        own = f"/api/agent/conversations/{talk}"
        reads = [
            "/api/agent/conversations",
            "/api/agent/macros",
            "/api/agent/stream",
            own,
            f"{own}/messages",
            f"{own}/notes",
        ]
        writes = [
            (f"{own}/claim", {}),
            (f"{own}/release", {}),
            (f"{own}/messages", {"text": "x"}),
            (f"{own}/notes", {"text": "x"}),
        ]
        with httpx.Client(base_url=live.url) as client:
            for role in (Role.CUSTOMER, Role.ENGINEER, Role.SERVICE):
                who = bearer(live, Principal("desk-stranger", role))
                assert {client.get(path, headers=who).status_code for path in reads} == {403}, role
                assert {client.post(path, json=body, headers=who).status_code for path, body in writes} == {403}, role
            other = bearer(live, OTHER)
            for path in reads[3:]:
                assert client.get(path, headers=other).status_code == 404
            for path, body in writes:
                assert client.post(path, json=body, headers=other).status_code == 404
            assert client.get(f"/api/agent/stream?conversation_id={talk}", headers=other).status_code == 404
            assert (
                client.get(
                    f"/api/conversations/{talk}/stream", headers=bearer(live, Principal("x", Role.CUSTOMER))
                ).status_code
                == 404
            )
            assert client.get("/agent/", headers=bearer(live, customer)).status_code == 403
            assert client.get("/agent/").status_code == 401
            assert (
                client.post(f"{own}/assign", json={"agent": "x", "y": 1}, headers=bearer(live, MIA)).status_code == 422
            )

    def test_a_stream_says_when_it_ends_and_another_may_begin(
        self, live: Live, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bot.api.agent.STREAM_SECONDS", 0.2)
        monkeypatch.setattr("bot.api.agent.HEARTBEAT_SECONDS", 0.1)
        for _ in range(2):
            with listening(live, MIA, "/api/agent/stream") as events:
                assert [name for name, _ in events if name != "conversation"][-1] == "renew"


def test_an_agents_card_and_words_stand_in_what_aisle_reads(
    intents: ToldIntents, talk: Conversation, desk: Desk
) -> None:
    talk.say("handoff", "a person please")
    assert talk.id is not None
    desk.claim(MIA, talk.id)
    answer(talk.assistant.database, MIA, talk.id, Turn(role="agent", content="We open at nine."))
    desk.release(MIA, talk.id, "aisle")
    seen: list[Any] = []
    predict = intents.predict

    class Seeing:
        labels = intents.labels

        def predict(self, messages: Any) -> Any:
            seen.extend(messages)
            return predict(messages)

    talk.assistant.parts = replace(talk.assistant.parts, intents=Seeing())
    talk.say("thank", "thanks")
    assert {"role": "agent", "content": "We open at nine."} in seen


class TestSuggestions:
    def test_they_are_shown_marked_and_sent(self, talk: Conversation, handed: str, desk: Desk) -> None:
        talk.say("search", "a kettle under $100")
        desk.claim(MIA, handed)
        talk.say("search", "is there a kettle under $100?")
        found = desk.suggestions(MIA, handed)
        assert found.message_id == turns_of(talk.assistant.database, MIA, handed)[-1].message_id
        pick = next(each for each in found.suggestions if each.kind == "product")
        assert pick.card is not None
        assert desk.suggestions(MIA, handed) == found
        other = next(each for each in found.suggestions if each != pick)
        desk.mark(MIA, handed, other.suggestion_id, "dismissed")
        assert other not in desk.suggestions(MIA, handed).suggestions
        desk.say(MIA, handed, f"{pick.text} Really.", [pick.card.product_id], pick.suggestion_id)
        with talk.assistant.database.read() as connection:
            kept = {row.suggestion_id: row for row in connection.execute(select(suggestions))}
        assert kept[pick.suggestion_id].edit_distance == len(" Really.")
        assert kept[other.suggestion_id].dismissed_at is not None
        with pytest.raises(NotFound):
            desk.mark(BEN, handed, pick.suggestion_id, "inserted")
        assert desk.summary(MIA, handed).open_issue
        assert desk.next_action(MIA, handed, "zh").text

    def test_before_anything_was_said_there_are_none(self, database: Database, shopper: Principal, desk: Desk) -> None:
        silent = start(database, shopper)
        hand_to_team(database, shopper, silent)
        assert desk.suggestions(MIA, silent).suggestions == ()
        assert desk.case(MIA, silent).messages == ()
        assert desk.queue(MIA).conversations[0].last_text == ""
