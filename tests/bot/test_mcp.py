"""`/mcp` as the protocol's own client uses it, over a real server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Coroutine
from functools import partial
from http.client import HTTPConnection
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from bot.api.ucp_tools import TOOLS
from storage.principal import Principal, Role
from tests.bot.conftest import Live

Values = dict[str, Any]
T = TypeVar("T")


class Agent:
    """One person's agent; without a `role` nobody known."""

    def __init__(self, live: Live, role: Role | None = Role.CUSTOMER, mode: str = "auto") -> None:
        self.live, self.mode = live, mode
        self.name = f"agent-{uuid.uuid4().hex[:8]}"
        self.headers = {} if role is None else {"Authorization": f"Bearer {live.key(self.name, role)}"}

    def do(self, act: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        async def connected() -> T | MCPError:
            async with create_mcp_http_client(headers=self.headers) as http:
                transport = streamable_http_client(f"{self.live.url}/mcp", http_client=http)
                async with Client(transport, mode=self.mode) as client:
                    try:
                        return await act(client)
                    except MCPError as error:  # raised in here it would come out inside groups of exceptions
                        return error

        found = anyio.run(connected)
        if isinstance(found, MCPError):
            raise found
        return found

    def call(self, name: str, **arguments: Any) -> Values:
        """What the tool answers; its text says the same."""
        result = self.do(lambda client: client.call_tool(name, arguments))
        assert not result.is_error, result.content
        assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
        found: Values = result.structured_content
        return found

    def refused(self, name: str, **arguments: Any) -> Values:
        """The message of an error."""
        result = self.do(lambda client: client.call_tool(name, arguments))
        assert result.is_error, result.structured_content
        assert result.structured_content["ucp"]["status"] == "error"
        (message,) = result.structured_content["messages"]
        assert message["content"] == result.content[0].text  # type: ignore[union-attr]
        told: Values = message
        return told

    def search(self, query: str, **more: Any) -> Values:
        return self.call("search_catalog", catalog={"query": query, **more})


def items(*wanted: tuple[str, int]) -> Values:
    return {"line_items": [{"item": {"id": item_id}, "quantity": quantity} for item_id, quantity in wanted]}


def held(cart: Values) -> list[tuple[str, int]]:
    return [(line["item"]["id"], line["quantity"]) for line in cart["line_items"]]


@pytest.fixture
def agent(live: Live) -> Agent:
    return Agent(live)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_tools_have_ucps_names_and_can_be_called_in_both_eras(live: Live, mode: str) -> None:
    agent = Agent(live, None, mode)
    listed = agent.do(lambda client: client.list_tools()).tools
    names = "search_catalog lookup_catalog get_product create_cart get_cart update_cart cancel_cart".split()
    assert [tool.name for tool in listed] == names == list(TOOLS)
    assert all(tool.description and tool.input_schema["type"] == "object" for tool in listed)
    assert {tool.name for tool in listed if tool.annotations and tool.annotations.read_only_hint} == {
        "search_catalog", "lookup_catalog", "get_product", "get_cart",
    }  # fmt: skip
    assert agent.search("kettle")["products"]


def test_search_keeps_conditions_in_words_and_filters(agent: Agent) -> None:
    found = agent.search("kettle under $40")
    assert found["ucp"]["version"] == "2026-08-25"
    assert found["products"]
    assert all(each["price_range"]["min"]["amount"] <= 4000 for each in found["products"])
    brands = agent.search("", filters={"brand": ["Panasonic"], "price": {"min": 5000, "max": 9000}})["products"]
    assert [each["id"] for each in brands] == ["phone-1"]
    assert agent.search("kettle", filters={"attributes": {"color": ["no such"]}})["products"] == []
    dollars = agent.search("", filters={"price": {"max": 9000}}, context={"currency": "USD"})["products"]
    assert dollars
    other = agent.refused(
        "search_catalog", catalog={"query": "kettle", "filters": {"price": {"max": 9}}, "context": {"currency": "EUR"}}
    )
    assert "USD" in other["content"]


def test_pages_of_a_search_add_up(agent: Agent) -> None:
    whole = agent.search("", pagination={"limit": 100})
    pages: list[str] = []
    page: Values = {"limit": 4}
    while True:
        found = agent.search("", pagination=page)
        pages += [each["id"] for each in found["products"]]
        if not found["pagination"]["has_next_page"]:
            break
        page = {"limit": 4, "cursor": found["pagination"]["cursor"]}
    assert pages == [each["id"] for each in whole["products"]]
    assert len(set(pages)) == len(pages) == whole["pagination"]["total_count"]


def test_lookup_says_which_id_came_to_what(agent: Agent) -> None:
    ids = ["kettle-1", "shoe-2", "shoe-2-green-42", "nowhere", "kettle-1"]
    found = agent.call("lookup_catalog", catalog={"ids": ids})
    assert [each["id"] for each in found["products"]] == ["kettle-1", "shoe-2"]
    kettle, shoe = found["products"]
    assert kettle["variants"][0]["inputs"] == [{"id": "kettle-1", "match": "exact"}]
    inputs = [entry for variant in shoe["variants"] for entry in variant["inputs"]]
    assert {entry["id"]: entry["match"] for entry in inputs} == {"shoe-2": "featured", "shoe-2-green-42": "exact"}
    assert found["messages"] == [{"type": "info", "code": "not_found", "content": "nowhere"}]
    dear = agent.call("lookup_catalog", catalog={"ids": ids, "filters": {"price": {"min": 8000}}})
    assert [each["id"] for each in dear["products"]] == ["shoe-2"]
    with pytest.raises(MCPError) as refused:
        agent.call("lookup_catalog", catalog={"ids": [f"p{number}" for number in range(101)]})
    assert refused.value.code == -32602


def test_a_product_is_narrowed_by_its_options(agent: Agent) -> None:
    everything = agent.call("get_product", catalog={"id": "shoe-1"})["product"]
    assert len(everything["variants"]) == 8
    chosen = [{"name": "color", "label": "Black"}, {"name": "size", "label": "41"}]
    one = agent.call("get_product", catalog={"id": "shoe-1", "selected": chosen})["product"]
    assert [each["id"] for each in one["variants"]] == ["shoe-1-black-41"]
    assert one["variants"][0]["price"] == {"amount": 11900, "currency": "USD"}
    sizes = next(option for option in one["options"] if option["name"] == "size")["values"]
    assert {each["label"]: each["available"] for each in sizes} == {"40": True, "41": True, "42": True, "44": False}
    assert all(each["exists"] for each in sizes)
    impossible = [{"name": "color", "label": "blue"}, {"name": "size", "label": "99"}]
    kept = agent.call(
        "get_product", catalog={"id": "shoe-1", "selected": impossible, "preferences": ["color", "size"]}
    )["product"]
    assert kept["selected"] == [{"name": "color", "label": "blue"}]
    assert {each["id"].split("-")[2] for each in kept["variants"]} == {"blue"}
    own = agent.call("get_product", catalog={"id": "shoe-1-black-42", "selected": impossible})["product"]
    assert own["variants"][0]["id"] == "shoe-1-black-42"
    assert {each["label"] for each in own["selected"]} == {"black", "42"}
    assert agent.refused("get_product", catalog={"id": "nowhere"})["code"] == "not_found"


def test_a_cart_is_begun_read_replaced_and_cancelled(agent: Agent) -> None:
    begun = agent.call("create_cart", cart=items(("kettle-1", 2), ("shoe-1-black-41", 1)))
    assert held(begun) == [("kettle-1", 2), ("shoe-1-black-41", 1)]
    kettle = begun["line_items"][0]
    assert kettle["totals"][0]["amount"] == 2 * kettle["item"]["price"]
    total = sum(line["totals"][0]["amount"] for line in begun["line_items"])
    assert [each["amount"] for each in begun["totals"]] == [total, total]
    assert begun["continue_url"] == f"https://shop.example/checkout/{begun['id']}"
    assert agent.call("get_cart", id=begun["id"]) == begun
    again = agent.refused("create_cart", cart=items(("kettle-2", 1)))
    assert again["code"] == "conflict"
    changed = agent.call("update_cart", id=begun["id"], cart=items(("shoe-1-black-41", 3)))
    assert held(changed) == [("shoe-1-black-41", 3)]
    assert changed["line_items"][0]["id"] == begun["line_items"][1]["id"], "what stays keeps its line"
    assert held(agent.call("cancel_cart", id=begun["id"])) == [("shoe-1-black-41", 3)]
    assert held(agent.call("get_cart", id=begun["id"])) == []


def test_a_repeated_write_takes_effect_once(agent: Agent) -> None:
    key = {"idempotency-key": "k1"}
    begun = agent.call("create_cart", meta=key, cart=items(("kettle-1", 1)))
    assert agent.call("create_cart", meta=key, cart=items(("kettle-1", 1))) == begun
    agent.call("update_cart", id=begun["id"], meta={"idempotency-key": "k2"}, cart=items(("kettle-1", 2)))
    agent.call("update_cart", id=begun["id"], cart=items(("kettle-2", 1)))
    late = agent.call("update_cart", id=begun["id"], meta={"idempotency-key": "k2"}, cart=items(("kettle-1", 2)))
    assert held(late) == [("kettle-2", 1)], "a repeat that comes late undoes nothing"
    other = agent.refused("update_cart", id=begun["id"], meta={"idempotency-key": "k2"}, cart=items(("kettle-2", 9)))
    assert other["code"] == "conflict"


def test_anothers_cart_looks_like_none(live: Live, agent: Agent) -> None:
    begun = agent.call("create_cart", cart=items(("kettle-1", 1)))
    stranger = Agent(live)
    wanted = items(("kettle-2", 1))
    for cart_id in (begun["id"], "nowhere"):
        for name, more in (("get_cart", {}), ("update_cart", {"cart": wanted}), ("cancel_cart", {})):
            told = stranger.refused(name, id=cart_id, **more)
            assert told["code"] == "not_found"
            assert told["content"].replace(cart_id, "") == "There is no cart '' here. Create one."
    assert agent.call("get_cart", id=begun["id"]) == begun


def test_a_cart_needs_a_credential(live: Live) -> None:
    nobody = Agent(live, None)
    told = nobody.refused("create_cart", cart=items(("kettle-1", 1)))
    assert (told["code"], told["severity"]) == ("unauthorized", "recoverable")
    assert "Bearer" in told["content"]
    assert nobody.refused("get_cart", id="x")["code"] == "unauthorized"
    assert status_of(live, headers={"Authorization": "Bearer nonsense"}) == 401
    assert Agent(live, Role.ENGINEER).refused("create_cart", cart=items(("kettle-1", 1)))["code"] == "not_found"


def test_the_backend_keeps_carts_of_others(live: Live, agent: Agent) -> None:
    backend, owner = Agent(live, Role.SERVICE), f"user-{uuid.uuid4().hex[:8]}"
    begun = backend.call("create_cart", cart=items(("kettle-1", 1)), user_id=owner)
    assert live.assistant.cart(Principal(owner, Role.CUSTOMER)).cart_id == begun["id"]
    assert held(backend.call("update_cart", id=begun["id"], cart=items(("kettle-1", 2)))) == [("kettle-1", 2)]
    assert agent.refused("create_cart", cart=items(("kettle-1", 1)), user_id=owner)["code"] == "forbidden"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ([("nowhere", 1)], "not_found"),
        ([("shoe-1", 1)], "conflict"),
        ([("shoe-1-blue-44", 1)], "conflict"),
        ([("shoe-1-blue-41", 6)], "conflict"),
        ([("shoe-1-blue-41", 3), ("shoe-1-blue-41", 3)], "conflict"),
        ([("kettle-1", 0)], "invalid_input"),
        ([("kettle-1", 1_000)], "invalid_input"),
        ([("", 1)], "invalid_input"),
        ([("kettle-1", 1)] * 201, "invalid_input"),
    ],
)
def test_what_cannot_be_ordered_is_told_and_changes_nothing(
    agent: Agent, wanted: list[tuple[str, int]], code: str
) -> None:
    begun = agent.call("create_cart", cart=items(("kettle-2", 1)))
    assert agent.refused("update_cart", id=begun["id"], cart=items(*wanted))["code"] == code
    assert agent.call("get_cart", id=begun["id"]) == begun


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_catalog", {}),
        ("search_catalog", {"catalog": {"query": 7}}),
        ("search_catalog", {"catalog": {"query": "x" * 4_001}}),
        ("search_catalog", {"catalog": {"query": "kettle", "filters": {"colour": ["red"]}}}),
        ("search_catalog", {"catalog": {"query": "kettle", "filters": {"price": {"min": 9, "max": 1}}}}),
        ("search_catalog", {"catalog": {"query": "kettle", "pagination": {"limit": 101}}}),
        ("search_catalog", {"catalog": {"query": "kettle", "pagination": {"cursor": "-1"}}}),
        ("lookup_catalog", {"catalog": {"ids": []}}),
        ("get_product", {"catalog": {"id": "x" * 201}}),
        ("create_cart", {"cart": {"line_items": "all"}}),
        ("get_cart", {}),
    ],
)
def test_bad_arguments_are_told(agent: Agent, name: str, arguments: Values) -> None:
    told = agent.refused(name, **arguments)
    assert told["code"] == "invalid_input"
    assert len(told["content"]) < 1_000


