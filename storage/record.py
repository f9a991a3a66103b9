"""The base of every record that comes from outside, and the small types that many of them share."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from storage.errors import InvalidInput


def storable(value: Any) -> Any:
    """Text without what no database keeps, NUL and lone surrogates; inside lists and dicts too, all else untouched."""
    if isinstance(value, str):
        if "\x00" in value or not _encodable(value):
            return value.replace("\x00", "").encode("utf-8", errors="replace").decode("utf-8")
        return value
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"),
    # Shops number their things: 17 is "17".
    BeforeValidator(_number_as_text),
]
Content = Annotated[str, BeforeValidator(storable)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
MinorUnits = Annotated[int, Field(ge=0, le=2**62)]

# Plain numbers below this are seconds, above it milliseconds: the one is 2286, the other April 1970.
_SECONDS_UNTIL = 10_000_000_000
_LAST_INSTANT = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that datetime can hold


R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """Base of all records that come from outside: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def new_id() -> str:
    """A fresh id that cannot be guessed: 22 characters, 128 bits."""
    return secrets.token_urlsafe(16)


def now_ms() -> int:
    """This instant as all tables keep it: milliseconds since 1970, UTC."""
    return int(datetime.now(UTC).timestamp() * 1000)


def to_ms(value: object) -> int:
    """An instant in milliseconds since 1970, UTC, from ISO 8601 text, a datetime, seconds or milliseconds.

    Text without an offset is taken as UTC. `to_ms("2026-01-02T03:04:05Z") == to_ms(1767323045) == 1767323045000`.

    Raises:
        ValueError: it is none of these, or lies outside the years 1970 to 9999.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a time: give ISO 8601 text or milliseconds")
    if isinstance(value, str):
        text = value.strip()
        try:
            value = int(text) if text.isascii() and text.isdigit() else datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text[:60]!r} is not a time: give ISO 8601 text or milliseconds") from None
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        instant = round(moment.timestamp() * 1000)
    elif isinstance(value, int | float) and abs(value) <= _LAST_INSTANT:  # also refuses nan and infinity
        instant = int(value * 1000) if abs(value) < _SECONDS_UNTIL else int(value)
    else:
        raise ValueError(f"{str(value)[:60]!r} is not a time: give ISO 8601 text or milliseconds")
    if not 0 <= instant <= _LAST_INSTANT:
        raise ValueError(f"the time {instant} ms lies outside the years 1970 to 9999")
    return instant


Instant = Annotated[int, BeforeValidator(to_ms)]


def parse_record(kind: type[R], row: dict[str, Any]) -> R:
    """The record in a row.

    Raises:
        InvalidInput: a field is missing or cannot be used; all of them are named.
    """
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        raise InvalidInput(f"{reasons_of(error)}.", "Mend the row.") from None


def reasons_of(error: ValidationError) -> str:
    """A validation error on one line: `"price.amount: Input should be greater than or equal to 0"`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'row'}: {problem['msg']}" for problem in error.errors()
    )
