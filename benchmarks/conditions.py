"""Conditions in words: what the shop makes of sentences whose constraints a person has written down.

    python -m benchmarks.conditions --shop var [--json]

A line of `benchmarks/demo_queries/conditions.jsonl` is a sentence and its gold, a filter object as the API spells it:

    {"id": "en-c061", "text": "kettle, anything but plastic", "kinds": ["Electric Kettles"],
     "gold": {"exclude": {"attributes": {"material": ["plastic"]}}}}

What a shopper makes a condition is in the gold: a budget, "only", "must", "not", a size, a limit, stock, stars. A brand, unit or
category that is merely named is not, and the gold of some fifty sentences is empty though their words look like conditions. `or`
lists other readings that are as good, `about` an amount in minor units around which a range of at most 35 % either way will do.

Two constraint sets are the same where every field has the same values. Names and values compare without case, an attribute by its
English name, and only the values count that products of the sentence's `kinds` have in its language: "at least 1 L" may list
capacities of what else the shop sells. Price limits may differ by one major unit, for "under 40" is 39.99 to some.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.needs import FOLDER, Names, read_products
from bot.service import Assistant
from index.filters import Filters
from index.product import Product
from launch import settings_of
from storage.database import Database
from storage.errors import InvalidInput
from storage.rows import RowProblem, read_jsonl

ABOUT = 0.35
MAJOR_UNIT = 100

Values = Mapping[str, Collection[str]]
"""The values of each attribute, by its English name, folded."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, its acceptable constraint sets (the gold first), and the kinds whose values count."""

    id: str
    text: str
    golds: tuple[Filters, ...]
    kinds: frozenset[str] = frozenset()
    about: int | None = None

    @property
    def language(self) -> str:
        """The sentence's, by which its id begins."""
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One sentence: `exact` where one of its golds was met, `wrong` where a filter was set that none of them has."""

    sentence: Sentence
    found: Filters
    exact: bool
    wrong: bool


def read_sentences(path: Path = FOLDER / "conditions.jsonl") -> list[Sentence]:
    """Reads the sentences; raises `InvalidInput` with the line that is not in their form."""
    sentences = []
    for line, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            raise InvalidInput(f"{path}, line {line}: {row.reason}.", "See benchmarks/conditions.py for the form.")
        golds = tuple(Filters.model_validate(gold) for gold in (row["gold"], *row.get("or", ())))
        kinds = frozenset[str](row.get("kinds", ()))
        sentences.append(Sentence(row["id"], row["text"], golds, kinds, row.get("about")))
    return sentences


def values_of(products: Iterable[Product], kinds: Collection[str], language: str, names: Names) -> dict[str, set[str]]:
    """What the products of these kinds have in that language: {English name of the attribute: folded values}."""
    values: dict[str, set[str]] = {}
    for product in products:
        if product.language == language and names.kinds[product.categories[-1]] in kinds:
            for name, several in product.attributes.items():
                values.setdefault(names.attributes.get(name, name), set()).update(value.casefold() for value in several)
    return values


def score(sentence: Sentence, found: Filters, values: Values, names: Names) -> Outcome:
    """Compares what was understood with the sentence's golds."""
    mine = _parts(found, values, names)
    pairs = [(mine, _parts(gold, values, names)) for gold in sentence.golds]
    # Each part of one that the other does not have, both ways: nothing missing and nothing too much is exact.
    over = [any(not _has(gold, name, part, sentence.about) for name, part in mine.items()) for mine, gold in pairs]
    under = [any(name not in mine for name in gold) for mine, gold in pairs]
    return Outcome(sentence, found, any(not a and not b for a, b in zip(over, under, strict=True)), all(over))


