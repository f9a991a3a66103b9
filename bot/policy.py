"""Which task answers a turn: state, intent and understanding in, one decision out.

Pure, and the only place that weighs them.

The model says what the customer wants, the understanding says what was literally said. Where the model doubts and the
words are plain ("under 50", "blue", "the second one"), the words win. It is long because which of them wins can only be seen where
all stand in their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from bot.concern import concern_of
from bot.corrections import corrects
from bot.labels import LABELS, OUT_OF_SCOPE
from bot.manners import decent, only_swears
from bot.order_wishes import amends, answers, in_talk, plain_yes, wanted
from bot.outfits import Change, change_in
from bot.phrases import asks_again, asks_new, asks_others, bundled, returned_to
from bot.state import DialogueState, Pending, Topic
from index.graph.terms import term_of
from retrieval.expansion import goods_named, related
from retrieval.understanding.records import Understanding
from storage.errors import InvalidInput
from storage.redaction import email_in

Task = Literal[
    "greet",
    "goodbye",
    "thank",
    "search",
    "refine",
    "correct",
    "more",
    "recommend",
    "companions",
    "compare",
    "ask_product",
    "ask_policy",
    "order_status",
    "order_change",
    "cart_add",
    "cart_remove",
    "cart_view",
    "checkout",
    "complaint",
    "handoff",
    "reject",
    "chitchat",
    "out_of_scope",
    "accepted",
    "resolved",
    "show_again",
    "swearing",
    "care",
    "return_to",
    "reorder",
    "bundle",
    "bundle_change",
]
"""`accepted` and `resolved` carry out what was pending: by a yes, or by an answer to the question.

`companions` is what goes with a product: advice that the words ask for, whatever the label. So are `return_to` an earlier topic,
`reorder` of what was bought, `order_change` of what was ordered, a `bundle` of everything for something with its `bundle_change`,
and `care`, where no product helps.
"""

ACTIONS: tuple[str, ...] = (*LABELS, OUT_OF_SCOPE)
"""What a shop's own labels may map to in shop.toml: the built-in labels name the actions."""

WRITE_SURE = 0.75
"""Below this confidence a product is not put in the cart but offered: a needless question costs less than a wrong write."""
SURE = 0.6
"""Below this calibrated confidence plain words win over the model. Set by hand.

The model is calibrated (ECE in docs).
"""

CERTAIN = 0.9
"""Below this confidence nothing is bought whose words neither buy nor point at anything."""

BARE = 0.8
"""A message of which the query is at least this share says nothing but a name."""

