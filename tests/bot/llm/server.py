"""A small server that speaks OpenAI's chat protocol over real HTTP, and says what a test wants it to say, good or bad."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recordings.jsonl"


@dataclass(frozen=True)
class Say:
    """One answer: text, a call of a tool, or what goes wrong. `pause` is in seconds, before the answer."""

    text: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    status: int = 200
    pause: float = 0.0
    endless: bool = False
    broken: bool = False
    """Bytes that are no JSON in the place of the answer."""


Body = dict[str, Any]
Respond = Callable[[Body], Say]


def asked(body: Body) -> str:
    """The customer's words in a request: what stands behind the task in the last message of a user."""
    users = [str(message["content"]) for message in body["messages"] if message["role"] == "user"]
    return users[-1].rpartition("The customer says: ")[2]


def called(body: Body) -> list[str]:
    """What tools have answered so far in this turn."""
    return [str(message["content"]) for message in body["messages"] if message["role"] == "tool"]


def recorded(body: Body) -> Say:
    """The recording that fits: by the customer's words and by how many tools have answered."""
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["asked"] in asked(body) and row["after"] == len(called(body)):
            return Say(row.get("text", ""), row.get("tool", ""), row.get("arguments", {}))
    return Say("I have nothing to add.")


class ModelServer:
    """Serves on loopback until the block ends; `bodies` are the requests that came, oldest first."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.stopped = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.bodies.append(body)
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                with suppress(BrokenPipeError, ConnectionResetError):  # the assistant may no longer wait
                    outer._answer(self, outer.respond(body))

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @contextmanager
    def running(self) -> Iterator[ModelServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler, say: Say) -> None:
        self.stopped.wait(say.pause)
        if say.status != 200:
            error = json.dumps({"error": {"message": "no", "type": "server_error"}}).encode()
            handler.send_response(say.status)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(error)))
            handler.end_headers()
            handler.wfile.write(error)
            return
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        if say.broken:
            handler.wfile.write(b'data: {"choices": [{"delta": {"content": "An un\n\n')
            return
        if say.tool:
            arguments = say.arguments if isinstance(say.arguments, str) else json.dumps(say.arguments)
            function = {"name": say.tool, "arguments": arguments}
            call = {"index": 0, "id": f"call-{time.monotonic_ns()}", "type": "function", "function": function}
            self._event(handler, {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")
        else:
            pieces = [say.text[place : place + 12] for place in range(0, len(say.text), 12)]
            while say.endless and not self.stopped.is_set():
                self._event(handler, {"content": "and so on "})
            for piece in pieces:
                self._event(handler, {"content": piece})
            self._event(handler, {}, "stop")
        handler.wfile.write(b"data: [DONE]\n\n")

    def _event(self, handler: BaseHTTPRequestHandler, delta: Mapping[str, Any], finish: str | None = None) -> None:
        chunk = {
            "id": "chat-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "stub",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        handler.wfile.write(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())
