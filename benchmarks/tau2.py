"""τ²-bench retail without a language model: lookups and policy of the backend on all train tasks, and what the dialogue reaches.

    python -m benchmarks.tau2 --data ../shared/data/tau2_retail [--dialogue SHOP] [--json]

What is counted is written down in docs/benchmarks.md. `--dialogue` also speaks the customers' own sentences to the assistant,
signed in as the customer of the task, with the encoders and the intent model that SHOP serves with.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.tau2_world import REASONS, STATUS, WRITES, Data, Impossible, Row, World, cents, known_from
from bot.backend import OPERATIONS, Backend, Caller, Outcome
from bot.embedded import EmbeddedBackend
from index.product import Product
from storage.customers import put_customers
from storage.database import Database
from storage.errors import AisleError, Conflict, NotFound
from storage.order_changes import changes_of
from storage.order_rules import (
    CancelOrder,
    ChangeRequest,
    ExchangeItems,
    ModifyAddress,
    ModifyDefaultAddress,
    ModifyItems,
    ModifyPayment,
    Piece,
    Refused,
    ReturnItems,
    Swap,
)
from storage.orders import Address, orders_of, put_orders
from storage.principal import Principal, Role, local_operator
from storage.record import now_ms
from storage.settings import OrderSettings

RULES = OrderSettings(
    self_service=("cancel", "return", "exchange", "items", "address", "payment", "default_address"),
    return_days=3650,
    cancel_reasons=REASONS,
)
"""The domain's policy in shop.toml's words."""
SHOP = local_operator()
_ELSEWHERE = Address(address1="1 Other Street", city="Elsewhere", zip="00000")
OURS = {
    "find_user_id_by_email": "find_user",
    "find_user_id_by_name_zip": "find_user",
    "get_user_details": "get_user",
    "get_order_details": "get_order",
    "get_product_details": "get_product",
    "calculate": "calculate",
}
Tally = Counter[str]


class Bench:
    """The data, and a database file with all of it that each task gets a copy of."""

    def __init__(self, data: Data, work: Path) -> None:
        self.data = data
        self.products = data.products()
        self.work = work
        self.template = work / "template.db"
        database = Database.open(f"sqlite:///{self.template}")
        put_customers(database, SHOP, data.customers())
        put_orders(database, SHOP, data.our_orders(now_ms()))
        database.close()

    @contextmanager
    def fresh(self) -> Iterator[tuple[Database, Backend]]:
        """A database as it was at the start, and the backend over it."""
        path = self.work / "task.db"
        shutil.copy(self.template, path)  # with its mode, which lets nobody else read it
        database = Database.connect(f"sqlite:///{path}")
        try:
            yield database, EmbeddedBackend(database, RULES, self.product)
        finally:
            database.close()
            for file in self.work.glob("task.db*"):
                file.unlink()

    def product(self, product_id: str) -> Product | None:
        """A product by its own id; the domain's products and variants share no ids."""
        return self.products.get(product_id)

    @cache  # noqa: B019  # one bench lives as long as the run
    def owner(self, task_id: str) -> str | None:
        """Whose task it is: the user that its lookups or writes are about, else whom the words name; None where they name none."""
        task = next(each for each in self.data.tasks if each["id"] == task_id)
        for action in actions_of(task):
            arguments = action["arguments"]
            if "user_id" in arguments:
                return str(arguments["user_id"])
            if arguments.get("order_id") in self.data.orders:
                return str(self.data.orders[arguments["order_id"]]["user_id"])
        return self.identified(task)

    def identified(self, task: Row) -> str | None:
        """The user that the customer's own words about themselves lead to, through the backend; None where they lead to none."""
        said = known_from(task["user_scenario"]["instructions"]["known_info"] or "")
        tries: list[dict[str, str]] = [{"email": email} for email in said["email"]]
        for name in said["name"]:
            first, last = name.split()
            tries += [{"first_name": first, "last_name": last, "zip_code": code} for code in said["zip"]]
        with self.fresh() as (_, backend):
            for arguments in tries:
                try:
                    found = OPERATIONS["find_user"].call(backend, Caller(SHOP, SHOP.id), arguments)
                except (NotFound, Conflict):
                    continue
                return str(found.data["user_id"])
        return None

    def state(self, database: Database) -> dict[str, Any]:
        """All orders and users as `World.state` spells them."""
        back = {ours: theirs for theirs, ours in STATUS.items()}
        orders: dict[str, Any] = {}
        users: dict[str, Any] = {}
        for user_id in self.data.users:
            changes = changes_of(database, SHOP, user_id)
            for order in orders_of(database, SHOP, user_id):
                status = back[order.status]
                request: tuple[Any, ...] | None = None
                for change in changes:
                    if change.order_id != order.order_id:
                        continue
                    if change.kind in ("return", "exchange"):
                        status = f"{change.kind} requested"
                    if change.kind == "return":
                        ids = sorted(line["variant_id"] for line in change.lines)
                        request = ("return", ids, change.amount, change.payment_method)
                    if change.kind == "exchange":
                        pairs = sorted((line["variant_id"], line["to_variant_id"]) for line in change.lines)
                        request = ("exchange", pairs, change.amount, change.payment_method)
                    if change.kind == "items":
                        status, request = "pending (item modified)", ("items", change.amount, change.payment_method)
                assert order.address is not None
                items = sorted((item.variant_id, item.price) for item in order.items)
                orders[order.order_id] = (status, items, _place(order.address), order.payment_method, request)
            customer = EmbeddedBackend(database, RULES, self.product).user(SHOP, user_id)
            assert customer.address is not None
            balances = sorted((method.id, method.balance or 0) for method in customer.payment_methods)
            users[user_id] = (_place(customer.address), balances)
        return {"orders": orders, "users": users}


