"""Words that mean the same in both languages: colors, materials, sizes, and what a question can be about.

Only words are here. Whether "red" is a condition is decided by the catalog: a line below merely lets "红色" find the
catalog's "red" and "gray" its "Grey". Each line is one meaning, English first, Chinese behind the bar.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """One meaning and its words in either language, lower case."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All its words."""
        return self.english + self.chinese


def _meanings(lines: str) -> tuple[Meaning, ...]:
    read = []
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        english, _, chinese = line.partition("|")
        read.append(
            Meaning(*(tuple(word.strip() for word in half.split(",") if word.strip()) for half in (english, chinese)))
        )
    return tuple(read)


COLORS = _meanings("""
    black, jet black | 黑色, 黑, 纯黑, 墨黑, 曜石黑
    white, snow white, pure white | 白色, 白, 纯白, 雪白
    off-white, ivory, cream | 米白, 米白色, 奶白, 奶油色, 象牙白, 奶白色
    gray, grey | 灰色, 灰
    dark gray, dark grey, charcoal | 深灰, 深灰色, 炭灰
    light gray, light grey | 浅灰, 浅灰色
    silver, silvery | 银色, 银, 银白, 银白色
    navy, navy blue, dark blue | 藏青色, 藏青, 深蓝, 深蓝色, 藏蓝, 藏蓝色, 海军蓝
    blue | 蓝色, 蓝
    light blue, sky blue, baby blue | 天蓝, 天蓝色, 浅蓝, 浅蓝色
    teal, turquoise, cyan | 青色, 蓝绿, 蓝绿色, 湖蓝
    green | 绿色, 绿
    dark green, forest green | 墨绿, 墨绿色, 深绿, 深绿色
    light green, mint, mint green | 薄荷绿, 浅绿, 浅绿色, 淡绿色
    olive, olive green, army green, khaki green | 军绿色, 军绿, 橄榄绿
    yellow | 黄色, 黄
    mustard | 姜黄, 姜黄色
    orange | 橙色, 橙, 橘色, 橘黄色, 橘红色
    red | 红色, 红, 大红, 大红色, 正红
    burgundy, maroon, wine red, dark red | 酒红色, 酒红, 暗红, 暗红色, 深红, 深红色
    pink, rose | 粉色, 粉, 粉红, 粉红色, 玫红, 玫红色, 樱花粉
    purple, violet | 紫色, 紫
    lavender, lilac, light purple | 淡紫, 淡紫色, 浅紫, 浅紫色
    brown | 棕色, 棕, 褐色, 咖啡色, 咖色
    tan, camel | 驼色, 浅棕, 浅棕色
    beige, sand | 米色, 杏色, 沙色
    khaki | 卡其色, 卡其
    gold, golden | 金色, 金
    rose gold | 玫瑰金, 玫瑰金色
    natural, wood color, natural wood | 原木色, 木色
    clear, transparent, see-through | 透明, 透明色
    multicolor, multicolour, multi-color, colorful, colourful | 彩色, 多色, 五彩
""")

MATERIALS = _meanings("""
    leather, genuine leather, real leather | 皮, 真皮, 皮革, 皮质, 牛皮, 皮制
    faux leather, vegan leather, pu leather, pu, synthetic leather | 人造革, 人造皮, 仿皮, pu皮, 假皮
    suede | 麂皮, 绒面革, 反绒皮
    cotton | 棉, 纯棉, 全棉, 棉质
    linen | 亚麻, 麻, 棉麻
    wool, woolen, woollen | 羊毛, 毛, 毛料
    cashmere | 羊绒
    silk | 真丝, 丝绸, 丝, 蚕丝
    polyester | 聚酯纤维, 涤纶, 聚酯
    nylon | 尼龙, 锦纶
    denim | 牛仔, 牛仔布
    canvas | 帆布
    down, feather | 羽绒, 鸭绒, 鹅绒
    fleece | 抓绒, 摇粒绒
    velvet | 天鹅绒, 丝绒
    fur | 皮草, 毛皮
    plastic, abs plastic | 塑料, 塑胶
    metal | 金属
    stainless steel, stainless | 不锈钢
    steel | 钢
    iron, cast iron | 铁, 铸铁
    aluminum, aluminium | 铝, 铝合金
    titanium | 钛, 钛合金
    copper | 铜, 紫铜
    brass | 黄铜
    wood, wooden, solid wood | 木, 实木, 木头, 木质, 原木, 木制
    bamboo | 竹, 竹子, 竹制
    rattan, wicker | 藤, 藤编
    glass | 玻璃
    borosilicate glass, borosilicate | 高硼硅玻璃, 高硼硅
    ceramic, porcelain | 陶瓷, 瓷, 瓷质
    silicone | 硅胶
    rubber | 橡胶
    latex | 乳胶
    memory foam | 记忆棉
    foam, eva | 泡沫, 海绵
    marble | 大理石
    stone, granite | 石, 石头, 花岗岩
    paper, cardboard | 纸, 纸质, 纸板
    carbon fiber, carbon fibre | 碳纤维
""")

