"""The command line: what scripts rely on (JSON, exit status) and what people see when something is wrong."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

import launch
from bot.experiments import Experiments
from storage.access_log import ACCOUNTABLE, note
from storage.customers import Customer, customer_of
from storage.errors import Conflict
from storage.orders import orders_of
from storage.principal import Principal, Role
from storage.record import new_id, now_ms
from tests.fixtures import Run

PRODUCTS = [
    {
        "id": f"mug-{number}",
        "title": f"Stoneware mug {color}",
        "price": {"amount": 900 + number, "currency": "USD"},
        "attributes": {"color": [color]},
    }
    for number, color in enumerate(["blue", "white", "green", "black", "red", "grey"])
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, latin_encoder: object, encoder_cache: Path) -> Path:
    """A folder with the encoder in place and a catalog beside it."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(encoder_cache / "latin", folder / "models" / "encoder" / "latin")
    (folder / "catalog.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PRODUCTS), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["serve"],
        ["demo"],
        ["index"],
        ["ingest"],
        ["search"],
        ["chat"],
        ["audience"],
        ["finetune", "intent"],
        ["finetune", "language-model"],
        ["finetune", "stage"],
        ["finetune", "ranker"],
        ["finetune", "sequence"],
        ["evaluate", "experiment"],
        ["experiment", "power"],
        ["evaluate", "intent"],
        ["evaluate", "policy"],
        ["evaluate", "retention"],
        ["evaluate", "search"],
        ["evaluate", "sequence"],
        ["answers", "mine"],
        ["answers", "list"],
        ["answers", "approve"],
        ["answers", "reject"],
        ["answers", "import"],
        ["models", "list"],
        ["models", "promote"],
        ["models", "rollback"],
        ["label"],
        ["keys", "create"],
        ["keys", "list"],
        ["keys", "rotate"],
        ["keys", "revoke"],
    ],
)
def test_every_command_has_help_with_an_example(run: Run, command: list[str]) -> None:
    status, out, _ = run(*command, "--help")
    assert status == 0
    assert "Example: launch.py" in out


def test_index_then_search(run: Run, shop: Path) -> None:
    status, out, err = run("index", shop / "catalog.jsonl", "--shop", shop, "--json")
    assert status == 0, err
    assert json.loads(out)["products"] == len(PRODUCTS)
    status, out, err = run("index", shop / "catalog.jsonl", "--shop", shop, "--json")
    assert json.loads(out)["embedded"] == 0, "nothing changed"
    status, out, err = run("search", "blue mug", "--shop", shop, "--json", "--limit", 3)
    assert status == 0, err
    found = json.loads(out)
    assert set(found) == {"products", "constraints", "total"}
    assert found["products"][0]["product_id"] == "mug-0"
    filters = '{"price": {"min": 902, "max": 903, "currency": "USD"}}'
    _, out, _ = run("search", "mug", "--shop", shop, "--json", "--filters", filters)
    assert {card["product_id"] for card in json.loads(out)["products"]} == {"mug-2", "mug-3"}
    _, out, _ = run("search", "mug", "--shop", shop)
    assert "Stoneware mug blue" in out


def test_events_about_what_the_catalog_lacks_are_named(run: Run, shop: Path) -> None:
    run("index", shop / "catalog.jsonl", "--shop", shop)
    view = {"event": "view_item", "user_id": "maya", "timestamp": 1767323045000}
    rows = [
        view | {"event_id": name, "items": [{"item_id": name}]} for name in ("mug-0", "mug-1", "mug-2", "sold-long-ago")
    ]
    log = shop / "events.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    quality = json.loads(run("ingest", "events", log, "--shop", shop, "--json")[1])["quality"]
    assert (quality["unknown_items_share"], quality["unknown_items"]) == (0.25, ["sold-long-ago"])


def test_search_is_scored_by_the_same_way(run: Run, shop: Path) -> None:
    run("index", shop / "catalog.jsonl", "--shop", shop)
    queries, qrels = shop / "queries.jsonl", shop / "qrels.tsv"
    queries.write_text('{"query_id": "q1", "text": "green stoneware mug"}\n', encoding="utf-8")
    qrels.write_text("q1\tmug-2\t1\n", encoding="utf-8")
    status, out, err = run("evaluate", "search", "--shop", shop, "--queries", queries, "--qrels", qrels, "--json")
    assert status == 0, err
    scores = json.loads(out)
    assert set(scores) == {"n", "recall@1", "recall@10", "mrr@10", "ndcg@10", "p50_ms", "p95_ms"}
    assert scores["recall@1"] == 1


def test_the_stage_model_says_what_it_lacks(run: Run, shop: Path, tmp_path: Path) -> None:
    code, _, err = run("finetune", "stage", "--shop", tmp_path)
    assert (code, "has no index" in err) == (2, True)
    run("index", shop / "catalog.jsonl", "--shop", shop)
    code, out, err = run("finetune", "stage", "--shop", shop, "--output", tmp_path / "m", "--json")
    assert (code, out) == (2, "")
    assert "too few to judge by" in err
    assert "launch.py ingest events" in err
    assert not (tmp_path / "m").exists()


