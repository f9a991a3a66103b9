"""Reads a customer's turn: conditions, wishes, references and the residual query, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import ModuleType

from index.filters import Exclusions, Filters, PriceRange
from index.graph.terms import term_of
from index.product import Availability
from retrieval.understanding import en, zh
from retrieval.understanding.asides import mute_asides
from retrieval.understanding.conditions import ConditionReader, Conditions, Found
from retrieval.understanding.kinds import Kinds
from retrieval.understanding.limits import LimitReader, Limits
from retrieval.understanding.price import CORRECTED, PriceReader
from retrieval.understanding.questions import ASKED, topic_of
from retrieval.understanding.records import EVERYTHING, Language, Relative, Sort, Understanding
from retrieval.understanding.references import read_deixis, read_ordinals, read_quantity, read_recalled
from retrieval.understanding.sizes import SizeReader
from retrieval.understanding.text import CLAIMED, MAX_CHARACTERS, Draft, has_han, has_latin, lower, script_language
from retrieval.understanding.vocabulary import CatalogWords, Vocabulary, key_of

_BETWEEN_CLAIMS = re.compile(r"(?<=\x00)\s*(?:或者|或|和|跟|以及|but|or|and|nor|[,、/&;])+\s*(?=\x00)", re.IGNORECASE)
_SPACES = re.compile(r"[\s\x00]*[(\[][\s\x00]*[)\]][\s\x00]*|\s+")  # what a claimed "(黑色)" leaves is a space
_AMONG_LATIN = re.compile(r"(?<=[A-Za-z0-9])\s*的\s*(?=[A-Za-z])")  # "waterproof 的 jacket"
# "狗粮两斤装": the goods end where the measure begins.
_MEASURE_BEHIND = re.compile(
    r"(?<=[\u4e00-\u9fff])(?=(?:\d+(?:\.\d+)?|(?<![一二两三四五六七八九十百半])[一二两三四五六七八九十百半]+)"
    r"\s*(?:公斤|千克|毫升|英寸|厘米|斤|克|升|寸|米|ml|kg|g|l)装)"
)
_EDGES = re.compile(r"^[\s,.;:!?。、…~)\]}-]+|[\s,.;:!?。、…~(\[{-]+$")
_WORD = re.compile(r"[a-z']+|[^\W_]")
_BESIDE_HAN = re.compile(r"(?<=[\u3400-\u9fff])(?=[a-z])|(?<=[a-z])(?=[\u3400-\u9fff])")
_TOPICS = tuple((topic, re.compile(topic.english), re.compile(topic.chinese)) for topic in ASKED)
_FIND_LEAD = re.compile(
    r"\b(?:do you (?:have|sell|carry)|looking for|i need|i want|show me|find)\b|有没有|你们.{0,3}有"
    r"|有.{1,8}的[吗么]|想买|想要|推荐|找"
)


class Understander:
    """Understands turns against one catalog. Built once a snapshot; reading keeps no state, threads can share it."""

    def __init__(
        self,
        facets: CatalogWords,
        currency: str,
        products: int | None = None,
        corrected: Callable[[str], str] = str,
    ) -> None:
        """Take the shop's currency (ISO 4217), the number of products (by default those that have a brand), and what rights slips.

        `corrected` gives a turn with its misspelled words as the catalog spells them: "in balck" is a condition too.
        """
        self.corrected = corrected
        self.vocabulary = Vocabulary(facets)
        size = products if products is not None else sum(facets.brands().values())
        self.kinds = kinds = Kinds(facets)
        self.conditions = ConditionReader(self.vocabulary, size, kinds)
        self.prices = PriceReader(currency)
        self.limits = LimitReader(facets, kinds)
        name = self.vocabulary.role_names.get("size")
        name = name if name in self.conditions.firm else None
        self.sizes = SizeReader(self.vocabulary, kinds, name, facets.attributes().get(name or "", ()), currency)

    def read(
        self,
        text: str,
        current: Filters | None = None,
        language: Language = "en",
        topic: str = "",
        earlier: Sequence[str] = (),
    ) -> Understanding:
        """Read one turn.

        `current` holds the conditions of the running topic, or None where there is none yet: a brand alone ("Acme?")
        opens a search in the second case and is a condition in the first. `language` is taken where the turn shows none
        ("50-80"). `topic` is the running topic's query: "at least 20 L" means another attribute of a backpack than of a bin.
        `earlier` are the queries of the topics so far: "the second tent" is a position where tents were shown.
        """
        draft = Draft(self.corrected(text[: 2 * MAX_CHARACTERS]))
        spoken = script_language(draft.text)
        said: Language = language if not spoken else "zh" if spoken == "zh" else "en"
        languages = _languages(draft, said)
        kind = self.kinds.named_by(draft.low, topic)
        mute_asides(draft)
        others = [field for spoken_in in languages for field in self._others(draft, spoken_in)]
        dropped = [*others, *(field for spoken_in in languages for field in self._lifted(draft, spoken_in))]
        asked = self._asked(draft, languages)
        if any(spoken_in.STOCK_ASKED.search(draft.low) for spoken_in in languages):
            asked = "availability"
        recalled = next((which for spoken_in in languages if (which := read_recalled(draft, spoken_in))), None)
        for spoken_in in languages:
            for match in list(spoken_in.JUST_NOW.finditer(draft.view)):
                draft.claim(match.start(), match.end())
        goods = _terms(earlier)
        ordinals = tuple(
            dict.fromkeys(each for spoken_in in languages for each in read_ordinals(draft, spoken_in, goods))
        )
        rating = next((value for spoken_in in languages if (value := _rating(draft, spoken_in)) is not None), None)
        limits = self.limits.read(draft, said == "zh", kind)
        held = current.attributes.get(self.sizes.name or "", ()) if current is not None else ()
        sizes = self.sizes.read(draft, kind, topic, held)
        budget = self.prices.read(draft, _only_filler)
        quantity = next(
            (count for spoken_in in languages if (count := read_quantity(draft, spoken_in)) is not None), None
        )
        in_stock = max(_in_stock(draft, spoken_in) for spoken_in in languages)
        sort = next((found for spoken_in in languages if (found := _sort(draft, spoken_in))), None)
        relative = next((step for spoken_in in languages if (step := _relative(draft, spoken_in))), None)
        if ordinals and any(spoken_in.COMPARES.search(draft.low) for spoken_in in languages):
            relative = None
        conditions = self.conditions.read(draft, current is not None, _only_filler, kind, sizes)
        _limit(conditions, limits)
        opposed = {} if CORRECTED.search(draft.low) else conditions.take_opposed()
        conditions.turn_away(current or Filters(), others)
        deixis = max(read_deixis(draft, spoken_in) for spoken_in in languages)
        adding = any(spoken_in.ADDING.search(draft.low) for spoken_in in languages)
        query = _residual(draft, languages)
        dropped.extend(conditions.lifted)
        about = self._asked_about(asked, ordinals, deixis, draft, languages)
        if (ordinals or deixis) and any(spoken_in.QUESTION.search(draft.low) for spoken_in in languages):
            named = next(
                iter([*conditions.required.attributes, *(["brand"] if conditions.required.brand else [])]), None
            )
            about = named if about in (None, "availability") and named else about
            conditions.ask()
        elif in_stock and about == "availability":
            about = None
        filters = _filters(conditions, budget.price, rating, in_stock)
        return Understanding(
            query=query,
            filters=filters,
            wishes=_wishes(conditions),
            sort=sort,
            language=said,
            ordinals=ordinals,
            deixis=deixis or bool(conditions.referent),
            referent=conditions.referent,
            quantity=quantity,
            dropped=tuple(dict.fromkeys(dropped)),
            relative=relative,
            foreign_budget=budget.foreign,
            clash=budget.clash,
            opposed=opposed,
            attribute_asked=about,
            adding=adding,
            refining=not query,
            recalled=recalled,
        )

    def names_for(self, asked: str) -> tuple[str, ...]:
        """Every attribute name of the catalog that can answer a question about `asked`, the fullest first."""
        topic = topic_of(asked)
        names = topic.attributes if topic is not None else ()
        known = {self.vocabulary.attribute_names.get(key_of(name)) for name in (asked, *names)} - {None}
        return tuple(sorted((name for name in known if name), key=lambda name: -self.vocabulary.counts[name]))

    def _others(self, draft: Draft, language: ModuleType) -> list[str]:
        """Fields of "another brand", "换个颜色": their condition goes, and what it named is not wanted again."""
        fields: list[str] = []
        for match in list(language.OTHER.finditer(draft.view)):
            fields.extend(self._field(language.FIELDS[word]) for word in language.FIELD_WORD.findall(match[0]))
            draft.claim(match.start(), match.end())
        return fields

    def _lifted(self, draft: Draft, language: ModuleType) -> list[str]:
        fields: list[str] = []
        while (match := language.LIFT_ALL.search(draft.view)) is not None:
            draft.claim(match.start(), match.end())
            fields.append(EVERYTHING)
        for pattern in language.LIFT:
            while (match := pattern.search(draft.view)) is not None:
                words = language.FIELD_WORD.findall(match[0])
                fields.extend(self._field(language.FIELDS[word]) for word in words)
                draft.claim(match.start(), match.end())
        return fields

    def _field(self, field: str) -> str:
        return self.vocabulary.role_names.get(field, field)

    def _asked(self, draft: Draft, languages: tuple[ModuleType, ...]) -> str | None:
        # "第二个的price": a Chinese character is a letter to \b, so a Latin word beside one begins nowhere.
        apart = _BESIDE_HAN.sub(" ", draft.view)
        for topic, english, chinese in _TOPICS:
            if (en in languages and english.search(apart)) or (zh in languages and chinese.search(draft.view)):
                return topic.name
        return None

    def _asked_about(
        self,
        concept: str | None,
        ordinals: tuple[int, ...],
        deixis: bool,
        draft: Draft,
        languages: tuple[ModuleType, ...],
    ) -> str | None:
        """The attribute, where the turn is a question about something and not a search that names the attribute."""
        if not any(language.QUESTION.search(draft.low) for language in languages):
            return None
        if concept is None:
            concept = self._named_attribute(draft)
        if concept is None:
            return None
        if not (ordinals or deixis) and _FIND_LEAD.search(draft.low):
            return None
        return next(iter(self.names_for(concept)), concept)

    def _named_attribute(self, draft: Draft) -> str | None:
        """A catalog attribute that is asked by its own name: "what is its thread count"."""
        found = re.search(
            (
                r"(?:its|the|what is|what's)\s+([a-z][a-z ]{2,30}?)(?:\s+of\b|\s*\?|$)|(?:它|款|个|件)的"
                r"([\u3400-\u9fff]{2,6}?)(?:是|有|多|怎|呢|\?|$)"
            ),
            draft.low,
        )
        if found is None:
            return None
        return self.vocabulary.attribute_names.get(key_of(found[1] or found[2]))


def merge(current: Filters, understanding: Understanding) -> Filters:
    """Carry conditions over turns: what is lifted goes, what is said anew replaces its field, the rest stays.

    A new value of a field replaces the old ones, or joins them where the turn adds ("also Acme"). What is asked for is
    no longer excluded, and what is excluded no longer asked for: the later turn wins. A price bound said again restates
    the whole budget; the other bound completes it ("over 50", then "under 100"), unless the two contradict. A new topic
    is the caller's to start, with `Filters()`.
    """
    said, kept = understanding.filters, _without(current, understanding.dropped)
    exclude = kept.exclude
    brand = _revised(kept.brand, said.brand, understanding.adding)
    categories = _revised(kept.categories, said.categories, understanding.adding)
    attributes = dict(kept.attributes)
    for name, values in said.attributes.items():
        attributes[name] = _revised(attributes.get(name, ()), values, understanding.adding)
    excluded_attributes = {
        name: _minus(values, said.attributes.get(name, ())) for name, values in exclude.attributes.items()
    }
    for name, values in said.exclude.attributes.items():
        excluded_attributes[name] = _joined(excluded_attributes.get(name, ()), values)
        attributes[name] = _minus(attributes.get(name, ()), values)
    return Filters(
        price=_price(kept.price, said.price),
        brand=_minus(brand, said.exclude.brand),
        categories=_minus(categories, said.exclude.categories),
        attributes={name: values for name, values in attributes.items() if values},
        exclude=Exclusions(
            brand=_joined(_minus(exclude.brand, said.brand), said.exclude.brand),
            categories=_joined(_minus(exclude.categories, said.categories), said.exclude.categories),
            attributes={name: values for name, values in excluded_attributes.items() if values},
        ),
        availability=said.availability or kept.availability,
        rating_min=said.rating_min if said.rating_min is not None else kept.rating_min,
    )


def _terms(queries: Sequence[str]) -> frozenset[str]:
    """The goods of some queries as terms, with what each ends in: "camping tents" gives "camping tent" and "tent"."""
    found: set[str] = set()
    for query in queries:
        words = query.split()
        found.update(term_of(" ".join(words[at:])) for at in range(len(words)))
    return frozenset(found - {""})


def _without(current: Filters, dropped: tuple[str, ...]) -> Filters:
    if EVERYTHING in dropped:
        return Filters()
    empty = Filters()
    fields: dict[str, object] = {
        name: getattr(empty, name)
        for name in dropped
        if name in ("price", "brand", "categories", "availability", "rating_min")
    }
    folded = {name.casefold() for name in dropped}
    exclude = current.exclude
    return current.model_copy(
        update=fields
        | {
            "attributes": {
                name: values for name, values in current.attributes.items() if name.casefold() not in folded
            },
            "exclude": Exclusions(
                brand=() if "brand" in folded else exclude.brand,
                categories=() if "categories" in folded else exclude.categories,
                attributes={
                    name: values for name, values in exclude.attributes.items() if name.casefold() not in folded
                },
            ),
        }
    )


def _price(kept: PriceRange | None, said: PriceRange | None) -> PriceRange | None:
    if said is None or kept is None or kept.currency != said.currency:
        return said or kept
    if said.max is None and kept.min is None and kept.max is not None and said.min is not None and said.min <= kept.max:
        return PriceRange(min=said.min, max=kept.max, currency=said.currency)
    if said.min is None and kept.max is None and kept.min is not None and said.max is not None and kept.min <= said.max:
        return PriceRange(min=kept.min, max=said.max, currency=said.currency)
    return said


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


def _minus(values: tuple[str, ...], gone: tuple[str, ...]) -> tuple[str, ...]:
    folded = {value.casefold() for value in gone}
    return tuple(value for value in values if value.casefold() not in folded)


def _revised(kept: tuple[str, ...], said: tuple[str, ...], adding: bool) -> tuple[str, ...]:
    return _joined(kept, said) if adding else said or kept


def _languages(draft: Draft, said: Language) -> tuple[ModuleType, ...]:
    han, latin = has_han(draft.text), has_latin(draft.text)
    if han and latin:
        return (zh, en) if said == "zh" else (en, zh)
    return (zh,) if han else (en,) if latin else (en, zh)


def _only_filler(text: str) -> bool:
    """True where the text holds no product words: nothing but filler, punctuation and claimed spans."""
    if has_han(text):
        stripped = _strip_language(text, zh)
        return not _WORD.search(stripped) or _only_filler_english(stripped)
    return _only_filler_english(text)


def _only_filler_english(text: str) -> bool:
    return all(word in en.FILLER_WORDS or word == "'" for word in _WORD.findall(text))


def _rating(draft: Draft, language: ModuleType) -> float | None:
    for pattern in language.RATING:
        match = pattern.search(draft.view)
        if match is None:
            continue
        said = match["value"]
        value = language.STARS[said] if said in language.STARS else float(said)
        if "half" in match.re.groupindex and match["half"]:
            value += 0.5
        if value <= 5:
            draft.claim(match.start(), match.end())
            return float(value)
    return None


def _in_stock(draft: Draft, language: ModuleType) -> bool:
    asked = language.STOCK_ASKED.search(draft.low)
    if asked is not None:
        return False
    match = language.IN_STOCK.search(draft.view)
    if match is None:
        return False
    draft.claim(match.start(), match.end())
    return True


def _sort(draft: Draft, language: ModuleType) -> Sort | None:
    for sort, pattern in language.SORT:
        match = pattern.search(draft.view)
        if match is not None:
            draft.claim(match.start(), match.end())
            return sort  # type: ignore[no-any-return]
    return None


def _relative(draft: Draft, language: ModuleType) -> Relative | None:
    for relative, pattern in language.RELATIVE:
        matches = list(pattern.finditer(draft.view))  # "太贵了,便宜点" says it twice
        for match in matches:
            draft.claim(match.start(), match.end())
        if matches:
            return relative  # type: ignore[no-any-return]
    return None


def _limit(conditions: Conditions, limits: Limits) -> None:
    """Lay the limits on quantities over what the words of the catalog amount to."""
    pairs = (
        (conditions.required, limits.required), (conditions.wished, limits.wished), (conditions.excluded, limits.excluded),
    )  # fmt: skip
    for target, found in pairs:
        for name, values in found.items():
            target.attributes[name] = list(dict.fromkeys([*target.attributes[name], *values]))


def _filters(conditions: Conditions, price: PriceRange | None, rating: float | None, in_stock: bool) -> Filters:
    return Filters(
        price=price,
        brand=tuple(conditions.required.brand),
        categories=tuple(conditions.required.categories),
        attributes=_frozen(conditions.required),
        exclude=Exclusions(
            brand=tuple(conditions.excluded.brand),
            categories=tuple(conditions.excluded.categories),
            attributes=_frozen(conditions.excluded),
        ),
        availability=(Availability.IN_STOCK,) if in_stock else (),
        rating_min=rating,
    )


def _wishes(conditions: Conditions) -> Filters:
    wished = conditions.wished
    return Filters(brand=tuple(wished.brand), categories=tuple(wished.categories), attributes=_frozen(wished))


def _frozen(found: Found) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in found.attributes.items() if values}


def _residual(draft: Draft, languages: tuple[ModuleType, ...]) -> str:
    """The product words in the customer's own case: no claimed spans, politeness, or words dangling before a claim."""
    text = _BETWEEN_CLAIMS.sub(" ", draft.remainder())
    for language in languages:
        text = _strip_language(text, language)
    text = _AMONG_LATIN.sub(" ", _SPACES.sub(" ", text.replace(CLAIMED, " ")))
    text = _MEASURE_BEHIND.sub(" ", text)
    for language in languages:
        text = _strip_language(text, language)
    text = _EDGES.sub("", _SPACES.sub(" ", text)).strip()
    return "" if _only_filler(lower(text)) else text


def _strip_language(text: str, language: ModuleType) -> str:
    """Take leading and trailing filler off, as long as there is some."""
    low = text.lower() if len(text.lower()) == len(text) else text
    if language is zh:
        text, low = (re.sub(r"(?<=\x00)的", "", part) for part in (text, low))
    for match in reversed(list(language.BEFORE_CLAIM.finditer(low))):
        text, low = (f"{part[: match.start()]} {part[match.end() :]}" for part in (text, low))
    start, end = 0, len(text)
    while (lead := language.LEAD.match(low, start, end)) is not None and lead.end() > start:
        start = lead.end()
    while end > start and (tail := language.TAIL.search(low, start, end)) is not None and tail.start() < end:
        end = tail.start()
    return text[start:end]