def actions_of(task: Row) -> list[Row]:
    """The gold actions in their order."""
    found: list[Row] = task["evaluation_criteria"]["actions"]
    return found


def _place(address: Address) -> tuple[str, ...]:
    return tuple(getattr(address, name) for name in ("address1", "address2", "city", "state", "country", "zip"))


# Lookups.


def lookup(bench: Bench, backend: Backend, caller: Caller, action: Row) -> bool:
    """Whether the backend answers a gold lookup with the right record, or with none where there is none."""
    name, said = action["name"], action["arguments"]
    arguments = {key: value for key, value in said.items() if key != "user_id"}
    if name == "find_user_id_by_name_zip":
        arguments = {"first_name": said["first_name"], "last_name": said["last_name"], "zip_code": said["zip"]}
    if name.startswith("find_user"):
        caller = Caller(SHOP, SHOP.id)  # nobody is known yet
    try:
        outcome = OPERATIONS[OURS[name]].call(backend, caller, arguments)
    except NotFound:
        return not _exists(bench.data, name, said)
    return _exists(bench.data, name, said) and _right(bench.data, name, said, outcome)


def _exists(data: Data, name: str, said: Row) -> bool:
    if name == "find_user_id_by_email":
        return any(user["email"] == said["email"] for user in data.users.values())
    if name == "find_user_id_by_name_zip":
        wanted = (said["first_name"], said["last_name"], said["zip"])
        return any((*user["name"].values(), user["address"]["zip"]) == wanted for user in data.users.values())
    if name == "get_order_details":
        return said["order_id"] in data.orders
    return name != "get_product_details" or said["product_id"] in data.variants


def _right(data: Data, name: str, said: Row, outcome: Outcome) -> bool:
    found = outcome.data
    match name:
        case "find_user_id_by_email":
            return bool(data.users[found["user_id"]]["email"] == said["email"])
        case "find_user_id_by_name_zip":
            user = data.users[found["user_id"]]
            named = (user["name"]["first_name"], user["name"]["last_name"], user["address"]["zip"])
            return named == (said["first_name"], said["last_name"], said["zip"])
        case "get_user_details":
            user = data.users[said["user_id"]]
            methods = {each["id"]: each["balance"] or 0 for each in found["payment_methods"]}
            gold = {key: cents(each.get("balance", 0)) for key, each in user["payment_methods"].items()}
            places = {key: value or "" for key, value in user["address"].items()}
            return (found["email"], methods, found["address"]) == (user["email"], gold, places)
        case "get_order_details":
            order = data.orders[said["order_id"]]
            items = [(item["product_id"], item["variant_id"], item["price"]) for item in found["items"]]
            gold_items = [(item["product_id"], item["item_id"], cents(item["price"])) for item in order["items"]]
            head = (found["user_id"], found["status"], found["payment_method"])
            paid = order["payment_history"][0]["payment_method_id"]
            return items == gold_items and head == (order["user_id"], STATUS[order["status"]], paid)
        case "get_product_details":
            variants = {
                each["variant_id"]: (each["price"]["amount"], each["availability"], each["options"])
                for each in found["variants"]
            }
            return variants == {
                key: (
                    row["price"]["amount"],
                    row["availability"],
                    {option: value for option, value in row["attributes"].items() if option != "product_id"},
                )
                for key, row in data.variants[said["product_id"]].items()
            }
    terms = re.findall(r"([+-]?)\s*(\d+(?:\.\d+)?)", said["expression"])
    return Decimal(found) == sum(Decimal(f"{sign}{figure}") for sign, figure in terms)