_MORE = re.compile(
    r"^\W*(?:(?:can you |could you |please )*(?:show|see|give)(?: me)? )?(?:(?:any|some|a few) )?(?:more|others?|next)"
    r"(?: (?:ones?|options?|results?|choices?|products?|items?|like (?:this|these|that)|please))*\W*$"
    r"|^\W*(?:what|anything|something) else\W*$"
    r"|^\W*(?:再|还)?(?:多)?(?:看|来|给我看|有没有|有)?(?:点|些|几个|几款)?(?:更多|别的|其他|其它|下一页|换一批|另外的)"
    r"(?:的|款|选择|商品|看看|吗|呢|么|了)*\W*$|^\W*(?:再来几[个款件]|还有吗|还有呢|换一批)\W*$",
    re.IGNORECASE,
)
_YES_WORDS = (
    r"yes|yep|yeah|yup|ya|sure|ok(?:ay)?|please do|do (?:it|that)|go ahead|sounds good|of course|fine|great|perfect|"
    r"all ?right|absolutely|definitely|y|可以|好的?|行|嗯+|是的?|对的?|要|没问题|当然|麻烦了|那就这样"
)
_NO_WORDS = (
    r"no|nope|nah|not now|not really|no thank you|never ?mind|don'?t|cancel|forget it|leave it|n|"
    r"不用了?|不了|不要了?|不是|算了|没事|不必|先不|不|别"
)
_POLITE = r"please|thanks?|thank you|it|then|吧|啊|呀|的|了|谢谢|您|你"
_YES = re.compile(rf"^\W*(?:{_YES_WORDS})(?:[\s,，!.。]*(?:{_YES_WORDS}|{_POLITE}))*\W*$", re.IGNORECASE)
_NO = re.compile(rf"^\W*(?:{_NO_WORDS})(?:[\s,，!.。]*(?:{_NO_WORDS}|{_POLITE}))*\W*$", re.IGNORECASE)
_FIXED: tuple[tuple[Task, re.Pattern[str]], ...] = (
    (
        "greet",
        re.compile(
            r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|你好|您好|嗨|哈喽|在吗|早上好|晚上好)(?: there)?[\W啊呀]*$",
            re.I,
        ),
    ),
    ("goodbye", re.compile(r"^\W*(?:bye|goodbye|see you|good night|再见|拜拜|回头见)(?: bye)?\W*$", re.IGNORECASE)),
    (
        "thank",
        re.compile(r"^\W*(?:thanks?|thank you|thx|谢谢|多谢|感谢)(?: a lot| so much|你|您|啦|了)*\W*$", re.IGNORECASE),
    ),
    (
        "cart_view",
        re.compile(
            r"^\W*(?:(?:please |can you |could you )?(?:show|view|see|open|check)(?: me)? )?(?:what(?:'s| is) in )?(?:my |the )?"
            r"(?:cart|basket|bag)(?: please)?\W*$|"
            r"^\W*(?:看看|查看|看一下|看下|打开|显示)?(?:我的)?购物车(?:里?有(?:什么|啥|哪些))?[\W吧]*$",
            re.IGNORECASE,
        ),
    ),
    (
        "checkout",
        re.compile(
            r"^\W*(?:(?:ok|okay|please|let'?s|i(?:'d like| want|'?m ready)? ?(?:to)?)[\s,]*)*(?:check ?out|pay)"
            r"(?: now| please|[吧啦了\s])*\W*$|"
            r"^\W*(?:我要|去|那就?|帮我)?(?:结账|结帐|买单|付款|下单)[吧啦了\W]*$",
            re.IGNORECASE,
        ),
    ),
    ("compare", re.compile(r"^\W*(?:please )?compare\b|^\W*(?:帮我)?(?:比较|对比|比一比)", re.IGNORECASE)),
)
"""Fixed phrases that a doubting model need not be asked about."""
_STOCKED = re.compile(
    r"^\W*(?:(?:hi|hello|hey)\W+)?"
    r"(?:do you (?:guys |also |still |happen to )*(?:have|sell|carry|stock|do)|(?:have you )?got any|any)\b"
    r"|^\W*(?:请问)?(?:你们?家?|您家?|店里|这里|这儿)?(?:还)?(?:有没有|卖不卖|有卖|有|卖)"
    r"|(?:有吗|有没有|有卖吗|卖吗|有卖的吗)\W*$",
    re.IGNORECASE,
)
"""Asks whether the shop has something; a model may take the words for small talk where it does not know them."""
_TELLS = re.compile(
    r"\b(?:with|for|from|in|on|as|like|to|than|that|which|have|has|having|includ\w+|need\w*)\b|[带配含有给用送像比]",
    re.IGNORECASE,
)
"""What stands behind it tells of the thing that the talk is about."""
_TOGETHER = re.compile(
    r"\b(?:goes|go|going|pairs?) (?:well |nicely |good |best )?with\b|\bto go with (?:it|this|that|them|these)\b"
    r"|\baccessor(?:y|ies) (?:for|to go with|with)\b|\bcomplete the (?:look|set|outfit)\b"
    r"|\bwhat else (?:do|would|should|will|might) i need\b|\b(?:usually |often )?(?:bought|buy) together\b"
    r"|搭配|配(?:什么|啥|哪|点)|怎么搭|搭什么|一起买|配套|(?:有|要|需要|推荐).{0,4}配件",
    re.IGNORECASE,
)
_ASKING = frozenset("what which would could should does will else something anything 什 么 啥 哪 些 怎".split())
_ADVISES = frozenset({"search", "refine", "recommend", "ask_product", OUT_OF_SCOPE})
_AWAY = (
    r"(?:\b(?:not|no|without|except|keep|leave|never|don'?t|do not|didn'?t|isn'?t)\b"
    r"(?: (?:want|like|need|mean|take|remove|delete|a|an|the|any|that|this|in|it))*|"
    r"(?:不要|不想要|不是|不喜欢|别要|别|除了|留着?|保留)(?:那个|这个|那款|这款)?)"
)
_TOKEN = re.compile(r"[a-z]{3,}|\d+|[\u3400-\u9fff]")
_WRITES = frozenset({"variant", "which_product", "which_line", "empty_cart", "add", "order_change"})
"""Kinds of questions whose answer changes the cart or an order: a guess is not good enough for them."""
_ELSEWHERE = frozenset(
    {"ask_product", "ask_policy", "compare", "order_status", "complaint", "handoff", "reject", "goodbye"}
)
_TAKES_PRODUCTS = frozenset({"ask_product", "compare", "cart_add", "cart_remove"})
_TELLS_OF_SOMEBODY = frozenset({"search", "refine", "recommend", "chitchat", "accept", OUT_OF_SCOPE})
_NOT_CORRECTED = frozenset(
    {"order_status", "ask_policy", "handoff", "complaint", "cart_remove", "checkout", "cart_view"}
)
_OF_TWO = re.compile(
    r"\b(?:cheaper|less expensive|dearer|pricier|more expensive|better rated) (?:one )?"
    r"(?:of|from|between|among) (?:the|these|those|them)\b"
    r"|\bwhich (?:one |of (?:them|these|those|the two) )?(?:is|costs) (?:cheaper|less|the cheapest|pricier|more expensive)\b"
    r"|\bwhich (?:one )?of (?:these|those|them) (?:is|has|costs) (?:the )?(?:best|cheapest|highest|lowest|least|most)\b"
    r"|(?:两[个款件双台]|俩)(?:里|里面|之间|当中|中)?(?:比较|更)?(?:便宜|贵)的?|哪[个款件](?:更|比较)?(?:便宜|贵)",
    re.IGNORECASE,
)
"""One of those that were compared."""
_PICKS = re.compile(
    r"\b(?:cheaper|cheapest|pricier|more expensive|better[ -]rated|best[ -]rated) one\b"
    r"|(?:便宜|贵|评分高|口碑好|评价好)(?:一?点)?的(?:那|这)",
    re.IGNORECASE,
)
_WONDERS = re.compile(r"\b(?:what|how) about\b|呢[?？。!！]*\s*$|怎么样|如何", re.IGNORECASE)
_SHOWN_TO_ME = re.compile(
    r"\byou (?:'ve |have )?(?:showed|shown|recommended|suggested|found)\b|(?:给我)(?:看|推荐|找|列)(?:过)?的",
    re.IGNORECASE,
)
_ASTRAY = frozenset(
    {"search", "refine", "recommend", "complaint", "chitchat", "reject", "accept", "greet", OUT_OF_SCOPE}
)
"""What a model may take "the first one you showed me" for."""
_BUYS = re.compile(
    r"\b(?:add|buy|take|get|grab|order|purchase|put|want|need|have|give|cart|basket|bag|include|go (?:with|for)"
    r"|one more|another|going (?:with|for)|sold|deal|i'?ll)\b"
    r"|加|买|要|来|拿|下单|订|购|就这|就它|入手|放|给我|选",
    re.IGNORECASE,
)
"""Words without which nothing is bought, whatever a model thinks."""
_ASKS = frozenset({"ask_product", "ask_policy", "order_status", "compare"})
_SWAPS = frozenset({"exchange", "items"})
"""Asked for in the same words; the order's status tells which of them it is."""
_LOOKS = frozenset({"search", "refine", "recommend"})
_ELSEWHERE_ASKED = frozenset({"ask_policy", "cart_view", "order_status"})
"""Labels that a question about a product is mistaken for."""
_UNSHAKEN = frozenset({"cart_view", "checkout", "order_status", "ask_policy", "handoff", "complaint"})


