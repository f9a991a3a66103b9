"""Many shoppers at once, every one of them a thief: nobody ever reads a word of anybody else.

Each shopper has words of their own, canaries, in what they say, buy, look for and are called. They talk through every door (REST,
streams, OpenAI's API, MCP, the window), turns interleaved, and between their turns try what they stole from each other: names of
Gradio sessions, ids of conversations, messages, cart lines and events, and credentials that were tampered with. Everything that
anybody is sent is searched for the words of everybody else.
"""

from __future__ import annotations

import base64
import json
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import pytest

from bot.api.app import create_app
from bot.api.identity import SESSION_COOKIE, VISITOR_COOKIE
from bot.intent import Prediction
from bot.parts import parts_of
from bot.service import Assistant
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.beliefs import hide_belief
from storage.customers import Customer, put_customers
from storage.database import Database
from storage.event import parse_event
from storage.events import record_events
from storage.identity import Identity
from storage.keys import create_key
from storage.orders import Address, Order, OrderItem, Tracking, put_orders
from storage.principal import Principal, Role
from storage.record import now_ms
from tests.bot.conftest import SETTINGS, ToldIntents, serving
from tests.fixtures import SOAK

SHOPPERS, TURNS = (200, 50) if SOAK else (6, 5)
AT_ONCE = 8
BACKEND = Principal("shop", Role.SERVICE)
CANARY = re.compile(r"zq[0-9a-f]{12}zq")
SAYINGS = {
    "search": "show me kettles",
    "order_status": "where is my order",
    "cart_view": "what is in my cart",
    "cart_add": "add the first one to my cart",
    "recommend": "recommend something",
    "handoff": "a human please",
}


class HeardIntents(ToldIntents):
    """Takes the intent from the words, for many talk at once."""

    def predict(self, messages: Sequence[Mapping[str, object]]) -> Prediction:
        text = str(messages[-1]["content"])
        label = next((label for label, saying in SAYINGS.items() if saying in text), "search")
        return Prediction(
            label=label, labels=(label,), confidence=0.95, scores={label: 0.95}, out_of_scope=False, margin=1.0
        )


@dataclass
class Shopper:
    """One person: who they are, how they prove it, and what a thief could have got of theirs."""

    number: int
    canary: str
    principal: Principal
    headers: dict[str, str]
    hands_off: bool
    session: str
    conversations: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    carts: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


class Received(NamedTuple):
    """Something that was sent to somebody, by which door."""

    number: int
    door: str
    text: str