# Writes.


def request_of(data: Data, name: str, said: Row) -> ChangeRequest:
    """A gold write in our words. Items are lines here: of two alike each is taken once."""
    address = Address.model_validate(
        {key: value for key, value in said.items() if key not in ("order_id", "user_id")}
        | ({} if "address1" in said else {"address1": "-"})
    )
    if name == "modify_user_address":
        return ModifyDefaultAddress(address=address)
    order_id = said["order_id"]
    if name == "cancel_pending_order":
        return CancelOrder(order_id=order_id, reason=said["reason"])
    if name == "modify_pending_order_address":
        return ModifyAddress(order_id=order_id, address=address)
    free = [item["item_id"] for item in data.orders[order_id]["items"]]
    lines = []
    for item_id in said["item_ids"]:
        lines.append(free.index(item_id))
        free[lines[-1]] = ""
    method = said["payment_method_id"]
    if name == "return_delivered_order_items":
        pieces = tuple(Piece(line=line) for line in lines)
        return ReturnItems(order_id=order_id, pieces=pieces, payment_method=method)
    swaps = tuple(Swap(line=line, variant_id=new) for line, new in zip(lines, said["new_item_ids"], strict=True))
    kind = ExchangeItems if name.startswith("exchange") else ModifyItems
    return kind(order_id=order_id, swaps=swaps, payment_method=method)


def attempt(backend: Backend, user_id: str, request: ChangeRequest, request_id: str) -> bool:
    """Proposes and, as a customer who says yes would, confirms; whether the change was made."""
    principal = Principal(user_id, Role.CUSTOMER)
    try:
        proposal = backend.propose(principal, user_id, request)
    except (Refused, NotFound):
        # A helper that confirms all the same, without a proposal, must get no further.
        try:
            backend.change(principal, user_id, request, request_id, "")
        except AisleError:
            return False
        return True
    backend.change(principal, user_id, request, request_id, proposal.stamp)
    return True


def gold_writes(bench: Bench, task: Row, user_id: str, tally: Tally, odd: list[str]) -> None:
    """The task's writes in their order: accepted where the domain's tools accept, and the same end state."""
    world = World(bench.data)
    with bench.fresh() as (database, backend):
        for number, action in enumerate(each for each in actions_of(task) if each["name"] in WRITES):
            try:
                world.write(action["name"], action["arguments"])
                possible = True
            except Impossible:
                possible = False
            request = request_of(bench.data, action["name"], action["arguments"])
            done = attempt(backend, user_id, request, f"{task['id']}-{number}")
            kind = "gold writes" if possible else "gold writes that the tools refuse"
            tally[kind] += 1
            tally[f"{kind}, right"] += done == possible
            if done != possible:
                odd.append(f"task {task['id']}: {action['name']} {'done' if done else 'refused'}")
        alike = bench.state(database) == world.state()
    tally["end states"] += 1
    tally["end states, right"] += alike
    tally["end states, right for who only hands over"] += World(bench.data).state() == world.state()
    if not alike:
        odd.append(f"task {task['id']}: another end state")


