r"""English: the words around conditions. A new language is this file, `en_limits.py` and `en_asides.py` again, as `zh….py`.

Patterns run on lower-case text in which understood spans are `\x00`. `…_BEFORE` patterns end at the value ("under " of
"under 50"), `…_AFTER` patterns start behind it. The name of the group that matched is the meaning.

It is long because it is the one list of what English says.
"""

from __future__ import annotations

import re

from retrieval.understanding.records import Recalled
from retrieval.understanding.text import word_set

_SAY = r"(?:\s*(?:the|a|an|like|say|just|only|of|about|around|roughly|price of|budget of|is|:|=)\b)*[\s:=]*"

# -- price ---------------------------------------------------------------------------------------------------------
_NEGATED_OVER = (
    r"(?:(?:\b(?:i|we)\s+)?(?:do|did|would|can|ca|could|wo|does|should|must)(?:n't| not|not)(?:\s+(?:want|wish|like"
    r"|need|plan)(?:\s+to)?|\s+wanna)?"
    r"|\b(?:not|nothing|never|no))\s+(?:to\s+)?(?:(?:spend|pay|go|be|cost|is|costs|that's|spending|paying|going)\s+)?"
    r"(?:over|above|beyond|past|more th[ae]n|higher than|exceed(?:ing)?|pricier than|greater than)"
)
_UNDER = (
    r"\b(?:under|below|beneath|underneath|less th[ae]n|lower than|cheaper than|fewer than|at (?:the )?"
    r"(?:very )?most|up to|upto|within|inside"
    r"|max(?:imum)?(?: price| budget| spend)?|capped at|cap of|limit(?:ed)?(?: of| to| is)?|ceiling of|sub"
    r"|not a (?:penny|cent|dollar) (?:more|over)(?: than)?)"
)
_OVER = (
    r"\b(?:(?:no|not) (?:less|lower|cheaper) than|(?:not|nothing) (?:under|below)|over|above|more than"
    r"|greater than|higher than|at least|min(?:imum)?(?: price| of)?|starting (?:at|from)|upwards of|north of|beyond)"
)
_BUDGET = (
    r"\b(?:(?:my|our|the|a|total|max|maximum)\s+)*(?:budget|price limit|price cap|spending limit|price range"
    r"|price point)(?:\s*(?:'s|is|of|would be|will be|to|at|now|only|just|:|=|-|from)(?![a-z]))*\s*"
    r"|\b(?:spend|spending|pay|afford|price(?:d)?(?: at| is| of)?|cost(?:s|ing)?)(?:\s+(?:only|just|like))?\s+"
)
PRICE_BEFORE = re.compile(
    r"(?:\b(?:(?:(?:my|a|the) )?(?:budget|price)(?: is| of| should be)?|it|that|which|is|are|be|stay|stays|keep"
    r"|keep it|costs?|costing|priced?|must|should|for|has to|have to)\s+)*(?:"
    rf"(?P<upper>(?:{_NEGATED_OVER}|{_UNDER}|<=?|≤)-?{_SAY})|(?P<lower>(?:{_OVER}|>=?|≥){_SAY})"
    r"|(?P<around>(?:\b(?:around|about|approximately|approx\.?|roughly|circa|close to|near|nearly|somewhere "
    r"(?:around|near|about)"
    rf"|in the region of|more like)|~)\s*(?:the )?\s*)|(?P<budget>{_BUDGET}))$"
)
PRICE_AFTER = re.compile(
    r"\s*(?:(?P<upper>(?:or|and) (?:less|under|below|cheaper|lower|down)\b(?!\s*[$€£¥]?\d)|max(?:imum)?\b|tops\b|at (?:the )?"
    r"(?:very )?most\b|limit\b|is (?:my|our|the) (?:(?:absolute |upper )?(?:limit|max(?:imum)?|ceiling|cap|budget)|most (?:i|we)"
    r"(?:'d| can| could| will| would| want to)? (?:spend|pay|go|afford|do)|most)\b)"
    r"|(?P<lower>(?:or|and) (?:more|above|over|up|higher|upwards?)\b(?!\s*[$€£¥]?\d)|\+|plus\b|minimum\b|at least\b)"
    r"|(?P<around>or so\b|-?ish\b|or thereabouts\b|more or less\b|give or take\b)|(?P<budget>budget\b))"
)
RANGE_BEFORE = re.compile(
    r"(?:\b(?:somewhere|anywhere|it|is|are|be|costs?|priced?|that|for)\s+)*\b(?:between|from|budget(?: is| of|'s"
    r"|:)?|spend|pay"
    r"|(?:price|cost)(?:s|d)?(?: is| are| of|:| range| between| from)*|range(?: is| of|:)?)[\s:]*(?:around |about )?$"
)
HAVE_BEFORE = re.compile(
    r"\b(?:for|have|got|with|spend|spending|pay|worth|afford|has)(?:\s+(?:only|just|a|max|like|maybe|exactly))*\s+$"
)
FROM_AMOUNT = re.compile(r"\bfrom\s+$")
STRONG_UPPER = re.compile(r"\b(?:under|below|less than|cheaper than|for max|up to)\s*$")
BUDGET_WORD = re.compile(r"\b(?:budget|price[sd]?|cost(?:s|ing)?|spend(?:ing)?|pay(?:ing)?|afford)\b")
AMOUNT_ENDS = re.compile(
    r"\s*(?:$|[\x00,;!?()\]\u3400-\u9fff]|\.(?!\d)|[-/]\s|(?:and|or|but|for|please|pls|plz|with|without|that|which"
    r"|if|total|each|apiece|max"
    r"|is|are|only|from|by|on|to|budget|price|range|thanks|thank|tops|now|today|altogether|including|so|not|no|any"
    r"|because|since|as|at|maybe|though|then|this|having|made|would|will|should|me|my)\b|in\s+\w)"
)
PLAIN_WORD_BEFORE = re.compile(r"(?:^|\s)[a-z]{3,}\s+$|[\u3400-\u9fff]\s*$")
UNIT_AFTER = re.compile(
    r"[\s-]*(?:k?g|grams?|kilo(?:gram)?s?|mg|lbs?|pounds?|oz|ounces?|[cmk]?m|met(?:er|re)s?|centimet(?:er|re)s?"
    r"|millimet(?:er|re)s?|inch(?:es)?"
    r"|in(?=\s*(?:$|[,.!?]))|ft|feet|foot|yards?|miles?|mi|l|lit(?:er|re)s?|ml|cl|gallons?|gal|cups?|quarts?|qt|w"
    r"|watts?|kw|v|volts?|amps?|m?ah|wh"
    r"|[mg]?hz|[kmgt]b|gigs?|gigabytes?|terabytes?|m?px?|megapixels?|hours?|hrs?|h|min(?:ute)?s?|sec(?:ond)?s?|s"
    r"|ms|days?|nights?|weeks?|months?"
    r"|years?|yrs?|yo|degrees?|[cf]|percent|pct|people|persons?|players?|kids|children|guests|users?|adults"
    r"|pieces?|pcs?|pc|packs?|counts?|ct"
    r"|stars?|reviews?|ratings?|votes?|mph|kmh|rpm|dpi|ppi|calories|kcal|cal|db|decibels?|lumens?|lm|lux|fps|nits"
    r"|x|times|bits?|ports?|cores?"
    r"|channels?|pockets?|speeds?|settings?|modes?|colou?rs|sizes|buttons?|seats?|seater|doors?|drawers?|shelves"
    r"|layers?|steps?|items?|products?"
    r"|options?|ones|things|units|sheets|pages|blades|keys|slots|levels|programs|functions|pairs?|sets?|bottles?"
    r"|boxes|thread|ply|tier|gen|am|pm|o'clock|th|st|nd|rd|of (?:them|those|these|it|each)|more|different)(?![a-z])"
)
COUNTED_BEFORE = re.compile(
    r"\b(?:kids?|child(?:ren)?|toddlers?|bab(?:y|ies)|infants?|boys?|girls?|ages?|aged|adults?|people|anyone"
    r"|teens?|teenagers?|sizes?|model"
    r"|version|generation|series|volume|level|page|part|pack of|set of|ratings?|rated|stars?|reviews?|battery"
    r"|capacity|weight|weighs?|weighing|power"
    r"|screen|resolution|speed|wattage|length|height|width|depth|diameter|storage|memory|ram|lasts?|years?|born"
    r"|room|bpa|mp|spf|numbers?|option|items?)"
    r"\s*(?:that (?:is|are)|of|is|are|who are|must be|should be)?\s*(?:under|over|below|above|between|from|up to"
    r"|at least|at most|older than|younger than|more than|less than|around|about)?\s*$"
    r"|\b(?:what|how|tell me|know|talk|think|question) about\s*$"
)

