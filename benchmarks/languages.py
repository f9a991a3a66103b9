"""Chinese against English: the same needs said in both languages, and the held-out turns of either.

    python -m benchmarks.languages --shop var [--json]

**Search.** Needs come from the catalog by templates in pairs, so that both sides ask for the same thing and what answers it is
known from the records, whichever language a product is in:

| need | English | Chinese | relevant |
| --- | --- | --- | --- |
| a kind | running shoes | 跑步鞋 | the products of the kind |
| with a color | black running shoes | 黑色的跑步鞋 | those that come in it |
| with a value | knit running shoes | 飞织跑步鞋 | those that have it |
| under a price | running shoes under $90 | 90美元以内的跑步鞋 | those that cost no more |

Kinds are named as `benchmarks/demo_queries/kinds.tsv` pairs them, values as the demo's vocabulary does. A need counts where at
least `LEAST` products answer it. recall@10 of one is the share of min(10, relevant) products that the first ten hold. `own` is the
same with the relevant products in the query's language alone, `other` with those in the other one. The interval is a bootstrap
over needs, in pairs. A shop whose catalog is in one language is measured alike: one side then asks across languages.

**Intent.** macro-F1 on `tests/phrasings/{en,zh}.jsonl`, which training has never seen, with a bootstrap over dialogues.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.needs import Names, read_products
from bot.intent import IntentModel
from bot.service import Assistant
from demo.vocabulary import COLORS, FEATURES, MATERIALS
from finetune.evaluate_intent import Scored, metrics_of, predictions
from finetune.logs import read_logs
from index.product import Product
from launch import settings_of
from storage.database import Database

LANGUAGES = ("en", "zh")
LEAST = 3
FIRST = 10
VALUES_A_KIND = 2
SAMPLES = 2_000
PHRASINGS = Path(__file__).parent.parent / "tests" / "phrasings"


@dataclass(frozen=True, slots=True)
class Pair:
    """One need in both languages; `relevant` are the ids of what answers it by their products' language."""

    kind: str
    texts: dict[str, str]
    relevant: dict[str, frozenset[str]]


def pairs_of(products: Sequence[Product], names: Names, colors: dict[str, str], values: dict[str, str]) -> list[Pair]:
    """Every need of the templates that enough products answer; `colors` and `values` map English words to Chinese ones."""
    chinese = {english: other for other, english in names.kinds.items() if other != english}
    by_kind: dict[str, list[Product]] = defaultdict(list)
    for product in products:
        by_kind[names.kinds[product.categories[-1]]].append(product)
    return [
        pair
        for kind, several in sorted(by_kind.items())
        if kind in chinese
        for pair in _of_kind(kind, chinese[kind], several, colors, values)
        if sum(map(len, pair.relevant.values())) >= LEAST
    ]


