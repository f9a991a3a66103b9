"""What is never concluded about a shopper, nor said to them: health, pregnancy, religion, and whatever else the law holds special.

The list follows article 9 of the GDPR (health, sex life, religion, ethnicity, politics, unions, genes) and adds what a sentence
like "because you looked at" should not touch: addiction, hardship, grief. A product of such a category, brand, property or title
leaves no trace in a profile at all, for a brand or a band of prices would tell of it as well. Nothing is hidden from a search: who
asks for it gets it, with the conditions that they named as reasons, for these are their own words.

Decided to be ordinary: things for babies and children (a monitor, a pram, nappies: having a child is no secret of the body; what
is worn or used in pregnancy and nursing is on the list), wine and beer, sizes, a cut for women or men, "gluten-free", Christmas.
A shop that sees it otherwise names its own categories, brands and values in `[privacy] sensitive`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Final

from index.clean import fold
from index.product import Product

Lookup = Callable[[str], Product | None]

ENGLISH: Final = {
    "health": (
        r"diabet\w*|insulin|blood (?:pressure|sugar|glucose)|glucose (?:meter|monitor|test)\w*|cancer|chemo(?:therapy)?|"
        r"oncolog\w*|mastectomy|hiv|hepatitis|herpes|st[di] tests?|asthma\w*|inhalers?|epilep\w*|arthriti\w*|eczema|"
        r"psoriasis|incontinen\w*|adult (?:diaper|napp|brief)\w*|ha?emorrhoid\w*|catheters?|ostomy|stoma|prosthe\w*|"
        r"hearing aids?|wheelchairs?|rollators?|mobility scooters?|cpap|sleep apno?ea|anti-?depress\w*|"
        r"depression (?:relief|treatment|test|support)s?|anxiety|adhd|autis\w*|dementia|alzheimer\w*|bipolar disorder|"
        r"schizo\w*|ptsd|mental (?:health|illness)|weight[- ]loss|slimming (?:pill|tea)s?|diet pills?|obesity|erectile|"
        r"viagra|impoten\w*|menopaus\w*|medicines?(?! balls?\b)|medications?|prescription drugs?|pharmac\w*|cold sores?|"
        r"celiac|coeliac|disabilit\w*|disabled|chronic (?:pain|illness)\w*"
    ),
    "pregnancy": (
        r"pregnan\w*|pre-?natal|ante-?natal|post-?natal|postpartum|maternity|fertility|infertil\w*|ovulation|ivf|"
        r"breast[- ]?(?:pump|feeding)\w*|nursing (?:bra|pillow|cover|pad)s?|contracepti\w*|condoms?|abortion|"
        r"miscarriage|menstrua\w*|tampons?|sanitary (?:pad|towel|napkin)s?|period (?:cup|pant|underwear)\w*"
    ),
    "religion": (
        r"religio\w*|christian(?! (?:dior|louboutin|lacroix|siriano)\b)|catholic\w*|jewish|judai\w*|muslims?|islam\w*|"
        r"hindu\w*|buddhis\w*|sikh\w*|bibles?|qur'?ans?|korans?|torah|rosar(?:y|ies)|crucifix\w*|"
        r"prayer (?:mat|rug|bead|shawl|book)s?|hijabs?|burqas?|niqabs?|yarmulkes?|kipp(?:ah|ot)|menorahs?|hanukkah|"
        r"ramadan|first communion|baptism\w*|christening|halal|kosher(?! salts?\b)|atheis\w*"
    ),
    "ethnicity": (
        r"ethnic\w*|african[- ]american|hispanic|latin[oax]s?|native american|afro[- ]?(?:hair|textured)|"
        r"skin (?:lighten|whiten|bleach)\w*"
    ),
    "politics": (
        r"politic\w*|republicans?|democrats?|communis\w*|socialis\w*|maga|campaign (?:button|sign|flag)s?|election\w*|"
        r"pro-?(?:life|choice)|black lives matter|(?:trade|labou?r) unions?"
    ),
    "sexuality": (
        r"lgbt\w*|gay|lesbians?|bisexual\w*|transgender\w*|queer|pride (?:flag|month|parade|pin)s?|"
        r"sex(?:ual)? (?:toy|wellness|health)\w*|vibrators?|dildos?|adult toys?|personal lubricants?|bdsm|fetish\w*|"
        r"erotic\w*|chest binders?"
    ),
    "addiction": (
        r"addictions?|alcoholi(?:sm|cs)|sobriety|nicotine|(?:quit|stop)[- ]smoking|smoking cessation|tobacco|"
        r"cigarettes?(?! lighters?\b)|e-?cig\w*|vap(?:e|es|ing)|cannabis|marijuana|cbd|bongs?|opioids?|naloxone|"
        r"methadone|gambling"
    ),
    "genes": r"(?:dna|genetic|ancestry|paternity) (?:test|kit)\w*",
    "hardship": r"bankruptc\w*|debt relief|payday loans?",
    "grief": r"funerals?|cremation|bereave\w*|caskets?|coffins?",
}
"""By theme, whole words in small letters."""
CHINESE: Final = {
    "health": (
        "糖尿病|血糖|胰岛素|血压|癌|肿瘤|化疗|艾滋|肝炎|乙肝|梅毒|性病|疱疹|哮喘|癫痫|关节炎|湿疹|银屑病|牛皮癣|痔疮|"
        "失禁|成人(?:纸尿裤|尿不湿|护理垫)|(?<!构)造口|假肢|义肢|助听器|轮椅|呼吸机|抑郁|焦虑症|多动症|自闭症|痴呆|阿尔茨海默|"
        "精神(?:病|科|分裂)|减肥|阳痿|壮阳|早泄|更年期|处方药|药品|药物|中成药|药膏|残疾|残障"
    ),
    "pregnancy": (
        "孕(?:妇|妈|期|装)|怀孕|备孕|验孕|早孕|(?<!国)产后(?!视)|产妇|吸奶器|哺乳|(?<!岁)月经(?!典)|卫生巾|卫生棉(?!签)|避孕|安全套|(?<!物)流产(?!品)|排卵|不孕|"
        "试管婴儿"
    ),
    "religion": "宗教|基督(?!山)|天主教|伊斯兰|穆斯林|清真|佛教|佛经|佛龛|念珠|道教|犹太|圣经|古兰经|十字架项链|祈祷",
    "ethnicity": "少数民族|族裔|种族",
    "politics": "政治|党员|党徽|竞选|选举|(?<!手)工会(?!员)",
    "sexuality": "同性恋|双性恋|跨性别|情趣|成人用品|(?<![次节])性用品|性保健|飞机杯|振动棒|彩虹旗",
    "addiction": "戒烟|香烟|烟草|电子烟|尼古丁|戒酒|酗酒|大麻(?!花)|(?<!消)毒品|赌博|成瘾",
    "genes": "基因检测|亲子鉴定",
    "grief": "殡葬|骨灰|寿衣|棺",
}
"""By theme, wherever they stand, for Chinese has no spaces; what stands beside them may show that they are parts of other words."""

_PATTERN: Final = re.compile(rf"(?<![^\W_])(?:{'|'.join(ENGLISH.values())})(?![^\W_])|{'|'.join(CHINESE.values())}")
_REMEMBERED: Final = 16_384
_NEVER: Final = frozenset({"price_band"})


def sensitive(kind: str, value: str) -> bool:
    """Whether nothing may be concluded from a trait: `sensitive("category", "Pregnancy tests")`, `("attribute", "diet: halal")`.

    `kind` is that of a belief, or "item" for a title; a band of prices never is.
    """
    return kind not in _NEVER and _special(value)


def sensitive_product(product: Product) -> bool:
    """Whether a product's categories, brand, title or a property is, so that no event on it may say anything of a person."""
    # One text, so that a product is looked up once: a ranking asks of 200.
    return _special(" | ".join((product.title, *_named(product))))


def ordinary(products: Lookup, values: Collection[str]) -> Lookup:
    """The same lookup, to which products with one of the shop's own sensitive `values` do not exist (`[privacy] sensitive`).

    A value is a category, a brand, or a property as "name: value", whatever its case: `build_profile` passes events over whose
    products are gone.
    """
    private = frozenset(map(fold, values))

    def look_up(product_id: str) -> Product | None:
        product = products(product_id)
        return None if product is None or any(fold(each) in private for each in _named(product)) else product

    return look_up if private else products


def untold(product: Product, values: Collection[str]) -> bool:
    """Whether nothing may be concluded from a product, by the list here or by the shop's own sensitive `values`."""
    private = frozenset(map(fold, values))
    return sensitive_product(product) or any(fold(each) in private for each in (_named(product) if private else ()))


def _named(product: Product) -> Iterator[str]:
    """A product's brand, categories and properties."""
    yield product.brand
    yield from product.categories
    yield from (f"{name}: {value}" for name, values in product.attributes.items() for value in values)


@lru_cache(maxsize=_REMEMBERED)
def _special(text: str) -> bool:
    return bool(_PATTERN.search(fold(text).replace("_", " ")))