@dataclass(frozen=True, slots=True)
class Decision:
    """The task, and what was pending where the task resolves it (`choice` is the option taken, 0-based).

    `doubtful` where the model was not sure enough for a write: the task then offers it instead of doing it. `topic` is the earlier
    one that the turn returns to, `change` what becomes of a set.
    """

    task: Task
    pending: Pending | None = None
    choice: int | None = None
    doubtful: bool = False
    topic: Topic | None = None
    change: Change | None = None


def check_actions(mapping: Mapping[str, str]) -> dict[str, str]:
    """The shop's `[intents]` as it is, or `InvalidInput` naming the action that does not exist."""
    for label, action in mapping.items():
        if action not in ACTIONS:
            raise InvalidInput(
                f"shop.toml [intents] maps {label!r} to {action!r}, which is no action.",
                f"Use one of: {', '.join(ACTIONS)}.",
            )
    return dict(mapping)


def decide(
    state: DialogueState,
    label: str,
    confidence: float,
    out_of_scope: bool,
    understanding: Understanding,
    message: str,
    mapping: Mapping[str, str] | None = None,
    names_product: Callable[[str], bool] = lambda _: False,
    changeable: Collection[str] = (),
) -> Decision:
    """The decision for one turn. `label` may be the shop's own: `mapping` then names the action.

    A label that is neither built in nor mapped is treated as doubtful words: search if they name something, else
    out of scope. `names_product` tells whether words stand in a product's title: a bare name ("跑鞋") carries no intent
    that a model could read, and it is a search in a shop that sells the thing. `changeable` are the kinds of changes to orders
    that customers of the shop make by themselves.
    """
    label = (mapping or {}).get(label, label)
    if concern_of(message) is not None:
        return Decision("care")
    if only_swears(message):
        return Decision("complaint" if state.complaints else "swearing")
    message = decent(message)
    pending = state.pending
    corrected = _corrected(state, label, understanding, message)
    if corrected is not None:
        return corrected
    if (outfit_change := _outfit_change(state, label, understanding, message)) is not None:
        return Decision("bundle_change", change=outfit_change)
    change = wanted(message, in_talk(state, label))
    if change in changeable or (change in _SWAPS and not _SWAPS.isdisjoint(changeable)):
        return Decision("order_change", pending)
    if pending is not None:
        resolved = _resolution(pending, label, 0.0 if out_of_scope else confidence, understanding, message)
        if resolved is not None:
            return resolved
    if understanding.opposed:
        return Decision("search" if understanding.query or state.topic is None else "refine")
    if _MORE.match(message) and state.topic is not None:
        return Decision("more")
    earlier = returned_to(state.topics, message)
    if earlier is not None:
        return Decision("return_to", topic=earlier)
    if asks_again(message):
        return Decision("reorder")
    if bundled(message) is not None:
        return Decision("bundle")
    if asks_new(message):
        return Decision("recommend")
    if asks_others(message) and state.slates:
        return Decision("more" if state.topic is not None else "recommend")
    if _asks_companions(state, label, understanding, message):
        return Decision("companions")
    recalled = understanding.recalled or (understanding.ordinals and _SHOWN_TO_ME.search(message))
    if recalled and state.shown and (out_of_scope or label in _ASTRAY):
        return Decision("show_again")
    if out_of_scope or label == OUT_OF_SCOPE:
        bare = (
            understanding.query
            and len(understanding.query) >= BARE * len(message)
            and names_product(understanding.query)
        )
        asked = bool(understanding.wishes.categories) and (label in _LOOKS or _STOCKED.search(message) is not None)
        asked = asked or _names_category(understanding, message)
        pointed: Task | None = "ask_product" if understanding.ordinals and state.shown else None
        otherwise: Task = "search" if bare or asked else "out_of_scope"
        return Decision(_by_words(state, understanding) or pointed or otherwise)
    if label == "accept" and (fixed := _fixed(message)) in ("checkout", "compare"):
        return Decision(fixed)
    if label == "accept" and pending is None and _names_category(understanding, message):
        return Decision("search")
    if label == "accept":
        # What was pending was carried out above where the yes was sure enough; otherwise the customer is asked once more.
        return Decision(_by_words(state, understanding) or "accepted")
    if label == "reject" and _says_condition(understanding) and state.topic is not None:
        return Decision("refine")
    if label == "chitchat" and _STOCKED.search(message) and understanding.query and names_product(understanding.query):
        return Decision("search")
    if label not in LABELS:
        return Decision(_by_words(state, understanding) or ("search" if understanding.query else "out_of_scope"))
    if confidence < WRITE_SURE:
        fixed = _fixed(message)
        if fixed is not None:
            return Decision(fixed)
    if label == "handoff" and confidence < SURE and _names_category(understanding, message):
        return Decision("search")  # "吐司机" is no driver
    if confidence < SURE and label not in _UNSHAKEN:
        plain = _by_words(state, understanding)
        if plain is not None and not (label in _TAKES_PRODUCTS and plain == "show_again"):
            return Decision(plain)
    task = _settled(label, confidence, state, understanding, message)
    # "The second one" alone may be a look at it: it is offered.
    unsaid = task == "cart_add" and understanding.quantity is None and not _BUYS.search(message)
    return Decision(task, doubtful=task in ("cart_add", "cart_remove") and (confidence < WRITE_SURE or unsaid))