def _of_kind(
    kind: str, chinese: str, products: Sequence[Product], colors: dict[str, str], values: dict[str, str]
) -> Iterator[Pair]:
    plain = kind.lower()
    yield _pair("kind", plain, chinese, products, lambda product: True)
    prices = sorted(product.price.amount for product in products if product.price is not None)
    if prices:
        limit = -(-prices[len(prices) // 2] // 100)
        yield _pair(
            "price", f"{plain} under ${limit}", f"{limit}美元以内的{chinese}", products,
            lambda product: product.price is not None and product.price.amount <= 100 * limit,
        )  # fmt: skip
    for name, known in (("color", colors), ("value", values)):
        said = Counter(
            value for product in products for value in {*_said(product)} if value in known or value in known.values()
        )
        english = Counter(
            {word: said[word] + said[other] for word, other in known.items() if said[word] or said[other]}
        )
        for word, _ in english.most_common(VALUES_A_KIND):
            both = {word, known[word]}
            link = "的" if name == "color" else ""
            yield _pair(
                name, f"{word} {plain}", f"{known[word]}{link}{chinese}", products,
                lambda product, both=both: bool(both & {*_said(product)}),  # type: ignore[misc]
            )  # fmt: skip


def _said(product: Product) -> Iterator[str]:
    yield from (value for several in product.attributes.values() for value in several)
    yield from (value for variant in product.variants for value in variant.options.values())


def _pair(name: str, english: str, chinese: str, products: Sequence[Product], meets: Callable[[Product], bool]) -> Pair:
    answering = [product for product in products if meets(product)]
    relevant = {each: frozenset(product.id for product in answering if product.language == each) for each in LANGUAGES}
    return Pair(name, {"en": english, "zh": chinese}, relevant)


def recall(found: Sequence[str], relevant: frozenset[str]) -> float:
    """The share of min(10, relevant) products that the first ten hold; NaN where none is relevant."""
    if not relevant:
        return float("nan")
    return len(relevant & {*found[:FIRST]}) / min(FIRST, len(relevant))


def search_figures(pairs: Sequence[Pair], search: Callable[[str], Sequence[str]]) -> dict[str, Any]:
    """Means by language and kind of need, and the difference with its 95 % interval."""
    rows: dict[str, list[dict[str, float]]] = {language: [] for language in LANGUAGES}
    for pair in pairs:
        for language in LANGUAGES:
            other = "zh" if language == "en" else "en"
            found = search(pair.texts[language])
            rows[language].append(
                {
                    "recall": recall(found, pair.relevant["en"] | pair.relevant["zh"]),
                    "own": recall(found, pair.relevant[language]),
                    "other": recall(found, pair.relevant[other]),
                }
            )
    whole = {language: np.array([row["recall"] for row in rows[language]]) for language in LANGUAGES}
    apart = whole["zh"] - whole["en"]
    figures: dict[str, Any] = {"n": len(pairs), "difference": float(apart.mean()), "interval": _interval(apart)}
    for language in LANGUAGES:
        figures[language] = {
            name: float(np.nanmean([row[name] for row in rows[language]])) if any(
                not np.isnan(row[name]) for row in rows[language]
            ) else None
            for name in ("recall", "own", "other")
        }  # fmt: skip
        for kind in sorted({pair.kind for pair in pairs}):
            chosen = [value for pair, value in zip(pairs, whole[language], strict=True) if pair.kind == kind]
            figures[language][kind] = float(np.mean(chosen))
    worst = np.argsort(apart)[:12]
    figures["worst"] = [
        {**pairs[place].texts, "recall": {name: round(float(whole[name][place]), 2) for name in LANGUAGES}}
        for place in worst.tolist()
    ]
    return figures


def _interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    drawn = np.random.default_rng(1).integers(0, len(values), (SAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def intent_figures(scored: Sequence[Scored]) -> dict[str, Any]:
    """macro-F1 and its 95 % interval over dialogues."""
    whole = metrics_of(scored)
    by_dialogue: dict[str, list[Scored]] = defaultdict(list)
    for each in scored:
        by_dialogue[each.dialogue_id].append(each)
    dialogues = list(by_dialogue.values())
    draw = np.random.default_rng(1)
    samples = [
        metrics_of([turn for place in draw.integers(0, len(dialogues), len(dialogues)) for turn in dialogues[place]])
        for _ in range(SAMPLES // 4)
    ]
    low, high = np.percentile([float(str(sample["macro_f1"])) for sample in samples], [2.5, 97.5])
    return {"n": whole["n"], "macro_f1": whole["macro_f1"], "interval": (float(low), float(high))}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"), help="the demo shop, indexed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    colors = {color.name.en: color.name.zh for color in COLORS.values()}
    values = {pair.en: pair.zh for pair in (*MATERIALS, *FEATURES) if pair.en != pair.zh}
    pairs = pairs_of(list(read_products(options.shop / "catalog.jsonl")), Names.read(), colors, values)
    with tempfile.TemporaryDirectory() as place:
        database = Database.open(f"sqlite:///{place}/bench.db")
        assistant = Assistant.open(options.shop, settings_of(options.shop), database)

        def search(text: str) -> list[str]:
            return [card["product_id"] for card in assistant.search(text, limit=FIRST)["products"]]

        found: dict[str, Any] = {"search": search_figures(pairs, search), "intent": {}}
        model = assistant.parts.intents
        assert isinstance(model, IntentModel)
        for language in LANGUAGES:
            dialogues = read_logs([PHRASINGS / f"{language}.jsonl"]).dialogues
            found["intent"][language] = intent_figures(predictions(model, dialogues))
        assistant.close()
        database.close()
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return
    figures = found["search"]
    columns = [name for name in figures["en"] if name not in ("recall", "own", "other")]
    print(f"| {figures['n']} needs | recall@10 | own language | other | {' | '.join(columns)} |")
    print("| --- " * (4 + len(columns)) + "|")
    for language in LANGUAGES:
        row = figures[language]
        cells = ["–" if row[name] is None else f"{row[name]:.3f}" for name in ("recall", "own", "other", *columns)]
        print(f"| {language} | {' | '.join(cells)} |")
    print(
        f"\nChinese less English: {figures['difference']:+.3f} ({figures['interval'][0]:+.3f} to {figures['interval'][1]:+.3f})"
    )
    for row in figures["worst"]:
        print(f"  {row['recall']} {row['en']} | {row['zh']}")
    for language, row in found["intent"].items():
        low, high = row["interval"]
        print(f"intent {language}: n {row['n']}, macro-F1 {row['macro_f1']:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
