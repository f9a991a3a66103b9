"""Advice: picks for a need, for the shopper's own tastes, of what is liked here, or of what goes with a product."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.novelty import Newcomer
from bot.phrases import asks_new, asks_others
from bot.present import slate_of
from bot.references import resolve
from bot.shelf import Found
from bot.state import Pending, Topic
from bot.steering import Course
from bot.tasks.gifts import asks_gift, gift
from bot.tasks.positions import off_list
from bot.tasks.search import ask_budget, nothing_fits, present, show, tell_unknown
from bot.tasks.staged import compared, known, lay_out
from bot.turn import SLATE, Answer, Turn
from index.filters import Filters
from retrieval.understanding import merge

WIDELY = 90
"""So many are looked at where advice without words is asked: of two languages one may have the best rated."""


def recommend(turn: Turn, answer: Answer) -> None:
    """Picks by what was said; with nothing said, by the running topic, the shopper's interests, or the best rated."""
    understanding, voice = turn.understanding, turn.voice
    if asks_gift(turn.message):
        return gift(turn, answer)
    running = (
        understanding.refining and turn.state.topic is not None and bool(turn.topic.query or turn.topic.filters.brand)
    )
    filters = merge(turn.topic.filters if running else Filters(), understanding)
    query = turn.topic.query if running else understanding.query
    topic = Topic(query=query, filters=filters, sort=understanding.sort or "relevance")
    if understanding.foreign_budget is not None:
        return ask_budget(turn, answer, topic)
    if asks_new(turn.message):
        return _arrivals(turn, answer, filters)
    if topic.sort != "relevance":
        return present(turn, answer, topic)
    # "For my dad", "what's popular": no product bears these words; what counts are the other words, conditions, tastes.
    topic = topic.model_copy(update={"query": _named(query) or _on_the_way(turn, topic), "advice": True})
    found = turn.find(topic.query, filters, limit=30 if topic.query else WIDELY, advice=True)
    if not found.hits:
        return nothing_fits(turn, answer, topic)
    if asks_others(turn.message):
        found = replace(found, hits=tuple(each for each in found.hits if each.hit.product_id not in turn.state.seen))
        if not found.hits:
            return answer.say(voice.say("search.no_more"))
    found = found if topic.query else _spoken(found, turn.language)
    course, found = lay_out(turn, topic, found)
    show(turn, answer, topic, found, course, _newcomer(turn, topic, found, course))
    if course.chosen:
        known(turn, answer, found)
    elif _is_personal(found):
        answer.say(voice.say("recommend.personal"))
    elif topic.query:
        marks = voice.language.tables["language"]
        answer.say(voice.say("recommend.picks_for", for_what=f"{marks['open']}{topic.query}{marks['close']}"))
    else:
        answer.say(voice.say("recommend.picks"))
    if course.stage != "browsing" and not course.chosen:
        compared(turn, answer, found)
    return tell_unknown(turn, answer, topic, found)


def _spoken(found: Found, language: str) -> Found:
    """Only what has its page in the talk's language, where that fills a slate: a shop in two languages has most goods twice."""
    own = tuple(each for each in found.hits if found.products[each.hit.product_id].language == language)
    return replace(found, hits=own) if len(own) >= SLATE else found


def _arrivals(turn: Turn, answer: Answer, filters: Filters) -> None:
    """What came into the shop last, by the catalog's own dates."""
    found = turn.find("", filters, "newest")
    if not found.hits:
        return nothing_fits(turn, answer, Topic(filters=filters))
    show(turn, answer, Topic(filters=filters, sort="newest"), found)
    answer.focus = ()
    return answer.say(turn.voice.say("recommend.newest"))


def _newcomer(turn: Turn, topic: Topic, found: Found, course: Course) -> Newcomer | None:
    """A new product for the last card of a conversation's first slate of advice without words, where there is to be one.

    None for who compares or is ready, nor while an experiment runs: it would be in one of its arms only.
    """
    browses = course.stage == "browsing" and turn.position.stage == "browsing"
    if turn.state.slates or topic.query or not browses or turn.assigned is not None:
        return None
    return turn.newcomer_of(topic.filters, {each.hit.product_id for each in found.hits[: course.cards]})