# -- rating, stock -------------------------------------------------------------------------------------------------
_STARS = r"(?P<value>[0-5](?:\.\d{1,2})?|one|two|three|four|five)"
_OR_MORE = r"(?:\s*(?:or|and)\s*(?:more|above|up|better|higher|over|upwards?)|\s*\+|\s+minimum)"
_LEAST = (
    r"(?:at least|(?:nothing|not) (?:under|below|less than|lower than)|no lower than|over|above|more than"
    r"|minimum(?: of)?|min\.?|no less than|not less than|better than|higher than"
    r"|>=?|≥)"
)
RATING = (
    re.compile(
        rf"\b(?:with |that (?:is|are|has|have) |has |have |rated |a |rating |ratings |of )*{_LEAST}\s*(?:a )?{_STARS}"
        rf"(?:\s+and a half)?[\s-]*(?:\+\s*)?stars?{_OR_MORE}?(?:\s+(?:rating|reviews?|rated))?\b"
    ),
    re.compile(
        rf"\b(?:with |rated |a |rating |of |only )*(?<![\d.]){_STARS}(?:\s?\+|\s+plus)?[\s-]*stars?(?:\s+(?:rating"
        rf"|rated))?"
        rf"(?:{_OR_MORE}|(?<=\+\sstars)|(?<=\+\sstar)|(?<=\+stars)|(?<=\+star)|\s+only\b)(?:\s+(?:rating|reviews?))?"
    ),
    re.compile(rf"(?<![\d.]){_STARS}\s?\+\s?stars?\b"),
    re.compile(
        rf"\b(?:with |a |an |average |customer |user |minimum |min )*(?:ratings?|rated|scored?|review score)\s*"
        rf"(?:of |is |at |to |be |must be |should be |:\s?)*"
        rf"(?P<cue>{_LEAST})?\s*{_STARS}(?![\d,]|\.\d|\s*(?:k|people|times|watts?|w|v)\b)(?:\s*(?:stars?|/\s*5"
        rf"|out of (?:5|five)))?{_OR_MORE}?"
    ),
)
STARS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
IN_STOCK = re.compile(
    r"(?<!not )(?<!n't )\b(?:(?:and|but|that|which|is|are|only|must be|should be|has to be|have to be|currently"
    r"|what's|what is|available)\s+)*"
    r"(?:in[\s-]stock|available (?:now|today|immediately|right now|for immediate delivery)|(?:currently"
    r"|immediately) available|ready to ship|ships? "
    r"(?:now|today|immediately)|not (?:sold out|out of stock)"
    r"|no (?:pre-?orders?|back-?orders?)|not (?:on )?(?:back-?order(?:ed)?|pre-?order))(?:\s+(?:only|right now|now"
    r"|items?|products?))?\b"
)
STOCK_ASKED = re.compile(
    r"\b(?:is|are)\s+(?:(?:it|this|that|they|these|those|both)\b|the\s+(?!re)[^?!.]{1,40}?)[^?!.]{0,20}\b"
    r"(?:in stock|ideally|preferably|if possible|available|sold out)\b"
    r"|\bstill (?:in stock|ideally|preferably|if possible|available)\b|\bhow many (?:are )?(?:left|in stock)"
    r"|\bare (?:any|all|both|some) of (?:these|those|them)\b[^?!.]{0,20}\b(?:in stock|ideally|preferably"
    r"|if possible|available)\b|\bdo you (?:still )?have (?:it|this|that|them)\b"
)