class Town:
    """The server, its shoppers, and all that they were sent."""

    def __init__(self, url: str, assistant: Assistant, identity: Identity, shoppers: list[Shopper]) -> None:
        self.url, self.assistant, self.identity, self.shoppers = url, assistant, identity, shoppers
        self.received: list[Received] = []
        self.stolen: list[tuple[str, int]] = []
        """Each try with what was another's, by which door and what came of it."""
        self.http = httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=64))
        config = self.http.get("/config").json()
        self.events = {each["api_name"]: each["id"] for each in config["dependencies"]}

    def ask(self, shopper: Shopper, door: str, method: str, path: str, **request: Any) -> httpx.Response:
        """One request in the name of a shopper, whose answer is kept."""
        headers = {**shopper.headers, **request.pop("headers", {})}
        answer = httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60, **request)
        self.keep(shopper, door, f"{answer.headers} {answer.text}")
        assert answer.status_code < 500, (door, answer.status_code, answer.text)
        return answer

    def keep(self, shopper: Shopper, door: str, text: str) -> None:
        self.received.append(Received(shopper.number, door, text))

    def window(
        self, shopper: Shopper, event: str, data: list[Any], session: str | None = None, event_data: Any = None
    ) -> str:
        """One event of the window, as its page sends it, and all that comes back."""
        name = session or shopper.session
        body = {"data": data, "fn_index": self.events[event], "session_hash": name, "event_data": event_data}
        joined = httpx.post(f"{self.url}/gradio_api/queue/join", json=body, headers=shopper.headers, timeout=60)
        assert joined.status_code == 200, joined.text
        shopper.events.append(joined.json()["event_id"])
        return self.listen(shopper, name, "the window")

    def listen(self, shopper: Shopper, session: str, door: str, longest: float = 30.0) -> str:
        """What comes on a session's stream, until it ends or is silent for so many seconds."""
        heard = ""
        address = f"{self.url}/gradio_api/queue/data"
        timeout = httpx.Timeout(longest, connect=30)
        try:
            with httpx.stream(
                "GET", address, params={"session_hash": session}, headers=shopper.headers, timeout=timeout
            ) as lines:
                for line in lines.iter_lines():
                    heard += f"{line}\n"
                    if '"msg":"process_completed"' in line or '"msg":"close_stream"' in line:
                        break
        except (httpx.ReadTimeout, httpx.RemoteProtocolError):  # nothing is said there, or the session is not there
            pass
        self.keep(shopper, door, heard)
        return heard


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[Town]:
    shop = tmp_path_factory.mktemp("town")
    database = Database.open(f"sqlite:///{shop / 'aisle.db'}")
    parts = parts_of(bot_snapshot, encoders_by_space, HeardIntents(), SETTINGS, database)
    assistant = Assistant(parts, SETTINGS, database, "https://shop.example/checkout/{cart_id}", shop=shop)
    identity = Identity.open(shop, SETTINGS.identity, database)
    shoppers = [settled(number, database, identity) for number in range(SHOPPERS)]
    with serving(create_app(assistant, identity, shop, SETTINGS)) as url:
        yield Town(url, assistant, identity, shoppers)
    assistant.close()
    database.close()


def settled(number: int, database: Database, identity: Identity) -> Shopper:
    """A shopper with a past, known by a visitor's cookie, by a token or by a key; every fourth will ask for a person."""
    chance = random.Random(number)
    canary = f"zq{chance.randbytes(6).hex()}zq"
    kind = number % 3
    visitor, cookie = identity.new_visitor()
    who = visitor if kind == 0 else Principal(f"shopper-{number}", Role.CUSTOMER)
    if kind == 0:
        headers = {"Cookie": f"{VISITOR_COOKIE}={cookie}"}
    elif kind == 1:
        headers = {"Authorization": f"Bearer {identity.token(who, minutes=600)}"}
    else:
        key = create_key(database, Principal("operator", Role.ADMIN), Role.CUSTOMER, who.id)
        headers = {"Authorization": f"Bearer {key.key}"}
    looked = {
        "event_id": f"e-{canary}",
        "event": "search",
        "user_id": who.id,
        "timestamp": now_ms() - 60_000,
        "search_term": f"kettle {canary}",
    }
    record_events(database, BACKEND, [parse_event(looked)])
    hide_belief(database, who, who.id, "brand", f"brand {canary}")
    where = Address(address1=f"{canary} Street", city=canary)
    put_customers(
        database, BACKEND, [Customer(user_id=who.id, email=f"{canary}@shop.example", first_name=canary, address=where)]
    )
    order = Order(
        order_id=f"order-{canary}",
        user_id=who.id,
        status="shipped",
        placed_at=now_ms() - 86_400_000,
        currency="USD",
        items=(OrderItem(product_id="lamp", price=100),),
        tracking=Tracking(carrier="Post", number=f"track-{canary}"),
    )
    put_orders(database, BACKEND, [order])
    return Shopper(number, canary, who, headers, number % 4 == 0, f"s{chance.randbytes(5).hex()}")


