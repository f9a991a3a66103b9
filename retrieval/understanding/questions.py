"""What a question about a product can be about, and how it is asked in either language."""

from __future__ import annotations

from typing import NamedTuple

from retrieval.understanding.vocabulary import key_of


class Topic(NamedTuple):
    """One thing that is asked about: its name, the catalog's spellings of it, and how it is asked.

    `english` and `chinese` are regular expressions for lower-case text.
    """

    name: str
    attributes: tuple[str, ...]
    english: str
    chinese: str


def _topic(name: str, attributes: str, english: str, chinese: str) -> Topic:
    return Topic(name, tuple(each.strip() for each in attributes.split(",")), english, chinese)


def topic_of(asked: str) -> Topic | None:
    """What is known of a thing that is asked about, by its own name ("size"), else by a catalog's spelling of it."""
    wanted = key_of(asked)
    own = next((each for each in ASKED if key_of(each.name) == wanted), None)
    return own or next((each for each in ASKED if wanted in map(key_of, each.attributes)), None)


# The first that matches is taken, so the narrower ones stand first.
ASKED: tuple[Topic, ...] = (
    _topic(
        "battery life",
        "battery life, battery, batterylife, 续航, 续航时间, 电池续航, battery capacity",
        r"battery(?: life| last| time)?\b|how long (?:does|do|will|can) (?:it|they|this|that|the \w+(?: \w+)?"
        r"|one charge|a charge) (?:last|run|stay charged)\b.{0,12}(?:charge|battery)?|\bper charge\b"
        r"|single charge",
        r"续航|电池|能用多久|待机|充一次电",
    ),
    _topic(
        "charging time",
        "charging time, charge time, 充电时间",
        r"charging time|how long .{0,20}\bcharge\b|fast charg",
        r"充电(?:时间|要多久|多久|快)|充满",
    ),
    _topic(
        "water resistance",
        "water resistance, waterproof, water resistant, 防水, 防水等级",
        r"water[\s-]?(?:proof|resistan\w*|tight)|in the (?:rain|shower)|get wet",
        r"防水|防雨|能下水|防泼水",
    ),
    _topic(
        "machine washable",
        "machine washable, care, washable, dishwasher safe, 洗涤, 清洗方式, 护理",
        r"wash(?:able|ing|ed)?\b|dishwasher|care instructions|how .{0,14}\bclean\b",
        r"机洗|能洗|可以洗|怎么洗|洗碗机|清洗",
    ),
    _topic(
        "warranty",
        "warranty, warrantyinformation, guarantee, 保修, 质保",
        r"warrant\w+|guarantee",
        r"保修|质保|保多久",
    ),
    _topic(
        "weight",
        "weight, net weight, 重量, 净重",
        r"\bweigh(?:t|s)?\b|how heavy|\bheavy is\b|how light",
        r"多重|重量|重吗|几斤|多少斤|多少克|多少公斤|重不重|有多沉|沉不沉",
    ),
    _topic(
        "screen size",
        "screen size, display size, screen, display, 屏幕尺寸, 屏幕",
        r"screen|display",
        r"屏幕|多少寸|几寸",
    ),
    _topic(
        "capacity",
        "capacity, volume, 容量, 净含量",
        r"capacity|how much (?:does|can|will) (?:it|this|that|they|the \w+ one) (?:hold|carry|fit)"
        r"|how many (?:lit(?:er|re)s|cups)|\bvolume\b",
        r"容量|多少升|几升|装多少|能装|多少毫升",
    ),
    _topic(
        "storage",
        "storage, internal storage, memory, ram, 存储容量, 内存, 存储",
        r"\bstorage\b|\bmemory\b|\bram\b|how many gb",
        r"内存|存储",
    ),
    _topic(
        "power",
        "power, wattage, 功率",
        r"wattage|how many watts|how powerful|\bpower (?:consumption|rating)",
        r"功率|多少瓦",
    ),
    _topic(
        "noise level",
        "noise level, noise, 噪音",
        r"how (?:loud|quiet|noisy)|\bnois[ey]\w*\b(?! cancel)",
        r"噪音|吵不吵|吵吗|声音大",
    ),
    _topic(
        "dimensions",
        "dimensions, dimension, measurements, size, 尺寸, 规格, length, height, width",
        r"dimension|measurement|how (?:big|large|tall|wide|long|deep|thick|high) (?:is|are)|what size (?:is"
        r"|are)",
        r"多大|多长|多宽|多高|多厚|尺寸|规格|有多大",
    ),
    _topic(
        "size",
        "size, sizes, 尺码, 码数, 尺寸",
        r"\bsizes?\b|what fit|run (?:small|large)",
        r"尺码|码数|有哪些码|偏大|偏小|什么码",
    ),
    _topic(
        "color",
        "color, colour, colors, 颜色",
        r"\bcolou?rs?\b",
        r"颜色|什么色|哪些色|几种色",
    ),
    _topic(
        "material",
        "material, materials, fabric, 材质, 材料, 面料, composition",
        r"\bmaterials?\b|\bfabric\b|made (?:of|from|out of)|what.{0,12} made|is (?:it|this"
        r"|that) (?:real )?(?:leather|cotton|plastic|metal|wood|steel|wool)\b",
        r"材质|材料|面料|什么做的|什么料|是(?:真皮|纯棉|塑料|不锈钢)的?(?:吗|么)",
    ),
    _topic(
        "compatible with",
        "compatible with, compatibility, 适用型号, 兼容",
        r"compatib\w+|work with|works with|fit (?:my|a|an|the|for)\b",
        r"兼容|适配|适用于|支持(?:苹果|安卓|ios|iphone)|能用在",
    ),
    _topic(
        "connectivity",
        "connectivity, connection, 连接方式, interface",
        r"connectivity|bluetooth|wi-?fi|\busb\b|connect to",
        r"蓝牙|连接方式|无线|怎么连",
    ),
    _topic(
        "recommended age",
        "recommended age, age, 适用年龄",
        r"what ages?|how old|age (?:range|group)|suitable for (?:kids|children|toddlers|a \d)",
        r"几岁|多大(?:的)?(?:孩子|小孩|宝宝)|适用年龄|适合(?:几|多)",
    ),
    _topic(
        "delivery",
        "delivery, shipping, 配送, 发货",
        r"how (?:long|soon|fast|quickly).{0,36}(?:deliver|ship|arriv|get here)|deliver(?:y|ed)|when (?:will"
        r"|would|can|could).{0,20}(?:arrive|get)",
        r"几天(?:能)?(?:送)?到|多久(?:能)?(?:送)?到|什么时候(?:能)?到|发货|配送|送货",
    ),
    _topic(
        "reviews",
        "reviews",
        r"\breviews?\b|what do (?:people|customers|others|buyers) (?:say|think)|feedback",
        r"评论|口碑|评价怎么样|评价如何|大家怎么说|买家(?:怎么)?说",
    ),
    _topic(
        "rating",
        "rating",
        r"\bratings?\b|how (?:many stars|is it rated|well rated|good is)|\bstars\b",
        r"评分|几星|多少分|评价",
    ),
    _topic(
        "price",
        "price",
        r"how much(?: is| are| does| do| would|'s)?\b(?! (?:ram|memory|storage|space|weight|power))"
        r"|\bprices?\b|what.{0,10}\bcosts?\b",
        r"多少钱|什么价|价格|(?<!十)几块|怎么卖|贵不贵",
    ),
    _topic(
        "availability",
        "availability",
        r"in stock|still available|is (?:it|this|that) available|sold out|how many (?:are )?left",
        r"有货吗|有没有货|有现货|库存|(?<!活动)(?<!优惠)(?<!折扣)还有吗|缺货",
    ),
    _topic(
        "brand",
        "brand",
        r"what brand|which brand|who makes|manufacturer|who(?:'s| is) the maker",
        r"什么牌子|哪个牌子|什么品牌|哪个品牌|谁家的",
    ),
    _topic(
        "origin",
        "origin, country of origin, made in, 产地",
        r"made in|where (?:is|are) (?:it|they|this|that).{0,10}made|country of origin",
        r"产地|哪里产|哪儿产|哪里生产|哪国",
    ),
    _topic(
        "features",
        "features, 特点, 功能",
        r"\bfeatures?\b|what can it do|special about",
        r"功能|特点|有什么特别",
    ),
)
