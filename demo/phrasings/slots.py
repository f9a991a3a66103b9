"""Fill the slots of a phrasing: word lists of `slots.txt`, and the computed ones (prices, numbers, products)."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from demo.phrasings.bank import Bank
from demo.phrasings.grammar import expand

_WORDS = {
    10: "ten", 15: "fifteen", 20: "twenty", 25: "twenty five", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty",
    80: "eighty", 100: "a hundred", 150: "a hundred and fifty", 200: "two hundred", 300: "three hundred",
}  # fmt: skip
_HAN = {
    10: "十", 20: "二十", 30: "三十", 50: "五十", 80: "八十", 100: "一百", 150: "一百五", 200: "两百", 300: "三百", 500: "五百",
    600: "六百", 800: "八百", 1000: "一千", 1500: "一千五", 2000: "两千", 3000: "三千",
}  # fmt: skip
_AMOUNTS = (
    8,
    10,
    12,
    15,
    20,
    25,
    30,
    35,
    40,
    45,
    50,
    60,
    70,
    75,
    80,
    90,
    99,
    100,
    120,
    150,
    180,
    200,
    250,
    300,
    400,
    500,
)
_YUAN = (20, 30, 50, 80, 99, 100, 150, 199, 200, 300, 400, 500, 600, 800, 999, 1000, 1500, 2000, 3000)
_LETTERS = "ABCDEFGHJKLMNPRSTVWXZ"
_HAN_DIGITS = "零一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class Noun:
    """A product word: "*" in the file marks plurals, "~" uncountable things; Chinese gives its measure word after "/"."""

    bare: str
    form: str

    @classmethod
    def parse(cls, entry: str) -> Noun:
        """Read one line of `products.txt`: "socks*", "honey~", "kettle", "运动鞋/双"."""
        if "/" in entry:
            bare, _, measure = entry.partition("/")
            return cls(bare, measure)
        if entry[-1] in "*~":
            return cls(entry[:-1], entry[-1])
        return cls(entry, "")

    def with_article(self) -> str:
        """English noun phrase: "a kettle", "an air fryer", "socks", "some honey"."""
        if self.form == "*":
            return self.bare
        if self.form == "~":
            return f"some {self.bare}"
        spoken_as_consonant = self.bare.startswith(("usb", "uku"))
        return f"{'an' if self.bare[0] in 'aeiou' and not spoken_as_consonant else 'a'} {self.bare}"

    def plural(self) -> str:
        """English plural: "kettles", "knives", "toothbrushes"; plurals and uncountable nouns stay."""
        if self.form:
            return self.bare
        if self.bare.endswith("knife"):
            return self.bare[:-2] + "ves"
        if self.bare.endswith(("s", "x", "ch", "sh")):
            return self.bare + "es"
        if self.bare.endswith("y") and self.bare[-2] not in "aeiou":
            return self.bare[:-1] + "ies"
        return self.bare + "s"


@dataclass(slots=True)
class Filler:
    """Fills slots for one dialogue, which has one current product and the titles last shown.

    `filler("price")` → "$40"; a name it does not know raises `KeyError`.
    """

    bank: Bank
    rng: Random
    noun: Noun = field(init=False)
    titles: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.new_topic()

    def new_topic(self) -> None:
        """Change the product that the dialogue is about."""
        self.noun = Noun.parse(self.rng.choice(self.bank.slots["product"]))
        self.titles = [self._title() for _ in range(3)]

    def say(self, pattern: str) -> str:
        """One sentence of the pattern."""
        return expand(pattern, self.rng, self)

    def __call__(self, name: str) -> str:
        """Text for one slot."""
        rng = self.rng
        match name:
            case "product":
                return self.noun.bare
            case "products":
                return self.noun.plural() if self.bank.language == "en" else self.noun.bare
            case "a_product":
                return self.noun.with_article() if self.bank.language == "en" else f"一{self.noun.form}{self.noun.bare}"
            case "other_product":
                return Noun.parse(rng.choice(self.bank.slots["product"])).bare
            case "measure":
                return self.noun.form
            case "price" | "price2":
                return self.price()
            case "shop_price":
                return self._shop_price()
            case "title":
                return self.titles[0]
            case "title2":
                return self.titles[1]
            case "one":
                return f"{self.titles[0]} ({self._shop_price()})"
            case "one2":
                return f"{self.titles[1]} ({self._shop_price()})"
            case "list":
                return self._list()
            case "cart":
                return "\n".join(f"{rng.randint(1, 2)} × {title} {self._shop_price()}" for title in self.titles[:2])
            case "count":
                return str(rng.randint(3, 40))
            case "letter":
                return rng.choice(_LETTERS)
            case "d5":
                return str(rng.randint(1, 5))
            case "h5":
                return _HAN_DIGITS[rng.randint(1, 5)]
            case "d20":
                return str(rng.randint(6, 24))
            case "n2" | "n3" | "n4" | "n5" | "n6":
                digits = int(name[1])
                return str(rng.randint(10 ** (digits - 1), 10**digits - 1))
            case "fact2":
                return self("fact")
        return self.say(rng.choice(self.bank.slots[name]))

    def price(self) -> str:
        """An amount of money as people type it: "$40", "40 bucks", "forty dollars", "三百块"."""
        rng = self.rng
        if self.bank.language == "zh":
            if rng.random() < 0.3:
                return rng.choice(list(_HAN.values())) + rng.choice(("", "块", "块", "元", "块钱"))
            return f"{rng.choice(_YUAN)}{rng.choice(('', '块', '块', '元', '块钱', 'rmb'))}"
        amount = rng.choice(_AMOUNTS)
        if amount in _WORDS and rng.random() < 0.2:
            return f"{_WORDS[amount]} {rng.choice(('dollars', 'bucks', 'euros', 'pounds'))}"
        forms = ("${}", "${}", "${}", "{} dollars", "{} bucks", "{}$", "{} usd", "£{}", "€{}", "{} euros", "{}")
        return rng.choice(forms).format(amount)

    def _shop_price(self) -> str:
        cents = self.rng.choice((0, 50, 90, 95, 99))
        if self.bank.language == "zh":
            return f"¥{self.rng.choice(_YUAN) - 1}.{cents:02d}"
        return f"${self.rng.choice(_AMOUNTS) - 1}.{cents:02d}"

    def _title(self) -> str:
        rng = self.rng
        style = rng.choice(self.bank.slots["title_style"])
        brand = rng.choice(self.bank.slots["brand"])
        if self.bank.language == "zh":
            return f"{brand}{style}{self.noun.bare}"
        return f"{brand} {style.title()} {self.noun.bare.title()}"

    def _list(self) -> str:
        self.titles = [self._title() for _ in range(self.rng.randint(2, 5))]
        if len(self.titles) < 3:
            self.titles.append(self._title())
        return "\n".join(f"{place}. {title} {self._shop_price()}" for place, title in enumerate(self.titles, 1))
