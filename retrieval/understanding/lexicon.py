"""Words that mean the same in both languages: colors, materials, sizes; `questions.py` has what is asked about.

Only words are here. Whether "red" is a condition is decided by the catalog: a line below merely lets "红色" find the
catalog's "red" and "gray" its "Grey". Each line is one meaning, English first, Chinese behind the bar.
"""

from __future__ import annotations

from typing import NamedTuple

from retrieval.understanding.text import word_set


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
    paper | 纸, 纸质
    cardboard | 纸板
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
AMBIGUOUS = word_set(
    """
    clear rose sand cream mint down feather stone tan camel olive ivory gold golden silver orange iron foam
    paper eva pu fur lavender mustard 皮 毛 麻 丝 木 石 纸 铁 钢 银 金 橙 粉 青色 棉 透明 竹 藤 瓷
    """
)
TRUE_VALUES = frozenset({"yes", "true", "是", "有", "支持"})

# Color words that name a food or a thing, not a look: "green tea" never asks for the color green.
_NOT_A_COLOR = """
    green tea,black tea,white tea,red wine,white wine,rose wine,orange juice,black pepper,white pepper,
    red pepper,green bean,black bean,white noise,brown rice,white rice,brown sugar,white chocolate,blue cheese,
    black friday,red bull,green screen,whiteboard,white board,silver polish,gold card,rose water,rose oil,
    red light therapy,blue light,black hole,green card,white sugar,black garlic,orange peel,绿茶,红茶,白茶,
    黑茶,青茶,红酒,白酒,黄酒,黑胡椒,白胡椒,红枣,红糖,白糖,黑糖,绿豆,红豆,黑豆,黄豆,白菜,黄瓜,紫菜,紫薯,黑芝麻,
    白米,白噪音,白板,黑板,红外,黄金,白银,橙汁,橙子,蓝牙,蓝光,银行,金属,红包,红木,黑科技,青少年,粉底,粉扑,奶粉,
    面粉,花粉,白领,小白,黄油,银耳,绿植,绿色食品,白开水
"""
NOT_A_COLOR = tuple(phrase.strip() for phrase in _NOT_A_COLOR.split(","))
