"""What Aisle asks of a language model, whatever runs it: a request with tools in, pieces of the final answer's text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel

Speaker = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that a model may call. `run` takes the fields of `arguments` by name and returns what the model reads."""

    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[..., str]


@dataclass(frozen=True, slots=True)
class Request:
    """One turn's question to a model; of `messages` the last is what is answered."""

    system: str
    messages: tuple[tuple[Speaker, str], ...]
    tools: tuple[Tool, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens that one call took, where the server counts them."""

    sent: int
    received: int


class ModelFailed(Exception):
    """The model did not answer. `reason` is one word or two for the log and the stored turn: "HTTP 429", "loop"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Model(Protocol):
    """A language model. `name` is stored with the turns that it had a part in."""

    name: str

    def stream(self, request: Request, stopped: Callable[[], bool]) -> Iterator[str | Used]:
        """The answer as it comes, tools called on the way; ends soon after `stopped` turns true. May block for long.

        Raises:
            ModelFailed: it does not answer, refuses the call, or calls tools without end.

        """
        ...