def _corrected(state: DialogueState, label: str, understanding: Understanding, message: str) -> Decision | None:
    """What a correction comes to: other products than were understood, or the running topic in another way; None for none.

    One of what the cart was asked about is offered and not added: what was meant is known since the last guess was wrong.
    """
    if not corrects(message) or label in _NOT_CORRECTED:
        return None
    picks = bool(_PICKS.search(message)) and bool(state.compared)
    if picks or understanding.ordinals or understanding.referent or understanding.recalled:
        writes = state.pending is not None and state.pending.kind in _WRITES - {"which_line", "empty_cart"}
        if writes or state.last_task == "cart_add":
            return Decision("cart_add", doubtful=True)
        return Decision("show_again") if state.shown else None
    if not understanding.query and not _says_condition(understanding):
        return None
    if state.pending is not None and _chosen(state.pending, understanding, message) is not None:
        return None
    if state.topic is None:
        return Decision("search")
    return Decision("correct" if understanding.query and understanding.foreign_budget is None else "refine")


def _outfit_change(state: DialogueState, label: str, understanding: Understanding, message: str) -> Change | None:
    """What a turn changes in the set; nothing where a question is open, the cart was spoken of last, or something is asked."""
    outfit = state.outfit
    if outfit is None or label in _ASKS or state.last_task.startswith(("cart_", "checkout")):
        return None
    if state.pending is not None and state.pending.kind != "what":
        return None
    if outfit.names and len(outfit.names) != len(state.shown):  # it is not what stands there
        return None
    return change_in(outfit, understanding, message)


