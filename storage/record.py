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
    """A fresh id that cannot be guessed: 22 characters, of which none is a "-", for a command line would read an option."""
    return secrets.token_urlsafe(16).replace("-", "_")


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


def read_leniently(
    kind: type[R], row: dict[str, Any], required: frozenset[str], hint: str, objects: frozenset[str] = frozenset()
) -> tuple[R, tuple[str, ...]]:
    """The record in a row, and the names of what had to be dropped from it: `("items.0.price", "value")`.

    An optional field that cannot be used is dropped; one of `items` without a required field of its own is left out.

    Args:
        kind: the record's class.
        row: the row; it is not changed.
        required: the fields that a record, or one of its `items`, cannot do without.
        hint: the way out for whoever sends rows without them.
        objects: fields that are objects and lose only what is bad inside them; others are dropped whole.

    Raises:
        InvalidInput: a required field is missing or cannot be used.
    """
    try:
        return kind.model_validate(row), ()
    except ValidationError as error:
        mended, dropped = _without(row, error, required, objects)
    try:
        return kind.model_validate(mended), tuple(dropped)
    except ValidationError as error:
        raise InvalidInput(f"{reasons_of(error)}.", hint) from None


def _without(
    row: dict[str, Any], error: ValidationError, required: frozenset[str], objects: frozenset[str]
) -> tuple[dict[str, Any], list[str]]:
    """A copy of the row without the optional fields that the error names."""
    mended, dropped, lost_items = dict(row), [], set()
    for name in objects:
        if isinstance(row.get(name), dict):
            mended[name] = dict(row[name])
    listed = row.get("items")
    rows = listed if isinstance(listed, list | tuple) else ()
    items = [dict(item) if isinstance(item, dict) else item for item in rows]
    for problem in error.errors():
        place = problem["loc"]
        match place:
            case ("items", int(number), str(field), *_) if field not in required and isinstance(items[number], dict):
                items[number].pop(field, None)
            case ("items", int(number), *_):
                lost_items.add(number)
            case (str(name), str(field), *_) if name in objects and isinstance(row[name], dict):
                mended[name].pop(field, None)
            case (str(field), *_) if field not in required:
                mended.pop(field, None)
            case _:
                continue
        dropped.append(".".join(str(part) for part in place))
    if "items" in mended:
        mended["items"] = [item for number, item in enumerate(items) if number not in lost_items]
    return mended, sorted(set(dropped))


def reasons_of(error: ValidationError) -> str:
    """A validation error on one line: `"price.amount: Input should be greater than or equal to 0"`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'row'}: {problem['msg']}" for problem in error.errors()
    )