SIZES = _meanings("""
    xs, x-small, extra small | 加小码, 加小号, 特小号
    s, small | 小号, 小码
    m, medium | 中号, 中码
    l, large | 大号, 大码
    xl, x-large, extra large | 加大号, 加大码, 特大号
    xxl, 2xl, xx-large | 加加大号, 双加大
    xxxl, 3xl | 三加大
    one size, free size, one-size | 均码
""")

ROLES = {"color": COLORS, "material": MATERIALS, "size": SIZES}
ROLE_NAMES: dict[str, tuple[str, ...]] = {
    "color": ("color", "colour", "colors", "colours", "颜色", "花色", "色彩"),
    "size": ("size", "sizes", "shoe size", "尺码", "码数", "鞋码", "尺寸", "号码"),
    "material": ("material", "materials", "fabric", "材质", "材料", "面料", "composition"),
}
# Words of the lists above that mean too much else to be read as a color or material that the catalog does not have.
AMBIGUOUS = frozenset(
    "clear rose sand cream mint down feather stone tan camel olive ivory gold golden silver orange iron foam paper "
    "eva pu fur lavender mustard "
    "皮 毛 麻 丝 木 石 纸 铁 钢 银 金 橙 粉 青色 棉 透明 竹 藤 瓷".split()
)
TRUE_VALUES = frozenset({"yes", "true", "是", "有", "支持"})

# Color words that name a food or a thing, not a look: "green tea" never asks for the color green.
NOT_A_COLOR = tuple(
    "green tea,black tea,white tea,red wine,white wine,rose wine,orange juice,black pepper,white pepper,red "
    "pepper,green bean,black bean,"
    "white noise,brown rice,white rice,brown sugar,white chocolate,blue cheese,black friday,red bull,green "
    "screen,whiteboard,white board,"
    "silver polish,gold card,rose water,rose oil,red light therapy,blue light,black hole,green card,white "
    "sugar,black garlic,orange peel,"
    "绿茶,红茶,白茶,黑茶,青茶,红酒,白酒,黄酒,黑胡椒,白胡椒,红枣,红糖,白糖,黑糖,绿豆,红豆,黑豆,黄豆,白菜,黄瓜,紫菜,紫薯,黑芝麻,白米,白噪音,"
    "白板,黑板,红外,黄金,白银,橙汁,橙子,蓝牙,蓝光,银行,金属,红包,红木,黑科技,青少年,粉底,粉扑,奶粉,面粉,花粉,白领,小白,黄油,银耳,绿植,绿色食品,白开水".split(
        ","
    )
)