def _on_the_way(turn: Turn, topic: Topic) -> str:
    """The goods that the shopper compares or is about to buy, where advice for themselves is asked and nothing is named."""
    asks = _FOR_ME.search(turn.message) and not _FOR_OTHERS.search(turn.message)
    if not asks or not topic.filters.empty or turn.position.stage == "browsing":
        return ""
    return next(reversed(turn.position.categories), "")


def companions(turn: Turn, answer: Answer) -> None:
    """What goes with the product that the turn points at; advice as ever where it points at several, or at none of those shown."""
    reference = resolve(turn)
    if reference.off_list:
        return off_list(turn, answer)
    products = turn.shelf.products(item.product_id for item in reference.items)
    if not products and not turn.state.shown:
        return answer.ask(turn.voice.say("product.name_it"), Pending(kind="what"))
    if len(products) != 1:
        return recommend(turn, answer)
    (product,) = products.values()
    answer.know(product)
    found = turn.shelf.companions(product.id, SLATE, turn.profile)
    if not found.hits:
        return answer.say(turn.voice.say("recommend.no_companions", title=product.title))
    shown = [found.products[each.hit.product_id] for each in found.hits]
    answer.show(slate_of(found, Filters(), turn.voice, SLATE), shown, found=found)
    return answer.say(turn.voice.say("recommend.companions", title=product.title))


_FOR_ME = re.compile(r"\b(?:recommend\w*|suggest\w*|advise|advice|should i)\b|推荐|建议", re.IGNORECASE)
_FOR_OTHERS = re.compile(
    r"\b(?:gift\w*|presents?|popular|trending|best ?sell\w*|surprise|new|others|everyone|for (?:my|his|her|their|an?))\b|"
    r"礼|送|热门|流行|畅销|大家|随便|新",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:what(?:'?s| is| are| would| do| should| can)?|which|would|could|should|can|do|does|you|your|i|me|my|we|our|us|it|is|"
    r"are|get|buy|pick|choose|go with|suggest\w*|recommend\w*|advise|advice|idea\w*|gift\w*|presents?|surprise|something|"
    r"anything|some|any|nice|good|best|great|cool|popular|trending|best ?sell\w*|top|selling|people|others|everyone|right|now|"
    r"today|for|a|an|the|of|to|on|in|and|or|with|who|that|has|have|everything|his|her|their|him|them|please|help|find|looking|"
    r"need|want|think|likes?|loves?|enjoys?|into|birthday|anniversary|christmas|holidays?|wedding|graduation|year|old|years|dad|father|mom|mum|mother|"
    r"parents?|wife|husband|girlfriend|boyfriend|partner|friend|kids?|child|children|son|daughter|sister|brother|grandma|grandpa|"
    r"grandmother|grandfather|nephew|niece|uncle|aunt|colleague|boss|teacher|man|woman|men|women|boy|girl|teen\w*|\d+)\b|"
    r"推荐|建议|有什么|什么|哪些|哪个|怎么|选|挑|买|送给|送|礼物|礼品|生日|节日|纪念日|爸爸|妈妈|父亲|母亲|爸妈|父母|老婆|老公|"
    r"妻子|丈夫|男朋友|女朋友|男友|女友|朋友|孩子|儿子|女儿|姐姐|妹妹|哥哥|弟弟|爷爷|奶奶|同事|老师|热门|流行|大家|卖得|畅销|随便|"
    r"看看|给|我|你|帮|想|要|好|的|吗|呢|啊|吧|都|在|现在|最近|有|没|个|点|几|样|款|比较|最|了|来|一|下|合适|适合",
    re.IGNORECASE,
)


def _named(query: str) -> str:
    """The words that could name a product: `_named("gift for my mom who likes gardening")` is `"gardening"`."""
    left = " ".join(_OPEN.sub(" ", query).split())
    return left if re.search(r"[^\W_]", left) else ""


PERSONAL = frozenset(
    {"viewed_item", "viewed_category", "bought_category", "liked_brand", "liked_attribute", "price_band", "next"}
)


def _is_personal(found: Found) -> bool:
    return any(reason.kind in PERSONAL for each in found.hits[:SLATE] for reason in each.reasons)
