"""The model's part in a turn, over real HTTP: what it may add, and that nothing which goes wrong with it costs the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

import pytest

from bot.cards import Reply
from bot.llm.advise import LONGEST
from storage.carts import cart_of
from storage.consent import Consent, set_consent
from storage.orders import Order, OrderItem, put_orders
from storage.principal import Principal, Role
from tests.bot.conftest import Conversation
from tests.bot.llm.conftest import KEY, Advised
from tests.bot.llm.server import Body, Say, asked, called, recorded

Begin = Callable[..., Advised]
KETTLES = "a kettle for a small kitchen"


def spoken(text: str) -> Callable[[Body], Say]:
    """A model that always says the same."""
    return lambda body: Say(text)


@pytest.fixture
def plain(talk: Conversation) -> Reply:
    """What the templates alone answer."""
    return talk.say("search", KETTLES)


def test_advice_is_added_to_the_templates_text_with_figures_of_the_records(advised: Begin, plain: Reply) -> None:
    talk = advised(recorded)
    reply = talk.say("search", KETTLES)
    first, second = reply.products[:2]
    assert [card.product_id for card in reply.products] == [card.product_id for card in plain.products]
    assert f"For a small kitchen {first.title} takes up little room." in reply.text
    assert second.price is not None
    assert f"{second.title} pours more at once, for ${second.price.amount / 100:.2f}." in reply.text
    assert talk.record["path"] == "llm"
    assert (talk.record["use"], talk.record["reason"], talk.record["sentences"]) == ("phrase", "complete", 2)
    assert talk.record["model"] == "openai:stub"
    assert talk.server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_cards_and_the_templates_text_come_before_the_model_has_answered(advised: Begin, shopper: Principal) -> None:
    release = threading.Event()

    def respond(body: Body) -> Say:
        release.wait(20)
        return Say("{p1} takes up little room. {p2} is the plainer one.")

    talk = advised(respond)
    talk.intents.label = "search"
    events = talk.assistant.stream(shopper, KETTLES)
    names = [next(events), next(events), next(events)]
    assert [name for name, _ in names] == ["meta", "products", "text"]
    assert names[1][1]["products"]
    release.set()
    rest = list(events)
    assert [name for name, _ in rest if name != "text"] == ["citations", "cart", "done"]
    whole = rest[-1][1]
    texts = [payload["delta"] for name, payload in [*names, *rest] if name == "text"]
    assert "".join(texts) == whole["text"]
    assert whole["text"].count("takes up little room.") == 1


def test_the_question_stays_at_the_end_and_is_answered_by_the_next_turn(advised: Begin) -> None:
    talk = advised(spoken("{p1} is a good start."))
    reply = talk.say("search", "phones")
    assert "is a good start." in reply.text
    effects = talk.last.data["effects"]
    if effects["pending"] is not None:
        assert reply.text.rstrip().endswith("?")


def test_tools_read_records_and_the_answer_follows(advised: Begin) -> None:
    talk = advised(recorded)
    reply = talk.say("search", "trail running shoes for muddy paths")
    assert talk.record["tools"] == ["product_details"]
    assert "gives you grip" in reply.text
    (details,) = called(talk.server.bodies[-1])
    assert "<records>" in details
    assert "5 mm lugs" in details


@pytest.mark.parametrize(
    ("label", "message", "product_id", "sentence"),
    [
        (
            "out_of_scope",
            "my father sits in noisy trains all week",
            "head-3",
            "would give him some quiet on the train.",
        ),
        ("chitchat", "爸爸每天坐很吵的火车", "zh-2", "能让爸爸在车上清静一些。"),
    ],
)
def test_a_plan_finds_what_the_templates_did_not(
    advised: Begin, label: str, message: str, product_id: str, sentence: str
) -> None:
    talk = advised(recorded)
    reply = talk.say(label, message)
    assert product_id in [card.product_id for card in reply.products]
    assert sentence in reply.text
    assert talk.record["use"] == "plan"
    # What was shown is a slate like any other.
    assert talk.say("cart_add", "add the first one to my cart").cart is not None


def test_a_plan_never_trades_a_condition(advised: Begin) -> None:
    talk = advised(recorded)
    talk.say("search", "under $100 please")
    reply = talk.say("out_of_scope", "my father sits in noisy trains all week")
    assert talk.record["use"] == "plan"
    assert reply.products
    assert all(card.price is not None and card.price.amount <= 10_000 for card in reply.products)


def test_a_plan_quotes_the_shops_page_word_for_word(advised: Begin) -> None:
    talk = advised(recorded)
    reply = talk.say("out_of_scope", "how do I send a parcel back to you")
    assert "within 30 days of delivery" in reply.text
    assert [citation.id for citation in reply.citations] == ["returns"]


def test_a_plan_that_finds_nothing_leaves_the_templates_answer(advised: Begin, talk: Conversation) -> None:
    message = "what do you think of the weather"
    other = advised(recorded)
    reply = other.say("chitchat", message)
    assert "lovely" not in reply.text
    assert not reply.products
    assert (other.record["path"], other.record["reason"]) == ("templates", "nothing_held")
    assert reply.text in [talk.say("chitchat", message).text for _ in range(4)]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("cart_add", "add the Pip travel kettle to my cart"),
        ("cart_view", "show my cart"),
        ("checkout", "check out"),
        ("order_status", "where is my order"),
        ("ask_policy", "can I return it"),
        ("ask_product", "is the Pip travel kettle made of steel"),
        ("complaint", "this is awful"),
        ("handoff", "a person please"),
        ("greet", "hello"),
    ],
)
def test_what_writes_or_states_facts_is_not_the_models(advised: Begin, label: str, message: str) -> None:
    talk = advised(spoken("{p1} is nice."))
    talk.say(label, message)
    assert talk.server.bodies == []
    assert "llm" not in talk.last.data


def test_a_proposal_is_a_question_and_the_customers_yes_carries_it_out(advised: Begin, shopper: Principal) -> None:
    def respond(body: Body) -> Say:
        if not called(body):
            return Say(tool="propose_add_to_cart", arguments={"name": "p1", "quantity": 2})
        return Say("{p1} would do well.")

    talk = advised(respond)
    reply = talk.say("search", "I would buy a gooseneck kettle")
    assert reply.text.endswith("?")
    assert reply.action == "ask"
    assert cart_of(talk.assistant.database, shopper, shopper.id).lines == ()
    done = talk.say("accept", "yes please")
    (line,) = cart_of(talk.assistant.database, shopper, shopper.id).lines
    assert (line.product_id, line.quantity) == (reply.products[0].product_id, 2)
    assert done.cart is not None


def test_who_does_not_speak_of_buying_is_not_asked_to(advised: Begin) -> None:
    def respond(body: Body) -> Say:
        if not called(body):
            return Say(tool="propose_add_to_cart", arguments={"name": "p1"})
        return Say("{p1} would do well.")

    talk = advised(respond)
    talk.say("search", KETTLES)
    assert talk.record["tools"] == []
    assert (talk.last.data["effects"]["pending"] or {}).get("kind") != "add"


def test_cart_and_orders_are_read_where_the_shop_allows_it_and_only_the_customers_own(
    advised: Begin, shopper: Principal
) -> None:
    def respond(body: Body) -> Say:
        tools = ["view_cart", "look_up_orders"]
        done = len(called(body))
        arguments = {"user_id": "shopper-2"}
        return Say(tool=tools[done], arguments=arguments) if done < len(tools) else Say("{p1} goes well with it.")

    talk = advised(respond, may=("phrase", "cart", "orders"))
    service = Principal("shop", Role.SERVICE)
    for number, (owner, product) in enumerate([(shopper.id, "tea-1"), ("shopper-2", "head-1")]):
        order = Order(
            order_id=f"A{number}", user_id=owner, status="paid", placed_at=1, items=(OrderItem(product_id=product),)
        )
        put_orders(talk.assistant.database, service, [order])
    reply = talk.say("search", "electric kettle")
    assert "goes well with it." in reply.text
    answers = "\n".join(called(talk.server.bodies[-1]))
    assert "Glenmoor Assam" in answers
    assert "Arbor Studio" not in answers

    set_consent(talk.assistant.database, shopper, shopper.id, Consent(answer=False))
    seen = len(talk.server.bodies)
    talk.say("search", "electric kettle")
    offered = {tool["function"]["name"] for tool in talk.server.bodies[seen]["tools"]}
    assert offered
    assert offered.isdisjoint({"view_cart", "look_up_orders"}), "they did not ask for them"

    shy = advised(respond)
    shy.say("search", "electric kettle")
    names = {tool["function"]["name"] for tool in shy.server.bodies[0]["tools"]}
    assert names.isdisjoint({"view_cart", "look_up_orders", "search_products"})


FAILURES = {
    "HTTP 429": Say(status=429),
    "HTTP 500": Say(status=500),
    "HTTP 503": Say(status=503),
    "timeout": Say("{p1} is late.", pause=30),
    "empty": Say(""),
    "endless": Say(endless=True),
    "JSONDecodeError": Say(broken=True),
    "loop": Say(tool="product_details", arguments={"name": "p1"}),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_whatever_fails_the_templates_answer_stands(advised: Begin, plain: Reply, reason: str) -> None:
    timeout_s = 0.5 if reason == "timeout" else 20.0
    talk = advised(lambda body: FAILURES[reason], timeout_s=timeout_s, breaker_failures=1)
    reply = talk.say("search", KETTLES)
    assert [card.product_id for card in reply.products] == [card.product_id for card in plain.products]
    assert talk.record["path"] == "templates"
    assert talk.record["reason"] == reason
    assert "and so on" not in reply.text
    # From now on nobody waits: the circuit is open.
    asked_before = len(talk.server.bodies)
    talk.say("search", KETTLES)
    assert talk.record["reason"] == "circuit_open"
    assert len(talk.server.bodies) == asked_before


@pytest.mark.parametrize(
    "arguments", ['{"name": "p', '{"names": 3}', '"p1"', "[]", '{"name": "p99"}', '{"name": "../../etc"}']
)
def test_a_call_with_broken_arguments_reaches_nothing(advised: Begin, arguments: str) -> None:
    def respond(body: Body) -> Say:
        if called(body) or len(talk.server.bodies) > 1:
            return Say("{p1} is nice.")
        return Say(tool="product_details", arguments=arguments)

    talk = advised(respond)
    reply = talk.say("search", KETTLES)
    assert reply.products
    assert all("description" not in each for body in talk.server.bodies for each in called(body))


@pytest.mark.parametrize(
    "spelled",
    [
        '```json\n{"name": "product_details", "arguments": {"name": "p1"}}\n```',
        '{{"name": "product_details", "arguments": {"name": "p1"}}}\n{{"name": "product_details"}}',
    ],
)
def test_a_call_that_a_small_model_spells_in_its_text_is_a_call_and_never_shown(advised: Begin, spelled: str) -> None:
    def respond(body: Body) -> Say:
        return Say("{p1} takes up little room.") if called(body) else Say(spelled)

    talk = advised(respond)
    reply = talk.say("search", KETTLES)
    assert talk.record["tools"] == ["product_details"]
    assert "takes up little room." in reply.text
    assert "{" not in reply.text
    unknown = advised(spoken('{"name": "delete_everything", "arguments": {}}'))
    assert "{" not in unknown.say("search", KETTLES).text


def test_a_model_that_would_read_on_for_ever_has_to_answer(advised: Begin) -> None:
    def respond(body: Body) -> Say:
        return Say(tool="product_details", arguments={"name": "p1"}) if body.get("tools") else Say("{p1} is small.")

    talk = advised(respond, max_calls=3)
    assert "is small." in talk.say("search", KETTLES).text
    assert len(talk.server.bodies) == 3
    assert talk.record["tools"] == ["product_details"] * 2


def test_more_turns_than_are_allowed_at_once_do_not_wait(advised: Begin, shopper: Principal) -> None:
    release, entered = threading.Event(), threading.Event()

    def respond(body: Body) -> Say:
        entered.set()
        release.wait(20)
        return Say("{p1} is nice.")

    talk = advised(respond, parallel=1)
    talk.intents.label = "search"
    first = threading.Thread(target=lambda: talk.assistant.reply(shopper, KETTLES))
    first.start()
    assert entered.wait(20)
    talk.say("search", KETTLES)
    assert talk.record["reason"] == "busy"
    release.set()
    first.join()


def test_who_stops_keeps_what_was_said_and_the_talk_goes_on(advised: Begin, shopper: Principal) -> None:
    begun = threading.Event()

    def respond(body: Body) -> Say:
        begun.set()
        return Say("{p1} is nice.", pause=5)

    talk = advised(respond)
    talk.intents.label = "search"
    events = talk.assistant.stream(shopper, KETTLES)
    meta = next(events)[1]
    shown = [next(events) for _ in range(2)]
    assert begun.wait(20)
    assert isinstance(events, Generator)
    events.close()
    talk.id = meta["conversation_id"]
    assert talk.last.content.startswith(shown[1][1]["delta"].strip())
    assert talk.last.data["products"] == shown[0][1]["products"]
    talk.server.respond = spoken("{p1} is nice.")
    assert talk.say("show_again", "the second one").products[0].product_id == shown[0][1]["products"][1]["product_id"]


def test_only_the_first_sentences_are_shown(advised: Begin) -> None:
    talk = advised(spoken(" ".join(f"{{p1}} suits {who}." for who in ("you", "him", "her", "them", "us", "all"))))
    reply = talk.say("search", KETTLES)
    assert talk.record["sentences"] == 3
    assert "suits them" not in reply.text


def test_what_a_model_says_unbacked_is_counted_with_the_reply(advised: Begin) -> None:
    talk = advised(spoken("{p1} costs only $1. It is dishwasher safe. {p1} looks good on a shelf."))
    before = talk.assistant.removed
    reply = talk.say("search", KETTLES)
    assert talk.record["removed"] == {"figure": 1, "property": 1}
    assert talk.last.data["removed"] == 2
    assert talk.assistant.removed == before + 2
    assert "looks good on a shelf." in reply.text
    assert "$1." not in reply.text


def test_personal_data_stays_in_the_shop_and_comes_back_to_the_customer(advised: Begin) -> None:
    def respond(body: Body) -> Say:
        return Say("For REDACTED_EMAIL_1, {p1} would do.")

    talk = advised(respond)
    reply = talk.say("search", "a kettle for a small kitchen. My mail is ann@example.org or call +49 170 1234567")
    sent = str(talk.server.bodies)
    assert "ann@example.org" not in sent
    assert "1234567" not in sent
    assert "REDACTED_EMAIL_1" in sent
    assert talk.principal.id not in sent
    assert "For ann@example.org, " in reply.text
    talk.say("search", "is there a smaller kettle")
    assert "ann@example.org" not in str(talk.server.bodies[-1])


def test_no_turn_goes_to_a_tracing_service(advised: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = advised(recorded)
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", talk.server.url)
    monkeypatch.setenv("LANGSMITH_API_KEY", "trace")
    talk.say("search", KETTLES)
    time.sleep(0.3)
    assert len(talk.server.bodies) == 1


def test_the_history_is_bounded(advised: Begin) -> None:
    talk = advised(spoken("{p1} is nice."))
    for _ in range(5):
        talk.say("search", "kettle " + "x" * 900)
    messages = talk.server.bodies[-1]["messages"]
    assert len(messages) == 1 + 6 + 1
    assert all(len(str(message["content"])) <= 400 for message in messages[1:-1])
    assert asked(talk.server.bodies[-1]).startswith("kettle ")


def test_a_longest_answer_is_below_what_is_taken_for_endless() -> None:
    assert LONGEST > 3 * 400