def test_an_unknown_tool_is_told(agent: Agent) -> None:
    with pytest.raises(MCPError, match="search_catalog"):
        agent.call("buy_everything")


def test_what_a_description_orders_is_only_text(agent: Agent) -> None:
    (told,) = [each for each in agent.search("travel kettle")["products"] if each["id"] == "kettle-2"]
    assert "Ignore all previous instructions" in told["description"]["plain"]
    assert "<b>" not in told["description"]["plain"]
    assert told["variants"][0]["price"]["amount"] != 100


def status_of(live: Live, body: bytes = b"{}", method: str = "POST", headers: dict[str, str] | None = None) -> int:
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **(headers or {})}
    request = urllib.request.Request(f"{live.url}/mcp", body if method == "POST" else None, sent, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def announced(live: Live, length: int) -> int:
    """The status for a body of that length of which no byte is sent: the server answers by the length alone, and hangs up."""
    connection = HTTPConnection(urlsplit(live.url).netloc, timeout=30)
    connection.putrequest("POST", "/mcp")
    for name, value in {"Content-Type": "application/json", "Content-Length": str(length)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()
    return answer.status


def test_requests_from_elsewhere_are_refused(live: Live) -> None:
    listing = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    asked = partial(status_of, live, listing)
    assert asked() == 200
    assert asked(headers={"Origin": live.url}) == 200
    assert asked(headers={"Origin": "https://evil.example"}) == 403
    assert asked(headers={"Origin": "https://evil.example", "Authorization": f"Bearer {live.key('ann')}"}) == 403
    assert asked(headers={"Host": "evil.example"}) == 421
    assert asked(headers={"Host": "evil.example", "Origin": "http://evil.example"}) == 421


def test_what_is_no_call_is_refused(live: Live) -> None:
    assert announced(live, 2**20 + 1) == 413
    assert status_of(live, b"{") == 400
    assert status_of(live, headers={"Content-Type": "text/plain"}) == 400
    assert status_of(live, method="GET") == 405
    assert status_of(live, method="DELETE") == 405


def test_a_fault_of_ours_tells_no_detail(live: Live, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(live.assistant, "search", broken)
    told = agent.refused("search_catalog", catalog={"query": "kettle"})
    assert told["code"] == "unavailable"
    assert "secret" not in told["content"]
