"""Places are given in order and for a bounded wait; what is refused is refused early, readably, and never what must get through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bot.admission import BUSY, LATEST_RETRY_S, Admission
from bot.api.admission import LARGEST, AdmissionMiddleware, admission_for
from bot.api.app import create_app
from bot.service import Assistant
from bot.windows.customer import CustomerWindow, Talk
from bot.windows.texts import texts
from storage.errors import Busy
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.settings import LlmSettings, ShopSettings


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def fill(admission: Admission, stack: ExitStack) -> None:
    """Takes every place that is free."""
    while admission._free:
        stack.enter_context(admission.place())


def waits(
    admission: Admission, ran: list[int], number: int, then: Callable[[], object] = lambda: None
) -> threading.Thread:
    """A thread that waits for a place; it waits when this returns."""

    def run() -> None:
        with admission.place():
            ran.append(number)
            then()

    before = len(admission._waiting)
    thread = threading.Thread(target=run)
    thread.start()
    while len(admission._waiting) == before:
        assert thread.is_alive()
    return thread


def test_those_who_wait_come_in_their_order_and_never_more_at_once_than_there_are_places() -> None:
    admission, ran, inside, most = Admission(2), list[int](), 0, list[int]()
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside
        with lock:
            inside += 1
            most.append(inside)
        with lock:
            inside -= 1

    with ExitStack() as stack:
        fill(admission, stack)
        threads = [waits(admission, ran, number, work) for number in range(8)]
        assert ran == []
    for thread in threads:
        thread.join()
    assert sorted(ran) == list(range(8))
    assert ran[0] in (0, 1)
    assert max(most) <= 2
    assert admission._free == 2


def test_the_queue_is_as_long_as_what_leaves_in_time() -> None:
    clock = Clock()
    admission = Admission(1, clock)
    ran: list[int] = []
    place = ExitStack()
    fill(admission, place)
    threads = [waits(admission, ran, number) for number in range(12)]  # 12 intervals of 20 ms stay below 250 ms
    with pytest.raises(Busy):
        admission.require_room()
    with pytest.raises(Busy), admission.place():
        pass
    place.close()
    for thread in threads:
        thread.join()
    admission.require_room()
    # Turns take half a second each now: nobody is let wait once that is known.
    for _ in range(40):
        place = ExitStack()
        fill(admission, place)
        waiting = [waits(admission, ran, 0, lambda: clock.passes(0.5))] if not _is_full(admission) else []
        admission._left = clock.now
        clock.now += 0.5
        place.close()
        for thread in waiting:
            thread.join()
    with ExitStack() as stack:
        fill(admission, stack)
        with pytest.raises(Busy):
            admission.require_room()


def _is_full(admission: Admission) -> bool:
    try:
        admission.require_room()
    except Busy:
        return True
    return False


def test_who_is_refused_is_told_a_later_moment_than_who_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.admission.LONGEST_WAIT_S", 0.0)
    clock = Clock()
    admission = Admission(1, clock)
    with ExitStack() as stack:
        fill(admission, stack)
        told = []
        for _ in range(3_000):
            with pytest.raises(Busy) as refused:
                admission.require_room()
            told.append(refused.value.retry_after or 0)
        assert told == sorted(told)
        assert told[0] == 1
        assert told[100] > 1, "a hundred at 20 ms each are two seconds"
        assert told[-1] == LATEST_RETRY_S
        clock.now += 60
        with pytest.raises(Busy) as refused:
            admission.require_room()
        assert refused.value.retry_after == 1


def test_who_gives_up_or_is_kept_too_long_leaves_no_place_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.admission.PATIENCE_S", 0.05)
    admission = Admission(1)

    async def two() -> None:
        async with admission.place_async():
            with pytest.raises(Busy):
                async with admission.place_async():
                    pytest.fail("there is one place")
            waiting = asyncio.create_task(_hold(admission))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            with pytest.raises(Busy):
                await asyncio.to_thread(_enter, admission)
        async with admission.place_async():
            pass

    thread_errors: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(two())
        except BaseException as error:
            thread_errors.append(error)

    thread = threading.Thread(target=run)  # a loop may be running in this one
    thread.start()
    thread.join()
    assert thread_errors == []
    assert admission._free == 1


async def _hold(admission: Admission) -> None:
    async with admission.place_async():
        pytest.fail("there is one place")


def _enter(admission: Admission) -> None:
    with admission.place():
        pytest.fail("there is one place")


def test_who_waits_for_a_language_model_takes_no_place_of_those_who_compute() -> None:
    plain, advised = (admission_for(ShopSettings(llm=llm)) for llm in (None, LlmSettings(model="m", parallel=5)))
    assert advised._free == plain._free + 5


@pytest.fixture
def full(
    assistant: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[TestClient, Identity, ExitStack]]:
    """A served shop all of whose places are taken; closing the stack gives them back."""
    monkeypatch.setattr("bot.admission.LONGEST_WAIT_S", 0.0)
    settings = ShopSettings()
    identity = Identity.open(tmp_path, settings.identity, assistant.database)
    app = create_app(assistant, identity, tmp_path, settings)
    outer: Any = app.user_middleware
    (admission,) = (each.kwargs["admission"] for each in outer if each.cls is AdmissionMiddleware)
    with TestClient(app, base_url="http://127.0.0.1") as client, ExitStack() as places:
        fill(admission, places)
        yield client, identity, places


def test_what_computes_is_refused_and_what_must_get_through_is_not(
    full: tuple[TestClient, Identity, ExitStack],
) -> None:
    client, identity, places = full
    agent = {"Authorization": f"Bearer {identity.token(Principal('mia', Role.AGENT, 'support'))}"}
    before = BUSY.value()
    dear: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/chat", {"json": {"message": "hello"}}),
        ("POST", "/api/chat", {"json": {"message": "hello", "stream": True}}),
        ("POST", "/api/search", {"json": {"text": "kettle"}}),
        ("POST", "/mcp", {"json": {}}),
        ("GET", "/api/agent/conversations/c1/suggestions", {"headers": agent}),
    ]
    for method, path, body in dear:
        answer = client.request(method, path, **body)
        assert answer.status_code == 429, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["hint"] == f"Try again in {answer.headers['retry-after']} s."
    answer = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "hello"}]})
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert "retry-after" in answer.headers
    assert BUSY.value() == before + len(dear) + 1

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code != 429
    event = {"event_id": "e1", "event": "view_item", "timestamp": "2026-01-01T00:00:00Z", "items": [{"item_id": "p"}]}
    assert client.post("/api/events", json={"events": [event]}).status_code == 202
    assert client.get("/api/cart").status_code == 200
    said = client.post("/api/agent/conversations/c1/messages", json={"text": "I am here."}, headers=agent)
    assert said.status_code not in (429, 500)

    places.close()
    answer = client.post("/api/chat", json={"message": "hello"})
    assert answer.status_code == 200
    assert answer.json()["text"]


def test_a_body_that_comes_slowly_or_is_large_is_read_as_it_is(full: tuple[TestClient, Identity, ExitStack]) -> None:
    client, _, places = full
    places.close()
    for size in (10, LARGEST // 2):
        pieces = [b'{"text": "kettle", "limit": 1', b" " * size, b"}"]
        answer = client.post("/api/search", content=iter(pieces), headers={"content-type": "application/json"})
        assert answer.status_code == 200, size
        assert len(answer.json()["products"]) == 1
    assert client.post("/api/search", content=b"").status_code == 422


def test_a_body_that_is_too_large_or_says_so_takes_no_place(full: tuple[TestClient, Identity, ExitStack]) -> None:
    client, _, places = full
    places.close()
    pieces = [b" " * LARGEST, b" "]
    for path in ("/api/chat", "/v1/chat/completions", "/mcp"):
        for told in ({}, {"content-length": str(LARGEST + 1)}):
            answer = client.post(path, content=iter(pieces), headers={"content-type": "application/json", **told})
            assert answer.status_code == 413, path


def test_after_a_stall_others_may_wait_again() -> None:
    clock = Clock()
    admission = Admission(1, clock)
    first, second, third = (admission._enter() for _ in range(3))
    admission._leave()
    clock.now += 3.0
    admission._leave()
    assert first.done()
    assert second.done()
    assert third.done()
    with ExitStack() as stack:
        admission._leave()
        fill(admission, stack)
        with pytest.raises(Busy):
            admission.require_room()
    for _ in range(20):
        with admission.place():
            clock.now += 0.01
    with admission.place():
        admission.require_room()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_window_says_so_and_keeps_what_was_typed(
    assistant: Assistant, shopper: Principal, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setattr("bot.admission.LONGEST_WAIT_S", 0.0)
    admission = Admission(1)
    window = CustomerWindow(assistant, "Shop", admission=admission)
    request: Any = SimpleNamespace(
        request=SimpleNamespace(state=SimpleNamespace(principal=shopper)), headers={}, cookies={}, query_params={}
    )
    talk = Talk(language=language)
    with admission.place():
        (change,) = window.say("show me kettles", talk, request)
    assert set(change) == {window.live}
    assert texts(language)["busy"] in change[window.live]
    assert texts("en")["busy"] != texts("zh")["busy"]
    assert talk.conversation_id is None
    *_, last = window.say("show me kettles", talk, request)
    assert last[window.live] == ""
    assert "show me kettles" in last[window.transcript]
    with admission.place():  # it was given back
        pass