def test_the_ranker_says_what_it_lacks(run: Run, shop: Path, tmp_path: Path) -> None:
    code, _, err = run("finetune", "ranker", "--shop", tmp_path)
    assert code != 0
    assert "has no index" in err
    run("index", shop / "catalog.jsonl", "--shop", shop)
    code, out, err = run("finetune", "ranker", "--shop", shop, "--output", tmp_path / "m", "--json")
    assert (code, out) == (2, "")
    assert "a ranker needs 500" in err
    assert "launch.py ingest events" in err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["index", "nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["search", "mug", "--filters", '{"price": 3}'], 2, "--filters"),
        (["search", "mug", "--filters", '{"colour": "red"}'], 2, "colour"),
        (["serve", "--demo", "--host", "0.0.0.0"], 1, "--host"),
        (["evaluate", "intent", "--model", "nowhere", "--logs", "nowhere"], 1, "nowhere"),
        (["finetune", "intent", "--logs", "nowhere.jsonl", "--output", "out"], 2, "nowhere.jsonl"),
    ],
)
def test_errors_are_one_line_with_the_way_out(
    run: Run, shop: Path, arguments: list[str], status: int, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "search":
        run("index", shop / "catalog.jsonl", "--shop", shop)
    shop_option = [] if arguments[0] == "evaluate" else ["--shop", str(shop)]
    code, out, err = run(*arguments, *shop_option)
    assert code == status
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("launch.py:")]) == 1


def test_too_many_rejected_rows_publish_nothing(run: Run, shop: Path, tmp_path: Path) -> None:
    run("index", shop / "catalog.jsonl", "--shop", shop)
    before = sorted((shop / "index").iterdir())
    broken = tmp_path / "broken.jsonl"
    broken.write_text(shop.joinpath("catalog.jsonl").read_text() + '{"title": "no id"}\n' * 20, encoding="utf-8")
    rejected = tmp_path / "rejected.jsonl"
    status, _, err = run("index", broken, "--shop", shop, "--rejected", rejected)
    assert status == 3
    assert "--max-rejected" in err
    assert len(rejected.read_text(encoding="utf-8").splitlines()) == 20
    assert sorted((shop / "index").iterdir()) == before


def test_an_unknown_key_in_shop_toml_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('curency = "EUR"\n', encoding="utf-8")
    status, _, err = run("search", "mug", "--shop", tmp_path)
    assert status == 2
    assert "curency" in err
    assert "currency" in err


def test_a_shop_toml_in_another_encoding_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_bytes('name = "小店"\n'.encode("gbk"))
    status, _, err = run("search", "mug", "--shop", tmp_path)
    assert status == 2
    assert "UTF-8" in err
    assert "Traceback" not in err


def test_events_are_loaded_once_and_broken_rows_kept(run: Run, tmp_path: Path) -> None:
    event = {
        "event_id": "e1",
        "event": "view_item",
        "user_id": "maya",
        "timestamp": 1767323045000,
        "items": [{"item_id": "m"}],
    }
    log = tmp_path / "events.jsonl"
    log.write_text(
        json.dumps(event) + "\nnot json\n" + json.dumps({**event, "event_id": "e2", "session_id": "s"}) + "\n",
        encoding="utf-8",
    )
    status, out, err = run("ingest", "events", log, "--shop", tmp_path, "--json")
    assert status == 0, err
    report = json.loads(out)
    (line,) = Path(report.pop("rejected_file")).read_text(encoding="utf-8").splitlines()
    quality = report.pop("quality")
    assert quality["rejected_by_reason"] == {json.loads(line)["reason"]: 1}
    assert "not JSON" in Path(report.pop("report_file")).read_text(encoding="utf-8")
    assert report == {"read": 3, "accepted": 2, "duplicates": 0, "rejected": 1, "dropped_fields": 0}
    assert json.loads(line)["line"] == 2
    assert json.loads(run("ingest", "events", log, "--shop", tmp_path, "--json")[1])["duplicates"] == 2
    assert len(list((tmp_path / "rejected").glob("events-*.jsonl"))) == 2, "one run keeps what another rejected"


def test_events_of_nobody_count_before_anything_is_loaded(run: Run, tmp_path: Path) -> None:
    events = [{"event_id": f"e{n}", "event": "view_item", "timestamp": 1767323045000 + n} for n in range(50)]
    log = tmp_path / "events.jsonl"
    log.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    status, out, err = run("ingest", "events", log, "--shop", tmp_path, "--json")
    assert (status, out) == (3, "")
    assert "50 of 50" in err
    assert "user_id" in err
    (rejected,) = (tmp_path / "rejected").glob("*.jsonl")
    assert len(rejected.read_text(encoding="utf-8").splitlines()) == 50
    mine = [{**event, "user_id": "maya"} for event in events]
    log.write_text("".join(json.dumps(event) + "\n" for event in [*mine[:11], *events[11:]]), encoding="utf-8")
    assert run("ingest", "events", log, "--shop", tmp_path, "--json")[0] == 3
    log.write_text("".join(json.dumps(event) + "\n" for event in mine), encoding="utf-8")
    assert json.loads(run("ingest", "events", log, "--shop", tmp_path, "--json")[1])["accepted"] == 50