# -- lifting, sorting, relative ------------------------------------------------------------------------------------
FIELDS: dict[str, str] = {
    word: field
    for field, words in (
        ("price", ("price", "prices", "budget", "cost", "money", "price limit", "price range")),
        ("brand", ("brand", "brands", "make", "manufacturer")),
        ("color", ("color", "colour", "colors", "colours")),
        ("size", ("size", "sizes")),
        ("material", ("material", "materials", "fabric")),
        ("rating_min", ("rating", "ratings", "reviews", "stars")),
        ("availability", ("stock", "availability")),
        ("categories", ("category", "department")),
    )
    for word in words
}
_FIELD = "|".join(sorted((re.escape(word) for word in FIELDS), key=len, reverse=True))
FIELD_WORD = re.compile(_FIELD)
_FIELD_LIST = rf"(?P<fields>(?:{_FIELD})\b(?:\s*(?:,|or|and|nor|/)\s*(?:the |any )?(?:{_FIELD})\b){{0,3}})"
LIFT = (
    re.compile(
        rf"\b(?:any|whatever|whichever|every|all|no matter (?:the|which|what)|regardless of (?:the )?"
        rf"|irrespective of (?:the )?)\s*{_FIELD_LIST}(?!\s+(?:but|except|besides|other than|apart from)\b)"
        r"(?:\s*(?:is|are|would be|will be|'s|can)?\s*(?:fine|ok|okay|good|great|works?|will do|do|alright"
        r"|acceptable|possible)\b)?(?:\s+(?:with|by|for) me\b)?"
    ),
    re.compile(
        rf"\b(?:the |my )?{_FIELD_LIST}\s*(?:(?:does|do)(?:n't| not|nt)\s+(?:really\s+)?matter|(?:is|are)(?:n't"
        rf"| not)\s+(?:a |an |that |so )?(?:problem|issue"
        r"|important|concern|big deal|matter)|is no (?:object|issue|problem)|(?:is|are) (?:unimportant|irrelevant"
        r"|flexible|open|up to you|not relevant)|can be (?:anything|any|whatever)|is whatever)\b"
    ),
    re.compile(
        rf"\b(?:i |we )?(?:do|does)(?:n't| not|nt)\s+(?:really\s+)?(?:care|mind|worry|have a preference|bother)\s*"
        rf"(?:about|for|on|which|what|with)?\s*(?:the |my |which |what |its )*{_FIELD_LIST}(?:\s+it is)?"
    ),
    re.compile(
        r"\b(?:forget|ignore|drop|remove|skip|lift|never\s?mind|scrap|disregard|clear|delete|lose|cancel|reset"
        r"|without|relax)\s+(?:about\s+)?"
        rf"(?:the |my |any |that )*{_FIELD_LIST}(?:\s+(?:limits?|filters?|requirements?|constraints?|restrictions?"
        rf"|conditions?|range|cap))?\b"
    ),
    re.compile(
        rf"\b(?:no|without(?: a| any)?|not? particular)\s+{_FIELD_LIST}\s+(?:limits?|restrictions?|preferences?"
        rf"|constraints?|requirements?|cap|filter)\b"
    ),
)
OTHER = re.compile(
    rf"\b(?:an?other|(?:any|some|all) other|(?:a )?different|other)\s+{_FIELD_LIST}"
    r"(?:\s+(?:than (?:that|this|these|those)|instead))?"
)
LIFT_ALL = re.compile(
    r"\b(?:start(?:ing)? (?:over|again|fresh|from scratch)|reset(?: (?:everything|all|the search|filters?"
    r"|the filters?))?"
    r"|(?:clear|remove|drop|forget|lift|delete|cancel) (?:everything|all(?: of)?(?: (?:that|this|them|the|my"
    r"|filters?|conditions?|constraints?|criteria))*"
    r"|(?:the |my )?(?:filters|conditions|constraints|criteria))|no filters)\b"
)
LIFT_VALUE_BEFORE = re.compile(
    r"\b(?:(?:do|does|need|has|have)(?:n't| not) (?:need|have) to be|needn't be|not necessarily|does(?:n't"
    r"| not) have to come|no need for(?: it to be)?"
    r"|forget(?: about)?|never\s?mind)\s+(?:in |from |by |a |the |made of )?$"
)
LIFT_VALUE_AFTER = re.compile(r"\s*(?:filter|condition|requirement|restriction|constraint|limit)s?\b")
SORT: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "price_desc",
        re.compile(
            r"\b(?:the )?(?:most expensive|priciest|dearest|most premium|highest[\s-]pric(?:ed?|es?)|(?:(?:sort"
            r"|order|rank)(?:ed)? )?(?:by )?(?:price )?"
            r"(?:\(?(?:from )?high(?:est)? to low(?:est)?\)?|descending))(?:\s+(?:price )?first)?(?:\s+ones?)?\b"
        ),
    ),
    (
        "price_asc",
        re.compile(
            r"\b(?:the )?(?:cheapest|cheep?est|least expensive|most affordable|most inexpensive|lowest[\s-](?:pric"
            r"(?:ed?|es?)|cost)|cheap(?:er)? first"
            r"|(?:(?:sort|order|rank)(?:ed)? )?(?:by )?(?:price )?(?:\(?(?:from )?low(?:est)? to high(?:est)?\)?"
            r"|ascending)|(?:sort|order|rank)(?:ed)?(?: (?:them|these|it|results?))? by (?:price|cost))(?:\s+"
            r"(?:price )?first)?(?:\s+(?:ones?|options?))?\b"
        ),
    ),
    (
        "rating",
        re.compile(
            r"\b(?:the )?(?:(?:best|top|highest|most highly)[\s-](?:rated|reviewed|ratings?|reviews?|scor(?:ed"
            r"|ing))|most stars|most loved"
            r"|(?:sort|order|rank)(?:ed)?(?: (?:them|these|it|results?))? by (?:ratings?|reviews?|stars?|score))"
            r"(?:\s+first)?(?:\s+(?:ones?|options?))?\b"
        ),
    ),
    (
        "newest",
        re.compile(
            r"\b(?:the )?(?:newest|latest|most recent|new arrivals?|just (?:released|arrived|in)|recently added"
            r"|(?:sort|order|rank)(?:ed)?(?: (?:them|these|it|results?))? by (?:date|newest|age|release date))"
            r"(?:\s+first)?(?:\s+(?:ones?|options?))?\b"
        ),
    ),
)
_MORE = (
    r"(?:\b(?:any|anything|something|some|a|bit|little|tad|lot|much|even|way|slightly|ones?|for|in|get|it|go"
    r"|show me|have|still|make|one|is|that's|it's|they're|those are|are|these|but|i'd like|option)\s+)*"
)
RELATIVE: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "pricier",
        re.compile(
            _MORE + r"\b(?:more (?:expensive|premium|upscale|luxurious|high[\s-]end)|pricier|dearer|higher[\s-]"
            r"(?:priced?|end|budget)|fancier"
            r"|(?:bigger|larger|higher|raise|increase|up)(?: (?:the|my))? budget|can (?:spend|pay|afford) (?:a "
            r"(?:bit|little) )?more|too cheap"
            r"|budget (?:is|can be) (?:bigger|higher|larger)|spend (?:a (?:bit|little) )?more)\b(?:\s+(?:ones?"
            r"|options?|than (?:that|this|those|these)))?"
        ),
    ),
    (
        "cheaper",
        re.compile(
            _MORE + r"\b(?:cheaper|less (?:expensive|pricey|costly|money)|lower[\s-](?:priced?|cost|budget|end)|more "
            r"(?:affordable|economical|reasonable"
            r"|budget[\s-]friendly|reasonably priced)|(?:(?:way |far |a bit |a little |little |bit )*too|so|rather"
            r"|a bit|quite) (?:expensive|pricey|costly|much money"
            r"|dear)|not (?:so|that|as|too) (?:expensive|pricey)|(?:smaller|reduce|lower|decrease)(?: (?:the"
            r"|my))? budget|over (?:my )?budget"
            r"|(?:can't|cannot|can not) afford (?:it|that|this|them|those))\b(?:\s+(?:ones?|options?|alternatives?"
            r"|than (?:that|this|those|these)))?"
        ),
    ),
)