def spoken(town: Town, shopper: Shopper, turn: int) -> None:
    """One turn of a shopper, by the door whose turn it is."""
    chance = random.Random(shopper.number * 1_000 + turn)
    label = "handoff" if shopper.hands_off and turn == 2 else chance.choice([*SAYINGS][:5])
    message = f"{SAYINGS[label]} {shopper.canary}"
    named = {"conversation_id": shopper.conversations[-1]} if shopper.conversations and turn % 4 else {}
    match (shopper.number + turn) % 5:
        case 0:
            remember(shopper, town.ask(shopper, "chat", "POST", "/api/chat", json={"message": message, **named}).json())
        case 1:
            body = {"message": message, "stream": True, **named}
            told = town.ask(shopper, "a streamed chat", "POST", "/api/chat", json=body).text
            remember(shopper, json.loads(told.split("event: done\ndata: ")[1].split("\n")[0]))
        case 2:
            history = {"messages": [{"role": "user", "content": message}], "stream": bool(turn % 2)}
            if named:
                history["metadata"] = named
            town.ask(shopper, "v1", "POST", "/v1/chat/completions", json=history)
        case 3 if shopper.number % 3:  # a cart of an agent needs a credential
            if shopper.carts:
                assert tool(town, shopper, "get_cart", {"id": shopper.carts[-1]})["id"] == shopper.carts[-1]
            else:
                items = {"line_items": [{"item": {"id": "kettle-1"}, "quantity": 1}]}
                shopper.carts.append(tool(town, shopper, "create_cart", {"cart": items})["id"])
        case _:
            town.window(shopper, "say", [message, None])
    own(town, shopper)


def own(town: Town, shopper: Shopper) -> None:
    """Looks at what is their own."""
    who = shopper.principal.id
    cart = town.ask(shopper, "cart", "POST", "/api/cart/lines", json={"product_id": "kettle-2"}).json()
    shopper.carts.append(cart["cart_id"])
    shopper.lines.append(cart["lines"][0]["line_id"])
    listed = town.ask(shopper, "history", "GET", "/api/conversations").json()["conversations"]
    shopper.conversations += [each["conversation_id"] for each in listed][:1]
    for path in (f"/api/users/{who}/profile", f"/api/users/{who}/export", "/api/cart"):
        assert town.ask(shopper, path.rpartition("/")[2], "GET", path).status_code == 200
    for each in listed[:1]:
        town.ask(shopper, "file", "GET", f"/api/conversations/{each['conversation_id']}/export")


def remember(shopper: Shopper, reply: Mapping[str, Any]) -> None:
    shopper.conversations.append(reply["conversation_id"])
    shopper.messages.append(reply["message_id"])