def _names_category(understanding: Understanding, message: str) -> bool:
    """Whether a category's name is at least half of what was said: "拼图", "有拼图吗"."""
    return any(2 * len(name) >= len(message.strip()) for name in understanding.wishes.categories)


def _fixed(message: str) -> Task | None:
    """The task of a phrase that always means the same."""
    return next((task for task, pattern in _FIXED if pattern.search(message)), None)


def _asks_companions(state: DialogueState, label: str, understanding: Understanding, message: str) -> bool:
    """Whether the turn asks what goes with a product that it points at, shown or not, or that the talk is about."""
    asks = _TOGETHER.search(message)
    if asks is None or label not in _ADVISES:
        return False
    if state.shown or state.focus:
        return understanding.deixis or bool(understanding.ordinals) or bool(state.focus and not understanding.query)
    # With nothing shown "this" may come before a name: then the name is what is looked for.
    others = set(_TOKEN.findall(understanding.query.casefold())) - set(_TOKEN.findall(asks[0].casefold())) - _ASKING
    return (understanding.deixis or bool(understanding.ordinals)) and not others


def _settled(label: str, confidence: float, state: DialogueState, understanding: Understanding, message: str) -> Task:
    """The task of a label that is believed, mended where the conversation cannot be as the label says."""
    compared = len(state.focus) == 2 and understanding.ordinals in ((), (1, 2))
    if _OF_TWO.search(message) and (label in ("search", "refine", "recommend") or compared) and state.shown:
        return "show_again"
    # "That blue one", "the first one from before": a look at it, as long as nothing in the words buys.
    pointed = understanding.recalled or (understanding.referent and not understanding.ordinals)
    if label in ("search", "refine", "cart_add") and pointed and state.shown and not _BUYS.search(message):
        return "show_again"
    if label == "cart_add" and _points(understanding) and _WONDERS.search(message) and not _BUYS.search(message):
        return "show_again" if state.shown else "ask_product"
    wishes = bool(understanding.query) or _says_condition(understanding)
    unbought = label == "cart_add" and confidence < CERTAIN and not _BUYS.search(message)
    if unbought and wishes and not _points(understanding):
        # Nothing in the words buys: "for two people", of tents, is a wish.
        return "refine" if state.topic is not None else "search"
    if label in ("search", "refine") and _asks_option(understanding) and len(state.focus) == 1:
        return "ask_product"
    if label in _ELSEWHERE_ASKED and _asks_of_shown(state, understanding, label):
        return "ask_product"
    if label == "cart_add" and state.topic is not None and _only_conditions(understanding, message):
        # "Make that $250", "mint please": nothing is pointed at that could be bought.
        return "refine"
    if label == "search" and understanding.refining and state.topic is not None:
        return "refine"
    if label == "search" and not understanding.query and not _says_condition(understanding) and state.topic is None:
        return "recommend"
    if label == "refine" and (state.topic is None or _names_another(state.topic.query, understanding.query, message)):
        return "search"
    if label == "refine" and understanding.ordinals and not _says_condition(understanding):
        return "show_again"
    return label  # type: ignore[return-value]  # a member of LABELS that is not "accept"


