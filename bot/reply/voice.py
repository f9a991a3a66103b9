"""Renders what is to be said in one language, with variety that replays the same.

A language is one file in this folder. English and Chinese are whole; any other is laid over English, so that what it does
not say yet is said in English.

The wording of a key is chosen by the conversation and by how often that key was said in it, so that a repeated fact
comes in other words until the wordings are used up, and a replayed conversation reads as it did.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

from bot.reply.values import spoken_value
from index.attributes import canonical
from index.filters import Filters
from index.money import format_money
from index.product import Availability, Money
from retrieval.understanding.questions import topic_of
from retrieval.understanding.text import has_han
from storage.errors import Damaged

FOLDER = Path(__file__).parent
WHOLE = ("en", "zh")
"""The languages that have every key, patterns of their own for conditions, and the shipped intent model's training."""
MOST_LISTED = 5
_HAN_BESIDE_LATIN = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9%][\u4e00-\u9fff]")


@dataclass(frozen=True)
class Language:
    """The words of one language: `tables["search"]["found"]` is a list of wordings, labels are plain strings.

    `tables["window"]` are the windows' words; `tables["glossary"]` says in English what the customer's words mean.
    """

    code: str
    tables: Mapping[str, Mapping[str, Any]]

    def label(self, table: str, name: str) -> str:
        """A single word; the name itself, readable, where the language file has none."""
        found = self.tables.get(table, {}).get(name.casefold())
        return str(found) if found is not None else name.replace("_", " ")

    @cached_property
    def marks(self) -> frozenset[str]:
        """Frequent words by which a message is told to be in this language."""
        return frozenset(str(self.tables["language"].get("words", "")).casefold().split())

    @cached_property
    def _glossary(self) -> tuple[dict[str, str], re.Pattern[str]] | None:
        meant = {said.casefold(): str(english) for said, english in self.tables.get("glossary", {}).items()}
        longest = sorted(map(re.escape, meant), key=len, reverse=True)
        return (meant, re.compile(rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)", re.IGNORECASE)) if meant else None

    def glossed(self, message: str) -> str:
        """The message with the words of the glossary in English, which is what conditions and answers are read from.

        "rote Schuhe unter 50 €" is "red Schuhe under 50 €": what is left is found by its meaning.
        """
        if self._glossary is None:
            return message
        meant, pattern = self._glossary
        return pattern.sub(lambda match: meant[match[0].casefold()], message)


@cache
def languages() -> dict[str, Language]:
    """All languages: one file in this folder each.

    Raises `Damaged` with the file's name where one is not TOML.
    """
    read = {file.stem: _read(file) for file in sorted(FOLDER.glob("*.toml"))}
    return {
        code: Language(code, tables if code in WHOLE else _laid_over(read["en"], tables))
        for code, tables in read.items()
    }


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Damaged(f"{file} is not TOML: {error}.", "Mend that line, or take the file away.") from error


def _laid_over(english: Mapping[str, Mapping[str, Any]], own: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """English with a language's own words over it; a key that it has only for many is said so of one, too."""
    tables: dict[str, Any] = {name: dict(table) for name, table in own.items()}
    for name, table in english.items():
        said = own.get(name, {})
        kept = {key: words for key, words in table.items() if key.removesuffix("_one") not in said}
        tables[name] = {**kept, **said}
    return tables


@lru_cache(maxsize=4096)
def attribute_key(name: str) -> str:
    """The one name by which the language files know an attribute: "续航", "续航时间" and "Battery Life" are "battery life".

    By a label of any language, else by a Chinese spelling of what is asked about, else as catalogs are filtered by it.
    """
    folded = name.casefold()
    topic = topic_of(folded) if has_han(folded) else None
    return _labelled().get(folded) or (topic.name if topic is not None else canonical(name))


@cache
def _labelled() -> dict[str, str]:
    tables = [language.tables.get("attribute", {}) for language in languages().values()]
    # The first of several with one label: "color" and not "colour".
    return {str(label).casefold(): key for table in tables[::-1] for key, label in [*table.items()][::-1]}


@dataclass
class Voice:
    """One turn's wording. `said` collects the keys used, to be stored with the turn."""

    language: Language
    seed: str
    said_before: Mapping[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, code: str, seed: str = "", said_before: Mapping[str, int] | None = None) -> Voice:
        """The voice of a language code; raises KeyError for one that has no file."""
        return cls(languages()[code], seed, said_before or {})

    def say(self, key: str, **facts: object) -> str:
        """One wording of `key` ("cart.added") with its facts filled in.

        `key_one` is taken where count is 1 and it exists.
        """
        table, _, name = key.partition(".")
        wordings = self.language.tables[table]
        if facts.get("count") == 1 and f"{name}_one" in wordings:
            name = f"{name}_one"
        choices: Sequence[str] = wordings[name]
        times = self.said_before.get(key, 0) + self.said.count(key)
        self.said.append(key)
        chosen = choices[(zlib.crc32(f"{self.seed}/{key}".encode()) + times) % len(choices)]
        text = self._filled(chosen, facts)
        # A title keeps its own first letter ("iPhone"); other sentences start with a capital.
        return text if chosen.startswith("{title") or self.language.code == "zh" else text[:1].upper() + text[1:]

    def word(self, table: str, name: str, **facts: object) -> str:
        """A label, or a counted one: `word("count", "views", count=3)` is "3 views"."""
        if facts.get("count") == 1 and f"{name}_one" in self.language.tables[table]:
            name = f"{name}_one"
        return self._filled(self.language.label(table, name), facts)

    def _filled(self, wording: str, facts: Mapping[str, object]) -> str:
        """The wording with its facts."""
        text = ""
        for literal, name, _, _ in Formatter().parse(wording):
            for piece in (literal, "" if name is None else str(facts[name])):
                text = self._beside(text, piece)
        return text

    def _beside(self, text: str, piece: str) -> str:
        """The text with a piece behind it, a space between where Chinese meets a Latin word or a number."""
        spaced = self.language.code == "zh" and _HAN_BESIDE_LATIN.fullmatch(text[-1:] + piece[:1])
        return f"{text} {piece}" if spaced else text + piece

    def money(self, money: Money) -> str:
        """A price as this language writes it."""
        return format_money(money, self.language.code)

    def limit(self, minor: int, currency: str) -> str:
        """A price limit, as it is said: "$50" and not "$50.00"."""
        return format_money(Money(amount=minor, currency=currency), self.language.code, short=True)

    def amount(self, minor: int, currency: str) -> str:
        """The same from its parts."""
        return self.money(Money(amount=minor, currency=currency))

    def availability(self, availability: Availability) -> str:
        """Such as "in stock", "有货"."""
        return self.language.label("availability", availability.value)

    def attribute(self, name: str) -> str:
        """An attribute's name in this language where it has one, whichever language the catalog names it in."""
        table, key = self.language.tables.get("attribute", {}), attribute_key(name)
        # A maker's own word of another language stays as the catalog has it, "SPF" too.
        known = name.casefold() in table or self.at_home(name) or (key not in table and key == canonical(name))
        return self.language.label("attribute", name if known else key)

    def at_home(self, name: str) -> bool:
        """Whether a name is in the script of this language: a Chinese catalog's "续航时间" stays so in Chinese."""
        return has_han(name) == (self.language.code == "zh")

    def field(self, name: str) -> str:
        """A field's name, as a column's head."""
        return self.language.label("field", name)

    def condition(self, field: str, phrase: str) -> str:
        """A condition with the name of what it is of: "Price: under $100"."""
        name = self.field(field)
        return f"{self.attribute(field) if name == field else name}: {phrase}"

    def joined(self, parts: Iterable[str], last: str = "list") -> str:
        """Join "a, b and c" where `last` is "and", else a plain list.

        Alternatives are asked for with "or" ("a, b or c?", "a、b，还是c？") and told with "either" ("a, b or c", "a、b或c").
        """
        words = list(parts)
        glue: Mapping[str, str] = self.language.tables["language"]
        if last == "list" or len(words) < 2:
            return glue["list"].join(words)
        return self._beside(glue["list"].join(words[:-1]) + glue[last], words[-1])

    def sentences(self, parts: Iterable[str]) -> str:
        """Sentences one after the other; a part that starts with a line break (a table) keeps its own lines."""
        text = ""
        gap = self.language.tables["language"]["sentence"]
        for part in parts:
            if part:
                text += part if not text else (part if part.startswith("\n") or text.endswith("\n") else gap + part)
        return text

    def currency(self, code: str) -> str:
        """A currency by its name, "美元", where the language has one; else its code."""
        return str(self.language.tables.get("currency", {}).get(code, code))

    def written(self, text: str) -> str:
        """The customer's words with the commas of this language, for they were read with half-width ones."""
        return re.sub(r"(?<=[\u4e00-\u9fff])\s*,\s*", "，", text) if self.language.code == "zh" else text

    def rating(self, value: float) -> str:
        """One decimal: 4.5."""
        return f"{value:.1f}"

    def days(self, low: int | None, high: int | None) -> str:
        """Such as "2–4", or the one bound that is known."""
        known = [str(each) for each in (low, high) if each is not None]
        return "–".join(dict.fromkeys(known))

    def period(self, days: int) -> str:
        """Such as "this week"."""
        table = self.language.tables["period"]
        return str(table.get(str(days)) or table["other"].format(count=days))

    def value(self, value: str) -> str:
        """An attribute's value in this language where it has a word for it: "black" is "黑色"."""
        return spoken_value(value, self.language.code)

    def own(self, values: Sequence[str]) -> Sequence[str]:
        """Of values in two scripts ("blue", "蓝色") those in this language's; all, in its words, where none is."""
        spoken = [
            value
            for value in values
            if any("\u3400" <= char <= "\u9fff" for char in value) == (self.language.code == "zh")
        ]
        return spoken or list(dict.fromkeys(map(self.value, values)))

    def _listed(self, values: Sequence[str]) -> str:
        """Alternatives; of a limit's many values, which ascend, the first and the last: "20 L … 60 L"."""
        if len(values) > MOST_LISTED and all(value[0].isdigit() for value in values):
            return f"{values[0]} … {values[-1]}"
        return self.joined(values, "either")

    def constraints(self, filters: Filters) -> dict[str, str]:
        """Each condition in words by its field's name, as `Understanding.dropped` spells it: {"price".

        "under $100"}.
        """
        found: dict[str, str] = {}
        table: Mapping[str, Any] = self.language.tables["constraint"]

        def phrase(kind: str, **facts: str) -> str:
            return self._filled(table[kind], facts)

        if filters.price is not None:
            price = filters.price
            low = self.limit(price.min, price.currency) if price.min is not None else ""
            high = self.limit(price.max, price.currency) if price.max is not None else ""
            kind = "price_between" if low and high else "price_max" if high else "price_min"
            if low or high:
                found["price"] = phrase(kind, min=low, max=high)
        if filters.brand:
            found["brand"] = phrase("brand", value=self.joined(self.own(filters.brand), "either"))
        if filters.categories:
            found["categories"] = phrase("categories", value=self.joined(self.own(filters.categories), "either"))
        for name, values in filters.attributes.items():
            spelled = self._listed(self.own(values))
            # "Red", but "size 42": some values say by themselves what they are of.
            own = f"attributes_{name.casefold()}"
            whole = phrase(own if own in table else "attributes", name=self.attribute(name), value=spelled)
            found[name] = spelled if name.casefold() in table["plain"] else whole
        excluded = [*filters.exclude.brand, *filters.exclude.categories]
        excluded += [value for values in filters.exclude.attributes.values() for value in values]
        if excluded:
            found["exclude"] = phrase("exclude", value=self.joined(self.own(excluded), "either"))
        if filters.availability:
            words = [self.availability(each) for each in filters.availability]
            found["availability"] = phrase("availability", value=self.joined(words, "either"))
        if filters.rating_min is not None:
            found["rating_min"] = phrase("rating_min", value=f"{filters.rating_min:g}")
        return found
