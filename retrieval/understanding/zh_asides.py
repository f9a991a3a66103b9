"""Chinese: what is told in passing, likened, or would be nice; the same names as `en_asides.py`."""

from __future__ import annotations

import re

_MONEY = r"(?:[¥$]\s?\d+|[\d一二两三四五六七八九十百千万]+多?\s*(?:块钱?|元|美元|刀))"
_REST = r"(?:(?!想|要|这次|现在|换|求|有没有|帮)[^,。;!?])*"
ASIDES = (
    re.compile(
        rf"(?:我|我们|我家|家里|老婆|老公|妈妈|爸爸)?(?:的)?(?:上次|之前|以前|原来|去年|上个月|上周|前年|早先)(?:买|花|用|那[个双台款件只把](?![\u3400-\u9fff]{{0,3}}色)|的那?(?!第|[\u3400-\u9fff]{{0,3}}色)|在){_REST}"
    ),
    re.compile(rf"(?:我|我们|我家|家里)?(?:的)?(?:上一|前一|旧的?|老的?)[台个双件款只把部条](?:旧|老)?{_REST}"),
    re.compile(rf"(?:我|我们|家里|我家)(?:已经|之前|原来|现在)?(?:买过|买了|有了|用过|已经有|有[一两]?[台个双件款只把部条]){_REST}"),
    re.compile(rf"(?:淘宝|京东|拼多多|天猫|亚马逊|别家|别的店|其他店|隔壁|外面|网上|实体店)(?:上|里)?(?:才|只|就|都|也)?(?:卖|要|是|只要)[^,。;!?]*?{_MONEY}"),
    re.compile(rf"(?:原价|原来卖|平时卖|标价|吊牌价)(?:是|要)?{_MONEY}"),
    re.compile(r"满\s*\d+\s*(?:元|块)?\s*(?:减|送|包邮|免运费|免邮)\s*\d*"),
    re.compile(rf"{_MONEY}(?:的)?(?:优惠券|代金券|红包|运费|邮费|定金|押金)|(?:运费|邮费|省了?|便宜了?|优惠了?){_MONEY}"),
    re.compile(rf"(?:为什么|凭什么|怎么)[^?,。]*?{_MONEY}|{_MONEY}(?:贵不?贵|值不?值|算贵|算便宜|是不是|合理)"),
)  # fmt: skip
_COUNT = r"(?P<count>[两三四五六2-6])[个件条双只台瓶盒把顶张]"
TOTAL_BEFORE = re.compile(
    rf"{_COUNT}[^,。;!?]{{0,6}}(?:一共|总共|加起来|合计|共)[^\d,。;!?一二三四五六七八九十百千]{{0,6}}$"
)
COUNT_BEFORE = re.compile(_COUNT)
TOTAL_AFTER = re.compile(r"\s*[两三四五六2-6][个件条双只台瓶盒把顶张](?![装起])")
EACH_AFTER = re.compile(r"\s*(?:一|每)[个件条双只台瓶盒把顶张](?![装起])")
LIKE_BRAND_BEFORE = re.compile(r"(?:像|类似于?|仿|参考|比|替代|代替|兼容|适配|搭配|搭)(?:那种|这种|我的)?$")
LIKE_VALUE_BEFORE = re.compile(
    r"(?:搭配|搭|配|衬|像|类似于?)(?:我的?|一?[条件双个]|那种)?$|(?:我|我们)(?:家|的|那[条件双个])$"
)
LIKE_BRAND_AFTER = re.compile(r"(?:的)?(?:同款|平替|替代|风格|风(?![扇衣])|那样|那种|一样|差不多|类似|相似|兼容)")
PART_BEFORE = re.compile(r"(?:带|有|配)$")
PART_AFTER = re.compile(r"色?(?:的)?(?:鞋底|条纹|图案|字|拉链|扣子|印花|灯光?|背光)")
SHADE_OF_LIGHT_BEFORE = re.compile(r"(?:暖|冷|自然)$")
OF_THING_AFTER = re.compile(r"(?:色)?(?:的)?(?:头发|眼睛|皮肤|牙齿|墙面?|地板|沙发配)")
THING_AFTER = re.compile(r"(?!)")
SOFT_BEFORE = re.compile(r"(?:最好|尽量|优先|希望|可能的话)(?:是|要|能是|有|选|考虑|在)*$")
SOFT_AFTER = re.compile(r"(?:的)?(?:更好|最好|优先|更佳|也行|的话更好)")
PLAINLY_COLOR_BEFORE = re.compile(r"$")
PLAINLY_COLOR_AFTER = re.compile(r"")
HAVING_BEFORE = re.compile(r"(?:有|带|附|送|配)$")
LACKING_BEFORE = re.compile(r"(?:不带|不含|不送|不配|没有|无|不要带|不需要)$")
FREE_AFTER = re.compile(r"(?!)")