def _points(understanding: Understanding) -> bool:
    """Whether the turn points at something that was shown."""
    return bool(understanding.ordinals or understanding.deixis or understanding.referent or understanding.recalled)


def _asks_of_shown(state: DialogueState, understanding: Understanding, label: str) -> bool:
    """Whether a question points at what was shown: "how much is it?", "when would the first one arrive?"."""
    if understanding.attribute_asked is None or (label == "ask_policy" and understanding.attribute_asked != "delivery"):
        return False
    return bool((understanding.ordinals and state.shown) or (understanding.deixis and state.focus))


def _only_conditions(understanding: Understanding, message: str) -> bool:
    pointed = _points(understanding) or understanding.quantity or _PICKS.search(message)
    return _says_condition(understanding) and not understanding.query and not pointed


def _names_another(topic: str, query: str, message: str) -> bool:
    """Whether a turn names other goods than the talk is about: "black dress size M" after shoes, but not "with a bag"."""
    spoken, about = term_of(_TELLS.split(message, maxsplit=1)[0]), term_of(topic)
    named = [term for term in goods_named(query) if term in spoken]
    known = (about, *goods_named(topic))
    return bool(named) and not any(term in about or related(term, each) for term in named for each in known)


def _resolution(
    pending: Pending, label: str, confidence: float, understanding: Understanding, message: str
) -> Decision | None:
    """How the turn answers what was asked, or None where it goes its own way."""
    if pending.kind == "contact" and email_in(message) is not None:
        return Decision("resolved", pending)
    if pending.draft is not None:
        return _of_order(pending, label, confidence, understanding, message)
    elsewhere = pending.kind in _WRITES and label in _ELSEWHERE and confidence >= SURE
    choice = None if elsewhere else _chosen(pending, understanding, message)
    if choice is not None:
        return Decision("resolved", pending, choice)
    if (
        pending.kind == "budget"
        and (understanding.filters.price is not None or re.search(r"\d", message))
        and not re.search(r"[^\W\d_]", understanding.query)  # words of a product start another search
        and (label in ("refine", "search", "accept") or confidence < SURE)
    ):
        return Decision("resolved", pending)
    told = bool(understanding.query) or _says_condition(understanding)
    if pending.kind == "gift" and told and label in _TELLS_OF_SOMEBODY and not _NO.match(message):
        return Decision("resolved", pending)
    if pending.kind == "variant" and not elsewhere and not re.search(r"[^\W\d_]{3,}", understanding.query):
        words, parts = message.casefold(), {part for option in pending.options for part in option.split(" / ")}
        said = any(_holds(words, part) and not _turned_away(words, part) for part in parts)
        if said or (understanding.filters.attributes and not any(_turned_away(words, part) for part in parts)):
            # Half of an option, or one that there is not: what is left to choose is asked, or told.
            return Decision("resolved", pending)
    agreed = label == "accept" and confidence >= (WRITE_SURE if pending.kind in _WRITES else SURE)
    if _YES.match(message) or (agreed and not _says_condition(understanding)):
        return Decision("resolved", pending, 0) if len(pending.options) == 1 else Decision("accepted", pending)
    if _NO.match(message):
        return Decision("reject", pending)
    if label == "reject" and not _says_condition(understanding):
        return Decision("reject", pending)
    return None


