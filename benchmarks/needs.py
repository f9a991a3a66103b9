"""What a shopper needs, in structured form, and the rule that turns a need and a product's record into a gain of 0 to 3.

A need is a line of `benchmarks/demo_queries/needs.jsonl`, written by a person beside the query:

    {"query_id": "en-021", "text": "espresso maker under $300", "kinds": ["Espresso Machines"], "near": ["Drip Coffee Makers"],
     "conditions": ["price <= 300"]}

`kinds` are the leaf categories that answer it, `near` those that a shopper would look at for want of one; both by their English
names, which `kinds.tsv` maps to those of the other languages, as `attributes.tsv` does with attributes. A need without kinds is
for goods that the shop does not sell. The other three are lists of criteria `FIELD SIGN VALUE [or VALUE …]`, in falling order of
weight:

* `conditions`: what the shopper insists on (a budget, "not", a size);
* `wants`: what the shopper names (a color, a material, a brand, a feature, a number);
* `nice`: what serves the purpose better, though it was not asked for.

| gain | the product |
| --- | --- |
| 3 | is of a right kind, has every want and everything nice, and speaks the query's language |
| 2 | is of a right kind and has every want |
| 1 | is of a right kind and misses one want, or is of a near kind and has every want |
| 0 | anything else, and whatever breaks a condition |

Whether it can be ordered plays no part, except that a condition on an option ("size = 42") needs a variant that has it and can be
ordered.
"""

from __future__ import annotations

import csv
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from index.product import Product
from storage.errors import InvalidInput
from storage.rows import RowProblem, read_jsonl

FOLDER = Path(__file__).parent / "demo_queries"

Comparison = Callable[[float, float], bool]
COMPARISONS: Mapping[str, Comparison] = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
CRITERION = re.compile(r"(?P<negated>not )?(?P<field>[a-z -]+?) (?P<sign>>=|<=|>|<|=|~) (?P<values>.+)")
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?:.*\d)?\s*([^\d\s]*)")
UNITS = (
    {"mm": 0.1, "毫米": 0.1, "cm": 1, "厘米": 1, "m": 100, "米": 100}
    | {"ml": 1, "毫升": 1, "l": 1000, "升": 1000}
    | {"g": 1, "克": 1, "kg": 1000, "千克": 1000}
)
"""What one unit is in the smallest of its kind; all others count as they stand."""

RECORD_FIELDS = ("price", "brand", "mpn", "words")


