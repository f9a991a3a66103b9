"""What a server writes to standard error: a line for people, or a JSON object a line, in neither case anything about a person.

    {"time": "2026-11-28T20:04:12.345Z", "level": "info", "logger": "bot.api.observed", "event": "request",
     "request_id": "5f0c…", "method": "GET", "route": "/api/users/{user_id}/profile", "status": 200, "ms": 3.1,
     "who": "u-b1946ac92492d234", "role": "customer"}

Three things keep it so. Fields are chosen where they are logged, ids among them only as keyed hashes (`storage.pseudonyms`), which
the shop can make of an id that it knows and nobody can turn back. Exceptions give their type and the places in the code: what they
say, and the values they stopped at, may be a customer's. And whatever text is left passes `scrubbed`.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

from storage.errors import AisleError, Damaged, Unavailable
from storage.redaction import redact
from storage.settings import LoggingSettings

_LOGGER = logging.getLogger(__name__)
REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is answered; threads that work for it see it too."""
_TALKATIVE: Final = ("faiss", "httpx", "httpx2", "httpcore", "httpcore2", "mcp", "alembic", "asyncio", "multipart")
"""Loggers that tell addresses, and with them ids, of each request, or how they were loaded."""
_MARK: Final = "_aisle_logged"
_SECRETS = re.compile(r"\b(?:eyJ[\w-]+(?:\.[\w-]+){1,2}|aisle_\w+)|(?i:\bbearer\s+\S+)")
# Those of `new_id`, of hashes, and what begins like them: long, and no word.
_IDS = re.compile(r"(?<![\w/.-])(?=[\w-]*\d)[A-Za-z0-9_-]{22,}(?![\w/-])")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\w+|<\w+>)')


def scrubbed(text: str) -> str:
    """A text without e-mail addresses, numbers of people, tokens, keys and ids."""
    text = _SECRETS.sub("REDACTED_TOKEN", text)
    return redact(_IDS.sub("REDACTED_ID", text))


def told(error: BaseException) -> str:
    """What may be said of an error: all where it is about files and servers, ours without what stood in quotes, else its type."""
    if isinstance(error, Damaged | Unavailable):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, AisleError):
        return f"{type(error).__name__}: {_QUOTED.sub('…', str(error))}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__


def places(error: BaseException) -> list[str]:
    """Where it was raised, the innermost place last, and what it was raised from: `["bot/talk.py:120 turn", "KeyError"]`."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    lines: list[str] = []
    for each in reversed(chain):
        lines += [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in _frames(each.__traceback__)]
        lines.append(told(each))
    return lines


def _frames(trace: TracebackType | None) -> Iterator[traceback.FrameSummary]:
    yield from traceback.extract_tb(trace)


def _short(path: str) -> str:
    """The end of a path that tells the module: a folder's name may be a person's."""
    return "/".join(path.replace("\\", "/").rsplit("/", 3)[-3:])


def _message(record: logging.LogRecord) -> str:
    """The record's own words with what was put into them, cleaned."""

    def clean(value: object) -> object:
        if isinstance(value, BaseException):
            return told(value)
        return value if isinstance(value, int | float) else str(value)

    given = record.args
    args: Any = (
        {name: clean(value) for name, value in given.items()}
        if isinstance(given, dict)
        else tuple(map(clean, given or ()))
    )
    try:
        text = str(record.msg) % args if args else str(record.msg)
    except (TypeError, ValueError):
        text = str(record.msg)
    return scrubbed(text)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = {"request_id": REQUEST.get()} if REQUEST.get() else {}
    return found | getattr(record, "fields", {})


class JsonLines(logging.Formatter):
    """One JSON object a record, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        now = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {
            "time": now,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _message(record),
        }
        line |= _fields(record)
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"exception": told(record.exc_info[1]), "at": places(record.exc_info[1])}
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """The same for people: `WARNING bot.watcher: Serving …`, and the places of an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines."""
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        lines = [f"{record.levelname} {record.name}: {_message(record)} {fields}".rstrip()]
        if record.exc_info and record.exc_info[1] is not None:
            lines += [f"    {place}" for place in places(record.exc_info[1])]
        return "\n".join(lines)


class _Once(logging.Filter):
    """Drops what a server says of an exception that was logged with its request already."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.name.startswith("uvicorn") and record.exc_info and hasattr(record.exc_info[1], _MARK))


class Strays(io.TextIOBase):
    """Stands in place of standard error: what a library prints there becomes a record, of which only places in code are kept."""

    def __init__(self) -> None:
        self._frames: list[str] = []
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Keeps the frames of a traceback until a line ends one: `KeyError: …`, flush left."""
        for line in text.splitlines():
            with self._lock:
                if frame := _FRAME.match(line):
                    self._frames.append(f"{_short(frame['file'])}:{frame['line']} {frame['name']}")
                    continue
                if line[:1].isspace() or not line.strip() or line.startswith("Traceback"):
                    continue
                frames, self._frames = self._frames, []
            _LOGGER.warning("A library wrote to standard error.", extra={"fields": {"at": frames} if frames else {}})
        return len(text)


@contextmanager
def written(settings: LoggingSettings, stream: TextIO | None = None) -> Iterator[None]:
    """Sends all records of this process to `stream`, by default standard error, in the form that the settings name.

    With `json` nothing else gets there while the block runs: warnings, uncaught exceptions, what libraries print, and an error
    that ends the block, which then ends the program with its exit status.
    """
    root, before, hooks = logging.getLogger(), sys.stderr, (sys.excepthook, threading.excepthook)
    kept = root.handlers[:], root.level
    as_json = settings.format == "json"
    # A line that cannot be written is lost; to say so would be another one, and no request fails for its log.
    raising, logging.raiseExceptions = logging.raiseExceptions, False
    out = logging.StreamHandler(stream or before)
    out.setFormatter(JsonLines() if as_json else TextLines())
    out.addFilter(_Once())
    root.handlers[:] = [out]
    root.setLevel(settings.least.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    if as_json:
        logging.captureWarnings(True)
        sys.excepthook = lambda kind, error, trace: _uncaught(error)
        threading.excepthook = lambda failed: _uncaught(failed.exc_value)
        sys.stderr = Strays()
    try:
        yield
    except AisleError as error:
        if not as_json:
            raise
        _LOGGER.critical("%s", error)
        raise SystemExit(error.exit_code) from None
    finally:
        logging.raiseExceptions = raising
        if as_json:
            logging.captureWarnings(False)
            sys.excepthook, threading.excepthook = hooks
            sys.stderr = before
        root.handlers[:], level = kept
        root.setLevel(level)


def _uncaught(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, KeyboardInterrupt):
        _LOGGER.critical("An exception was not caught.", exc_info=error)


def log_once(logger: logging.Logger, event: str, error: BaseException, **fields: object) -> None:
    """Logs an exception that goes on to a server which would log it again."""
    logger.error(event, exc_info=error, extra={"fields": fields})
    setattr(error, _MARK, True)
