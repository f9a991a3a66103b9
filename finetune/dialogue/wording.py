"""How simulated shoppers say things, expert and beginner, in English and Chinese; `{…}` is filled from their need.

Written from how people type into a shop's chat, not from what the assistant understands.
"""

from __future__ import annotations

from collections.abc import Mapping

Wordings = Mapping[str, Mapping[str, tuple[str, ...]]]

SAID: Wordings = {
    "en": {
        "expert": (
            "{color} {goods} under ${limit}",
            "{goods}, {color}, max ${limit}",
            "I need {color} {goods} for less than {limit} dollars",
        ),
        "beginner": (
            "hi, I'm looking for {goods}",
            "do you have {goods}?",
            "I need some {goods} but I don't know much about them",
        ),
        "limit": ("my budget is ${limit}", "not more than ${limit} please", "under {limit} dollars"),
        "color": ("in {color}", "I'd like {color}", "{color} please"),
        "exclude": ("not {value} please", "anything but {value}", "no {value}"),
        "again": ("{color} {goods} under ${limit}", "I said {goods} in {color}, under ${limit}"),
        "more": ("show me more", "any others?", "what else do you have?"),
        "whatever": ("I don't mind", "any of them is fine", "no preference"),
        "wrong_limit": ("my budget is ${wrong}",),
        "mind_limit": ("actually, make that ${limit} at most", "sorry, I can only spend ${limit}"),
        "wrong_color": ("in {wrong}",),
        "mind_color": ("actually {color}, not {wrong}", "no wait, {color} instead of {wrong}"),
        "add": (
            "add the {place} one to my cart",
            "I'll take the {place} one",
            "the {place} one looks good, put it in my cart",
        ),
        "checkout": ("I want to check out", "checkout please", "that's all, I'd like to pay"),
        "no": ("no",),
        "places": ("first", "second", "third", "fourth", "fifth", "sixth"),
    },
    "zh": {
        "expert": (
            "{limit}美元以内的{color}{goods}",
            "{color}的{goods}，{limit}美元以内",
            "想买{color}{goods}，预算{limit}美元",
        ),
        "beginner": ("你好，我想买{goods}", "有{goods}吗？", "想看看{goods}，不太懂，帮我推荐一下"),
        "limit": ("预算{limit}美元", "不要超过{limit}美元", "{limit}美元以内"),
        "color": ("要{color}的", "{color}的有吗", "我喜欢{color}"),
        "exclude": ("不要{value}的", "除了{value}都行", "{value}的不要"),
        "again": ("{limit}美元以内的{color}{goods}", "我要的是{color}{goods}，{limit}美元以内"),
        "more": ("还有别的吗", "再看几款", "换一批看看"),
        "whatever": ("都可以", "无所谓", "哪种都行"),
        "wrong_limit": ("预算{wrong}美元",),
        "mind_limit": ("说错了，最多{limit}美元", "不好意思，预算只有{limit}美元"),
        "wrong_color": ("要{wrong}的",),
        "mind_color": ("还是{color}吧，不要{wrong}", "算了，换成{color}的"),
        "add": ("把{place}加入购物车", "就要{place}", "{place}不错，放进购物车"),
        "checkout": ("我要结账", "结账吧", "就这些，付款"),
        "no": ("不用",),
        "places": ("第一个", "第二个", "第三个", "第四个", "第五个", "第六个"),
    },
}