def test_bad_optional_fields_are_dropped_and_counted(run: Run, tmp_path: Path) -> None:
    event = {"event_id": "e1", "event": "view_item", "user_id": "maya", "timestamp": 1767323045000}
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({**event, "value": "many", "items": [{"item_id": "m", "price": -1}]}), encoding="utf-8")
    report = json.loads(run("ingest", "events", log, "--shop", tmp_path, "--json")[1])
    assert (report["accepted"], report["rejected"], report["dropped_fields"]) == (1, 0, 2)
    order = {"order_id": "o1", "user_id": "maya", "status": "paid", "placed_at": "2026-01-02T03:04:05Z"}
    bad = {"currency": "usd", "tracking": {"carrier": "DHL", "expected_at": "soon"}, "items": [{"product_id": "m"}]}
    log.write_text(json.dumps(order | bad), encoding="utf-8")
    report = json.loads(run("ingest", "orders", log, "--shop", tmp_path, "--json")[1])
    assert (report["accepted"], report["rejected"], report["dropped_fields"]) == (1, 0, 2)
    _, out, _ = run("ingest", "orders", log, "--shop", tmp_path)
    assert "dropped fields" in out


def test_reviews_are_loaded_once_and_broken_rows_kept(run: Run, tmp_path: Path) -> None:
    review = {"review_id": "r1", "product_id": "m", "text": "<b>Good</b>, write to a.b@c.example", "rating": "many"}
    log = tmp_path / "reviews.jsonl"
    log.write_text(json.dumps(review) + "\nnot json\n" + json.dumps({**review, "text": "Better."}), encoding="utf-8")
    for _ in range(2):
        status, out, err = run("ingest", "reviews", log, "--shop", tmp_path, "--json")
        assert status == 0, err
        report = json.loads(out)
        lines = Path(report.pop("rejected_file")).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["line"] for line in lines] == [1, 2]
        assert report == {
            "read": 3, "accepted": 1, "duplicates": 1, "rejected": 1, "dropped_fields": 2, "unknown_products": None,
        }  # fmt: skip
    log.write_text("{\n" * 11, encoding="utf-8")
    status, out, err = run("ingest", "reviews", log, "--shop", tmp_path)
    assert (status, out) == (3, "")
    assert "11 of 11" in err


def test_answers_are_proposed_approved_and_imported(run: Run, tmp_path: Path, encoder_cache: Path) -> None:
    shutil.copytree(encoder_cache, tmp_path / "models" / "encoder")
    said = [("user", "Do you offer gift wrapping?"), ("agent", "Gift wrapping can be chosen in the cart.")]
    bad = [("user", "Do you offer gift wrapping?"), ("agent", "Gift wrapping costs $3 in the cart.")]
    log = tmp_path / "dialogues.jsonl"
    log.write_text(
        "".join(json.dumps({"messages": [{"role": r, "content": c} for r, c in each]}) + "\n" for each in (said, bad)),
        encoding="utf-8",
    )
    status, out, err = run("answers", "mine", "--logs", log, "--shop", tmp_path, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["turns"], report["proposed"], report["added"]) == (2, 1, 1)
    assert report["refused"] == {"it holds a price": 1}
    assert "a price" in Path(report["refused_file"]).read_text(encoding="utf-8")
    assert json.loads(run("answers", "mine", "--shop", tmp_path, "--json")[1])["proposed"] == 0  # nobody talked here
    (pair,) = json.loads(run("answers", "list", "--shop", tmp_path, "--json")[1])["answers"]
    assert pair["status"] == "mined"
    name = pair["answer_id"]
    words = "Choose gift wrapping in the cart."
    out = run("answers", "approve", name, "--answer", words, "--shop", tmp_path, "--json")[1]
    assert json.loads(out)["answer"] == words
    assert name in run("answers", "list", "--status", "approved", "--shop", tmp_path)[1]
    assert run("answers", "reject", name, "--shop", tmp_path)[0] == 0
    assert "answers mine" in run("answers", "list", "--status", "approved", "--shop", tmp_path)[1]
    status, _, err = run("answers", "approve", "nothing", "--shop", tmp_path)
    assert status != 0
    assert "answers list" in err
    log.write_text(json.dumps({"question": "Do you sell gift cards?", "answer": "Gift cards come by mail."}))
    assert json.loads(run("answers", "import", log, "--shop", tmp_path, "--json")[1])["approved"] == 1


