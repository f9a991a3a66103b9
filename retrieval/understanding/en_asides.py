r"""English: what is told in passing, likened, or would be nice; none of it is a condition.

The same names are in `zh_asides.py`. Money is what carries a currency; patterns run on lower-case text.
"""

from __future__ import annotations

import re

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
        rf"\b(?:it's|it is|they're|they are)\s+(?:only |just |about |around )?{_MONEY}\s+(?:at|on|from"
        rf"|in)\s+(?!stock|my|your)[a-z]+"
    ),
    re.compile(
        rf"\b(?:sells?|selling|sold|listed|seen|saw)\s+(?:(?:it|this|that|them|one|these)\s+)?(?:for|at)\s+{_MONEY}"
        r"(?:\s+(?:at|on|from|in|by)\s+(?:[a-z]+\b)?)?"
    ),
    # What the shop asked before, or asks as a rule.
    re.compile(
        r"\b(?:originally|regularly|normally|usually|down from|reduced from|marked down from|instead of|retails? (?:for|at)"
        rf"|(?:list|retail|regular|original|full|normal) price(?: of| is| was)?|msrp(?: of| is)?|rrp)\s*:?\s*{_MONEY}"
    ),
    # Money that is no product's price.
    re.compile(
        rf"(?:\b(?:a|an|my|the)\s+)?{_MONEY}\s+(?:off\b|(?:discount|coupon|voucher|gift ?cards?|store credit|credit|cash ?back"
        r"|rebate|(?:shipping|delivery|postage|tax)(?! included| incl)|deposit|refund|(?:a|per|each"
        r"|every) (?:month|year|week)|monthly|yearly)\b)"
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
    r"\b(?P<count>two|three|four|five|six|[2-9])\s+(?:of (?:them|these|those)\s+|(?:(?!persons?\b|packs?\b"
    r"|pieces?\b|pairs?\b|sets?\b"
    r"|slices?\b|seats?\b|doors?\b|tiers?\b|cups?\b)[a-z'-]+\s+){0,2}?(?!packs?\b|pieces\b|pairs\b|sets\b|slices\b)[a-z'-]+s\s+)?"
    r"for\s+(?:[a-z]+\s+){0,4}$"
)
COUNT_BEFORE = re.compile(r"\b(?P<count>two|three|four|five|six|[2-9])\s+[a-z]")
TOTAL_AFTER = re.compile(
    r"\s*(?:in total|total|all together|altogether|together|combined|for (?:both|the (?:two|three|four|pair|lot)"
    r"|all(?: of them)?))\b"
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
# A part in another color: "sneakers with white soles".
PART_BEFORE = re.compile(r"\b(?:with|has|have)\s+(?:an? |the )?$")
PART_AFTER = re.compile(
    r"\s+(?:soles?|straps?|handles?|lids?|trim|hardware|buttons?|zippers?|laces|stitching|dials?|faces?|letters?|lettering|text"
    r"|stripes?|dots?|flowers|print|logos?|lights?|leds?|backlight(?:ing)?|switches|keys|lining|piping|accents?|details?|labels?"
    r"|sleeves|collar|hearts|stars|numbers?|hands|edges?|borders?|screens?)\b"
)
SHADE_OF_LIGHT_BEFORE = re.compile(r"\b(?:warm|cool|cold|neutral|daylight)\s+$")
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
    r"\s*,?\s*(?:if (?:possible|you have (?:it|one|any|them)|available)|prefer(?:red|ably)|ideally"
    r"|would be (?:nice|great|a plus|ideal"
    r"|lovely|good)|is (?:a plus|a bonus|preferred|ideal)|or (?:something )?similar|but not (?:required|necessary|a must))\b"
)
PLAINLY_COLOR_BEFORE = re.compile(
    r"\b(?:in|only|colou?r(?:ed)?|colou?r(?: is|:)|or|and|must be|not|bright|dark|light|pale|matte|shiny)\s+(?:an? |the )?$"
)
PLAINLY_COLOR_AFTER = re.compile(
    r"[\s-]*(?:$|[,.!?;)\x00]|(?:colou?r(?:ed)?|tone[sd]?|ones?|version|finish|plated|trim|or|and|please|under|below|size|with)\b)"
)
# "Must have a cable", "without a cable": speaks of what a product comes with, not of what it is.
HAVING_BEFORE = re.compile(r"\b(?:have|has|with|include)\s+(?:(?:an?|any|the|its|own|some)\s+)*$")
LACKING_BEFORE = re.compile(
    r"\b(?:without|with no|w/o|free of|sans|(?:do|does)(?:n't| not) (?:have|need|include|come with))\s+(?:(?:an?|any|the)\s+)*$"
)
FREE_AFTER = re.compile(r"[\s-]*free\b")
