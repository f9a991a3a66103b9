"""The measurement tells right from wrong, on a small world of its own in the format of the data."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tau2 import RULES, Bench, measure, request_of, table
from benchmarks.tau2_world import Data, Impossible, World, known_from
from bot.embedded import EmbeddedBackend
from storage.order_rules import Proposal, ReturnItems, judge
from storage.settings import OrderSettings

REAL = Path(__file__).parents[3] / "shared" / "data" / "tau2_retail"
HOME = {"address1": "1 A St", "address2": "", "city": "B", "state": "TX", "country": "USA", "zip": "12345"}


def user(user_id: str, first: str, orders: list[str]) -> dict[str, Any]:
    methods = {
        "card_1": {"source": "credit_card", "id": "card_1", "brand": "visa", "last_four": "1111"},
        "gift_1": {"source": "gift_card", "id": "gift_1", "balance": 3.0},
    }
    name = {"first_name": first, "last_name": "Doe"}
    email = f"{first.lower()}@shop.example"
    return {
        "user_id": user_id,
        "name": name,
        "address": HOME,
        "email": email,
        "payment_methods": methods,
        "orders": orders,
    }


def order(order_id: str, user_id: str, status: str) -> dict[str, Any]:
    item = {"name": "Cup", "product_id": "10", "item_id": "11", "price": 5.0, "options": {"color": "red"}}
    paid = [{"transaction_type": "payment", "amount": 5.0, "payment_method_id": "card_1"}]
    head = {"order_id": order_id, "user_id": user_id, "status": status, "address": HOME}
    return head | {"items": [item, item], "payment_history": paid}


def variant(variant_id: str, product: str, color: str, price: int, availability: str = "in_stock") -> dict[str, Any]:
    attributes = {"color": color, "product_id": product}
    price_ = {"amount": price, "currency": "USD"}
    return {"id": variant_id, "title": "Cup", "price": price_, "availability": availability, "attributes": attributes}


def action(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


TASK = {
    "id": "0",
    "user_scenario": {"instructions": {"known_info": "You are Ann Doe in zip code 12345.", "reason_for_call": "…"}},
    "evaluation_criteria": {
        "actions": [
            action("find_user_id_by_name_zip", first_name="Ann", last_name="Doe", zip="12345"),
            action("find_user_id_by_name_zip", first_name="Ann", last_name="Doe", zip="99999"),
            action("find_user_id_by_email", email="nobody@shop.example"),
            action("get_user_details", user_id="ann_doe_1"),
            action("get_order_details", order_id="#1"),
            action("get_order_details", order_id="#9"),
            action("get_product_details", product_id="10"),
            action("calculate", expression="1.5 + 2.25 - 0.5"),
            action("cancel_pending_order", order_id="#2", reason="no longer needed"),
            action("modify_user_address", user_id="ann_doe_1", **(HOME | {"city": "C"})),
            action(
                "exchange_delivered_order_items",
                order_id="#1", item_ids=["11", "11"], new_item_ids=["12", "12"], payment_method_id="gift_1",
            ),
            action("return_delivered_order_items", order_id="#1", item_ids=["11"], payment_method_id="card_1"),
        ]
    },
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Data:
    rows: dict[str, list[dict[str, Any]]] = {
        "users": [user("ann_doe_1", "Ann", ["#1", "#2"]), user("bob_doe_2", "Bob", ["#3", "#4"])],
        "orders": [
            order("#1", "ann_doe_1", "delivered"),
            order("#2", "ann_doe_1", "pending"),
            order("#3", "bob_doe_2", "pending"),
            order("#4", "bob_doe_2", "delivered"),
        ],
        "catalog": [
            variant("11", "10", "red", 500),
            variant("12", "10", "blue", 600),
            variant("13", "10", "black", 500, "out_of_stock"),
            variant("21", "20", "red", 500),
        ],
        "tasks_train": [TASK],
    }
    for name, each in rows.items():
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in each)
    return Data.read(tmp_path)


def test_all_of_a_task_is_counted(data: Data, tmp_path: Path) -> None:
    found = measure(Bench(data, tmp_path))
    assert found["not_right"] == []
    tally = found["tally"]
    assert (tally["lookups"], tally["lookups, right"]) == (8, 8)
    assert (tally["gold writes"], tally["gold writes, right"]) == (3, 3)
    assert tally["gold writes that the tools refuse, right"] == 1, "the order was exchanged before"
    assert tally["end states, right"] == 1
    assert tally["end states, right for who only hands over"] == 0
    assert tally["forbidden writes, right"] == tally["forbidden writes"] > 20
    assert tally["customers known by their own words"] == 1
    assert "| gold writes accepted | 3 | 3 | 0 |" in table(found)


def test_a_backend_that_allows_too_much_is_found_out(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lax(request: Any, facts: Any) -> Proposal:
        return Proposal(request, facts.order) if isinstance(request, ReturnItems) else judge(request, facts)

    monkeypatch.setattr("storage.order_changes.judge", lax)
    found = measure(Bench(data, tmp_path))
    assert found["tally"]["forbidden writes, right"] < found["tally"]["forbidden writes"]
    assert any("return what is not delivered was done" in line for line in found["not_right"])
    assert any("another end state" in line for line in found["not_right"])


def test_a_backend_that_answers_wrongly_is_found_out(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedBackend, "orders", lambda *_: [])
    monkeypatch.setattr("benchmarks.tau2.RULES", OrderSettings())
    found = measure(Bench(data, tmp_path))
    assert found["tally"]["lookups, right"] == found["tally"]["lookups"] - 1, (
        "the order that is not there is still right"
    )
    assert found["tally"]["gold writes, right"] == 0


def test_the_reference_refuses_as_the_tools_do(data: Data) -> None:
    world = World(data)
    for name, arguments in (
        ("cancel_pending_order", {"order_id": "#1", "reason": "no longer needed"}),
        ("cancel_pending_order", {"order_id": "#2", "reason": "too dear"}),
        ("return_delivered_order_items", {"order_id": "#1", "item_ids": ["11"] * 3, "payment_method_id": "card_1"}),
        (
            "exchange_delivered_order_items",
            {"order_id": "#1", "item_ids": ["11"], "new_item_ids": ["13"], "payment_method_id": "card_1"},
        ),
        (
            "modify_pending_order_items",
            {"order_id": "#2", "item_ids": ["11"], "new_item_ids": ["21"], "payment_method_id": "card_1"},
        ),
    ):
        with pytest.raises(Impossible):
            world.write(name, arguments)
    assert world.state() == World(data).state()


def test_what_customers_say_of_themselves() -> None:
    assert known_from("You are Ann Doe, living in Rome 12345.") == {"email": [], "zip": ["12345"], "name": ["Ann Doe"]}
    assert known_from("You are ann_doe_12345 (ann@shop.example).") == {
        "email": ["ann@shop.example"], "zip": [], "name": ["Ann Doe"],
    }  # fmt: skip


def test_two_items_alike_are_two_lines(data: Data) -> None:
    arguments = {"order_id": "#1", "item_ids": ["11", "11"], "payment_method_id": "card_1"}
    request = request_of(data, "return_delivered_order_items", arguments)
    assert isinstance(request, ReturnItems)
    assert [piece.line for piece in request.pieces] == [0, 1]
    assert "cancel" in RULES.self_service


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/tau2_retail is missing")
def test_no_forbidden_write_on_the_first_tasks(tmp_path: Path) -> None:
    whole = Data.read(REAL)
    found = measure(Bench(Data(whole.users, whole.orders, whole.variants, whole.tasks[:6]), tmp_path))
    assert found["not_right"] == []
    assert found["tally"]["forbidden writes, right"] == found["tally"]["forbidden writes"]
