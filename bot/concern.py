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
    r"\b(?:kill(?:ing)?|hang(?:ing)?|hurt(?:ing)?|harm(?:ing)?|(?<=to )cut|cutting|drown(?:ing)?|shoot(?:ing)?) myself\b|"
    r"\bend(?:ing)? (?:my (?:own )?life|it all)\b|\btak(?:e|ing) my (?:own )?life\b|\bsuicidal\b|"
    r"\b(?:commit(?:ting)?|thinking (?:of|about)|thoughts? of|considering|attempt(?:ing|ed)?) suicide\b|"
    r"\b(?:i|i'?ve|i'?m|urge to|started to|want to)\b[^.!?]{0,25}\bself[- ]harm(?:ing|ed)?\b|"
    rf"\b{_I} (?:just |really |only )?(?:want|wanna|wish|going|gonna|plan|ready)(?: to)? (?:die|be dead|to die)\b|"
    r"\bi wish i (?:was|were) dead\b|\b(?:don'?t|do not|no longer) want to (?:live|be alive)(?: any ?more)?\b|"
    r"\b(?:no reason|nothing left) to live\b|\bbetter off dead\b|"
    r"自杀|自殘|自残|(?:想|要)(?:去|从楼上)?跳楼(?!价|机|大)|想死(?!你)|不想活|活不下去|轻生|輕生|结束(?:我)?(?:自己)?的?生命|了结(?:我)?自己|割腕|"
    r"(?<!好吃)(?<!想念)活着没(?:有)?(?:意思|意义)",
    re.IGNORECASE,
)
# What happens to a body, of somebody; and below it an ailment beside the wish for advice.
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
_ILL: Final = (
    r"(?:chest pains?|short(?:ness)? of breath|can'?t breathe|trouble breathing|overdos\w+|seizures?|stroke|heart attack"
    r"|bleeding|fever|migraines?|headaches?|stomach ?ache|rash|infection|infected|dizzy|dizziness|vomiting|nausea|diarrh\w+"
    r"|sore throat|cough(?:ing)?|(?:high |low )?blood pressure|diabet\w+|depress(?:ed|ion)|anxiety|panic attacks?|pregnan\w+"
    r"|swollen|numb|lump|burning when|throwing up|fainted|faint|(?:ear|tooth|back|neck|knee|stomach|belly|abdominal) ?(?:pain|ache)"
    r"|covid|flu|asthma|allergic reaction|symptoms?|concussion)"
)
_DRUG: Final = (
    r"(?:ibuprofen|paracetamol|acetaminophen|tylenol|aspirin|antibiotics?|insulin|xanax|valium|melatonin|painkillers?"
    r"|antidepressants?|sleeping pills?|medicines?|medications?|meds|pills)"
)
_SEEK: Final = (
    r"(?:what (?:should|can|do|could|shall) i (?:take|use for it)|should i (?:take|worry|see|go|stop|be worried)|(?:is|are) (?:it|this|that|these|my)"
    r"(?: \w+){0,2} (?:serious|dangerous|normal|cancer|contagious|safe to take)|do i have (?!to\b)|what(?:'s| is) wrong with me|what (?:should|can|do) (?:i|we) do|how (?:do|can) i"
    r" (?:treat|cure|get rid of)|am i (?:sick|ill|pregnant|having|dying)|could (?:it|this) be|diagnos\w+|cures? (?:for|my)|what dose|dosage)"
)
_ZH_ILL: Final = (
    r"(?:胸口?[疼痛闷]|心口疼|喘不[上过]气|呼吸困难|头[疼痛晕]|发烧|发热|高烧|肚子[疼痛]|胃[疼痛]|拉肚子|呕吐|恶心|皮疹|过敏反应|感染|流血|出血"
    r"|抽搐|中风|心脏病|高血压|血压高|糖尿病|抑郁症?|焦虑症?|怀孕|咳嗽|嗓子疼|感冒|流感|新冠|牙[疼痛]|腰[疼痛]|[背膝耳]盖?[疼痛]|失眠|晕倒|昏迷)"
)
_ASKS_A_DOCTOR: Final = re.compile(
    rf"^(?=[^\n]*\b{_ILL}\b)(?=[^\n]*\b{_SEEK})"
    rf"|\b(?:how (?:many|much)|what dose|dosage|dose|is it safe to (?:take|mix)|can i (?:take|mix|combine|stop)|should i (?:take|stop))\b"
    rf"[^?!]*\b{_DRUG}\b|\b(?:i|he|she|my \w+) (?:took|swallowed|has taken|have taken) (?:too many|a lot of|all (?:the|my))[^?!]*\b{_DRUG}"
    r"|\b(?:i|i'm|i am|he|she|my \w+)(?:'s| is| am)? (?:having|got|have|has) (?:a |bad |severe |strong )*(?:chest pains?|heart attack|stroke|seizure)\b"
    r"|\b(?:can'?t|cannot|not able to) breathe\b|\bdo i have (?:cancer|covid|the flu|diabetes|an infection)\b"
    rf"|{_ZH_ILL}[^?？!！]*(?:怎么办|吃(?:什么|啥|哪[种个])?.{{0,3}}药|用什么药|是不是(?:得了|有|病)|严重吗|要(?:不要|紧)|该(?:怎么|吃)|怎么(?:治|回事)|会不会|什么病|能不能吃)"
    rf"|(?:吃(?:什么|啥|哪[种个])药|怎么治|怎么治疗|是不是得了)[^?？!！]*{_ZH_ILL}?"
    r"|(?:布洛芬|对乙酰氨基酚|阿司匹林|抗生素|头孢|阿莫西林|胰岛素|安眠药|褪黑素|止痛药|退烧药|感冒药|避孕药)[^?？!！]*(?:吃多少|吃几|一天几|剂量|能一起|能不能|可以(?:一起)?吃|安全吗|多少[片粒颗毫])"
    r"|(?:吃|吞)了(?:太多|很多|一整瓶|一瓶)[^?？!！]*药",
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
_MISUSE: Final = re.compile(
    r"\b(?:how (?:do|can|would|could|to)|tell me how|help me|ways? to|what(?:'s| is) the best (?:way|poison|thing)|i (?:want|need|plan|am going)"
    r" to|something to|anything to|used? to)\b[^?!.]*\b(?:(?:make|build|mak(?:ing)|assemble|3d print)\b[^?!.]*\b(?:(?<!bath )(?<!hot chocolate )(?<!cocoa )bombs?|explosives?"
    r"|molotov|napalm|grenades?|nerve gas|ricin|meth(?:amphetamine)?|silencers?|ghost guns?|(?:untraceable|homemade) (?:guns?|weapons?)|bioweapons?"
    r"|chlorine gas|poison gas)|(?:kill|poison|murder|stab|shoot|hurt|drug|strangle|blow up|attack|spike)\s+(?:(?:him|her|them|someone|somebody|people|a"
    r" (?:person|man|woman|child|guy|girl|kid|school|crowd)|the neighbou?rs?|(?:my|the|your) (?:wife|husband|ex|boss|neighbou?rs?|mother|father|sister|brother|son"
    r"|daughter|kids?|child|children|colleague|coworker|teacher|roommate|girlfriend|boyfriend|drink|school))\b))"
    r"|\bwithout (?:anyone|them|her|him) (?:noticing|knowing)\b[^?!.]*\b(?:track|spy on|poison|drug|record)\b"
    r"|\b(?:secretly|covertly) (?:track|spy on|poison|drug|record|film)\b"
    r"|(?:怎么|如何|怎样|教我|帮我|想|要)[^?？。!！]{0,12}(?:(?:做|造|制作|制造|自制|组装|配)[^?？。!！]{0,4}(?:炸弹|炸药|燃烧瓶|枪支?|毒药|毒气|冰毒|毒品|雷管)"
    r"|(?:毒死|杀死?了?|弄死|捅死|砍死|下毒给?|迷晕|迷倒|报复性?伤害|炸死?)[^?？。!！]{0,3}(?:他|她|人|别人|某人|老公|老婆|邻居|老板|同事|前任|前男友|前女友|孩子|父母|我爸|我妈|女友|男友|女生|学校))"
    r"|偷偷(?:跟踪|监视|偷拍|定位|下药|录音)",
    re.IGNORECASE,
)
_MEANT_FOR_PESTS: Final = re.compile(
    r"\b(?:weeds?|moss|mold|mould|ants?|bugs?|insects?|mosquito(?:e?s)?|rats?|mice|mouse|roach(?:es)?|cockroach(?:es)?|pests?|germs?|bacteria"
    r"|wasps?|flies|fleas?|ticks?|slugs?|termites?|zombies?|game|movie|novel|book)\b|蚊|蟑螂|老鼠|虫|杂草|蚂蚁|细菌|游戏|电影|小说",
    re.IGNORECASE,
)


def concern_of(text: str) -> Concern | None:
    """What a message is about that no product answers; None for shopping."""
    if _CRISIS.search(text):
        return "crisis"
    if _HARM.search(text) and not _BENIGN.search(text):
        return "harm"
    if _MISUSE.search(text) and not _MEANT_FOR_PESTS.search(text):
        return "harm"
    return "medical" if _MEDICAL.search(text) or _ASKS_A_DOCTOR.search(text) else None