# What a question can be about: catalog spellings of the attribute, then how it is asked in English and in Chinese (regular
# expressions on lower-case text). The first line that matches is taken, so the narrower ones stand first.
ASKED: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("battery life", ("battery life", "battery", "batterylife", "续航", "续航时间", "电池续航", "battery capacity"),
     r"battery(?: life| last| time)?\b|how long (?:does|do|will|can) (?:it|they|this|that|the \w+(?: \w+)?"
     r"|one charge|a charge) (?:last|run|stay charged)\b.{0,12}(?:charge|battery)?|\bper charge\b|single charge",
     r"续航|电池|能用多久|待机|充一次电"),
    ("charging time", ("charging time", "charge time", "充电时间"), r"charging time|how long .{0,20}\bcharge\b|fast charg", r"充电(?:时间|要多久|多久|快)|充满"),
    ("water resistance", ("water resistance", "waterproof", "water resistant", "防水", "防水等级"), (
        r"water[\s-]?(?:proof|resistan\w*|tight)|in the (?:rain|shower)|get wet"
    ), r"防水|防雨|能下水|防泼水"),
    ("machine washable", ("machine washable", "care", "washable", "dishwasher safe", "洗涤", "清洗方式", "护理"), (
        r"wash(?:able|ing|ed)?\b|dishwasher|care instructions|how .{0,14}\bclean\b"
    ), r"机洗|能洗|可以洗|怎么洗|洗碗机|清洗"),
    ("warranty", ("warranty", "warrantyinformation", "guarantee", "保修", "质保"), r"warrant\w+|guarantee", r"保修|质保|保多久"),
    ("weight", ("weight", "net weight", "重量", "净重"), r"\bweigh(?:t|s)?\b|how heavy|\bheavy is\b|how light", (
        r"多重|重量|重吗|几斤|多少斤|多少克|多少公斤|重不重|有多沉|沉不沉"
    )),
    ("screen size", ("screen size", "display size", "screen", "display", "屏幕尺寸", "屏幕"), r"screen|display", r"屏幕|多少寸|几寸"),
    ("capacity", ("capacity", "volume", "容量", "净含量"), (
        r"capacity|how much (?:does|can|will) (?:it|this|that|they|the \w+ one) (?:hold|carry|fit)|how many (?:lit"
        r"(?:er|re)s|cups)|\bvolume\b"
    ), r"容量|多少升|几升|装多少|能装|多少毫升"),
    ("storage", ("storage", "internal storage", "memory", "ram", "存储容量", "内存", "存储"), r"\bstorage\b|\bmemory\b|\bram\b|how many gb", r"内存|存储"),
    ("power", ("power", "wattage", "功率"), (
        r"wattage|how many watts|how powerful|\bpower (?:consumption|rating)"
    ), r"功率|多少瓦"),
    ("noise level", ("noise level", "noise", "噪音"), r"how (?:loud|quiet|noisy)|\bnois[ey]\w*\b(?! cancel)", r"噪音|吵不吵|吵吗|声音大"),
    ("dimensions", ("dimensions", "dimension", "measurements", "size", "尺寸", "规格", "length", "height", "width"), (
        r"dimension|measurement|how (?:big|large|tall|wide|long|deep|thick|high) (?:is|are)|what size (?:is|are)"
    ), r"多大|多长|多宽|多高|多厚|尺寸|规格|有多大"),
    ("size", ("size", "sizes", "尺码", "码数", "尺寸"), r"\bsizes?\b|what fit|run (?:small|large)", r"尺码|码数|有哪些码|偏大|偏小|什么码"),
    ("color", ("color", "colour", "colors", "颜色"), r"\bcolou?rs?\b", r"颜色|什么色|哪些色|几种色"),
    ("material", ("material", "materials", "fabric", "材质", "材料", "面料", "composition"), (
        r"\bmaterials?\b|\bfabric\b|made (?:of|from|out of)|what.{0,12} made|is (?:it|this|that) (?:real )?"
        r"(?:leather|cotton|plastic|metal|wood|steel|wool)\b"
    ), (
        r"材质|材料|面料|什么做的|什么料|是(?:真皮|纯棉|塑料|不锈钢)的?(?:吗|么)"
    )),
    ("compatible with", ("compatible with", "compatibility", "适用型号", "兼容"), (
        r"compatib\w+|work with|works with|fit (?:my|a|an|the|for)\b"
    ), r"兼容|适配|适用于|支持(?:苹果|安卓|ios|iphone)|能用在"),
    ("connectivity", ("connectivity", "connection", "连接方式", "interface"), r"connectivity|bluetooth|wi-?fi|\busb\b|connect to", r"蓝牙|连接方式|无线|怎么连"),
    ("recommended age", ("recommended age", "age", "适用年龄"), (
        r"what ages?|how old|age (?:range|group)|suitable for (?:kids|children|toddlers|a \d)"
    ), (
        r"几岁|多大(?:的)?(?:孩子|小孩|宝宝)|适用年龄|适合(?:几|多)"
    )),
    ("delivery", ("delivery", "shipping", "配送", "发货"), (
        r"how (?:long|soon|fast|quickly).{0,24}(?:deliver|ship|arriv|get here)|deliver(?:y|ed)|when (?:will|would"
        r"|can|could).{0,20}(?:arrive|get)"
    ), (
        r"几天(?:能)?到|多久(?:能)?到|什么时候(?:能)?到|发货|配送|送货"
    )),
    ("reviews", ("reviews",), (
        r"\breviews?\b|what do (?:people|customers|others|buyers) (?:say|think)|feedback"
    ), r"评论|口碑|评价怎么样|评价如何|大家怎么说|买家(?:怎么)?说"),
    ("rating", ("rating",), (
        r"\bratings?\b|how (?:many stars|is it rated|well rated|good is)|\bstars\b"
    ), r"评分|几星|多少分|评价"),
    ("price", ("price",), (
        r"how much(?: is| are| does| do| would|'s)?\b(?! (?:ram|memory|storage|space|weight|power))|\bprices?\b"
        r"|what.{0,10}\bcosts?\b"
    ), r"多少钱|什么价|价格|几块|怎么卖|贵不贵"),
    ("availability", ("availability",), (
        r"in stock|still available|is (?:it|this|that) available|sold out|how many (?:are )?left"
    ), r"有货吗|有没有货|有现货|库存|还有吗|缺货"),
    ("brand", ("brand",), (
        r"what brand|which brand|who makes|manufacturer|who(?:'s| is) the maker"
    ), r"什么牌子|哪个牌子|什么品牌|哪个品牌|谁家的"),
    ("origin", ("origin", "country of origin", "made in", "产地"), (
        r"made in|where (?:is|are) (?:it|they|this|that).{0,10}made|country of origin"
    ), r"产地|哪里产|哪儿产|哪里生产|哪国"),
    ("features", ("features", "特点", "功能"), r"\bfeatures?\b|what can it do|special about", r"功能|特点|有什么特别"),
)  # fmt: skip
