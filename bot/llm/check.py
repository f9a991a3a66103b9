"""What a model wrote becomes sentences that records back: cleaned of markup, filled, and each judged alone.

Stricter than `bot/grounding.py`, which every reply passes too: a template's figures come from records by construction, a
model's come from anywhere. In its own words a sentence may hold no figure that the records it names do not hold, no promise
(`words/*.toml`), no property that the named products do not have, no name that nobody knows, no address, no other language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from bot.language import foreign
from bot.llm.handout import Filled, Handout
from bot.llm.masking import Mask
from bot.llm.words import Lexicon, lexicons
from index.filters import Filters
from index.product import Money
from storage.redaction import redact

Problem = Literal[
    "address", "markup", "record", "language", "figure", "promise", "property", "name", "prompt", "refusal", "filler",
    "length"
]  # fmt: skip
LONGEST = 400
"""Characters of a sentence in a model's own words."""
COPIED = 6
"""So many words (or twice as many Chinese characters) in a row that stand in the prompt are a copy of it."""
_ADDRESS = re.compile(
    r"https?:|www\.|//|\b[a-z0-9-]+(?:\s*\[?\.\]?\s*|\s+dot\s+)(?:com|net|org|io|shop|store|info|biz|co|cn|ru|xyz|example|app|site|online|test)\b"
    r"|\b[a-z0-9-]{2,}\.[a-z]{2,}\b|@|\bjavascript\b|\bdata:",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<[/!?a-z]|!\[|\]\s*\(|&(?:#\w+|lt|gt|quot);|\bon\w+\s*=", re.IGNORECASE)
_LIST = re.compile(r"^\s*(?:[-*•>]|\d{1,2}[.)、]|#{1,6})\s+", re.MULTILINE)
_EMPHASIS = re.compile(r"\*{1,3}|`{1,3}|~~|(?<![A-Za-z0-9])_{1,2}|_{1,2}(?![A-Za-z0-9])")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_NAME = re.compile(r"(?<=[\w,;:)’'”\u2003-]\s)[A-Z][\w’'-]*|\b[A-Z]{2,}[\w-]*|\b\w*[a-z][A-Z]\w*", re.ASCII)
_LATIN = re.compile(r"[A-Za-z][\w-]+", re.ASCII)
_TITLED = re.compile(r"[「『《“\"]([^」』》”\"]{1,40})[」』》”\"]")
_WORD = re.compile(r"[^\W_]+")
_OWNED = re.compile(r"['’]s$")
_PLAIN = frozenset({"i", "m", "d", "ve", "ll", "ok", "tv", "pc", "diy"})


@dataclass
class Check:
    """Judges the sentences of one turn. `said` is what the customer has said, whose words a sentence may take up; `mask` hid in it.

    `filters` are the conditions in force, which hold for every card; `prompts` the texts that must not be recited.
    """

    handout: Handout
    language: str
    said: str
    filters: Filters
    prompts: Collection[str]
    mask: Mask
    removed: dict[Problem, int] = field(default_factory=dict)
    begun: bool = False
    """Whether a record was spoken of: before that, a sentence without one ("Good choice.") says nothing."""

    def accepted(self, sentence: str) -> Filled | None:
        """The sentence as the customer may read it; None where nothing backs it, which is counted in `removed`."""
        filled, problem = self._judged(sentence)
        if filled is not None and problem is None:
            self.begun = self.begun or _of_records(filled)
        if problem is not None:
            self.removed[problem] = self.removed.get(problem, 0) + 1
        return filled

    def _judged(self, sentence: str) -> tuple[Filled | None, Problem | None]:
        raw = unicodedata.normalize("NFKC", sentence)
        if _MARKUP.search(raw):
            return None, "markup"
        if _ADDRESS.search(raw):
            return None, "address"
        filled = self.handout.filled(plain(sentence))
        if filled is None:
            return None, "record"
        if not _LETTER.search(filled.text):
            return None, None
        own = self.mask.without(unicodedata.normalize("NFKC", filled.own))
        if redact(own) != own:  # a telephone or an account number leads out of the shop as a link does
            return None, "address"
        problem = self._problem(filled, own)
        return (filled, None) if problem is None else (None, problem)

    def _problem(self, filled: Filled, own: str) -> Problem | None:
        lexicon = lexicons()[self.language]
        named = filled.products or tuple(self.handout.products)
        records = "\n".join(self.handout.words(name) for name in named)
        if filled.orders and not filled.products:
            records = "\n".join([records, *tuple(self.handout.mentioned)]).casefold()
        if len(own) > LONGEST:
            return "length"
        if self._recites(own):
            return "prompt"
        if not self._figures_hold(filled, own, records):
            return "figure"
        if _promises(filled, own):
            return "promise"
        if lexicon.refusals.search(own):
            return "refusal"
        if not self._properties_hold(lexicon, own, records):
            return "property"
        if not self._speaks(own):
            return "language"
        if not self._names_known(own):
            return "name"
        return None if self.begun or _of_records(filled) else "filler"

    def _recites(self, own: str) -> bool:
        runs = set(_runs(own))
        return any(runs & set(_runs(prompt)) for prompt in self.prompts)

    def _figures_hold(self, filled: Filled, own: str, records: str) -> bool:
        """Whether each figure is a price of a product in the sentence, a limit that was asked for, or stands in their records."""
        prices: list[Money | None] = []
        for name in filled.products:
            prices += [self.handout.cards[name].price, self.handout.cards[name].list_price]
        limit = self.filters.price
        if limit is not None:
            bounds = (limit.min, limit.max)
            prices += [Money(amount=each, currency=limit.currency) for each in bounds if each is not None]
        for money in filter(None, prices):
            for spelled in (self.handout.voice.money(money), self.handout.voice.money(money).removesuffix(".00")):
                own = re.sub(rf"(?<![\d.,]){re.escape(spelled)}(?![.,]?\d)", " ", own)
        if re.search(r"[$€£¥₩₹]|(?<!\w)(?:USD|EUR|GBP|CNY)(?!\w)|[%％‰]", own):
            return False
        # What the customer has said proves nothing about a product: only of the need itself it may be repeated.
        known = set(_FIGURE.findall(records if filled.products else f"{records}\n{self.said}"))
        exotic = any(char.isnumeric() and not char.isascii() and not _HAN.match(char) for char in own)
        return not exotic and set(_FIGURE.findall(own)) <= known

    def _properties_hold(self, lexicon: Lexicon, own: str, records: str) -> bool:
        conditions = [value for values in self.filters.attributes.values() for value in values]
        backing = "\n".join([records, *conditions]).casefold()
        return all(match[0].casefold() in backing for match in lexicon.properties.finditer(own))

    def _speaks(self, own: str) -> bool:
        """Whether the model's own words are in the turn's language; of the other script only what is known may stand in them."""
        if foreign(own):
            return False
        known = self._known()
        if self.language == "zh":
            strange = [word for word in _LATIN.findall(own) if word.casefold() not in known]
            return bool(_HAN.search(own)) and not strange
        return all(char in known for char in _HAN.findall(own))

    def _names_known(self, own: str) -> bool:
        known = self._known()
        words = {*_WORD.findall(known), *_PLAIN}
        names = [] if self.language == "zh" else _NAME.findall(own)
        titled = all(title.casefold() in known for title in _TITLED.findall(own))
        return titled and all(set(_WORD.findall(_OWNED.sub("", name.casefold()))) <= words for name in names)

    def _known(self) -> str:
        texts = [self.said.casefold(), *(self.handout.words(name) for name in tuple(self.handout.products))]
        texts += [passage.text.casefold() for passage in tuple(self.handout.passages.values())]
        texts += [title.casefold() for title in tuple(self.handout.mentioned)]
        return "\n".join(texts)


def _of_records(filled: Filled) -> bool:
    """Whether a sentence speaks of a record at all."""
    return bool(filled.products or filled.passages or filled.orders)


def _promises(filled: Filled, own: str) -> bool:
    """Whether the model's own words promise something, or speak around a figure that is not there."""
    return any(
        lexicon.promises.search(own)
        or any(words.search(own) for field, words in lexicon.around.items() if field not in filled.fields)
        for lexicon in lexicons().values()
    )


def plain(text: str) -> str:
    """The text without Markdown and what cannot be seen; brackets of records stay."""
    text = "".join(char for char in text if char == "\n" or unicodedata.category(char)[0] != "C")
    return " ".join(_EMPHASIS.sub("", _LIST.sub("", text)).split())


def sentences(deltas: Iterable[str], language: str) -> Iterator[str]:
    """Pieces of text, as they come, as whole sentences; the last one needs no end."""
    end = lexicons()[language].end
    buffer = ""
    for delta in deltas:
        buffer += delta
        *whole, buffer = end.split(buffer)
        yield from (each for each in whole if each.strip())
    if buffer.strip():
        yield buffer


def _runs(text: str) -> Iterator[str]:
    """All runs of `COPIED` words, and of twice as many Chinese characters, case-folded."""
    words = re.findall(r"[a-z0-9']+", text.casefold())
    for place in range(len(words) - COPIED + 1):
        yield " ".join(words[place : place + COPIED])
    han = "".join(_HAN.findall(text))
    for place in range(len(han) - 2 * COPIED + 1):
        yield han[place : place + 2 * COPIED]