def forbidden(data: Data, products: Mapping[str, Product], user_id: str) -> Iterator[tuple[str, ChangeRequest]]:
    """Writes that the policy forbids, made by rule from the records: (which rule, the write)."""
    user = data.users[user_id]
    methods = user["payment_methods"]
    stranger = next(row for row in data.orders.values() if row["user_id"] != user_id and row["status"] == "pending")
    yield "another's order", CancelOrder(order_id=stranger["order_id"], reason=REASONS[0])
    yield "another's order", ModifyAddress(order_id=stranger["order_id"], address=_ELSEWHERE)
    theirs = next(row for row in data.orders.values() if row["user_id"] != user_id and row["status"] == "delivered")
    yield "another's order", ReturnItems(order_id=theirs["order_id"], pieces=(Piece(line=0),))
    for order_id in user["orders"]:
        row = data.orders[order_id]
        status, paid = row["status"], row["payment_history"][0]["payment_method_id"]
        item = row["items"][0]
        product = products[item["product_id"]]
        other = next(key for key in products if key != product.id)
        able = [
            variant for variant in product.variants if variant.availability.orderable and variant.id != item["item_id"]
        ]
        gone = [variant for variant in product.variants if not variant.availability.orderable]
        kind = ModifyItems if status == "pending" else ExchangeItems

        def swap(
            to: str, how: type[ModifyItems] | type[ExchangeItems], method: str, order_id: str = order_id
        ) -> ChangeRequest:
            return how(order_id=order_id, swaps=(Swap(line=0, variant_id=to),), payment_method=method)

        if status != "pending":
            yield "cancel what is not pending", CancelOrder(order_id=order_id, reason=REASONS[0])
            yield "redirect what is not pending", ModifyAddress(order_id=order_id, address=_ELSEWHERE)
            if able:
                yield "modify what is not pending", swap(able[0].id, ModifyItems, paid)
            if len(methods) > 1:
                elsewhere = next(key for key in methods if key != paid)
                yield "repay what is not pending", ModifyPayment(order_id=order_id, payment_method=elsewhere)
        if status != "delivered":
            yield (
                "return what is not delivered",
                ReturnItems(order_id=order_id, pieces=(Piece(line=0),), payment_method=paid),
            )
            if able:
                yield "exchange what is not delivered", swap(able[0].id, ExchangeItems, paid)
        if status == "pending":
            yield "a reason that is none", CancelOrder(order_id=order_id, reason="found it cheaper")
            yield "the same means of payment", ModifyPayment(order_id=order_id, payment_method=paid)
            yield "the same item", swap(item["item_id"], ModifyItems, paid)
            yield "another's means of payment", ModifyPayment(order_id=order_id, payment_method="credit_card_0000000")
            total = sum(cents(each["price"]) for each in row["items"])
            poor = [
                key for key, each in methods.items() if each["source"] == "gift_card" and cents(each["balance"]) < total
            ]
            for key in poor:
                if key != paid:
                    yield "a gift card with too little", ModifyPayment(order_id=order_id, payment_method=key)
        if status in ("pending", "delivered"):
            yield "another product", swap(products[other].variants[0].id, kind, paid)
            if gone:
                yield "an item that is not available", swap(gone[0].id, kind, paid)
            if able:
                yield "another's means of payment", swap(able[0].id, kind, "credit_card_0000000")
        if status == "delivered":
            yield (
                "another's means of payment",
                ReturnItems(order_id=order_id, pieces=(Piece(line=0),), payment_method="credit_card_0000000"),
            )
            wrong = [key for key, each in methods.items() if key != paid and each["source"] != "gift_card"]
            for key in wrong:
                yield (
                    "a refund to another card",
                    ReturnItems(order_id=order_id, pieces=(Piece(line=0),), payment_method=key),
                )


