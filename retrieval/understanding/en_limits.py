r"""English: the words around quantities and sizes; `en.py` has those around everything else, with the same conventions.

The same names are in `zh_limits.py`. Patterns run on lower-case text in which
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
    r"|cooler|weaker|dimmer) th[ae]n)"
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
    r"(?:\b(?:that|which|with|and|but|has|have|having|a|an|the|its|it|weigh(?:s|ing|t)?|holds?|holding"
    r"|runs?(?: for)?|lasts?|supports?"
    r"|can|will|for|diameter|length|width|height|depth|thickness|weight|carr(?:y|ies)|measur(?:es|ing)|of|is|are"
    r"|capacity|screens?|display|storage|memory|battery(?: life)?)\s+)+$"
)
TRAIL_AFTER = re.compile(
    r"\s+(?:of )?(?:storage|display|run ?time|torque|diameter|battery(?: life)?|memory|ram|space|capacity|weight"
    r"|power|wide|long|tall|high|deep|thick|across"
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
            (
                r"weight capacity|holds?|holding|supports?|load|carr(?:y|ies)|bears?|withstands?|rated",
                ("load", "capacity"),
            ),
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
    rf"|\b(?:in |an? )*(?P<letter>(?:x{{1,4}}[sl]|[2-6]xl"
    rf"|[sml])(?![\w'-])){_BEYOND.removesuffix('?').replace('more', 'more_letter').replace('less', 'less_letter')}"
    rf"|{_NOT_US}\b(?P<system_before>{_SYSTEM})(?![a-z])\s*{_WEARER}(?:sizes?\s*)?(?=\d)(?P<before>{_LISTS[1]})"
    rf"(?!\s*(?:people|adults|kids|of|pieces?|pairs?)\b)"
    rf"|(?<![\w.$€£/-])(?P<tight>\d{{1,2}}(?:\.5)?)\s*\(?(?P<system_tight>{_SYSTEM})(?![a-z])\)?(?:\s+sizes?\b)?"
    r"|\b(?:in |size )*(?:w\s?(?P<waist>\d{2})|(?:waist|a waist of)\s+(?P<waist_of>\d{2})|(?P<waist_in>\d{2})(?:\"|[\s-]?inch)?"
    r"[\s-]waist)(?:[\s/x,]*(?:and |with )?(?:an? )?(?:l\s?(?P<leg>\d{2})|(?P<leg_in>\d{2})(?:\"|[\s-]?inch)?[\s-]"
    r"(?:length|leg|inseam)|(?:length|leg|inseam)\s+(?P<leg_of>\d{2})))?(?![\w.])"
)
# Two sizes without the word: read only where the catalog lists both for what the turn names.
BARE_SIZES = re.compile(
    r"(?<![\w'-])(?P<letter>(?:x{0,3}[sl]|m)\s*(?:/|\bor\b)\s*(?:x{0,3}[sl]|m))(?![\w'-])"
    r"|(?<=, )(?P<single>[sml])(?=\s*(?:$|[,.!?]))"
    r"|(?:\bin (?:an? )?)?(?<![\w$€£.,/-])(?P<value>\d{2}(?:\.5)?\s*(?:\bor\b|/|,|(?P<to>-|\bto\b))\s*\d{2}(?:\.5)?)"
    r"(?=\s*(?:$|[,.!?;]|(?:please|in|for|under|below|with|but)\b))"
)
# "32x34" is a size of what comes in waists, and a measure of anything else.
WAIST_AND_LEG = re.compile(r"(?<![\w.])(?P<waist>\d{2})\s?[x/]\s?(?P<leg>\d{2})(?![\w.x/]|\s*(?:cm|mm|in\b|inch))")
SIZE_EXCLUDED = re.compile(r"(?:\bnot|\bno|n't want|\bexcept|\banything but)\s+(?:in |a |an )*$")
# A size up or down from the one that was said before.
STEP = re.compile(
    r"\b(?:(?:in|go|one|a|the|next|half a)\s+)*sizes?\s+(?:(?P<larger>up|larger|bigger)|(?P<smaller>down|smaller))\b"
    r"|\b(?:(?:in|one|a|the|next)\s+)*(?:(?P<larger_before>larger|bigger|next)|(?P<smaller_before>smaller))\s+size\b"
)
SHOES = re.compile(
    r"\b(?:shoes?|sneakers?|trainers?|boots?|sandals?|loafers?|heels|slippers?|footwear|clogs?|pumps|flats|cleats|runners)\b"
)