def test_the_quality_of_events_is_told(run: Run, tmp_path: Path) -> None:
    event = {"event_id": "e1", "event": "view_item", "user_id": "maya", "timestamp": 1767323045000}
    log = tmp_path / "log.jsonl"
    rows = [event | {"event_id": f"e{n}", "timestamp": 1767323045000 + n} for n in range(150)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    status, out, err = run("ingest", "events", log, "--shop", tmp_path, "--rejected", tmp_path / "r.jsonl")
    assert status == 0, err
    report = (tmp_path / "r.report.txt").read_text(encoding="utf-8")
    assert report in out
    assert "maya" not in report, "bots are named by pseudonyms"
    assert ": 150 acts in one minute" in report
    assert "- name one that the catalog lacks" in report, "there is no catalog"
    assert not (tmp_path / "r.jsonl").exists()


def test_a_row_that_a_reader_fails_on_is_rejected_alone(run: Run, tmp_path: Path) -> None:
    event = {"event_id": "e1", "event": "search", "user_id": "maya", "timestamp": 1767323045000}
    deep = '{"event_id": "e2", "event": "search", "user_id": "maya", "timestamp": 1767323045000, "search_term": '
    log = tmp_path / "events.jsonl"
    log.write_text(json.dumps(event) + "\n" + deep + "[" * 600 + "]" * 600 + "}\n", encoding="utf-8")
    status, out, err = run("ingest", "events", log, "--shop", tmp_path, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["accepted"], report["rejected"]) == (1, 1)
    assert "RecursionError" in Path(report["rejected_file"]).read_text(encoding="utf-8")


def test_customers_are_loaded_and_a_bad_row_is_kept_apart(run: Run, tmp_path: Path) -> None:
    rows = [
        {
            "user_id": "maya",
            "first_name": "Maya",
            "payment_methods": [{"id": "g", "source": "gift_card", "balance": 500}],
        },
        {"user_id": "maya", "first_name": "Maya", "email": ["?"]},
        {"email": "nobody@shop.example"},
    ]
    log = tmp_path / "customers.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    status, out, err = run("ingest", "customers", log, "--shop", tmp_path, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert Path(report.pop("rejected_file")).name.startswith("customers-")
    assert report == {"read": 3, "accepted": 1, "duplicates": 1, "rejected": 1, "dropped_fields": 1}
    with launch.opened(tmp_path) as database:
        assert customer_of(database, Principal("maya", Role.CUSTOMER), "maya") == Customer(
            user_id="maya", first_name="Maya"
        )


def test_orders_replace_their_earlier_state(run: Run, tmp_path: Path) -> None:
    order = {"order_id": "o1", "user_id": "maya", "status": "paid", "placed_at": "2026-01-02T03:04:05Z", "items": []}
    log = tmp_path / "orders.jsonl"
    rows = [order, {**order, "status": "lost"}, {**order, "status": "shipped"}, {**order, "order_id": "o2"}]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    status, out, err = run("ingest", "orders", log, "--shop", tmp_path, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert Path(report.pop("rejected_file")).name.startswith("orders-")
    assert report == {"read": 4, "accepted": 2, "duplicates": 1, "rejected": 1, "dropped_fields": 0}
    with launch.opened(tmp_path) as database:
        kept = orders_of(database, Principal("maya", Role.CUSTOMER), "maya")
    assert [(each.order_id, each.status) for each in kept] == [("o1", "shipped"), ("o2", "paid")]


def test_keys_are_shown_once_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    _, out, err = run("keys", "create", "--name", "backend", "--role", "service", "--shop", tmp_path, "--json")
    made = json.loads(out)
    assert made["key"].startswith("aisle_"), err
    _, listed, _ = run("keys", "list", "--shop", tmp_path)
    assert made["key_id"] in listed
    assert made["key"] not in listed
    assert run("keys", "revoke", made["key_id"], "--shop", tmp_path)[0] == 0
    assert "revoked" in run("keys", "list", "--shop", tmp_path)[1]
    assert run("keys", "revoke", "no-such-key", "--shop", tmp_path)[0] == 1


def test_a_key_is_bound_and_rotated(run: Run, tmp_path: Path) -> None:
    bound = ("--name", "feed", "--role", "service", "--scope", "catalog", "--scope", "orders:read", "--days", "30")
    made = json.loads(run("keys", "create", *bound, "--shop", tmp_path, "--json")[1])
    new = json.loads(run("keys", "rotate", made["key_id"], "--grace-hours", "2", "--shop", tmp_path, "--json")[1])
    assert new["key"] != made["key"]
    old, now = json.loads(run("keys", "list", "--shop", tmp_path, "--json")[1])["keys"]
    assert old["scopes"] == now["scopes"] == ["catalog", "orders:read"]
    assert old["expires_at"] == new["old_key_until"] < now["expires_at"]
    listed = run("keys", "list", "--shop", tmp_path)[1]
    assert listed.count("catalog orders:read  until ") == listed.count("never used") == 2
    status, _, err = run("keys", "create", "--name", "x", "--role", "service", "--scope", "ordres", "--shop", tmp_path)
    assert status == 2
    assert "Did you mean 'orders'?" in err


class TestErasure:
    ORDER: ClassVar = {"user_id": "maya", "status": "paid", "placed_at": "2026-01-02T03:04:05Z", "items": []}

    def load(self, run: Run, shop: Path) -> None:
        log = shop / "orders.jsonl"
        rows = [{**self.ORDER, "order_id": "o1"}, {**self.ORDER, "order_id": "o2", "user_id": "leo"}]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        status, _, err = run("ingest", "orders", log, "--shop", shop)
        assert status == 0, err

    def test_a_person_goes_and_an_old_file_does_not_bring_them_back(self, run: Run, tmp_path: Path) -> None:
        self.load(run, tmp_path)
        status, out, err = run("erase-user", "maya", "--shop", tmp_path, "--yes", "--json")
        assert status == 0, err
        done = json.loads(out)
        assert done["rows"] == {"orders": 1}
        assert done["files"] == {str(tmp_path / "orders.jsonl"): 1}
        assert (done["left_in"], done["models_to_retrain"], done["compacted"]) == ([], [], True)
        self.load(run, tmp_path)
        with launch.opened(tmp_path) as database:
            owners = {
                user: [order.order_id for order in orders_of(database, Principal(user, Role.CUSTOMER), user)]
                for user in ("maya", "leo")
            }
        assert owners == {"maya": [], "leo": ["o2"]}

    def test_it_asks_first(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.load(run, tmp_path)
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        status, out, err = run("erase-user", "maya", "--shop", tmp_path)
        assert (status, out.strip()) == (1, "")
        assert "no way back" in err
        with launch.opened(tmp_path) as database:
            assert orders_of(database, Principal("maya", Role.CUSTOMER), "maya")


class TestRetention:
    def load(self, run: Run, shop: Path) -> None:
        row = {"order_id": "o1", "user_id": "maya", "status": "delivered", "placed_at": "2020-01-02T03:04:05Z"}
        (shop / "orders.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
        status, _, err = run("ingest", "orders", shop / "orders.jsonl", "--shop", shop)
        assert status == 0, err

    def test_nothing_goes_without_periods(self, run: Run, tmp_path: Path) -> None:
        self.load(run, tmp_path)
        status, out, err = run("retention", "--shop", tmp_path)
        assert status == 0, err
        assert "no [retention]" in out

    def test_a_dry_run_says_what_would_go_and_a_run_deletes_it(self, run: Run, tmp_path: Path) -> None:
        self.load(run, tmp_path)
        (tmp_path / "shop.toml").write_text("[retention]\norders = 365\n", encoding="utf-8")
        gone = {"orders": {"orders": 1}}
        would = json.loads(run("retention", "--dry-run", "--json", "--shop", tmp_path)[1])
        assert would == {"dry_run": True, "rows": gone, "files": [], "compacted": None}
        assert json.loads(run("retention", "--json", "--shop", tmp_path)[1])["rows"] == gone
        assert run("retention", "--shop", tmp_path)[1].strip() == "Nothing is older than its period."

    def test_a_period_that_cannot_be_is_said(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "shop.toml").write_text("[retention]\norders = -1\n", encoding="utf-8")
        status, _, err = run("retention", "--shop", tmp_path)
        assert status == 2
        assert "retention.orders" in err


def test_looks_are_listed_also_at_somebody_who_is_erased(run: Run, tmp_path: Path) -> None:
    with launch.opened(tmp_path) as database:
        note(database, launch.ADMIN, "maya", "export", of=ACCOUNTABLE)
    assert "admin      operator  export  maya" in run("audit", "--shop", tmp_path)[1]
    run("erase-user", "maya", "--yes", "--shop", tmp_path)
    (erased, looked) = json.loads(run("audit", "--user", "maya", "--json", "--shop", tmp_path)[1])["accesses"]
    assert (erased["what"], looked["what"]) == ("erasure", "export")
    assert erased["whose"] == looked["whose"] != "maya"
    assert json.loads(run("audit", "--user", "nora", "--json", "--shop", tmp_path)[1]) == {"accesses": []}


def test_no_id_looks_like_an_option() -> None:
    ids = [new_id() for _ in range(2000)]
    assert not any("-" in each for each in ids)
    assert {len(each) for each in ids} == {22}


def test_the_demo_writes_its_files(run: Run, tmp_path: Path) -> None:
    status, out, err = run("demo", "--shop", tmp_path, "--products", 170, "--shoppers", 3, "--json")
    assert status == 0, err
    files = json.loads(out)
    assert {"catalog", "documents", "media", "events", "orders", "dialogues", "reviews", "settings"} == set(files)
    assert all(Path(path).exists() for path in files.values())


@pytest.mark.parametrize("name", ["shop.toml", "catalog.csv", "aisle.db", "events.jsonl"])
@pytest.mark.parametrize("command", [["demo"], ["serve", "--demo"]])
def test_the_demo_leaves_a_shop_of_somebodys_own_alone(run: Run, tmp_path: Path, name: str, command: list[str]) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    status, _, err = run(*command, "--shop", tmp_path)
    assert status == 1
    assert name in err
    assert "--shop" in err
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_the_demo_takes_a_folder_in_which_only_runs_were_registered(tmp_path: Path) -> None:
    from demo.marker import Stage, claim, stage_of
    from storage.consent import Consent, set_consent
    from storage.models import register_run

    for name, rows in (("runs", False), ("shop", True)):
        folder = tmp_path / name
        with launch.opened(folder) as database:
            register_run(
                database,
                launch.ADMIN,
                "0" * 64,
                name="intent",
                kind="intent",
                folder=folder / "run",
                data_hashes={},
                users=["maya"],
            )
            if rows:
                set_consent(database, Principal("maya", Role.CUSTOMER), "maya", Consent())
    claim(tmp_path / "runs")
    assert stage_of(tmp_path / "runs") is Stage.WRITING
    with pytest.raises(Conflict, match=r"aisle\.db"):
        claim(tmp_path / "shop")


def test_a_demo_that_was_interrupted_is_finished(
    run: Run, tmp_path: Path, encoders_by_space: object, encoder_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(encoder_cache, tmp_path / "models" / "encoder")
    run("demo", "--shop", tmp_path, "--products", 170, "--shoppers", 3)
    catalog = (tmp_path / "catalog.jsonl").read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(launch, "run_ingest_events", killed)
        with pytest.raises(KeyboardInterrupt):
            launch.build_demo(tmp_path)
    for _ in range(2):
        launch.build_demo(tmp_path)
        assert (tmp_path / "catalog.jsonl").read_bytes() == catalog, "the files were whole"
        _, out, _ = run("ingest", "events", tmp_path / "events.jsonl", "--shop", tmp_path, "--json")
        assert json.loads(out)["accepted"] == 0, "they were loaded"
        monkeypatch.setattr(launch, "run_index", killed)  # once it is complete nothing is done again


def test_a_demo_that_was_half_written_is_written_anew(tmp_path: Path) -> None:
    from demo.generate import write_demo_shop
    from demo.marker import Stage, stage_of

    def killed(step: str, *_: object) -> None:
        if step == "pictures":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo_shop(tmp_path, products=170, shoppers=3, progress=killed)
    assert (tmp_path / "catalog.jsonl").is_file()
    assert stage_of(tmp_path) is Stage.WRITING
    write_demo_shop(tmp_path, products=170, shoppers=3)
    assert stage_of(tmp_path) is Stage.WRITTEN


@pytest.mark.parametrize("marked", [True, False])
def test_make_clean_removes_the_demo_and_no_other_shop(tmp_path: Path, marked: bool) -> None:
    makefile = Path(launch.__file__).with_name("Makefile")
    other = tmp_path / "var" / "own" / "aisle.db"
    other.parent.mkdir(parents=True)
    other.write_text("rows", encoding="utf-8")
    database = tmp_path / "var" / "aisle.db"
    database.write_text("rows", encoding="utf-8")
    (tmp_path / ".venv").mkdir()
    if marked:
        (tmp_path / "var" / "demo-shop").write_text("complete\n", encoding="utf-8")
    subprocess.run(["make", "-f", makefile, "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert other.exists()
    assert database.exists() is not marked
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(("output", "status"), [("bad name", 2), ("taken", 1)])
def test_a_name_that_cannot_be_promoted_is_refused_before_training(
    run: Run, tmp_path: Path, output: str, status: int
) -> None:
    (tmp_path / "models" / "intent" / "taken").mkdir(parents=True)
    arguments = ["--logs", tmp_path / "none.jsonl", "--output", tmp_path / "runs" / output, "--promote"]
    code, _, err = run("finetune", "intent", "--shop", tmp_path, *arguments)
    assert code == status
    assert output in err
    assert "none.jsonl" not in err


def test_numpy_gets_one_thread_before_it_is_loaded() -> None:
    """Said later, it would not be heard: its threads are made when it is loaded."""
    asked = "import sys, launch, os; print('numpy' in sys.modules, os.environ['OPENBLAS_NUM_THREADS'])"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    found = subprocess.run([sys.executable, "-c", asked], env=environment, check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["False", "1"]


def test_retention_is_scored_and_rejected_rows_are_kept(run: Run, tmp_path: Path) -> None:
    path, rejected = tmp_path / "transactions.csv", tmp_path / "rejected.jsonl"
    rows = [f"c{number % 40},2025-{1 + number % 6:02}-{1 + number % 28:02},1,100,USD" for number in range(400)]
    path.write_text("\n".join(["user_id,timestamp,quantity,amount,currency", *rows, "c1,never,1,1,USD", ""]))
    asked = ["evaluate", "retention", "--transactions", path, "--calibration-weeks", 12, "--holdout-weeks", 8]
    status, out, err = run(*asked, "--rejected", rejected, "--json")
    assert status == 0, err
    assert set(json.loads(out)) == {"n", "rmse", "mae", "aggregate_bias", "brier", "auc"}
    assert "1 of 401 rows were rejected" in err
    assert json.loads(rejected.read_text())["line"] == 402
    path.write_text(path.read_text() + "c1,never,1,1,USD\n" * 20)
    status, out, err = run(*asked, "--rejected", rejected, "--json")
    assert (status, out) == (3, "")
    assert "above the limit" in err
    status, _, err = run(*asked[:2], "--transactions", path, "--calibration-weeks", 0, "--holdout-weeks", 8)
    assert status == 2
    assert "calibration" in err


def test_a_sequence_model_is_trained_scored_promoted_and_refit(run: Run, tmp_path: Path) -> None:
    path, shop, model = tmp_path / "interactions.csv", tmp_path / "shop", tmp_path / "run"
    rows = [f"u{user},i{(user + 3 * step) % 40},{step}" for user in range(150) for step in range(4 + user % 4)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows, "u1,,3", ""]))
    asked = ["finetune", "sequence", "--interactions", path, "--shop", shop, "--epochs", 3, "--promote", "--json"]
    status, out, err = run(*asked, "--output", model)
    assert status == 0, err
    trained = json.loads(out)
    assert trained["model_dir"] == str(model)
    assert "1 of 824 rows were rejected" in err
    status, out, err = run("evaluate", "sequence", "--model", model, "--interactions", path, "--shop", shop, "--json")
    assert status == 0, err
    assert json.loads(out) == {name: trained["metrics"][name] for name in ("n", "hr@10", "ndcg@10")}
    (refit,) = (shop / "models" / "sequence").glob("*-refit")
    status, out, err = run("evaluate", "sequence", "--model", refit, "--interactions", path, "--shop", shop)
    assert (status, out) == (2, "")
    assert "refit" in err
    status, out, err = run("models", "list", "--shop", shop, "--json")
    assert {each["version"] for each in json.loads(out)["models"] if each["current"]} == {refit.name}
    status, out, err = run("models", "rollback", "sequence", "--shop", shop, "--json")
    assert json.loads(out)["to_version"] == "built-in"


def test_a_sequence_model_of_the_shops_own_events(run: Run, tmp_path: Path) -> None:
    status, out, err = run("finetune", "sequence", "--shop", tmp_path)
    assert (status, out) == (2, "")
    assert "needs 20" in err
    path = tmp_path / "events.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for user in range(240):
            for step in range(4):
                event = {"event": "view_item", "user_id": f"u{user}", "timestamp": 1_700_000_000_000 + 60_000 * step}
                event |= {"event_id": f"e{user}-{step}", "items": [{"item_id": f"i{(user + step) % 30}"}]}
                file.write(json.dumps(event | {"consent": {"train": user % 2 == 0}}) + "\n")
    assert run("ingest", "events", path, "--shop", tmp_path)[0] == 0
    status, out, err = run("finetune", "sequence", "--shop", tmp_path, "--epochs", 1, "--json")
    assert status == 0, err
    assert json.loads(out)["metrics"]["n"] == 120, "only of those who let models learn from them"


def test_policies_are_judged_by_what_was_shown(run: Run, tmp_path: Path) -> None:
    status, out, err = run("evaluate", "policy", "--shop", tmp_path, "--json")
    assert (status, out) == (2, "")
    assert "consent" in err
    path = tmp_path / "events.jsonl"

    def log(share: float, version: str) -> None:
        """Slates of two cards to sixty people; every second one in the other order where lots are drawn."""
        with path.open("w", encoding="utf-8") as out:
            for number in range(60):
                swapped = share > 0 and number % 2 == 1
                cards = [
                    {"item_id": f"mug-{own}", "slate_id": f"{version}{number}", "position": 1 - own if swapped else own,
                     "index": own, "propensity": 0.5 if share else 1.0, "policy_version": version}
                    for own in (0, 1)
                ]  # fmt: skip
                event = {"event": "recommendation_shown", "user_id": f"u{number}", "timestamp": 1_700_000_000_000}
                row = {**event, "event_id": f"{version}{number}", "items": cards, "consent": {"train": True}}
                out.write(json.dumps(row) + "\n")

    log(0.0, "fixed")
    assert run("ingest", "events", path, "--shop", tmp_path)[0] == 0
    status, out, err = run("evaluate", "policy", "--shop", tmp_path, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["left_out"] == {"fixed_order": 60}
    assert {each["verdict"] for each in found["policies"].values()} == {"inconclusive"}
    assert "[exploration] share" in found["policies"]["random"]["reasons"][0]

    log(1.0, "lots")
    assert run("ingest", "events", path, "--shop", tmp_path)[0] == 0
    status, out, _ = run("evaluate", "policy", "--shop", tmp_path, "--window-hours", 1, "--json")
    found = json.loads(out)
    assert (found["slates"], found["cards"], found["users"], found["window_hours"]) == (60, 120, 60, 1)
    assert found["logged"] == {"value": 0.0, "low": None, "high": None}
    assert set(found["policies"]) == {"ranked", "relevance", "random"}
    assert {"ips", "snips", "dr", "ess", "max_weight", "verdict", "reasons"} <= set(found["policies"]["relevance"])
    status, out, _ = run("evaluate", "policy", "--shop", tmp_path)
    assert "inconclusive" in out
    assert run("evaluate", "policy", "--shop", tmp_path, "--window-hours", 0)[0] == 2


EXPERIMENT = """
[experiment.order]
start = 2025-01-06
days = 14
control = "plain"
arms = {plain = {share = 0.5, order = "relevance"}, taste = {share = 0.5}}
"""


def test_an_experiment_is_planned_and_judged(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(EXPERIMENT, encoding="utf-8")
    status, out, err = run("evaluate", "experiment", "colors", "--shop", tmp_path)
    assert (status, out) == (2, "")
    assert "Known are: order." in err
    status, _, err = run("evaluate", "experiment", "order", "--shop", tmp_path)
    assert status == 2
    assert "consent says train" in err

    dealt = Experiments.of_shop(launch.settings_of(tmp_path).experiment, tmp_path)
    path = tmp_path / "events.jsonl"
    with path.open("w", encoding="utf-8") as out_file:
        for number in range(300):
            user = f"u{number}"
            cards = [{"item_id": "mug-1", "index": 0, "policy_version": f"rules-1+order={dealt.arm_of('order', user)}"}]
            row: dict[str, object] = {
                "event": "recommendation_shown",
                "user_id": user,
                "event_id": "shown",
                "items": cards,
            }
            rows = [row | {"timestamp": "2025-01-08T00:00:00Z"}]
            if dealt.arm_of("order", user) == "taste" or number % 4 == 0:
                rows.append({"event": "purchase", "user_id": user, "event_id": "bought", "timestamp": "2025-01-09T00:00:00Z",
                             "value": 900 + number, "items": [{"item_id": "mug-1"}]})  # fmt: skip
            out_file.writelines(json.dumps(each | {"consent": {"train": True}}) + "\n" for each in rows)
    assert run("ingest", "events", path, "--shop", tmp_path)[0] == 0
    status, out, err = run("evaluate", "experiment", "order", "--shop", tmp_path, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert (found["status"], found["day"], sum(found["users"].values())) == ("over", 14, 300)
    assert found["verdicts"]["taste"]["verdict"] == "better"
    assert set(found["figures"]) == {"purchase", "reward", "revenue:USD"}
    status, out, _ = run("evaluate", "experiment", "order", "--shop", tmp_path)
    assert "taste against plain, by purchase: better" in out


def test_the_size_of_an_experiment(run: Run, tmp_path: Path) -> None:
    status, out, err = run("experiment", "power", "--rate", 0.1, "--lift", 0.1, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert (found["users_per_arm"], found["users"], found["days"]) == (14_751, 29_502, None)
    assert (found["alpha"], found["power"]) == (pytest.approx(0.05), 0.8)
    status, out, _ = run("experiment", "power", "--mean", 10, "--sd", 20, "--lift", 0.2, "--shop", tmp_path)
    assert status == 0
    assert "users in each of 2 arms" in out
    for bad in (["--rate", 0.1, "--mean", 3, "--sd", 2], ["--mean", 3], ["--shop", tmp_path], ["--rate", 1.5], []):
        status, out, err = run("experiment", "power", "--lift", 0.1, *bad)
        assert (status, out) == (2, ""), bad
        assert "--rate" in err
    assert run("experiment", "power", "--rate", 0.1)[0] == 2


class TestAudience:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Path:
        """A shop of 150 customers without an index, of whom many have stayed away."""
        now, day, draw = now_ms(), 86_400_000, random.Random(1)
        rows: list[dict[str, object]] = []
        for number in range(150):
            ago, last = draw.randint(200, 400), draw.randint(1, 200)
            while ago > last:
                row = {"order_id": f"o{len(rows)}", "user_id": f"u{number}", "status": "delivered"}
                rows.append({**row, "placed_at": now - ago * day, "items": [{"product_id": "mug-1"}]})
                ago -= round(draw.lognormvariate(3.4, 0.8)) + 1
        (tmp_path / "orders.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return tmp_path

    def test_export_then_outcome(self, run: Run, small: Path) -> None:
        run("ingest", "orders", small / "orders.jsonl", "--shop", small)
        counted = run("audience", "--band", "at-risk", "--shop", small, "--json")
        assert counted[0] == 0, counted[2]
        assert json.loads(counted[1])["recorded"] is False
        out = small / "out.csv"
        options = ("--band", "at-risk", "--campaign", "spring", "--output", out, "--control-share", 0.2)
        status, printed, err = run("audience", *options, "--shop", small, "--json")
        assert status == 0, err
        report = json.loads(printed)
        assert report["campaign"] == "spring"
        assert report["named"] == report["contacted"] + report["control"] > 0
        assert len(out.read_text("utf-8").splitlines()) == report["contacted"] + 1
        status, printed, err = run("audience", "--outcome", "spring", "--shop", small, "--json")
        assert status == 0, err
        assert json.loads(printed)["verdict"] == "inconclusive"
        _, printed, _ = run("audience", "--outcome", "spring", "--shop", small)
        assert "inconclusive" in printed
        status, _, err = run("audience", *options, "--shop", small)
        assert status == 1
        assert "is there already" in err

    @pytest.mark.parametrize(
        ("arguments", "status", "words"),
        [
            (["--band", "at-risk"], 2, "too few"),
            (["--band", "everybody"], 2, "at-risk"),
            (["--band", "at-risk", "--control-share", "1.5"], 2, "--control-share"),
            (["--band", "at-risk", "--output", "out.xlsx"], 2, ".csv or .jsonl"),
            (["--band", "at-risk", "--outcome", "spring"], 2, "one thing"),
            ([], 2, "--band"),
            (["--outcome", "spring"], 1, "no campaign"),
        ],
    )
    def test_what_cannot_be_done_is_one_line(
        self, run: Run, tmp_path: Path, arguments: list[str], status: int, words: str
    ) -> None:
        code, out, err = run("audience", *arguments, "--shop", tmp_path)
        assert code == status
        assert words in err
        assert "Traceback" not in err
        assert out == ""