def tool(town: Town, shopper: Shopper, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A call over MCP, in the protocol's own words."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    answer = town.ask(shopper, "mcp", "POST", "/mcp", json=call, headers=headers)
    found: dict[str, Any] = answer.json()["result"].get("structuredContent", {})
    return found


def steal(town: Town, thief: Shopper, victim: Shopper, chance: random.Random) -> None:
    """Tries all that is another's, once each."""
    who = victim.principal.id
    conversation = chance.choice(victim.conversations or ["none"])
    message = chance.choice(victim.messages or ["none"])
    line, cart = chance.choice(victim.lines or ["none"]), chance.choice(victim.carts or ["none"])
    tries: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", f"/api/conversations/{conversation}", None),
        ("GET", f"/api/conversations/{conversation}/export", None),
        ("GET", f"/api/conversations/{conversation}/stream", None),
        ("POST", f"/api/conversations/{conversation}/rating", {"rating": 1}),
        ("POST", "/api/chat", {"message": "what is in my cart", "conversation_id": conversation}),
        ("POST", "/api/chat", {"message": "yes", "user_id": who}),
        ("POST", "/api/feedback", {"message_id": message, "value": "down"}),
        ("PATCH", "/api/cart/lines", {"line_id": line, "quantity": 9}),
        ("DELETE", "/api/cart/lines", {"line_id": line}),
        ("GET", f"/api/cart?user_id={who}", None),
        ("GET", f"/api/users/{who}/profile", None),
        ("GET", f"/api/users/{who}/export", None),
        ("DELETE", f"/api/users/{who}/profile/brand/Hearthway", None),
        ("DELETE", f"/api/users/{who}", None),
        ("GET", f"/api/agent/conversations/{conversation}", None),
        ("POST", f"/api/agent/conversations/{conversation}/claim", None),
        ("GET", "/api/agent/conversations", None),
        ("GET", "/api/agent/stream", None),
        ("GET", "/api/order-changes", None),
        ("POST", f"/gradio_api/call/say/{chance.choice(victim.events or ['none'])}", None),
        ("GET", f"/gradio_api/call/say/{chance.choice(victim.events or ['none'])}", None),
        (
            "POST",
            "/gradio_api/cancel",
            {"session_hash": victim.session, "fn_index": 0, "event_id": (victim.events or ["none"])[-1]},
        ),
        ("GET", f"/gradio_api/deep_link?session_hash={victim.session}", None),
    ]
    for method, path, body in tries:
        answer = town.ask(thief, f"theft: {path.split('?')[0]}", method, path, json=body)
        town.stolen.append((path, answer.status_code))
        assert answer.status_code in (401, 403, 404), (method, path, answer.status_code, answer.text[:300])
    completion = {
        "messages": [{"role": "user", "content": "what is in my cart"}],
        "metadata": {"conversation_id": conversation},
    }
    answer = town.ask(thief, "theft: v1", "POST", "/v1/chat/completions", json=completion)
    assert answer.status_code == 404
    # A visitor's agent is refused, a customer's finds no such cart.
    tool(town, thief, "get_cart", {"id": cart})
    town.window(thief, "say", ["what is in my cart", {"conversation_id": conversation}], victim.session)
    town.window(thief, "refresh", [None], victim.session)
    town.window(thief, "turn_to", [None], victim.session, {"act": "open", "conversation": conversation})
    town.window(thief, "act", [None], victim.session, {"act": "remove", "line": line})


def tampered(town: Town, thief: Shopper, victim: Shopper) -> None:
    """Credentials that were bent to be the victim's are nobody's."""
    head, _, sign = town.identity.token(thief.principal).split(".")
    now = json.dumps({"sub": victim.principal.id, "role": "customer", "aud": "aisle", "exp": 9_999_999_999}).encode()
    body = base64.urlsafe_b64encode(now).rstrip(b"=").decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    cookie = town.identity.session_cookie(victim.principal)
    old = town.identity.token(victim.principal, minutes=-60)
    for credential in (f"{head}.{body}.{sign}", f"{unsigned}.{body}.", cookie, old, f"{victim.principal.id}.{sign}"):
        answer = town.ask(thief, "bent", "GET", "/api/cart", headers={"Authorization": f"Bearer {credential}"})
        assert answer.status_code in (401, 429)  # 429: so many of one address failed
    token = town.identity.token(victim.principal)
    for name, value in ((SESSION_COOKIE, token), (VISITOR_COOKIE, f"{victim.principal.id}.{sign}")):
        answer = httpx.get(f"{town.url}/api/conversations", headers={"Cookie": f"{name}={value}"}, timeout=60)
        town.keep(thief, "bent", answer.text)
        assert answer.json() == {"conversations": []}