def _of_order(
    pending: Pending, label: str, confidence: float, understanding: Understanding, message: str
) -> Decision | None:
    """How the turn answers a question about a change to an order: a yes that adds anything is no yes."""
    if _NO.match(message):
        return Decision("reject", pending)
    if confidence >= SURE and label in _ELSEWHERE - {"order_status", "reject"}:
        return None
    if pending.kind == "order_slot":
        choice = _chosen(pending, understanding, message)
        return Decision("resolved", pending, choice) if choice is not None or answers(pending, message) else None
    if _YES.match(message) or (label == "accept" and confidence >= WRITE_SURE and plain_yes(message)):
        return Decision("accepted", pending)
    if pending.draft is not None and amends(pending.draft.kind, message):
        return Decision("resolved", pending)
    return Decision("reject", pending) if label == "reject" else None


def _chosen(pending: Pending, understanding: Understanding, message: str) -> int | None:
    """Which of the options named in the question the message picks; None unless exactly one."""
    if not pending.options:
        return None
    words = message.casefold()
    if pending.kind == "relax":
        return _given_up(pending, understanding, words)
    named = [
        number
        for number, option in enumerate(pending.options)
        if _holds(words, option) and not _turned_away(words, option)
    ]
    if len(named) == 1:
        return named[0]
    if pending.kind == "variant" and not named:
        whole = [
            number
            for number, option in enumerate(pending.options)
            if all(_holds(words, part) and not _turned_away(words, part) for part in option.split(" / "))
        ]
        if len(whole) == 1:
            return whole[0]
    if named and pending.kind != "facet":
        # "large" inside "extra large": the longest option that was named is the one that was meant.
        longest = max(named, key=lambda number: len(pending.options[number]))
        if all(_holds(pending.options[longest].casefold(), pending.options[number]) for number in named):
            return longest
    if (
        pending.kind in ("variant", "which_product", "which_line", "facet", "order_slot")
        and len(understanding.ordinals) == 1
    ):
        position = understanding.ordinals[0]
        index = position - 1 if position > 0 else len(pending.options) + position
        if 0 <= index < len(pending.options) and pending.kind != "facet":
            return index
    return None


def _given_up(pending: Pending, understanding: Understanding, words: str) -> int | None:
    """Which condition may give: the one that is lifted, or the one most of whose words are said."""
    lifted = [number for number, field in enumerate(pending.fields) if field in understanding.dropped]
    if len(lifted) == 1:
        return lifted[0]
    said = set(_TOKEN.findall(words))
    shared = [len(said & set(_TOKEN.findall(option.casefold()))) for option in pending.options]
    best = [number for number, count in enumerate(shared) if count and count == max(shared)]
    return best[0] if len(best) == 1 else None


def _turned_away(text: str, option: str) -> bool:
    """Whether the option is named as what is not meant: "not blue", "keep the tent", "不要蓝色的"."""
    return bool(re.search(rf"{_AWAY}\s*{re.escape(option.casefold())}(?![a-z0-9])", text))


def _holds(text: str, option: str) -> bool:
    """Whether the option stands in a case-folded text as a word of its own."""
    return bool(re.search(rf"(?<![a-z0-9]){re.escape(option.casefold())}(?![a-z0-9])", text))


def _says_condition(understanding: Understanding) -> bool:
    """Whether the turn states, lifts or asks for a condition or an order."""
    return bool(
        not understanding.filters.empty
        or understanding.sort
        or understanding.dropped
        or understanding.relative
        or understanding.foreign_budget
    )


def _by_words(state: DialogueState, understanding: Understanding) -> Task | None:
    """The task that the words alone make plain, or None."""
    if state.topic is not None and understanding.refining and _says_condition(understanding):
        return "refine"
    if _says_condition(understanding) and understanding.query:
        return "search"
    if understanding.ordinals and state.shown and not understanding.query:
        return "show_again"
    if _asks_option(understanding) and state.focus:
        return "ask_product"
    return None


def _asks_option(understanding: Understanding) -> bool:
    """Whether the turn asks about what was shown in one of its options: "do you have it in blue?"."""
    return bool(
        understanding.attribute_asked is not None
        and understanding.deixis
        and understanding.wishes.attributes
        and understanding.filters.empty
    )


TASKS: tuple[str, ...] = get_args(Task)
