"""What an operator sees of a server that runs: log, figures, traces, readiness; and that none of it tells of a person."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bot import logs, tracing
from bot.logs import scrubbed
from bot.otlp import OtlpTracer
from bot.parts import NoIntents
from bot.service import Assistant
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.conversations import SUPPORT
from storage.errors import NotFound, Unavailable
from storage.identity import Identity
from storage.metrics import Metric
from storage.principal import Principal, Role
from storage.pseudonyms import Pseudonyms
from storage.secret import load_secret
from storage.settings import LoggingSettings, TelemetrySettings
from tests.bot.catalog import PRODUCTS
from tests.bot.conftest import application
from tests.fixtures import REPOSITORY
from tests.storage.people import settle

USER, EMAIL, SAID = "maya-4711-canary", "maya.canary@example.org", "my secret wish is a purple accordion"
PHONE = "+49 170 1234567"
JSON = LoggingSettings(format="json")
SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (-?[0-9.e+-]+)$')
Served = tuple[TestClient, Identity, Assistant, Path]


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[Served]:
    shop = tmp_path_factory.mktemp("observed")
    with (
        application(shop, bot_snapshot, encoders_by_space) as opened,
        TestClient(opened.app, raise_server_exceptions=False) as client,
    ):
        yield client, opened.identity, opened.assistant, shop


@pytest.fixture
def client(served: Served) -> TestClient:
    served[0].cookies.clear()
    return served[0]


def bearer(served: Served, user: str, role: Role = Role.CUSTOMER, team: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {served[1].token(Principal(user, role, team))}"}


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def metrics(served: Served) -> str:
    answer = served[0].get("/metrics", headers=bearer(served, "prometheus", Role.SERVICE))
    assert answer.status_code == 200, answer.text
    return answer.text


def value(text: str, name: str, **labels: str) -> float:
    told = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
    found = [line for line in text.splitlines() if line.startswith(f"{name}{{{told}}} " if told else f"{name} ")]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


class TestLog:
    def test_a_request_is_one_line_with_its_routes_template(self, served: Served, client: TestClient) -> None:
        stream = io.StringIO()
        with logs.written(JSON, stream):
            answer = client.get(
                f"/api/users/{USER}/profile", headers=bearer(served, USER) | {"X-Request-ID": "edge-0001"}
            )
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] == "edge-0001"
        (line,) = (each for each in lines_of(stream) if each["logger"] == "bot.api.observed")
        told = {name: line[name] for name in ("level", "event", "request_id", "method", "route", "status", "role")}
        assert told == {
            "level": "info",
            "event": "request",
            "request_id": "edge-0001",
            "method": "GET",
            "route": "/api/users/{user_id}/profile",
            "status": 200,
            "role": "customer",
        }
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["ms"] >= 0
        assert line["who"] == Pseudonyms(load_secret(served[3])).of(USER), "the shop can find a person's lines"
        assert line["who"] != Pseudonyms("1" * 64).of(USER), "nobody else can"

    @pytest.mark.parametrize("given", ["", "short", "x" * 65, f"of {EMAIL}", "a\tb" * 5, "../../etc/passwd1"])
    def test_an_id_that_is_not_sane_is_replaced(self, client: TestClient, given: str) -> None:
        made = client.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"]
        assert made != given
        assert re.fullmatch(r"[A-Za-z0-9_]{22}", made)

    def test_nothing_that_a_person_sent_or_is_called_stands_in_it(
        self, served: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every route of the API is asked with canaries in its address, query, headers and body; some break in the middle."""
        conversation = settle(served[2].database, USER, f"{SAID} {EMAIL}")
        token = bearer(served, USER)["Authorization"]
        product = str(PRODUCTS[0]["id"])
        canaries = [USER, EMAIL, SAID, "accordion", "170 1234567", token.split()[-1], conversation, "x-canary-x"]
        stream = io.StringIO()
        with logs.written(JSON, stream):
            turns: list[dict[str, object]] = [
                {"message": f"{SAID}, write to {EMAIL} or call {PHONE}"},
                {"message": SAID, "stream": True},
                {"message": SAID, "conversation_id": conversation},
                {"message": SAID, "conversation_id": "x-canary-x"},
            ]
            for body in turns:
                client.post("/api/chat", json=body, headers={"Authorization": token})
            client.post("/api/search", json={"text": SAID})
            client.post(
                "/api/cart/lines", json={"product_id": product, "request_id": USER}, headers={"Authorization": token}
            )
            client.post(
                "/v1/chat/completions", json={"model": "aisle", "messages": [{"role": "user", "content": SAID}]}
            )
            client.post("/login", data={"key": f"aisle_{USER}"}, follow_redirects=False)
            client.get(f"/login?token={USER}", follow_redirects=False)
            client.post("/gradio_api/queue/join", json={"data": [SAID], "fn_index": 0, "session_hash": USER})
            client.get(f"/gradio_api/file={EMAIL}")
            client.get(f"/{EMAIL}/{USER}?q={SAID}", headers={"Cookie": f"aisle_session={USER}", "Referer": EMAIL})
            client.request(USER.upper(), "/api/cart")
            asked = 0
            for template, methods in client.get("/openapi.json").json()["paths"].items():
                if template.endswith("/stream"):
                    continue  # it would not end
                for method in methods:
                    if (method, template) == ("delete", "/api/users/{user_id}"):
                        continue  # those below are to find somebody
                    path = re.sub(r"\{[^}]+\}", USER, template)
                    body = {"text": SAID, "message": EMAIL, "user_id": USER, "events": [{"user_id": EMAIL}]}
                    for role, team in ((Role.CUSTOMER, None), (Role.AGENT, SUPPORT), (Role.SERVICE, None)):
                        headers = bearer(served, USER, role, team)
                        client.request(method, f"{path}?user_id={USER}&q={EMAIL}", json=body, headers=headers)
                        asked += 1
            for where, name in ((served[2], "cart"), (served[2].parts.intents, "predict")):
                with monkeypatch.context() as broken:
                    broken.setattr(where, name, raising(KeyError(f"{USER} {EMAIL} {SAID}")))
                    client.get("/api/cart", headers={"Authorization": token})
                    client.post("/api/chat", json={"message": SAID}, headers={"Authorization": token})
                    client.post("/api/chat", json={"message": SAID, "stream": True}, headers={"Authorization": token})
            client.delete(f"/api/users/{USER}", headers={"Authorization": token})
            logging.getLogger("bot.llm").warning(
                "dropped: %s", NotFound(f"There is no conversation {conversation!r} here.")
            )
            logging.getLogger("bot").warning("%s, %s, Bearer %s", f"call {PHONE}", EMAIL, token.split()[-1])
            warnings.warn(f"{EMAIL} is deprecated", stacklevel=1)
            thread = threading.Thread(target=raising(ValueError(SAID)))
            thread.start()
            thread.join()
            sys.stderr.write(f'Traceback…\n  File "a/b/c.py", line 3, in f\n    x = 1\nKeyError: "{EMAIL}"\n')
        lines = lines_of(stream)
        assert asked > 80
        assert len([line for line in lines if line["event"] == "request"]) > asked
        text = stream.getvalue()
        assert [line for line in text.splitlines() for canary in canaries if canary in line] == []
        assert [line["exception"] for line in lines if line["event"] == "exception"] == ["KeyError"] * 2
        assert any(line.get("at") == ["a/b/c.py:3 f"] for line in lines), "what a library printed leaves its places"
        assert any(line["event"] == "An exception was not caught." for line in lines)
        known = {line["route"] for line in lines if "route" in line}
        assert {"/api/chat", "(none)"} <= known
        assert not any(EMAIL in route or USER in route for route in known)

    def test_an_exception_is_logged_once_under_the_id_that_the_problem_names(
        self, served: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(served[2], "cart", raising(KeyError(SAID)))
        stream = io.StringIO()
        with logs.written(JSON, stream):
            answer = client.get("/api/cart", headers={"X-Request-ID": "edge-0002"})
            try:
                served[2].cart(Principal(USER, Role.CUSTOMER))
            except KeyError as error:
                # What the server itself says of the same exception, which it gets from the application.
                logs.log_once(logging.getLogger("bot.api.observed"), "exception", error)
                logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=error)
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "edge-0002"
        faults = [line for line in lines_of(stream) if "exception" in line]
        assert [line.get("request_id") for line in faults] == ["edge-0002", None]
        assert faults[0]["at"][-1] == "KeyError"
        assert any(place.startswith("bot/api/routes.py:") for place in faults[0]["at"])
        assert value(metrics(served), "aisle_exceptions_total", route="/api/cart") >= 1

    def test_a_part_that_is_away_is_told_with_the_id_too(
        self, served: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(served[2], "cart", raising(Unavailable("The database does not answer.", "Start it.")))
        stream = io.StringIO()
        with logs.written(JSON, stream):
            answer = client.get("/api/cart", headers={"X-Request-ID": "edge-0003"})
        assert (answer.status_code, answer.json()["request_id"]) == (503, "edge-0003")
        assert "The database does not answer. Start it." in lines_of(stream)[0]["event"]

    def test_for_people_it_is_text_and_only_what_needs_them(self, client: TestClient) -> None:
        stream = io.StringIO()
        with logs.written(LoggingSettings(), stream):
            client.get("/api/cart")
            logging.getLogger("bot.watcher").warning("Serving %s.", "snapshot 1")
        assert stream.getvalue() == "WARNING bot.watcher: Serving snapshot 1.\n"

    def test_an_error_that_ends_the_server_is_a_line_as_well(self) -> None:
        stream = io.StringIO()
        with pytest.raises(SystemExit) as ended, logs.written(JSON, stream):
            raise Unavailable("var has no index.", "Build one.")
        assert ended.value.code == 1
        assert lines_of(stream)[0]["event"] == "Unavailable: var has no index. Build one."
        with pytest.raises(Unavailable), logs.written(LoggingSettings(), stream):
            raise Unavailable("var has no index.", "Build one.")

    @pytest.mark.parametrize(
        "text",
        [
            "Serving snapshot 20260102-030405-1a2b, intent 20260102-030405-1a2b.",
            "took 12 ms at bot/talk.py:120",
            "version 1.2.3",
        ],
    )
    def test_what_is_of_nobody_stays(self, text: str) -> None:
        assert scrubbed(text) == text


def raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


class TestMetrics:
    def test_they_are_prometheus_text_with_bounded_labels(self, served: Served, client: TestClient) -> None:
        before = metrics(served).count("\naisle_http_requests_total{")
        for number in range(30):
            client.get(f"/api/products/p{number}")
            client.get(f"/nowhere/{number}")
            client.request(f"VERB{number}", "/api/cart")
            client.get(
                f"/gradio_api/file=x{number}", headers={"X-Forwarded-Prefix": f"/{number}", "Host": f"h{number}"}
            )
        text = metrics(served)
        typed = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
        series: dict[str, int] = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            found = SAMPLE.match(line)
            assert found, line
            base = re.sub(r"_(?:bucket|sum|count)$", "", found[1])
            kind = typed.get(found[1]) or typed[base]
            assert found[1].endswith("_total") == (kind == "counter"), line
            series[found[1]] = series.get(found[1], 0) + 1
        assert series["aisle_http_requests_total"] < before + 10, "made-up paths, methods and hosts make no series"
        assert (
            value(text, "aisle_http_requests_total", method="GET", route="/api/products/{product_id}", status="404")
            >= 30
        )
        assert value(text, "aisle_http_requests_total", method="other", route="(none)", status="404") >= 0
        assert not re.search(r'="[^"]*(?:p29|x29|VERB|/29|h29)', text)

    def test_a_turn_is_counted_by_action_and_stage(self, served: Served, client: TestClient) -> None:
        before = metrics(served)
        for _ in range(2):
            assert client.post("/api/chat", json={"message": "show me kettles"}).status_code == 200
        after = metrics(served)
        assert (
            value(after, "aisle_turns_total", action="answer") - value(before, "aisle_turns_total", action="answer")
            == 2
        )
        for name, labels in (
            ("aisle_turn_duration_seconds", {}),
            ("aisle_turn_stage_duration_seconds", {"stage": "search"}),
        ):
            assert value(after, f"{name}_count", **labels) - value(before, f"{name}_count", **labels) == 2
            assert value(after, f"{name}_bucket", le="+Inf", **labels) == value(after, f"{name}_count", **labels)

    def test_what_is_read_at_the_moment(self, served: Served, client: TestClient) -> None:
        database, shopper = served[2].database, Principal("waits", Role.CUSTOMER)
        before = value(metrics(served), "aisle_desk_conversations", state="waiting", team=SUPPORT)
        settle(database, shopper.id)
        text = metrics(served)
        assert value(text, "aisle_desk_conversations", state="waiting", team=SUPPORT) == before + 1
        assert value(text, "aisle_desk_oldest_waiting_seconds", team=SUPPORT) >= 0
        assert value(text, "aisle_index_products") == len(served[2].parts.shelf.snapshot.products)
        assert {value(text, "aisle_ready", part=part) for part in ("index", "model", "database")} == {1.0}
        version = served[2].parts.shelf.snapshot.folder.name
        assert value(text, "aisle_version_info", part="snapshot", version=version) == 1
        assert value(text, "aisle_database_connections", state="in_use") >= 0
        assert value(text, "process_resident_memory_bytes") > 1e7

    def test_without_the_database_the_rest_is_told(
        self, served: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        away = raising(Unavailable("The database postgresql://db.internal/aisle does not answer."))
        monkeypatch.setattr(served[2].database, "read", away)
        text = metrics(served)
        assert value(text, "aisle_ready", part="database") == 0
        assert "aisle_desk_conversations" not in text
        assert "aisle_version_info{" in text

    def test_a_language_models_failure_is_counted_under_a_known_name(self) -> None:
        from bot.turn_figures import LLM, note_llm

        for reason, known in (("complete", "complete"), ("HTTP 529", "failed"), ("SomeProvidersError", "failed")):
            before = LLM.value(use="plan", outcome=known)
            note_llm({"reason": reason, "use": "plan", "ms": 12, "sentences": 1})
            assert LLM.value(use="plan", outcome=known) == before + 1
        assert "SomeProvidersError" not in Metric.exposed()


class TestReadiness:
    def test_each_part_is_named(self, served: Served, client: TestClient) -> None:
        told = client.get("/readyz").json()
        assert told["status"] == "ready"
        version = served[2].parts.shelf.snapshot.folder.name
        assert told["checks"]["index"] == {"status": "ok", "version": version}
        assert {name: each["status"] for name, each in told["checks"].items()} == dict.fromkeys(
            ("index", "model", "database"), "ok"
        )

    def test_what_is_missing_is_a_problem_that_names_it_and_no_address(
        self, served: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assistant = served[2]
        away = raising(
            Unavailable("The database postgresql://db.internal/aisle does not answer.", "Check that it runs.")
        )
        monkeypatch.setattr(assistant, "parts", replace(assistant.parts, intents=NoIntents(served[3])))
        monkeypatch.setattr(assistant.database, "read", away)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        states = {name: each["status"] for name, each in answer.json()["checks"].items()}
        assert states == {"index": "ok", "model": "failed", "database": "failed"}
        assert "db.internal" not in answer.text
        assert "Check that it runs." in answer.json()["hint"]
        assert client.get("/healthz").status_code == 200, "the process is alive: it is not to be restarted for that"


class TestTraces:
    @pytest.fixture
    def exported(self) -> Iterator[InMemorySpanExporter]:
        exporter = InMemorySpanExporter()
        tracer = OtlpTracer(TelemetrySettings(otlp_endpoint="http://127.0.0.1:4318"), exporter)
        tracing.use(tracer)
        yield exporter
        tracing.use(None)
        tracer.close()

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_turns_stages_lie_in_its_requests_span_without_a_text(
        self, served: Served, client: TestClient, exported: InMemorySpanExporter, stream: bool
    ) -> None:
        body = {"message": f"show me kettles, {SAID} {EMAIL}", "stream": stream}
        client.post("/api/chat", json=body, headers=bearer(served, USER))
        client.get(f"/api/products/{USER}")
        assert isinstance(tracing._tracer, OtlpTracer)
        tracing._tracer._provider.force_flush()
        every = [json.loads(span.to_json()) for span in exported.get_finished_spans()]
        spans = {span["name"] for span in every}
        assert {"request", "storage", "intent", "understanding", "search", "ranking", "reply"} <= spans
        (root,) = [each for each in every if each["attributes"].get("route") == "/api/chat"]
        stages = [each for each in every if each["name"] != "request"]
        assert {each["parent_id"] for each in stages} == {root["context"]["span_id"]}
        for each in stages:
            assert root["start_time"] <= each["start_time"] <= each["end_time"] <= root["end_time"]
        assert {each["attributes"].get("route") for each in every if each["name"] == "request"} == {
            "/api/chat",
            "/api/products/{product_id}",
        }
        told = json.dumps(every)
        assert not [canary for canary in (USER, EMAIL, SAID, "accordion", "kettles") if canary in told]

    def test_nothing_is_imported_or_done_without_the_setting(self) -> None:
        code = (
            "import sys\nimport bot.api.observed, bot.talk\nfrom bot import tracing\n"
            "from storage.settings import TelemetrySettings\n"
            "with tracing.sending(TelemetrySettings()):\n    pass\n"
            "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_a_missing_package_is_told_with_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "bot.otlp", None)
        settings = TelemetrySettings(otlp_endpoint="http://127.0.0.1:4318")
        with pytest.raises(Unavailable) as found, tracing.sending(settings):
            pass
        assert "aisle[telemetry]" in found.value.hint