def race(town: Town, thief: Shopper, victim: Shopper) -> None:
    """A thief listens on the victim's session and writes into their conversation while the victim's answer is on its way."""
    listening = threading.Barrier(3)
    session = f"{victim.session}-{thief.number}-{len(thief.events)}"  # a window of the victim's of its own, whose answer is whole
    answers: list[str] = []
    codes: list[int] = []

    def listens() -> None:
        listening.wait()
        town.listen(thief, session, "theft: a stream", longest=0.5)

    def writes() -> None:
        listening.wait()
        stolen = {"message": "yes", "conversation_id": (victim.conversations or ["none"])[-1]}
        codes.append(town.ask(thief, "theft: a race", "POST", "/api/chat", json=stolen).status_code)

    def speaks() -> None:
        listening.wait()
        answers.append(town.window(victim, "say", [f"show me kettles {victim.canary}", None], session))

    threads = [threading.Thread(target=act) for act in (listens, writes, speaks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [404]
    assert '"msg":"process_completed"' in answers[0]


def test_nobody_reads_a_word_of_anybody_else(town: Town) -> None:
    """Turns of all shoppers interleaved, each between two thefts; then every byte that anybody got is searched."""
    shoppers = town.shoppers
    failed: list[BaseException] = []

    def lives(shopper: Shopper, turn: int) -> None:
        chance = random.Random(f"{shopper.number} {turn}")
        victim = chance.choice([each for each in shoppers if each is not shopper])
        acts: list[Callable[[], None]] = [lambda: spoken(town, shopper, turn)]
        if turn % 5 == 1:
            acts.append(lambda: steal(town, shopper, victim, chance))
        if turn % 5 == 2:
            acts.append(lambda: tampered(town, shopper, victim))
        if turn % 10 == 4:
            acts.append(lambda: race(town, shopper, victim))
        try:
            for act in acts:
                act()
        except BaseException as error:
            failed.append(error)
            raise

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for turn in range(TURNS):
            # One turn of everybody before the next: a shopper's own turns are in order, all others at once.
            list(pool.map(lambda shopper, turn=turn: lives(shopper, turn), shoppers))
    assert not failed
    own_words = {shopper.number: shopper.canary for shopper in shoppers}
    doors = {received.door for received in town.received if own_words[received.number] in received.text}
    assert {"chat", "a streamed chat", "v1", "the window", "history", "file", "export"} <= doors, "or nothing is shown"
    for received in town.received:
        assert set(CANARY.findall(received.text)) <= {own_words[received.number]}, received
    assert town.stolen
    for shopper in shoppers:  # what was theirs is still theirs
        assert town.ask(shopper, "cart", "GET", "/api/cart").json()["lines"]


def test_a_stolen_session_is_one_of_the_thiefs_own(town: Town) -> None:
    """Gradio itself would tell the thief the whole answer: it asks nobody whose a session is."""
    victim, thief = town.shoppers[:2]
    body = {
        "data": [f"show me kettles {victim.canary}", None],
        "fn_index": town.events["say"],
        "session_hash": "stolen",
    }
    joined = httpx.post(f"{town.url}/gradio_api/queue/join", json=body, headers=victim.headers, timeout=60)
    assert joined.status_code == 200
    assert "session_not_found" in town.listen(thief, "stolen", "theft: a stream")
    assert victim.canary not in town.received[-1].text
    assert victim.canary in town.listen(victim, "stolen", "the window")


def test_agents_see_those_who_were_handed_to_their_team(town: Town) -> None:
    """Of the others, and of another team's, an agent sees nothing, neither read nor streamed."""
    handed = {shopper.canary for shopper in town.shoppers if shopper.hands_off}
    for team, may_see in (("support", handed), ("repairs", set[str]())):
        who = Principal(f"agent-{team}", Role.AGENT, team)
        headers = {"Authorization": f"Bearer {town.identity.token(who)}"}
        seen = ""
        for shopper in town.shoppers:
            for conversation in set(shopper.conversations):
                for path in ("", "/messages", "/notes", "/suggestions", "/summary", "/next-action"):
                    address = f"{town.url}/api/agent/conversations/{conversation}{path}"
                    answer = httpx.get(address, headers=headers, timeout=60)
                    assert answer.status_code in (200, 404)
                    seen += answer.text
                    if answer.status_code == 404:
                        break
        seen += httpx.get(f"{town.url}/api/agent/conversations", headers=headers, timeout=60).text
        with httpx.stream("GET", f"{town.url}/api/agent/stream", headers=headers, timeout=60) as lines:
            seen += next(line for line in lines.iter_lines() if line.startswith("data: "))
        assert set(CANARY.findall(seen)) == may_see
