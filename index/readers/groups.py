"""One product of the rows that list its variants: a feed that has every color and size in a row of its own ties them by an id.

The rows of a group may stand anywhere in a file. They wait on disk, not in memory, until the file has been read.
"""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from index.attributes import canonical
from index.clean import fold, has_cjk
from index.product import Product, Rating, Variant
from index.products import disk_trouble
from index.readers.product import best_availability, lowest_price
from storage.rows import RowProblem

MOST_VARIANTS: Final = 2_048
"""A group of more rows is none: such an id says "default", or names a brand."""
_MOST_LISTED: Final = 50  # values of an option that are listed among the product's attributes too
_AXES: Final = ("color", "size", "material", "pattern", "gender", "age_group")
_WORD: Final = re.compile(r"\S+")
_EDGES: Final = re.compile(r"^[\s,;:|/·–—-]+|[\s,;:|/·–—(\[-]+$")
_EMPTY_BRACKETS: Final = re.compile(r"\(\s*\)|\[\s*\]|（\s*）|【\s*】")

_SCHEMA: Final = """
CREATE TABLE waiting (
    place INTEGER PRIMARY KEY,
    family TEXT NOT NULL,         -- the id that ties the rows
    id TEXT NOT NULL UNIQUE,
    line INTEGER NOT NULL,
    title TEXT NOT NULL,          -- of the whole group, where the row says it
    body TEXT NOT NULL            -- the row as a product, in JSON without what is at its default
) STRICT
"""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One row of a group, validated. `title` is what it calls the whole group, "" where it does not."""

    line: int
    product: Product
    title: str = ""


class WaitingRows:
    """Rows of groups while a catalog is read, in a temporary file that is gone when this is closed."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        with disk_trouble():
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(_SCHEMA)
            self._connection.execute("BEGIN")

    def add(self, group: str, row: GroupRow) -> RowProblem | None:
        """Keeps a row; the problem is that of an earlier row of the same id, which this one replaces."""
        body = row.product.model_dump_json(exclude_defaults=True)
        values = (group, row.line, row.title, body, row.product.id)
        with disk_trouble():
            query = "SELECT place, line, body FROM waiting WHERE id = ?"
            found = self._connection.execute(query, (row.product.id,)).fetchone()
            if found is None:
                query = "INSERT INTO waiting (family, line, title, body, id) VALUES (?, ?, ?, ?, ?)"
                self._connection.execute(query, values)
                return None
            query = "UPDATE waiting SET family = ?, line = ?, title = ?, body = ? WHERE id = ?"
            self._connection.execute(query, values)
        return RowProblem(found[1], "duplicate id: a later row replaced it", json.loads(found[2]))

    def groups(self) -> Iterator[tuple[str, Iterator[GroupRow], int]]:
        """Each group with its rows and their number, in the order in which the groups began."""
        with disk_trouble():
            self._connection.execute("CREATE INDEX families ON waiting (family, place)")
            query = "SELECT family, count(*) FROM waiting GROUP BY family ORDER BY min(place)"
            for family, count in self._connection.execute(query):
                yield family, self._rows(family), count

    def _rows(self, family: str) -> Iterator[GroupRow]:
        query = "SELECT line, body, title FROM waiting WHERE family = ? ORDER BY place"
        for line, body, title in self._connection.execute(query, (family,)):
            yield GroupRow(line, Product.model_validate_json(body), title)

    def close(self) -> None:
        """Gives the disk back."""
        self._connection.close()


def merged(group: str, rows: Sequence[GroupRow], earlier: Product | None, currency: str) -> Product | None:
    """The product of a group, or None where its rows speak of different things.

    Rows "Rain coat red S" and "Rain coat blue S", both of nylon, become "Rain coat S" of nylon in red and blue: attributes in
    which the rows differ are options, all others and what else they agree on are the product's. A row's id, title, price,
    availability and stock are its variant's; codes that differ stand behind the variant's title.

    Args:
        group: the id that the rows share.
        rows: at least one.
        earlier: what the catalog has under that id. One with variants (`--update` read only some rows of a group) keeps those
            that no row names; any other is the parent that the rows share, or, where it says itself what sets them apart, one
            of them.
        currency: of the shop; the product's own price is in it where any row's is.
    """
    own = [row.product for row in rows]
    named = {product.id for product in own}
    older: list[Product] = []
    parent: list[Product] = []
    if earlier is not None and earlier.variants:
        older = [_as_row(earlier, variant) for variant in earlier.variants if variant.id not in named]
    elif earlier is not None and earlier.id not in named:
        (older if _options([*own, earlier], earlier) else parent).append(earlier)
    members = [*older, *own]
    facts = [*parent, *own, *older]
    title = next((row.title for row in rows if row.title), "") or (parent[0].title if parent else "")
    if earlier is not None and earlier.variants:
        title = title or earlier.title
    axes = _axes(members)
    title = title or common_title(members, axes)
    if not title or _contradict(facts):
        return None
    spelled = _spelled(members)
    codes = {name: {getattr(member, name) for member in members} for name in ("mpn", "gtin")}
    variants = tuple(_variant(member, axes, spelled, codes) for member in members)
    prices = {member.list_price for member in members}
    stars = [member.rating for member in facts if member.rating is not None]

    def first(name: str) -> object:
        return next((value for member in facts if (value := getattr(member, name))), getattr(facts[0], name))

    shared = ("description", "brand", "categories", "delivery", "published_at", "image_url", "url", "language")
    return facts[0].model_copy(
        update={name: first(name) for name in shared}
        | {name: next(iter(values), "") if len(values) == 1 else "" for name, values in codes.items()}
        | {
            "id": group,
            "title": title,
            "price": lowest_price(variants, currency),
            "list_price": prices.pop() if len(prices) == 1 else None,
            "availability": best_availability(variants),
            "stock": None,
            "attributes": _attributes(facts, members, axes, spelled),
            "variants": variants,
            "rating": max(stars, key=_count, default=None),
        }
    )