# -- references, quantity ------------------------------------------------------------------------------------------
ORDINALS = {
    word: value
    for value, words in enumerate(
        ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th", "seventh 7th", "eighth 8th",
         "ninth 9th", "tenth 10th"),
        start=1,
    )
    for word in words.split()
} | {"last": -1, "final": -1, "former": 1, "latter": 2}  # fmt: skip
_ORD = "|".join(sorted(ORDINALS, key=len, reverse=True))
_COUNT = r"(?:two|three|four|five|six|2|3|4|5|6)"
_THING = (
    r"(?:ones?|items?|products?|options?|choices?|results?|models?|cards?|suggestions?|picks?|recommendations?"
    r"|articles?|entr(?:y|ies))"
)
_NOT_TIME = r"(?!\s+(?:weeks?|days?|months?|years?|hours?|nights?|times?|seasons?|minutes?)\b)"
FIRST_N = re.compile(
    rf"\b(?:the\s+)?(?:very\s+)?(?:first|top)\s+(?P<count>{_COUNT})\b{_NOT_TIME}(?:\s+{_THING})?(?:\s+of (?:them"
    rf"|those|these))?"
)
LAST_N = re.compile(
    rf"\b(?:the\s+)?(?:last|final)\s+(?P<count>{_COUNT})\b{_NOT_TIME}(?:\s+{_THING})?(?:\s+of (?:them|those|these))?"
)
ORDINAL_LIST = re.compile(
    rf"\b(?:the\s+)?(?P<list>(?:{_ORD})(?:\s+{_THING})?(?:\s*(?:,|and|or|vs\.?|versus|with|to|&|from|,\s*and|than"
    rf"|against)\s*(?:the\s+)?(?:{_ORD})\b(?:\s+{_THING})?)+)"
)
ORDINAL_WORD = re.compile(rf"\b(?:{_ORD})\b")
ORDINAL_ONE = re.compile(
    rf"\b(?:(?:the|that|this|your)\s+)?(?P<ordinal>{_ORD})\s+(?:{_THING})\b(?:\s+of (?:them|those|these))?"
    rf"|\b(?:the|number)\s+(?:very\s+)?(?P<bare>{_ORD})(?=\s*(?:$|[?!.,;:\x00)]|'s\b|(?:is|are|was|has|have|does"
    rf"|do|can|will|looks?|comes?|in|and|or|with|to|for|please"
    r"|from|into|but|seems?|sounds?|costs?|again|too|instead|if|vs|you|of (?:them|those|these))\b))"
    rf"|\b(?:is|are|was|does|has|can|will)\s+the\s+(?P<asked>{_ORD})\b"
    r"(?!\s+(?:hand|aid|party|generation|edition|class|time|floor|person|grade|year|version)\b)"
    rf"|(?:^|\x00|\bcompare\s|\badd\s|\btake\s|\bbuy\s)\s*(?P<lone>{_ORD})(?=\s*(?:$|[?!.,]|please\b))"
)
# "The second tent", where tents were shown: the word behind the position is checked against what the talk was about.
ORDINAL_NOUN = re.compile(rf"\b(?:the\s+)?(?P<ordinal>{_ORD})\s+(?=(?P<noun>[a-z]+(?:\s[a-z]+){{0,2}}))")
_SHOWN = r"(?:showed|shown|had|have shown|recommended|suggested|gave|mentioned|listed|offered|found)"
RECALLED: tuple[tuple[Recalled, re.Pattern[str]], ...] = (
    (
        "first",
        re.compile(
            rf"\b(?:that |which )?(?:you|u|we) (?:'ve |have )?{_SHOWN}(?: me| us)? (?:at )?(?:first"
            r"|(?:in|at|from) the (?:very )?(?:beginning|start)"
            r"|to (?:begin|start) with|initially|originally)\b|\b(?:in|at|from) the very (?:beginning|start)\b"
            rf"|(?<=first one)\s+(?:that )?you (?:'ve |have )?{_SHOWN}(?: me| us)?(?:\s+(?:before|earlier))?\b(?! (?:now|just))"
        ),
    ),
    (
        "earlier",
        re.compile(
            rf"\b(?:that |which )?(?:you|we) (?:'ve |have )?(?:{_SHOWN}|looked at|saw|talked about|were looking at)(?: me| us)?"
            r" (?:before(?: that| this| these)?|earlier|previously|last time)\b"
            r"|\bfrom (?:before|earlier|the (?:previous|earlier|last|other) (?:list|page|results?|batch|ones|set|slate))\b"
            r"|\b(?:in|on|of) the (?:previous|earlier|last) (?:list|page|results?|batch|slate)\b"
        ),
    ),
)
# What says nothing that "that" does not.
JUST_NOW = re.compile(
    rf"\b(?:that |which )?(?:you|u) (?:just |'ve |have )*{_SHOWN}(?: me| us)?(?: just now| above)?\b"
    r"(?=\s*(?:$|[\x00?.!,]|is|are|in|to))"
)
NUMBERED = re.compile(
    r"(?:\b(?:number|no\.?|nr\.?|option|item|choice|result|product)\s*#?|#)\s*(?P<numbers>(?:\d{1,2}|one|two|three"
    r"|four|five|six|seven|eight|nine|ten)"
    r"(?![\w.,]*\d|\s*(?:inch|mm|cm|kg)|[a-z-])(?:\s*(?:,|and|or|vs\.?|with|&|to)\s*(?:number|no\.?|option|item"
    r"|#)?\s*(?:\d{1,2}|one|two|three|four|five)(?![\w.]))*)"
)
COMPARED = re.compile(
    r"\b(?:compare|difference between)\s+(?P<numbers>1?\d\s*(?:,|and|with|to|vs\.?|versus|&)\s*1?\d(?:\s*(?:,"
    r"|and)\s*1?\d)?)(?=\s*(?:$|[?!.,]|please))"
    r"|(?:^|[,:?]|\bnumber)\s*(?P<pair>1?\d\s*(?:or|vs\.?|versus)\s*1?\d)(?=\s*[?!.]*\s*$)"
)
BOTH = re.compile(
    r"\b(?:both(?:\s+of\s+(?:them|these|those))?|(?:these|those|the|them)\s+two|either(?:\s+one|\s+of\s+(?:them"
    r"|these|those))|the pair of them)\b(?!\s+(?:of|weeks|days))"
)
COMPARES = re.compile(r"^\W*(?:and |so |but )?(?:is|are|which|what)\b")
ALL_N = re.compile(
    rf"\b(?:(?:all|these|those|the)(?:\s+of)?(?:\s+(?:these|those|the))?)\s+(?P<count>three|four|five|3|4"
    rf"|5)\b{_NOT_TIME}(?:\s+{_THING})?(?=\s*(?:$|[?!.,]|of|in|is|are|to|please|and))"
)
DEIXIS = re.compile(
    rf"\b(?:(?:this|that|the same|said)\s+(?:very\s+)?(?:{_THING})\b|(?:these|those)\b(?!\s+(?:days|who|times))|them\b"
    r"|(?<!make )(?<!keep )(?<!is )it\b(?!\s*(?:'s|is)\s+(?:for|a gift|ok|okay|fine|raining|cold|possible"
    r"|important|my|his|her)\b)(?!\s+(?:does(?:n't| not) matter|should|must|has to"
    r"|needs? to be|can be|doesn't need|could be|would be|depends))|(?<=is )it\b(?!\s+(?:possible|ok|okay|true"
    r"|safe to|raining|for))|its\b|it's\b(?!\s+(?:for|a|an|ok|okay|fine|my|his|her|not))"
    r"|(?:about|of|for|with|take|buy|add|want|like|get|order|remove|than)\s+(?:this|that)\b(?=\s*(?:$|[?!.,]))|"
    r"(?:^|[.,!?]\s*)(?:is|does|has|can|will|how much is|what is|are)\s+(?:this|that)\b"
    r"|(?:this|that)\s+(?:is|has|comes|looks)\b)"
)
REFERENT = re.compile(
    rf"\b(?P<which>the|that|this|those|these)\s+(?P<gap>[\x01\s,a-z-]{{0,40}}?)\s*(?P<thing>{_THING})\b"
)
_NUM = r"(?P<count>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|a couple|a dozen)"
QUANTITY = (
    re.compile(
        rf"\b(?:add|take|buy|get|want|need|order|purchase|grab|have|give me|make it|make that|put|like)\s+(?:me\s+"
        rf"|another\s+|in\s+)?{_NUM}"
        r"(?=\s*(?:$|[,.!?\x00]|(?:of|to|more|in|into|pcs|pieces?|units?|copies|please|from|for my|for us"
        r"|total)\b))(?:\s*(?:pcs|pieces?|units?|copies|more)\b)?(?:\s+of\b)?"
    ),
    re.compile(rf"\b{_NUM}\s*(?:pcs|pieces|units|copies|x)?\s*of\s+(?=(?:them|those|these|it|that|this|the)\b|\x00)"),
    re.compile(rf"\b{_NUM}\s*(?:pcs|units|copies)\b(?!\s+set)(?:\s+of\b)?"),
    re.compile(
        r"\b(?:qty|quantity)\s*(?::|=|of|is|to)?\s*(?P<count>\d{1,2})\b|(?:^|\s|\x00)[x×]\s?(?P<times>\d{1,2})"
        r"(?=\s*(?:$|[,.!?]))"
    ),
)
COUNT_WORDS = {"a couple": 2, "a dozen": 12}