def refusals(bench: Bench, task: Row, user_id: str, tally: Tally, odd: list[str]) -> None:
    """Every forbidden write of the task's user, and every second change after a gold one: none may be made."""
    with bench.fresh() as (database, backend):
        before = bench.state(database)
        for number, (rule, request) in enumerate(forbidden(bench.data, bench.products, user_id)):
            _count(tally, odd, task, rule, attempt(backend, user_id, request, f"f{number}"))
        if bench.state(database) != before:
            odd.append(f"task {task['id']}: a refused write left something behind")
        once: dict[str, ChangeRequest] = {}
        for number, action in enumerate(each for each in actions_of(task) if each["name"] in WRITES):
            request = request_of(bench.data, action["name"], action["arguments"])
            if attempt(backend, user_id, request, f"g{number}") and request.kind in ("return", "exchange", "items"):
                once[action["arguments"]["order_id"]] = request
        before = bench.state(database)
        for number, (order_id, request) in enumerate(once.items()):
            again: list[ChangeRequest] = [request]
            if request.kind == "items":
                again += [
                    CancelOrder(order_id=order_id, reason=REASONS[0]),
                    ModifyAddress(order_id=order_id, address=_ELSEWHERE),
                ]
            else:
                again.append(ReturnItems(order_id=order_id, pieces=(Piece(line=0),)))
            for place, second in enumerate(again):
                _count(tally, odd, task, "a second change", attempt(backend, user_id, second, f"s{number}-{place}"))
        if bench.state(database) != before:
            odd.append(f"task {task['id']}: a refused write left something behind")


def _count(tally: Tally, odd: list[str], task: Row, rule: str, done: bool) -> None:
    tally["forbidden writes"] += 1
    tally["forbidden writes, right"] += not done
    tally[f"forbidden: {rule}"] += 1
    if done:
        odd.append(f"task {task['id']}: {rule} was done")


def measure(bench: Bench) -> dict[str, Any]:
    """All tasks: lookups and policy steps, right and in all, and what was not right."""
    tally: Tally = Counter()
    by_name: dict[str, Tally] = defaultdict(Counter)
    odd: list[str] = []
    for task in bench.data.tasks:
        user_id = bench.owner(task["id"])
        tally["tasks"] += 1
        if user_id is None:
            odd.append(f"task {task['id']}: the data has no such user, there is nothing to look up or to write")
            continue
        tally["customers known by their own words"] += bench.identified(task) == user_id
        whole = True
        with bench.fresh() as (_, backend):
            for action in actions_of(task):
                if action["name"] not in OURS:
                    continue
                right = lookup(bench, backend, Caller(Principal(user_id, Role.CUSTOMER), user_id), action)
                tally["lookups"] += 1
                tally["lookups, right"] += right
                by_name[action["name"]]["n"] += 1
                by_name[action["name"]]["right"] += right
                whole &= right
                if not right:
                    odd.append(f"task {task['id']}: {action['name']} {action['arguments']}")
        before = len(odd)
        gold_writes(bench, task, user_id, tally, odd)
        refusals(bench, task, user_id, tally, odd)
        tally["tasks, all right"] += whole and len(odd) == before
    return {"tally": dict(tally), "lookups": {name: dict(each) for name, each in by_name.items()}, "not_right": odd}


def table(found: Mapping[str, Any]) -> str:
    """The figures as a table in Markdown, the baseline that always hands over beside them."""
    tally: Mapping[str, int] = found["tally"]
    idle = tally.get("end states, right for who only hands over", 0)
    refused = tally.get("gold writes that the tools refuse", 0)
    rows: Iterable[tuple[str, str, int]] = (
        ("gold lookups answered with the right record", "lookups", 0),
        ("gold writes accepted", "gold writes", 0),
        ("gold writes that the domain's tools refuse, refused", "gold writes that the tools refuse", refused),
        ("end state of the task as the gold one", "end states", idle),
        ("forbidden writes refused", "forbidden writes", tally["forbidden writes"]),
    )
    lines = ["| | n | right | always hands over |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {tally.get(key, 0)} | {tally.get(f'{key}, right', 0)} | {null} |" for name, key, null in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tau2_retail"))
    parser.add_argument(
        "--dialogue", type=Path, metavar="SHOP", help="also talk, with encoders and intent model of a shop"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    options = parser.parse_args(arguments)
    data = Data.read(options.data)
    with tempfile.TemporaryDirectory(prefix="aisle-tau2-") as folder:
        bench = Bench(data, Path(folder))
        found = measure(bench)
        if options.dialogue:
            from benchmarks.tau2_dialogue import dialogues

            found["dialogue"] = dialogues(bench, Path(folder), options.dialogue)
    if options.json:
        print(json.dumps(found))
        return
    print(table(found))
    for line in found["not_right"]:
        print(line)
    for name in ("tally", "lookups", "dialogue"):
        print(name, json.dumps(found.get(name)))


if __name__ == "__main__":
    main()