def report(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures in all and by language, and the sentences that failed: found beside gold, as JSON values."""
    figures: dict[str, Any] = _figures(outcomes)
    for language in sorted({outcome.sentence.language for outcome in outcomes}):
        figures[language] = _figures([outcome for outcome in outcomes if outcome.sentence.language == language])
    figures["without_condition"] = _figures([outcome for outcome in outcomes if outcome.sentence.golds[0].empty])
    figures["failures"] = [
        {
            "id": outcome.sentence.id,
            "text": outcome.sentence.text,
            "wrong_filter": outcome.wrong,
            "found": outcome.found.model_dump(mode="json", exclude_defaults=True),
            "gold": outcome.sentence.golds[0].model_dump(mode="json", exclude_defaults=True),
        }
        for outcome in outcomes
        if not outcome.exact
    ]
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"), help="the demo shop, indexed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    names, sentences = Names.read(), read_sentences()
    products = list(read_products(options.shop / "catalog.jsonl"))
    with tempfile.TemporaryDirectory() as place:
        database = Database.open(f"sqlite:///{place}/bench.db")
        assistant = Assistant.open(options.shop, settings_of(options.shop), database)
        outcomes = [
            score(
                sentence,
                Filters.model_validate(assistant.search(sentence.text)["constraints"]),
                values_of(products, sentence.kinds, sentence.language, names),
                names,
            )
            for sentence in sentences
        ]
        assistant.close()
        database.close()
    found = report(outcomes)
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    print("| sentences | n | exact constraint set | a wrong hard filter |\n| --- | --- | --- | --- |")
    shown = {"all": found} | {name: found[name] for name in ("en", "zh", "without_condition")}
    for name, row in shown.items():
        print(f"| {name.replace('_', ' ')} | {row['n']} | {row['exact']:.3f} | {row['wrong_filter']:.3f} |")
    for row in found["failures"]:
        print(f"\n{row['id']} {'WRONG FILTER ' if row['wrong_filter'] else ''}{row['text']}")
        print(f"  found {json.dumps(row['found'], ensure_ascii=False)}")
        print(f"  gold  {json.dumps(row['gold'], ensure_ascii=False)}")


def _figures(outcomes: Sequence[Outcome]) -> dict[str, float | int]:
    return {
        "n": len(outcomes),
        "exact": sum(outcome.exact for outcome in outcomes) / len(outcomes),
        "wrong_filter": sum(outcome.wrong for outcome in outcomes) / len(outcomes),
    }


def _parts(filters: Filters, values: Values, names: Names) -> dict[str, Any]:
    """The filter object as comparable parts: {"price.max": (4000, "USD"), "attributes.color": {"red"}, …}."""
    parts: dict[str, Any] = {}
    if filters.price is not None:
        limits = {"price.min": filters.price.min, "price.max": filters.price.max}
        parts |= {name: (amount, filters.price.currency) for name, amount in limits.items() if amount is not None}
    sets = {
        "brand": filters.brand,
        "categories": filters.categories,
        "availability": filters.availability,
        "exclude.brand": filters.exclude.brand,
        "exclude.categories": filters.exclude.categories,
    }
    parts |= {name: {value.casefold() for value in several} for name, several in sets.items() if several}
    for prefix, attributes in (("attributes", filters.attributes), ("exclude.attributes", filters.exclude.attributes)):
        for name, several in attributes.items():
            english = names.attributes.get(name, name)
            folded = {value.casefold() for value in several}
            known = folded & set(values.get(english, ()))
            # To leave out what no product of the kind has changes nothing; to ask for it leaves nothing.
            if known or prefix == "attributes":
                parts[f"{prefix}.{english}"] = known or folded
    if filters.rating_min is not None:
        parts["rating_min"] = filters.rating_min
    return parts


def _has(gold: Mapping[str, Any], name: str, part: Any, about: int | None) -> bool:
    if name not in gold:
        return False
    if not name.startswith("price."):
        return bool(gold[name] == part)
    (amount, currency), (wanted, wanted_currency) = part, gold[name]
    if currency != wanted_currency:
        return False
    if about is None:
        return bool(abs(amount - wanted) <= MAJOR_UNIT)
    # The lower limit may be anything from 35 % below to the amount itself, the upper one likewise above.
    low, high = (about * (1 - ABOUT), about) if name == "price.min" else (about, about * (1 + ABOUT))
    return bool(low <= amount <= high)


if __name__ == "__main__":
    main()