# -- conditions on the catalog's own values ------------------------------------------------------------------------
_ARTICLE = (
    r"(?:(?:any|the|a|an|some|more|in|from|by|with|of|made of|made from|made with|containing|brand|to be|being|for"
    r"|pure|real|genuine|100 ?%"
    r"|color|colour|it)\s+)*"
)
EXCLUDE_BEFORE = re.compile(
    r"(?:(?<!if )(?<!why )(?<!whether or )\bnot(?!\s+(?:only|just|sure))|\bno\b(?!,)|\bwithout\b|\bnon\b-?|(?:do"
    r"|does|did|would|wo|ca|is|are|should|must)n'?t(?:\s+(?:want|like|need|care for|wear|eat|buy|be"
    r"|have|contain|include|show me|give me))?|\b(?:do|does|would|can) not(?:\s+(?:want|like|need|contain|include"
    r"|be|have))|\bcannot be|\bexcept(?:\s+for)?|\bexclud(?:e|ing)|\banything but|\beverything but"
    r"|\b(?:any|every|all)(?:\s+(?:brands?|colou?rs?|sizes?|materials?|kinds?|types?))?\s+(?:but|except)"
    r"|\bother than|\bbut not|\bavoid(?:ing)?|\bminus|\bnever"
    r"|\bnothing|\binstead of|\brather than|\ballergic to|\bhates?|\bdislikes?|\bapart from|\baside from|\bskip"
    r"|\bneither|\bnor|\bsans|\bcan(?:'t|not) stand|\bnot (?:a fan of|into|looking for|interested in|keen on)"
    r"|\b(?:steer|stay|keep) (?:clear of|away from)|\bsick of|\brid of|\bnone of|\bnone|\bleave out|\bomit|\bremove)[\s-]*"
    + _ARTICLE
    + r"\s*$"
)
EXCLUDE_AFTER = re.compile(
    r"\s*(?:-free\b|\s+free\b(?=\s*(?:$|[,.!?]))|\s+(?:is|are) (?:out|not ok|not okay|no good|a no-go)\b|\s*"
    r"(?:\?\s*)?no\s*(?:thanks|way|thank you)\b)"
)
CONDITION_BEFORE = re.compile(
    r"(?:\b(?:only(?: (?:buy|buying|trust|wear|use|consider|shop|go with|looking (?:for|at)|interested in|show(?: me)?))?"
    r"|just|exclusively|strictly|specifically|nothing but|must be|must have|must come (?:in|with)|must include"
    r"|must|ha(?:s|ve) to (?:be|have|come with)"
    r"|should be|needs? to (?:be|have)|got to be|gotta be|it to be|them to be|(?:i|we) want(?:ed)? (?:it|them|one|ones)"
    r"|make (?:it|that|them)|i meant?|limit(?:ed)? to|stick to|restrict(?:ed)? to)\b)\s*" + _ARTICLE + r"\s*$"
)
FROM_BEFORE = re.compile(r"\b(?:from|by|made by|brand(?:ed)?(?: is|:| name)?|the brand)\s*:?\s*$")
IN_BEFORE = re.compile(
    r"\b(?:in|color(?:ed)?|colour(?:ed)?|in (?:the )?colou?r|colou?r(?: is|:)|come in|available in)\s*:?\s*(?:a "
    r"|an |the )?$"
)
MADE_BEFORE = re.compile(
    r"\b(?:made (?:of|from|out of|with|in)|in|material(?: is|:| of)?|fabric(?: is|:)?)\s*:?\s*(?:a |real |genuine "
    r"|pure )?$"
)
SIZE_BEFORE = re.compile(
    r"\b(?:in (?:a )?|a )?(?:sizes?|sized|us size|eu size|uk size)\s*(?:is|:|of|=)?\s*(?:us|eu|uk)?\s*$|\bin\s+"
    r"(?:an?\s+)?$|\bwear(?:ing)?\s+(?:an?\s+)?$|\b(?:i am|i'm)\s+(?:an?|size)\s+$"
)
DEPARTMENT = re.compile(r"\s+(?:category|department|section|aisle)\b")
DEPARTMENT_BEFORE = re.compile(
    r"\b(?:category|department|section)\s*(?:is|:|of|=)?\s*$|\b(?:in|from|under|within)\s+(?:the\s+|your\s+)?$"
)
CONDITION_AFTER = re.compile(
    r"\s+(?:brands? )?(?:only|exclusively|or nothing|please only)\b|\s*,?\s*(?:and )?nothing else\b"
)
JOIN = re.compile(
    r"\s*(?:,\s*)?(?:,|/|&|\+|\b(?:or|and|nor|and also|or maybe|and/or)\b)\s*(?:the |in |any |a |an |no |from "
    r"|by )?\s*"
)
ADDING = re.compile(
    r"(?:^|[,.!?]\s*|\bbut\s|\band\s|\bno,?\s)(?:also|or|and also|plus|as well as|additionally|include)\b|\b(?:too"
    r"|as well|is (?:also )?(?:fine|ok|okay|good) too)\s*[.!?]*$|\balso (?:fine|ok|okay|show|include|in|from)\b"
)
WITHOUT = re.compile(
    r"\b(?:without|with no|has no|have no|having no|w/o|free of|(?:do|does)(?:n't| not) (?:have|contain|include"
    r"|come with))\s+(?:any |a |an |the |those |these |that )*(?P<term>[a-z][a-z'-]{2,}(?:\s+[a-z][a-z'-]{2,})?)"
    r"|(?:^|[,;]\s*|\b(?:and|but|with|please)\s+)no\s+(?P<no>[a-z][a-z'-]{2,}(?:\s+[a-z][a-z'-]{2,})?)(?=\s*(?:$"
    r"|[,.!?;]|please|and|or))"
)
WITHOUT_STOPS = word_set(
    """
    problem problems thanks thank idea rush need matter preference preferences limit limits budget one more way
    worries longer doubt clue luck hurry thing things chance question questions reason other others such that
    this filter filters restriction sale deal use good any the cost shipping tax charge fee fees having being
    spending going breaking paying buying sacrificing compromising worry nope sir mam offence offense kidding
    joke account registration login risk delay hassle issues issue really
    """
)
WITHOUT_ENDS = word_set(
    """
    and or but for please under below in that which with to at is are on from over because if so as
    """
)