def _count(rating: Rating) -> int:
    return rating.count


def _as_row(product: Product, variant: Variant) -> Product:
    """A variant as the row that it may have come from."""
    options = {name: (value,) for name, value in variant.options.items()}
    replaced = {canonical(name) for variant in product.variants for name in variant.options}
    attributes = {name: values for name, values in product.attributes.items() if canonical(name) not in replaced}
    return product.model_copy(
        update={
            "id": variant.id, "title": variant.title or product.title, "price": variant.price, "stock": variant.stock,
            "availability": variant.availability, "attributes": attributes | options, "variants": (),
        }
    )  # fmt: skip


def _contradict(members: Sequence[Product]) -> bool:
    """Whether rows name different brands, or different departments: no two colors of one thing do."""
    brands = {fold(member.brand) for member in members if member.brand}
    departments = {fold(member.categories[0]) for member in members if member.categories}
    return len(brands) > 1 or len(departments) > 1


def _values(member: Product) -> dict[str, tuple[str, ...]]:
    """Attributes by the one name that shops spell differently."""
    return {canonical(name): values for name, values in member.attributes.items()}


def _axes(members: Sequence[Product]) -> list[str]:
    """The canonical names of the attributes in which rows differ, color and size first."""
    stated: dict[str, set[tuple[str, ...]]] = {}
    for member in members:
        for name, values in _values(member).items():
            stated.setdefault(name, set()).add(tuple(map(fold, values)))
    differing = [name for name, values in stated.items() if len(values) > 1]
    return sorted(differing, key=lambda name: _AXES.index(name) if name in _AXES else len(_AXES))


def _options(members: Sequence[Product], one: Product) -> set[str]:
    """The axes of the rows that one of them states."""
    return set(_axes(members)) & _values(one).keys()


def _spelled(members: Sequence[Product]) -> dict[str, str]:
    """Canonical name → as the rows spell it; "Colour" and "SIZE" as `color` and `size`, which is what others call them."""
    spelled: dict[str, str] = {}
    for member in members:
        for name in member.attributes:
            plain = canonical(name)
            spelled.setdefault(plain, plain if name.isascii() and plain in _AXES else name)
    return spelled


def _variant(
    member: Product, axes: Sequence[str], spelled: Mapping[str, str], codes: Mapping[str, set[str]]
) -> Variant:
    values = _values(member)
    own = [getattr(member, name) for name, all_ in codes.items() if len(all_) > 1]
    added = [code for code in own if code and fold(code) not in fold(member.title)]
    return Variant(
        id=member.id,
        title=f"{member.title} ({', '.join(added)})" if added else member.title,
        price=member.price,
        availability=member.availability,
        stock=member.stock,
        options={spelled[name]: ", ".join(values[name]) for name in axes if name in values},
    )


def _attributes(
    facts: Sequence[Product], members: Sequence[Product], axes: Sequence[str], spelled: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """What holds for all, and each option with all its values where every variant has one: what is said of none is no fact."""
    found: dict[str, tuple[str, ...]] = {}
    for member in facts:
        for name, values in _values(member).items():
            if name not in axes:
                found.setdefault(spelled.get(name, name), values)
    for name in axes:
        stated = [_values(member).get(name, ()) for member in members]
        listed = tuple(dict.fromkeys(value for values in stated for value in values))
        if all(stated) and len(listed) <= _MOST_LISTED:
            found[spelled[name]] = listed
    return found


def common_title(members: Sequence[Product], axes: Sequence[str]) -> str:
    """What the titles of rows share: "Rain coat, navy blue (S)" and "Rain coat, red (S)" are a "Rain coat (S)".

    "" where they share no word beside the brand's: such rows are no variants of one thing. Words are compared without case and
    commas; titles that are written without spaces share their beginning.
    """
    titles = [_without_phrases(member, axes) for member in members]
    first = _WORD.findall(titles[0])
    shared = Counter(map(_bare, first))
    for title in titles[1:]:
        shared &= Counter(map(_bare, _WORD.findall(title)))
    kept = []
    for word in first:
        if shared[_bare(word)] > 0:
            shared[_bare(word)] -= 1
            kept.append(word)
    brand = {_bare(word) for member in members for word in _WORD.findall(member.brand)}
    if any(_bare(word) not in brand and _names(word) for word in kept):
        return _tidy(" ".join(kept))
    begun = "".join(chars[0] for chars in itertools.takewhile(_same, zip(*titles, strict=False)))
    return _tidy(begun) if has_cjk(begun) and sum(map(str.isalpha, begun)) > 1 else ""


def _without_phrases(member: Product, axes: Sequence[str]) -> str:
    """The title without those of its options that are several words: of "128 GB" and "256 GB" no "GB" is to be left."""
    title = member.title
    for name, values in _values(member).items():
        for value in values if name in axes else ():
            if " " in value:
                title = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", title, flags=re.IGNORECASE)
    return title if any(map(str.isalpha, title)) else member.title


def _same(chars: Sequence[str]) -> bool:
    return len(set(chars)) == 1


def _names(word: str) -> bool:
    """Whether a word can name a thing: no unit, number or size."""
    return sum(map(str.isalpha, word)) > 2 or has_cjk(word)


def _bare(word: str) -> str:
    return fold(word).strip(",;:()[]|/·–—-（）【】，、")


def _tidy(title: str) -> str:
    return _EDGES.sub("", _EMPTY_BRACKETS.sub(" ", title)).strip()
