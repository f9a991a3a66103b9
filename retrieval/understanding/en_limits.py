r"""English: the words around quantities, sizes and things told in passing; `en.py` has those around everything else.

A new language is one such file with the same names; `zh_limits.py` is the other. Patterns run on lower-case text in which
understood spans are `\x00`. In `LIMIT_…` the name of the group that matched is the meaning: `over` and `under` leave the
number itself out, `least` and `most` keep it, `about` only wishes, `exact` asks for the number itself.
"""

from __future__ import annotations

import re

_NEGATED = (
    r"(?:\b(?:no|not|never|nothing|nor)\b|\b(?:do|does|did|would|can|could|wo|should|must|is|are)(?:n't| not)|\bcannot)"
    r"(?:\s+(?:be|is|are|have|has|want|weigh|measure|hold|go|get|anything|to|that's|it|one|a|any|spend|need))*"
)
_MORE = (
    r"(?:over|above|beyond|past|exceed(?:s|ing)?|(?:more|greater|bigger|larger|longer|wider|taller|higher|heavier|thicker"
    r"|deeper|faster|brighter|louder|stronger|warmer|hotter|better) th[ae]n)"
)
_LESS = (
    r"(?:under|below|beneath|(?:less|fewer|smaller|shorter|narrower|lower|lighter|thinner|shallower|slower|quieter|colder"
    r"|cooler|weaker) th[ae]n)"
)
# What may stand between a comparing word and the number: "at least [a] 27 inch", "minimum [capacity of] 20 L".
_FILL = (
    r"(?:[\s:]*\b(?:a|an|the|about|around|of|is|at|in|total|or|say|be|capacity|weight|length|width|height|depth|diameter"
    r"|thickness|screen|size|storage|memory|ram|power|wattage|battery|life|volume|load|runtime|brightness|noise|level"
    r"|hold|have|has|with)\b)*[\s:]*"
)
LIMIT_BEFORE = re.compile(
    rf"(?:(?P<most>{_NEGATED}\s+{_MORE}|\b(?:at (?:the )?(?:very )?most|up to|upto|down to|as low as|max(?:imum)?\.?|no more|within"
    r"|capped at|limited to)(?![a-z])|<=|≤)"
    rf"|(?P<least>{_NEGATED}\s+{_LESS}|\b(?:at (?:the )?(?:very )?least|min(?:imum)?\.?|starting (?:at|from)|upwards of)"
    r"(?![a-z])|>=|≥)"
    rf"|(?P<over>\b{_MORE}|>)|(?P<under>\b(?:{_LESS}|sub)|<)"
    r"|(?P<about>\b(?:about|around|approximately|approx\.?|roughly|circa|close to|nearly)(?![a-z])|~)"
    r"|(?P<exact>\b(?:exactly|precisely|only|must be|has to be|have to be|needs? to be|should be)(?![a-z])))"
    rf"-?{_FILL}$"
)
# A noun or its side may stand before the comparison: "27 inch [monitor] or larger", "20 inches [wide] or more".
_THING = r"(?:[\s-]+(?!or\b|and\b|but\b|max|min|at\b|plus\b|only\b|with\b|for\b|under\b|in\b)[a-z][a-z'-]*){0,3}"
# A comparing word in front of another number belongs to that: "27 inch monitor, max $300".
_ALONE = r"(?!\s*(?:of |than |about |around )?[$€£¥]?\s?\d)(?! than\b)"
LIMIT_AFTER = re.compile(
    rf"(?P<thing>{_THING})\s*(?:"
    r"(?P<least>,?\s*(?:or|and|&)\s+(?:a (?:bit|little) )?(?:more|bigger|larger|longer|wider|taller|higher|heavier|thicker"
    rf"|deeper|faster|brighter|louder|stronger|warmer|better|above|over|up|upwards?|beyond|greater)\b{_ALONE}|\+"
    rf"|plus\b(?!\s+[a-z]+ing){_ALONE}|min(?:imum)?\b\.?{_ALONE}|at (?:the )?(?:very )?least\b{_ALONE}|upwards?\b)"
    r"|(?P<most>,?\s*(?:or|and|&)\s+(?:a (?:bit|little) )?(?:less|fewer|smaller|shorter|narrower|lower|lighter|thinner"
    rf"|quieter|slower|below|under|down)\b{_ALONE}|max(?:imum)?\b\.?{_ALONE}|at (?:the )?(?:very )?most\b{_ALONE}|tops\b)"
    r"|(?P<about>-?ish\b|or so\b|or thereabouts\b|give or take\b)|(?P<exact>only\b|exactly\b))"
)
# What leads to a limit and says nothing without it: "that holds at least …", "with 64 GB [of storage]".
LEAD_BEFORE = re.compile(
    r"(?:\b(?:that|which|with|and|but|has|have|having|a|an|the|its|it|weigh(?:s|ing|t)?|holds?|holding|runs?|lasts?|supports?"
    r"|can|will|carr(?:y|ies)|measur(?:es|ing)|of|is|are|capacity|screens?|display|storage|memory|battery(?: life)?)\s+)+$"
)
TRAIL_AFTER = re.compile(
    r"\s+(?:of )?(?:storage|battery(?: life)?|memory|ram|space|capacity|weight|power|wide|long|tall|high|deep|thick|across"
    r"|in (?:length|width|height|diameter|weight))\b"
)
RANGE_BEFORE = re.compile(rf"\b(?:between|anywhere (?:from|between)|from|in the range of|range(?: of)?){_FILL}$")
RANGE_AFTER = re.compile(r"(?!)")
LIMIT_EXCLUDED = re.compile(r"\b(?:not|no|anything but|except|other than)\s+(?:a |an |the )?$")
# "Holds up to 120 kg" asks for no less than that.
CARRIES_BEFORE = re.compile(
    r"\b(?:holds?|supports?|carr(?:y|ies)|bears?|takes?|handles?|lasts?|runs?(?: for)?|fits?)\s+$"
)
# What has the quantity is not the product: a room, a dog, a delivery, an age.
OTHERS_BEFORE = re.compile(
    r"\b(?:rooms?|spaces?|areas?|homes?|houses?|apartments?|flats?|offices?|gardens?|lawns?|yards?|people|persons?|adults?"
    r"|users?|riders?|dogs?|cats?|pets?|pupp(?:y|ies)|kittens?|kids?|child(?:ren)?|toddlers?|bab(?:y|ies)|boys?|girls?"
    r"|aged?|ages|men|women|someone|anyone|anybody|laptops?|notebooks?|phones?|windows?|walls?|doors?|i(?:'m| am)"
    r"|fits?(?: a| an| my)?)"
    r"\s+(?:(?:that|who|which|is|are|of|weighing|weighs?|measuring|from|aged|be|sized?)\s+)*$"
    r"|\b(?:deliver\w*|ship\w*|arriv\w*|dispatch\w*|get (?:it|them|here)|receive\w*|return\w*|exchange\w*)\b[^,.;!?]{0,24}$"
)
# A room, or who uses it: "for rooms up to 30 m²" asks for what covers no less.
SERVES_BEFORE = re.compile(
    r"\b(?:rooms?|spaces?|areas?|homes?|houses?|apartments?|flats?|offices?|gardens?|lawns?|yards?|people|persons?|adults?|users?"
    r"|someone|anyone|i(?:'m| am))\s+(?:(?:that|who|which|is|are|of|weighing|weighs?|measuring|from|be|sized?)\s+)*$|\bfor\s+$"
)
OTHERS_AFTER = re.compile(
    r"\s*(?:old\b|of age\b|deliver|shipping|return|rooms?\b|(?:dogs?|cats?|people|kids|person|child(?:ren)?|laptops?"
    r"|notebooks?|phones?)\b|away\b|ago\b)"
)
# "For flights over 8 hours": a phrase that is the product's only where it names one.
FOR_WHAT = re.compile(
    r"(?<!looking )(?<!searching )(?<!shopping )(?<!hunting )(?<!search )(?<!look )\bfor\s+(?P<what>(?:[a-z'-]+\s+){1,4})$"
)
# Kind of quantity: words beside it, and what the name of the attribute then has in it.
EVIDENCE: dict[str, tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = {
    kind: tuple((re.compile(rf"\b(?:{words})\b"), names) for words, names in rows)
    for kind, rows in {
        "mass": (
            (r"weight capacity|holds?|holding|supports?|load|carr(?:y|ies)|bears?|withstands?", ("load", "capacity")),
            (r"weigh(?:s|t|ing)?|heav(?:y|ier)|light(?:er|weight)?", ("weight",)),
        ),
        "volume": ((r"holds?|holding|capacity|volume|fits?|tank", ("capacity", "volume", "tank")),),
        "length": (
            (r"screens?|displays?|diagonal|panel", ("screen", "display", "diagonal")),
            (r"long|length|longer|shorter", ("length", "long")),
            (r"wide|width|wider|narrower", ("width",)),
            (r"tall|taller|high|height|higher", ("height",)),
            (r"deep|deeper|depth|shallower", ("depth",)),
            (r"across|diameter", ("diameter",)),
            (r"thick|thicker|thinner|thin|thickness", ("thickness",)),
            (r"heels?", ("heel",)),
            (r"drop", ("drop",)),
        ),
        "data": (
            (r"ram", ("ram", "memory")),
            (r"storage|space|disk|drive|ssd", ("storage", "disk", "drive", "capacity")),
            (r"memory", ("memory", "ram", "storage")),
        ),
        "time": (
            (r"charg(?:es?|ing)", ("charg",)),
            (r"warrant\w+|guarantee\w*", ("warrant", "guarantee")),
            (r"battery|lasts?|lasting|run ?time|play ?time|playback|runs?", ("battery", "run", "play")),
        ),
    }.items()
}
PLAIN_WEIGHT = re.compile(r"weight")
NOT_PLAIN_WEIGHT = re.compile(r"capacity|load|maximum|max\b|user|supported")
NOT_AGE = re.compile(r"\bage\b|\bages\b")

# -- sizes ---------------------------------------------------------------------------------------------------------
SYSTEMS = {
    "us": "us", "usa": "us", "american": "us", "uk": "uk", "british": "uk", "eu": "eu", "eur": "eu", "euro": "eu",
    "european": "eu",
}  # fmt: skip
_SYSTEM = r"(?:eur?|euro|european|usa?|u\.s\.|american|uk|british)"
_WEARER = r"(?:(?:men|women|mens|womens|men's|women's|kids|kids'|youth|ladies)\s+)?"
_DIGITS = r"\d{1,3}(?:\.5)?(?![\w%]|[.,]\d|-[a-z])"
_SIZE = rf"(?:{_DIGITS}|(?:x{{0,4}}[sl]|[2-6]xl|m|nb|small|medium|large|x-?large|extra[\s-](?:large|small)|one size)(?![\w'-]))"
_ENDS = r"(?=\s*(?:$|[,.!?;\x00/)]|(?:or|and|please|in|for|under|below|with|but|shoes?)\b))"
_LIST = (
    rf"{_SIZE}(?:(?P<to@>\s*(?:-|to)\s*){_SIZE}|(?:\s*(?:/|\bor\b(?:\s+(?:an?|size))?)\s*{_SIZE}"
    rf"|\s*(?:,|\band\b)\s*(?:or\s+)?{_SIZE}{_ENDS})*)"
)
_LISTS = [_LIST.replace("@", name) for name in ("", "_before")]
_BEYOND = (
    r"(?:\s*(?:(?P<more>(?:or|and)\s+(?:up|larger|bigger|above|more|higher)\b|\+)"
    r"|(?P<less>(?:or|and)\s+(?:down|smaller|below|under|less)\b)))?"
)
# "Us" is also a word: "give us 3" speaks of no size.
_NOT_US = "".join(
    f"(?<!{word} )"
    for word in ("for", "give", "get", "show", "tell", "let", "of", "with", "help", "to", "and", "find", "send")
)
SIZE = re.compile(
    r"(?:\b(?:(?P<more_before>at least|min(?:imum)?|no smaller than)|(?P<less_before>at most|up to|max(?:imum)?"
    r"|no (?:bigger|larger) than))\s+)?"
    rf"\b(?:in |for |a |wear(?:ing)? |fits? )*(?:(?P<system>{_SYSTEM})\s+)?{_WEARER}(?:shoe |clothing )?"
    rf"sizes?\b\s*(?:is|:|=|of|in)?\s*(?:(?P<system_after>{_SYSTEM})\s*)?{_WEARER}(?P<value>{_LISTS[0]})"
    rf"(?:\s*\(?(?P<system_tail>{_SYSTEM})(?![a-z])\)?)?{_BEYOND}"
    rf"|\b(?:in |an? )*(?P<letter>(?:x{{1,4}}[sl]|[2-6]xl|[sml])(?![\w'-])){_BEYOND.removesuffix('?').replace('more', 'more_letter').replace('less', 'less_letter')}"
    rf"|{_NOT_US}\b(?P<system_before>{_SYSTEM})(?![a-z])\s*{_WEARER}(?:sizes?\s*)?(?=\d)(?P<before>{_LISTS[1]})"
    rf"(?!\s*(?:people|adults|kids|of|pieces?|pairs?)\b)"
    rf"|(?<![\w.$€£/-])(?P<tight>\d{{1,2}}(?:\.5)?)\s*\(?(?P<system_tight>{_SYSTEM})(?![a-z])\)?(?:\s+sizes?\b)?"
    r"|\b(?:in |size )*(?:w\s?(?P<waist>\d{2})|(?:waist|a waist of)\s+(?P<waist_of>\d{2})|(?P<waist_in>\d{2})(?:\"|[\s-]?inch)?"
    r"[\s-]waist)(?:[\s/x,]*(?:and |with )?(?:an? )?(?:l\s?(?P<leg>\d{2})|(?P<leg_in>\d{2})(?:\"|[\s-]?inch)?[\s-]"
    r"(?:length|leg|inseam)|(?:length|leg|inseam)\s+(?P<leg_of>\d{2})))?(?![\w.])"
)
# Two sizes without the word: read only where the catalog lists both for what the turn names.
BARE_SIZES = re.compile(
    r"(?:\bin (?:an? )?)?(?<![\w$€£.,/-])(?P<value>\d{2}(?:\.5)?\s*(?:\bor\b|/|,|(?P<to>-|\bto\b))\s*\d{2}(?:\.5)?)"
    r"(?=\s*(?:$|[,.!?;]|(?:please|in|for|under|below|with|but)\b))"
)
# "32x34" is a size of what comes in waists, and a measure of anything else.
WAIST_AND_LEG = re.compile(r"(?<![\w.])(?P<waist>\d{2})\s?[x/]\s?(?P<leg>\d{2})(?![\w.x/]|\s*(?:cm|mm|in\b|inch))")
SIZE_EXCLUDED = re.compile(r"(?:\bnot|\bno|n't want|\bexcept|\banything but)\s+(?:in |a |an )*$")
SHOES = re.compile(
    r"\b(?:shoes?|sneakers?|trainers?|boots?|sandals?|loafers?|heels|slippers?|footwear|clogs?|pumps|flats|cleats|runners)\b"
)

# -- told in passing -----------------------------------------------------------------------------------------------
_MONEY = r"(?:[$€£]\s?\d[\d.,]*\d|[$€£]\s?\d|\d[\d.,]*\s*(?:dollars|bucks|euros?|pounds|usd|eur|gbp)\b)"
# A clause goes on to its punctuation, or to words that turn to what is wanted now.
_REST = (
    r"(?:(?!\b(?:but|so|now|this time|instead|looking|i need|i want|i'd|we need|we want|can you|could you|show me|do you"
    r"|any|need|want|and (?:i|we|now|need|want)|which is why|to match)\b|\.(?!\d)|,(?!\d)|[;!?]).)*"
)
_KIN = (
    r"(?:my|our|his|her)\s+(?:wife|husband|mom|mum|mother|dad|father|son|daughter|kids?|brother|sister|friend|roommate"
    r"|boss|colleague|neighbou?r|girlfriend|boyfriend|partner|cousin|aunt|uncle)"
)
_OWNING = r"(?:i|we|he|she|they|" + _KIN + r"|a friend|someone)"
_OLD = r"(?:last|old|older|previous|current|existing|former|broken|first|other)"
ASIDES = (
    # "My last vacuum cost $300", "my current one is a 27 inch".
    re.compile(
        rf"\b(?:my|our|his|her|their)\s+{_OLD}\s+(?:[a-z-]+\s+){{0,4}}?(?:cost|costs|was|were|is|are|had|has|broke|died|came"
        rf"|ran|set|weigh(?:s|ed)|held|holds|lasted|gave|used)\b{_REST}"
    ),
    # "I paid $80 for it", "she bought a red one", "I had a Bose headset before", "we already have a black sofa".
    re.compile(
        rf"\b{_OWNING}\s+(?:(?:already|just|once|originally|recently|usually|always|only|'ve|have|had|has)\s+)*"
        r"(?:paid|spent(?! too| so)|bought|purchased|ordered|returned|owned|used to|saw|tried|got mine|got (?:a|an|the|my"
        rf"|one)\b(?! budget| max)|had (?:a|an|the|my|one|two)\b(?! budget| max)){_REST}"
    ),
    re.compile(
        rf"\b{_OWNING}(?:'ve| have)?\s+(?:(?:already|currently)\s+)?(?:have|has|own|owns|use|uses|got)\s+(?:already\s+)?"
        r"(?:a|an|my|the|one|two|some|several|that|this|these|those)\s+(?!(?:\w+\s+){0,2}(?:budget|max(?:imum)?|limit|dollars?"
        rf"|bucks|hundred|thousand|preference|size|gift card)\b|\d){_REST}"
    ),
    re.compile(rf"\bi already (?:have|own|got)\b{_REST}"),
    # "It was $60 last year", "used to be $99", "it's $30 at Costco", "I saw it for $45 elsewhere".
    re.compile(
        rf"\b(?:it|they|this|that|these|those|one|ones)\s+(?:was|were|cost|used to)\s+(?:[a-z]+\s+){{0,3}}{_MONEY}{_REST}"
    ),
    re.compile(rf"\bused to (?:be|cost|sell|go)\b{_REST}"),
    re.compile(
        r"\b(?:last|previous) (?:year|month|week|time|christmas|season|summer|winter)\b(?:'s)?(?:\s+(?:i|we|it|they|one"
        rf"|price|cost)\b{_REST})?"
    ),
    re.compile(
        rf"\b(?:it's|it is|they're|they are|sells?|selling|goes|available|listed|have it|seen|found|offers?)\b[^.;!?]*?{_MONEY}"
        r"\s+(?:at|on|from|in)\s+(?!(?:stock|black|white|red|blue|total|size|my|all|both|the most|least|most)\b)[a-z]+"
    ),
    # What the shop asked before, or asks as a rule.
    re.compile(
        r"\b(?:originally|regularly|normally|usually|down from|reduced from|marked down from|instead of|retails? (?:for|at)"
        rf"|(?:list|retail|regular|original|full|normal) price(?: of| is| was)?|msrp(?: of| is)?|rrp)\s*:?\s*{_MONEY}"
    ),
    # Money that is no product's price.
    re.compile(
        rf"(?:\b(?:a|an|my|the)\s+)?{_MONEY}\s+(?:off\b|(?:discount|coupon|voucher|gift ?cards?|store credit|credit|cash ?back"
        r"|rebate|shipping|delivery|postage|tax|deposit|refund|(?:a|per|each|every) (?:month|year|week)|monthly|yearly)\b)"
    ),
    re.compile(
        rf"\b(?:free |flat |your )?(?:shipping|delivery|postage|returns?|deliver|ship)\s+(?:[a-z]+\s+){{0,4}}{_MONEY}"
        rf"|\borders?\s+(?:of|over|above|under|below|from|worth)\s+(?:at least\s+)?{_MONEY}"
        rf"|\b(?:sav(?:e|es|ed|ing)|won|earn(?:ed)?|owe|tip|donate|(?:discount|coupon|voucher|refund) (?:of|for|worth))\s+{_MONEY}"
    ),
    # Questions about a price, not for one.
    re.compile(rf"\b(?:why|how come|how is it that)\b[^?.!;]*?{_MONEY}"),
    re.compile(
        rf"\b(?:is|are|isn't|would|does|seems?)\s+(?:it |this |that )?{_MONEY}\s+(?:(?:a|too|really|still|so|very|pretty)\s+)*"
        r"(?:good|fair|reasonable|much|lot|expensive|cheap|normal|okay|ok|typical|decent|high|low|worth|steep)\b"
    ),
    re.compile(rf"\b(?:price[\s-]?match|match (?:a |the )?price)\b{_REST}|\bworth (?:the )?{_MONEY}"),
)
# Money for several pieces, and words that say of how many: "two mugs for under $40", "3 for $30", "$40 for both".
TOTAL_BEFORE = re.compile(
    r"\b(?P<count>two|three|four|five|six|[2-9])\s+(?:of (?:them|these|those)\s+|(?:(?!persons?\b|packs?\b|pieces?\b|pairs?\b|sets?\b"
    r"|slices?\b|seats?\b|doors?\b|tiers?\b|cups?\b)[a-z'-]+\s+){0,2}?(?!packs?\b|pieces\b|pairs\b|sets\b|slices\b)[a-z'-]+s\s+)?"
    r"for\s+(?:[a-z]+\s+){0,4}$"
)
COUNT_BEFORE = re.compile(r"\b(?P<count>two|three|four|five|six|[2-9])\s+[a-z]")
TOTAL_AFTER = re.compile(
    r"\s*(?:in total|total|all together|altogether|together|combined|for (?:both|the (?:two|three|four|pair|lot)|all(?: of them)?))\b"
)
EACH_AFTER = re.compile(r"\s*(?:each|apiece|a ?piece|per (?:piece|item|unit|one)|a pop)\b")
# A brand, color or material that only says what something is like, goes with or comes from.
LIKE_BEFORE = (
    r"\b(?:similar(?:ly)? to|(?:just|something|anything|more|exactly|much|feels?|looks?|sounds?|works?) like"
    r"|(?<!would )(?<!i )(?<!we )(?<!you )(?<!'d )(?<!also )(?<!really )(?<!they )like|same as|comparable to|reminds? me of"
    r"|as [a-z]+ as|alternatives? to|equivalents? (?:to|of)|replac(?:e|es|ing)|replacements? (?:for|of)|inspired by"
    r"|compatible with|works? with|fits?(?: on| in)?|(?:cases?|covers?|bags?|accessor(?:y|ies)|parts?|made|designed) for"
    r"|compared (?:to|with)|(?!(?:oth|rath)er )(?:[a-z]{3,}er|better|worse|more [a-z]+|less [a-z]+) than|vs\.?|versus"
    r"|(?:switch|upgrad|com|mov|chang)(?:e|ed|ing|es)? (?:over )?from|(?:recommended|used|worn|owned|loved|followed) by)\s+"
)
LIKE_BRAND_BEFORE = re.compile(LIKE_BEFORE + r"(?:(?!but\b|only\b|and\b|under\b|not\b|in\b)[a-z'-]+\s+){0,4}$")
LIKE_VALUE_BEFORE = re.compile(
    LIKE_BEFORE + r"(?:(?:the|a|an|my|your|those|that|these|this|old|other|one|real|genuine)\s+)*$"
    r"|\b(?:my|our|their)\s+(?:new |old |favou?rite |own )?$"
    r"|\b(?:match(?:es|ing)?|go(?:es)? (?:well )?with|wear (?:it |them )?with|pairs? (?:well )?with|suits?|complements?"
    r"|next to|against|on)\s+(?:a|an|the|some|my|our|her|his|their)\s+$"
)
LIKE_BRAND_AFTER = re.compile(
    r"(?:'s)?[\s-](?:style|like|alternatives?|look-?alikes?|knock-?offs?|dupes?|clones?|compatible|equivalents?|quality"
    r"|level|owners?|users?|fans?|lovers?)\b"
)
# Words behind a color that make a thing of it, and that make one of words that are things themselves ("gold mining").
OF_THING_AFTER = re.compile(
    r"(?:-(?!colou?red|ish|and-|tone|hued|on\b)[a-z]|\s+(?:hair|haired|eyes?|eyed|skin|teeth|lips|walls?|floors?|stains?|wine"
    r"|tea|rice|beans?|pepper|onions?|cabbage|sugar|chocolate|bread|meat|noise|friday|whales?|bears?|foxe?s?|berr(?:y|ies)"
    r"|holes?|hat hackers?|magic)\b)"
)
THING_AFTER = re.compile(
    r"[\s-]+(?:min(?:es?|ing|ers?)|rush|pann(?:ing|er)|prospect\w*|bullion|bars?|coins?|nuggets?|medals?|members?|standard"
    r"|polish|cleaners?|lining|screens?|spoons?|ware|garden(?:s|ing)?|bush(?:es)?|water|oils?|hips?|petals?|plants?|seeds?"
    r"|trees?|wood|tea|wine|juic\w+|peel\w*|squeezers?|slic\w+|flavou?r\w*|scent\w*|fragrance|smell\w*|taste|extract"
    r"|essence|soap|candles?|pits?|pitters?|jars?|branch|dish|fillets?|treats|fishing|recipe|cheese|cakes?|makers?|leaves"
    r"|chocolates?|castles?|box|bag|timer|fields?|wire|pipes?|pruning|marmalade|soda|blossoms?|free)\b"
)
# What would be nice ranks: "preferably black", "black if possible".
SOFT_BEFORE = re.compile(
    r"\b(?:preferabl[ey]|ideally|hopefully|maybe|perhaps|possibly|bonus (?:points )?(?:if|for)|nice to have|would (?:love|prefer)"
    r"|i(?:'d| would)? prefer|(?:it )?would be (?:nice|great|a plus) (?:if|to))"
    r"(?:\s+(?:in|an?|the|from|by|it|its|it's|is|was|were|to be|be|made of|with|of|one|something|ones))*\s*$"
)
SOFT_AFTER = re.compile(
    r"\s*,?\s*(?:if (?:possible|you have (?:it|one|any|them)|available)|prefer(?:red|ably)|ideally|would be (?:nice|great|a plus|ideal"
    r"|lovely|good)|is (?:a plus|a bonus|preferred|ideal)|or (?:something )?similar|but not (?:required|necessary|a must))\b"
)
PLAINLY_COLOR_BEFORE = re.compile(
    r"\b(?:in|only|colou?r(?:ed)?|colou?r(?: is|:)|or|and|must be|not|bright|dark|light|pale|matte|shiny)\s+(?:an? |the )?$"
)
PLAINLY_COLOR_AFTER = re.compile(
    r"[\s-]*(?:$|[,.!?;)\x00]|(?:colou?r(?:ed)?|tone[sd]?|ones?|version|finish|plated|trim|or|and|please|under|below|size|with)\b)"
)