@dataclass(frozen=True, slots=True)
class Names:
    """The English names of kinds and attributes by what the catalog calls them, in any of its languages."""

    kinds: Mapping[str, str]
    attributes: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """From `kinds.tsv` and `attributes.tsv`, whose first column is English and whose others may be empty."""
        return cls(_names(folder / "kinds.tsv"), _names(folder / "attributes.tsv"))


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that a shopper asks of a product.

    `field` is an attribute's English name, or `price` (in major units of the record's currency), `brand`, `mpn`, or `words`: title,
    description and the values of all attributes. The signs are `=` (one of the record's values is one of `values`), `~` (one
    contains one of them) and `>= <= > <`, which compare the first number of each of the record's values after its unit. All are
    without case. What the record does not say fails a criterion and passes its negation.
    """

    field: str
    sign: str
    values: tuple[str, ...]
    negated: bool = False

    @classmethod
    def parse(cls, text: str, names: Names) -> Self:
        """Reads `not material = leather or suede`; raises `InvalidInput` on another form or an unknown field."""
        match = CRITERION.fullmatch(text)
        if match is None:
            raise InvalidInput(f"{text!r} is no criterion.", "Write FIELD SIGN VALUE, say `color = white or beige`.")
        field, values = match["field"], tuple(match["values"].casefold().split(" or "))
        if field not in RECORD_FIELDS and field not in names.attributes.values():
            raise InvalidInput(f"{text!r}: there is no field {field!r}.", "Add its names to attributes.tsv.")
        if match["sign"] in COMPARISONS and not (len(values) == 1 and NUMBER.match(values[0])):
            raise InvalidInput(
                f"{text!r} compares with no number.", "Write one number, with its unit: `capacity >= 1.5 L`."
            )
        return cls(field, match["sign"], values, match["negated"] is not None)

    def holds(self, product: Product, names: Names, orderable: bool = False) -> bool:
        """Whether the record meets it; with `orderable`, options count only from variants that can be ordered."""
        found = [value.casefold() for value in self._said(product, names, orderable)]
        return self.negated != any(self._meets(value) for value in found)

    def _meets(self, value: str) -> bool:
        if self.sign == "=":
            return value in self.values
        if self.sign == "~":
            return any(part in value for part in self.values)
        number = _number(value)
        limit = _number(self.values[0])
        return number is not None and limit is not None and COMPARISONS[self.sign](number, limit)

    def _said(self, product: Product, names: Names, orderable: bool) -> Iterable[str]:
        if self.field == "price":
            return [] if product.price is None else [str(product.price.amount / 100)]
        if self.field == "brand":
            return [product.brand]
        if self.field == "mpn":
            return [product.mpn]
        if self.field == "words":
            values = [value for several in product.attributes.values() for value in several]
            return [product.title, product.description, *values]
        options = [
            (value, variant.availability.orderable)
            for variant in product.variants
            for name, value in variant.options.items()
            if names.attributes.get(name) == self.field
        ]
        if orderable and options:
            return [value for value, to_be_had in options if to_be_had]
        return [
            value
            for name, several in product.attributes.items()
            if names.attributes.get(name) == self.field
            for value in several
        ]


@dataclass(frozen=True, slots=True)
class Need:
    """A query and what would answer it; see the module's docstring."""

    query_id: str
    text: str
    kinds: frozenset[str]
    near: frozenset[str] = frozenset()
    conditions: tuple[Criterion, ...] = ()
    wants: tuple[Criterion, ...] = ()
    nice: tuple[Criterion, ...] = ()

    @property
    def language(self) -> str:
        """The query's, by which its id begins."""
        return self.query_id.partition("-")[0]

    def gain(self, product: Product, names: Names) -> int:
        """0 to 3, by the rule in the module's docstring."""
        kind = names.kinds.get(product.categories[-1], "") if product.categories else ""
        if kind not in self.kinds | self.near:
            return 0
        if not all(criterion.holds(product, names, orderable=True) for criterion in self.conditions):
            return 0
        missing = sum(not criterion.holds(product, names) for criterion in self.wants)
        if kind not in self.kinds:
            return int(missing == 0)
        if missing:
            return int(missing == 1)
        best = product.language == self.language and all(criterion.holds(product, names) for criterion in self.nice)
        return 3 if best else 2


def read_needs(names: Names, path: Path = FOLDER / "needs.jsonl") -> list[Need]:
    """Reads the needs, in the order of the file; raises `InvalidInput` with the line that is not in their form."""
    needs = []
    for line, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            raise InvalidInput(f"{path}, line {line}: {row.reason}.", "See benchmarks/needs.py for a need's form.")
        try:
            needs.append(_need(row, names))
        except (InvalidInput, KeyError) as error:
            raise InvalidInput(
                f"{path}, line {line}: {error}.", "See benchmarks/needs.py for a need's form."
            ) from error
    return needs


def read_products(path: Path) -> Iterator[Product]:
    """The products of a clean catalog in JSONL, `.gz` too; raises `InvalidInput` with the line that cannot be read."""
    for line, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            raise InvalidInput(f"{path}, line {line}: {row.reason}.", "Write the catalog anew: launch.py demo.")
        yield Product.model_validate(row)


def _need(row: dict[str, Any], names: Names) -> Need:
    kinds, near = frozenset(row["kinds"]), frozenset(row.get("near", ()))
    unknown = (kinds | near) - set(names.kinds.values())
    if unknown:
        raise InvalidInput(f"There is no kind {min(unknown)!r}.", "Add its names to kinds.tsv.")
    conditions, wants, nice = (
        tuple(Criterion.parse(text, names) for text in row.get(part, ())) for part in ("conditions", "wants", "nice")
    )
    return Need(row["query_id"], row["text"], kinds, near, conditions, wants, nice)


def _names(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {name: row[0] for row in rows[1:] for name in row if name}


def _number(text: str) -> float | None:
    """The first number with the unit after the last: "140 x 70 cm" is 140 cm, in the smallest unit of its kind."""
    match = NUMBER.search(text)
    return None if match is None else float(match[1]) * UNITS.get(match[2].casefold(), 1)
