"""Chinese: the words around quantities and sizes; the same names as `en_limits.py`."""

from __future__ import annotations

import re

_BE = r"(?:是|为|在|要|有|达到|达|得|:)?\s*"
_FILL = r"(?:的|一个|一台|一款|个|容量|重量|长度|宽度|高度|屏幕|内存|存储|功率|续航|承重|电池|为|是|有|要|在|:|\s)*"
LIMIT_BEFORE = re.compile(
    r"(?:(?P<most>(?:不要|不能|不可以|不想|别|不得|不会|不)(?:超过|超出|高于|大于|多于|重于|长于|宽于|厚于|超)|不超"
    rf"|最多|至多|顶多|控制在|限制在|<=|≤|(?:最大|最高|最重|最长|最宽|上限)(?![一-鿿])){_BE}"
    r"|(?P<least>(?:不要|不能|别|不得|不会|不)(?:低于|少于|小于|短于|轻于)|不低于|不少于|不小于|至少|最少|起码|>=|≥"
    rf"|(?:最小|最低|下限)(?![一-鿿])){_BE}"
    rf"|(?P<over>超过|超出|高于|大于|多于|重于|长于|宽于|厚于|>){_BE}"
    rf"|(?P<under>低于|少于|小于|不到|不足|轻于|短于|窄于|<){_BE}"
    r"|(?P<than>比)\s*"
    r"|(?P<about>大概|大约|大致|约|差不多|接近|将近)(?:是|在|有)?\s*"
    rf"|(?P<exact>(?:必须|一定要|只要|只能)(?:是|要)?|就要|正好|刚好)\s*){_FILL}$"
)
LIMIT_AFTER = re.compile(
    r"(?P<thing>(?:的)?(?:容量|内存|存储|屏幕?|续航|功率|重量|长度)?)\s*(?:"
    r"(?P<least>(?:及|或|和)?以上|(?:或|及)(?:更大|更多|更高|更长|更重)|起步|起(?![来床飞])|往上|打底|\+)的?"
    r"|(?P<most>(?:及|或|和)?以下|以内|之内|以里|往下|封顶|(?:或|及)(?:更小|更少|更低|更短|更轻)|内(?![存饰衣置胆核裤]))的?"
    r"|(?P<over>(?:更|还要?)(?:大|重|长|高|宽|厚|多|亮)的?)|(?P<under>(?:更|还要?)(?:小|轻|短|低|矮|窄|薄|少)的?)"
    r"|(?P<about>左右|上下|前后|差不多|的样子)的?)"
)
THAN_AFTER = re.compile(
    r"(?:还要?|更|要)?(?:(?P<over>大|重|长|高|宽|厚|多|亮)|(?P<under>小|轻|短|低|矮|窄|薄|少))(?:一?[点些])?的?"
)
LEAD_BEFORE = re.compile(
    r"(?:的|要|有|带|容量|重量|长度|宽度|高度|屏幕(?:尺寸)?|内存|存储(?:容量)?|功率|续航(?:时间)?|(?:最大)?承重|电池|能装|能用|至少)+$"
)
TRAIL_AFTER = re.compile(r"(?:的)?(?:容量|内存|存储|续航|功率)(?:的)?(?![^,。;!?\s\x00])")
RANGE_BEFORE = re.compile(rf"(?:介于|从|在){_FILL}$")
RANGE_AFTER = re.compile(r"\s*(?:之间|范围内?|区间)的?")
LIMIT_EXCLUDED = re.compile(r"(?:不要|别要|除了|不是|非)(?:那种|这种|的)?$")
CARRIES_BEFORE = re.compile(r"(?:(?:可|能|可以|承|支持|承受|坐|装|用|撑)+)$")
OTHERS_BEFORE = re.compile(
    r"(?:房间|客厅|卧室|屋子|面积|花园|草坪|孩子|小孩|宝宝|儿童|婴儿|男孩|女孩|年龄|身高|体重|大人|老人|笔记本|狗狗?|猫咪?"
    r"|手机|适合|适用于?|适用|给)(?:是|在|为|有|的)*$|(?:送到|到货|发货|送达|收到|配送|寄到|退货|退换)[^,。;!?]{0,8}$"
)
SERVES_BEFORE = re.compile(r"(?:房间|客厅|卧室|屋子|面积|花园|草坪|体重|大人|适用|适合|适用于)(?:是|在|为|有|的)*$")
OTHERS_AFTER = re.compile(
    r"\s*(?:内|之内|以内)?\s*(?:的)?(?:房间|客厅|卧室|屋子|孩子|小孩|宝宝|儿童|笔记本|狗|猫|手机|能到|到货|发货|送达|送到|到手|退货"
    r"|退换|能收到|前(?!后)|后)"
)
FOR_WHAT = re.compile(r"(?!)(?P<what>)")
EVIDENCE: dict[str, tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = {
    kind: tuple((re.compile(words), names) for words, names in rows)
    for kind, rows in {
        "mass": (
            (r"承重|载重|承受|负重|能坐|能撑", ("承重", "载重", "负重", "load")),
            (r"净重|净含量", ("净重", "净含量", "net weight")),
            (r"(?<!承)(?<!载)重(?!力)|轻", ("重量", "净重", "weight")),
        ),
        "volume": ((r"容量|能?装|水箱|净含量", ("容量", "净含量", "capacity", "volume")),),
        "length": (
            (r"屏", ("屏", "screen", "display")),
            (r"长|短", ("长", "length")),
            (r"宽|窄", ("宽", "width")),
            (r"跟", ("跟", "heel")),
            (r"(?<!跟)高|矮", ("高", "height")),
            (r"深", ("深", "depth")),
            (r"直径|口径", ("直径", "diameter")),
            (r"厚|薄", ("厚", "thickness")),
            (r"落差", ("落差", "drop")),
        ),
        "data": (
            (r"运行内存|运存", ("运行内存", "运存", "ram", "memory")),
            (r"内存|存储|储存|容量|硬盘", ("存储", "内存", "容量", "storage", "memory")),
        ),
        "time": (
            (r"充满|充电", ("充电", "charg")),
            (r"保修|质保", ("保修", "质保", "warrant")),
            (r"续航|待机|电池|能用|能飞|使用", ("续航", "待机", "电池", "battery")),
        ),
    }.items()
}
PLAIN_WEIGHT = re.compile(r"重量|净重")
NOT_PLAIN_WEIGHT = re.compile(r"承重|载重|最大|负重")
NOT_AGE = re.compile(r"年龄|月龄|适用阶段")

# -- sizes ---------------------------------------------------------------------------------------------------------
SYSTEMS = {"美": "us", "us": "us", "欧": "eu", "eu": "eu", "eur": "eu", "英": "uk", "uk": "uk"}
_SYSTEM = r"(?:(?<![a-z])(?:eur?|us|uk)(?![a-z])|[美欧英])"
_LETTERS = r"(?:x{0,4}[sl]|[2-6]xl|m|nb)(?![a-z])"
_SPOKEN = r"[二三四五]?十[一二三四五六七八九]?(?=\s*码)"
_SIZE = rf"(?:{_SPOKEN}|(?<![\d.])\d{{2,3}}(?:\.5)?(?![\d.寸厘]|\s*(?:cm|英寸|mm))|(?<![a-z0-9]){_LETTERS})"
_LIST = rf"{_SIZE}\s*码?(?:(?P<to@>\s*(?:-|到|至|~)\s*){_SIZE}|(?:\s*(?:或者?|和|、|/|,|还是)\s*{_SIZE}\s*码?)*)"
_BEYOND = r"(?:(?P<more@>(?:及|或|和)?以上|(?:或|及)更大)|(?P<less@>(?:及|或|和)?以下|(?:或|及)更小))?"
_LISTS = [_LIST.replace("@", name) for name in ("", "_code")]
_BEYONDS = [_BEYOND.replace("@", name) for name in ("", "_code")]
SIZE = re.compile(
    rf"(?:尺码|码数|鞋码|号码|尺寸|大小)(?:还是|就|改成|换成|是|要|为|选|穿|:)*\s*(?:(?P<system>{_SYSTEM})(?:国|洲)?码?\s*)?"
    rf"(?P<value>{_LISTS[0]})\s*(?:码|号)?{_BEYONDS[0]}的?"
    rf"|(?P<system_before>[美欧英]|{_SYSTEM}(?=\s*码))\s*(?:国|洲)?(?:码|版|标)?\s*(?P<before>\d{{1,2}}(?:\.5)?)(?![\d.])\s*(?:码|号)?的?"
    rf"|(?P<code>{_LISTS[1]})(?:(?<=码)|\s*(?:码|号(?!商|选|那|产))){_BEYONDS[1]}的?"
)
BARE_SIZES = re.compile(
    rf"(?P<letter>(?<![a-z0-9]){_LETTERS}\s*(?:或者?|/|、|和)\s*{_LETTERS})的?"
    r"|(?P<value>(?<![\d.])\d{2}(?:\.5)?\s*(?:或者?|/|、|和|(?P<to>-|到|至))\s*\d{2}(?:\.5)?)(?=\s*(?:的|$|[,。!?;]))的?"
)
WAIST_AND_LEG = re.compile(r"(?!)")
SIZE_EXCLUDED = re.compile(r"(?:不要|别要|不想要|除了|不是)\s*$")
SHOES = re.compile(r"鞋|靴")
# A size up or down from the one that was said before: "大一号".
STEP = re.compile(
    r"(?:有没有|有|要|换|来|再|个)*(?:(?P<larger>大)|(?P<smaller>小))(?:一|1|半)?(?:号|码)(?:的)?(?![的]?[鞋衣])"
)
