"""Messages that a shop must not answer with products: somebody in danger, a question for a doctor, the wish to harm.

Told by the words alone, before any model is asked, because a miss costs more than a sale and a model of shopping words has never
seen them. What only sounds alike stays shopping: "killer headphones", "drop dead gorgeous dress", "pain relief pillow", "first aid kit",
"这个价格要我命". The lists are short on purpose; `tests/bot/test_concern.py` holds both sides.
"""

# ruff: noqa: E501 -- a pattern reads best an alternative a line
from __future__ import annotations

import re
from typing import Final, Literal

Concern = Literal["crisis", "medical", "harm"]

_I: Final = r"(?:i|i'?m|im|i am|i've|me|myself)"
_CRISIS: Final = re.compile(
    r"\b(?:kill(?:ing)?|hang(?:ing)?|hurt(?:ing)?|harm(?:ing)?|cut(?:ting)?|drown(?:ing)?|shoot(?:ing)?) myself\b|"
    r"\bend(?:ing)? (?:my (?:own )?life|it all)\b|\btak(?:e|ing) my (?:own )?life\b|\bsuicidal\b|"
    r"\b(?:commit(?:ting)?|thinking (?:of|about)|thoughts? of|considering|attempt(?:ing|ed)?) suicide\b|"
    r"\b(?:i|i'?ve|i'?m|urge to|started to|want to)\b[^.!?]{0,25}\bself[- ]harm(?:ing|ed)?\b|"
    rf"\b{_I} (?:just |really |only )?(?:want|wanna|wish|going|gonna|plan|ready)(?: to)? (?:die|be dead|to die)\b|"
    r"\bi wish i (?:was|were) dead\b|\b(?:don'?t|do not|no longer) want to (?:live|be alive)(?: any ?more)?\b|"
    r"\b(?:no reason|nothing left) to live\b|\bbetter off dead\b|"
    r"自杀|自殘|自残|想死(?!你)|不想活|活不下去|轻生|輕生|结束(?:我)?(?:自己)?的?生命|了结(?:我)?自己|割腕|"
    r"(?<!好吃)(?<!想念)活着没(?:有)?(?:意思|意义)",
    re.IGNORECASE,
)
_BODY: Final = (
    r"chest pains?|(?:trouble|difficulty) breathing|can(?:'?t|not) breathe|allergic reaction|overdos(?:e|ed|ing)|seizures?|"
    r"stroke|heart attack|concussion|blood (?:in my|pressure is)|high fever|bleeding (?:a lot|badly|won'?t)|suffocating|poisoned"
)
_MEDICAL: Final = re.compile(
    rf"\b(?:i|my (?:son|daughter|child|baby|kid|wife|husband|mom|mum|dad|mother|father|friend|dog|cat)|he|she|we)\b[^.!?]*\b(?:{_BODY})\b|"
    r"\b(?:what|which) (?:medicine|medication|drug|painkiller|antibiotics?|dose|dosage)\b[^.!?]*\b(?:take|use|for|give)\b|"
    r"\b(?:how (?:much|many)|what dose of|dosage of)\b[^.!?]*\b(?:ibuprofen|paracetamol|acetaminophen|aspirin|antibiotics?|insulin|melatonin|xanax|"
    r"pills?|mg|milligrams)\b|"
    r"\b(?:diagnose|do i have|could it be|is it) (?:my |a |an )?(?:cancer|diabetes|covid|infection|pregnan\w*|depression|stroke|tumou?r|rash|symptoms?)\b|"
    r"\b(?:should i|can i|is it safe to) (?:stop|mix|combine|skip) (?:taking )?(?:my )?(?:medication|medicine|meds|pills|antidepressants?|insulin)\b|"
    r"胸口?痛|胸闷|喘不(?:过|上)气|呼吸困难|心脏病发|中风了|过敏(?:反应|休克)|药物过量|吃(?:了)?(?:太多|过量).{0,3}药|"
    r"(?:吃|服|用)(?:什么|哪种|多少)药|(?:布洛芬|阿司匹林|对乙酰氨基酚|头孢|抗生素|安眠药|胰岛素)[^。！？]{0,8}(?:吃|服|多少|几片|几粒)|"
    r"(?:发|高)烧[^。！？]{0,10}(?:怎么办|吃什么)|是不是(?:得|怀)了?(?:癌|糖尿病|抑郁症|孕)",
    re.IGNORECASE,
)
_HARM: Final = re.compile(
    r"\b(?:make|build|making|building)\b[^.!?]{0,20}\b(?:bombs?|explosives?|pipe bomb|molotov\w*|nerve gas|meth)\b(?! bath)|"
    r"\b(?:kill|poison|murder|stab|shoot|strangle) (?:my (?:wife|husband|boss|neighbou?rs?|girlfriend|boyfriend|ex|mother|father|teacher|colleague)"
    r"|someone|somebody|people|him|her|them)\b|\bhurt (?:someone|somebody|people|my (?:wife|husband|boss|ex|child))\b|"
    r"(?:做|制作|制造|自制)[^。！？]{0,6}(?:炸弹|炸药|毒药|冰毒)|(?:毒死|杀死|杀了|弄死|捅死)(?:我)?(?:老婆|老公|邻居|老板|同事|他|她|人|前女友|前男友)",
    re.IGNORECASE,
)
_BENIGN: Final = re.compile(
    r"\b(?:bath bombs?|book|novel|movie|film|game|costume|poster|t-?shirt|documentary|lyrics|song|album|squad)\b|小说|电影|游戏|书籍",
    re.IGNORECASE,
)


def concern_of(text: str) -> Concern | None:
    """What a message is about that no product answers; None for shopping."""
    if _CRISIS.search(text):
        return "crisis"
    if _HARM.search(text) and not _BENIGN.search(text):
        return "harm"
    if _MEDICAL.search(text):
        return "medical"
    return None