# -- question, filler ----------------------------------------------------------------------------------------------
QUESTION = re.compile(
    r"\?|^\s*(?:and |so |ok |okay |but |hey |hi )*(?:what|what's|whats|how|is|are|does|do|can|could|which|will"
    r"|would|tell me|when|where|who|has|have)\b|\bits\b|\bhow (?:much|long|big|heavy|many|good|tall|wide)\b"
)
FILLER_WORDS = word_set(
    """
    compare difference else none others remove delete change stock available much many tell
    take about which add cart basket put bit i i'd i'm i'll im
    id ill we you your me my it its it's that this these those them they the a an any some something anything
    one ones one's like want wants wanted need needs looking look for to of in on at by from with is are be been am
    was would could can should will do does did don't have has had got get give show see find please pls plz ok
    okay yes yeah yep no nope not well so um uh hmm oh and or but then now just only maybe perhaps actually
    really rather instead what what's how there's there here let's let say make think prefer preferably better
    also too as if possible thanks thank thx hi hello hey budget price range cost costs spend spending pay max
    maximum around anywhere somewhere still more go going keep same than kind sort type options option products
    product items item results sorry mean meant thing things when who ones' all out up stuff whats wait
    """
)
_LEAD = (
    r"tell me (?:more )?about|(?:i'll|i will|let me) (?:take|have|get|buy)|compare|the difference between"
    r"|difference between|hi(?: there)?|hello(?: there)?|hey(?: there)?|good (?:morning|afternoon|evening)|ok"
    r"(?:ay)?|yes|yeah|yep|no|nope|well|so|um+|uh+|hm+|oh|please|pls|plz|thanks|thank you|actually|and|but|or|then"
    r"|now|sorry|maybe|perhaps|just|also|what about|how about|what(?:'s| is) (?:the|a|your)|which(?: is| are)?(?: the"
    r"| your)?|on"
    r"|(?:it |they )?(?:should|must|has to|have to|needs? to) have|to spend(?: on)?|ideally|preferably|add|put|"
    r"(?:i )?mean(?:t)?|remove|delete|take out|change|update|excuse me|quick question|can you help me(?: (?:find"
    r"|choose|pick))?|help me (?:find|choose|pick|get)"
    r"|i(?: was|'m|m| am|'ve been) (?:just )?(?:wondering if|looking(?: to (?:buy|get|find|purchase))?|searching"
    r"|shopping|hunting|in the market|interested in|after)(?: for)?"
    r"|(?:i|we)(?:'d| would|d) (?:really )?(?:like|love|prefer|want)(?: to (?:buy|get|see|find|order|purchase|have"
    r"|look at))?|(?:i|we) (?:really |just |only |still |also )?(?:want|need|wanna|prefer|require|wish)(?: to "
    r"(?:buy|get|see|find|order|purchase|have|look at))?"
    r"|(?:can|could|would|will) (?:you|u|i|we)(?: please| also| just)? (?:show|find|get|recommend|suggest|see|give"
    r"|have|help|tell|search|look|buy|pull up|bring)(?: me| us)?(?: for| up| about)?"
    r"|(?:do|does|did) (?:you|u|ya|your shop|the shop|your store)(?: guys| all| also| still| even| maybe"
    r"| by any chance)? (?:have|sell|carry|stock|offer|got|know|do|recommend)(?: of)?"
    r"|have you(?: guys)? (?:got|any)|you (?:have|got|sell)|got|any chance of|are there|is there|there(?:'s| is"
    r"| are)|show(?: me| us)?|find(?: me| us)?|search(?: for)?|look(?:ing)? (?:for|up|at)|give me|get me|bring me"
    r"|recommend(?: me)?|suggest(?: me)?|let me see|let's see|i'd take|let's go with|in search of|need|want|buy"
    r"|looking|shop for|browse|list|display|see|find|where (?:can i|do i) (?:find|get|buy)"
    r"|any|some|something|anything|a few|a couple of|a|an|the|ones?|something like|more|other|another|different"
    r"|good|my|our|for me|me|it|them|like|i|to be|it'?s|is|are|be|all|of|for|in|with|from|by|that|which"
)
LEAD = re.compile(rf"[\s\x00,.!?;:)-]*\b(?:{_LEAD})(?=[\s\x00,.!?;:]|$)(?!-)")
_TAIL = (
    r"(?:in |to )?(?:my |the )?(?:cart|basket)|in stock|ideally|preferably|if possible|please|pls|plz|thanks"
    r"|thank you|thx|if possible|if you (?:have|can|could)(?: (?:it|them|one|any))?|for me|to me|ones?|with|and"
    r"|but|or|in|for|from|by|that(?:'s| is| are)?|which(?: is| are)?|is|are|be|at|of|the|a|an|only"
    r"|to buy|to get|you (?:have|sell|got|carry)|do you have|do you sell|in (?:your|the) (?:shop|store)|right now"
    r"|now|then|instead|too|as well|maybe|must be|should be|must|should|something|anything|on|costs?|priced?|any"
    r"|it|them|to|options?"
    r"|available|also|not|no|just|there|out there|i guess|i think|or something|or so|or anything|would be (?:great"
    r"|nice|good)|it should be|it must be|and it|it"
)
TAIL = re.compile(rf"(?:(?<=[\s\x00,.!?;:])|^)(?:{_TAIL})[\s\x00,.!?;:]*$")
BEFORE_CLAIM = re.compile(
    r"(?:(?<=[\s\x00,.;:!?])|^)(?:(?:and|but|in|with|for|that is|that are|which is|which are|that's|is|are|be|at"
    r"|of|by|from|must be|should be|that costs?|costing|costs?|priced?|or|it should be|it must be|the|a|an|i want"
    r"|to be|has|have|having)\s*)+(?=\x00)"
)
