"""What the desk proposes to agents: whether the right thing stands first, how sentiment is told, and how long it all takes.

    python -m benchmarks.assist_suggestions --shop var [--messages 320]

`order`: the journeys of `demo/journeys/` are played, and at each customer's message, before Aisle's answer, the proposals are
ranked three ways: as they ship, by their places alone (reciprocal rank), and in one fixed order of kinds. What is right follows
from what the journey expects of a reply: the page that it has to cite, a product of the kinds that it has to show, the figures of
the order that it has to tell, an action where it hands over, a question where it has to ask. Turns that expect none of these are
left out.

`sentiment`: `benchmarks/demo_queries/sentiment.toml`, messages written by hand.

`speed`: messages of the shop's dialogues (`SHOP/dialogues.jsonl`, part `test`), said by shoppers who have a past, whose question's
vectors were never known before. All of it on a copy of the shop's database.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from sqlalchemy import select

from bot.cards import Reply
from bot.desk.context import Context
from bot.desk.next_action import next_action_of
from bot.desk.ranking import Suggested, ranked, useful
from bot.desk.sentiment import sentiment_of
from bot.desk.suggest import Proposals, Suggester
from bot.desk.summary import summary_of
from bot.evidence import vector_of
from bot.passages import scored_passages
from bot.service import Assistant
from finetune.dialogue.journeys import JourneyTurn, language_of_wording, read_journeys
from finetune.dialogue.play import play
from launch import settings_of
from storage.conversations import Turn, read_on
from storage.database import Database
from storage.desk import Macro, put_macro
from storage.principal import Principal, Role
from storage.suggestions import Kind
from storage.tables import orders

SENTIMENT = Path(__file__).parent / "demo_queries" / "sentiment.toml"
JOURNEYS = Path(__file__).parent.parent / "demo" / "journeys"
SUPERVISOR = Principal("bench", Role.SUPERVISOR)
FIXED: Sequence[Kind] = ("reply", "macro", "passage", "product", "action", "ask")
MACROS = (
    ("en", "Order on its way", "Hi {first_name}, your order {order_id} is {order_status}. It should arrive on {expected_at}."),
    ("en", "Damaged item", "I am sorry that your {product} arrived damaged. Please send us a photo, and we replace it."),
    ("en", "Refund under way", "Your refund for order {order_id} is under way. Banks take a few days to show it."),
    ("en", "Change of address", "I have noted the new address for order {order_id}. Is there anything else?"),
    ("en", "Wrong item sent", "I am sorry that you got the wrong item. We send you the right one, and you keep the other."),
    ("en", "Pay by card", "You can pay with any of the usual cards on the checkout page."),
    ("zh", "物流查询", "您好{first_name}，您的订单{order_id}目前{order_status}，预计{expected_at}送达。"),
    ("zh", "商品破损", "很抱歉{product}有破损，请您拍照发给我们，我们会尽快补发。"),
    ("zh", "退款进度", "订单{order_id}的退款正在处理，到账时间以银行为准。"),
    ("zh", "修改地址", "订单{order_id}的新地址已经登记好了，还有其他需要吗？"),
    ("zh", "发错货", "很抱歉给您发错了商品，我们马上补发正确的，错发的您留着就好。"),
    ("zh", "付款方式", "结算页面支持常用的银行卡和移动支付。"),
)  # fmt: skip
Rank = Callable[[Proposals], list[Suggested]]
RANKS: dict[str, Rank] = {
    "fixed order of kinds": lambda found: ranked(found, lambda kind: 10.0 ** (len(FIXED) - FIXED.index(kind))),
    "places alone": lambda found: ranked(found, lambda _: 1.0),
    "as it ships": lambda found: ranked(found, partial(useful, *found.intent)),
}


def expects(turn: JourneyTurn) -> Callable[[Assistant, Suggested], bool] | None:
    """Whether a proposal is what the journey expects of a reply; None where it expects nothing that one could be."""
    if turn.cites == "document":
        pages = tuple((turn.cites_page or "").split("|"))
        return lambda _, found: found.citation is not None and found.citation.id.startswith(pages)
    if turn.cards[0] and not turn.shows:
        return lambda assistant, found: found.proposal.kind == "product" and _is_of(assistant, found, turn.kinds)
    if turn.says and not turn.cards[0]:
        wanted = [said.casefold().split("|") for said in turn.says]
        return lambda _, found: all(any(each in found.proposal.text.casefold() for each in said) for said in wanted)
    if "handoff" in turn.actions:
        kinds = ("action", "ask") if "ask" in turn.actions else ("action",)
        return lambda _, found: found.proposal.kind in kinds
    if turn.actions == ("ask",) and turn.cards[1] == 0:
        return lambda _, found: found.proposal.kind == "ask"
    return None


def _is_of(assistant: Assistant, found: Suggested, kinds: Sequence[str]) -> bool:
    product = assistant.parts.shelf.product(found.proposal.product_id or "")
    return product is not None and (not kinds or (bool(product.categories) and product.categories[-1] in kinds))


class Watch:
    """Speaks for Aisle, and ranks the proposals for each message as they are before its answer."""

    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant
        self.suggester = Suggester(assistant)
        self.seen: list[dict[str, list[Suggested]]] = []

    def __call__(self, principal: Principal, message: str, conversation_id: str | None) -> Reply:
        """One turn."""
        reply = self.assistant.reply(principal, message, conversation_id)
        context = context_at(self.assistant, principal, reply.conversation_id)
        if context.asked is not None:
            self.seen.append(
                {name: rank(Proposals(self.suggester, context, context.asked, "en")) for name, rank in RANKS.items()}
            )
        return reply


def context_at(assistant: Assistant, principal: Principal, conversation_id: str) -> Context:
    """The conversation as it was when the customer had said the last thing."""
    head, turns = read_on(assistant.database, SUPERVISOR, conversation_id)
    last = max(place for place, turn in enumerate(turns) if turn.role == "user")
    return Context(assistant, head, turns[: last + 1], principal)


def order(assistant: Assistant) -> None:
    """Prints where the first right proposal stands."""
    places: dict[str, dict[str, list[int]]] = {name: {} for name in RANKS}
    lengths: dict[str, list[int]] = {name: [] for name in RANKS}
    for journey in read_journeys(JOURNEYS):
        for wording in journey.wordings:
            watch = Watch(assistant)
            play(assistant, watch, journey, wording, f"bench-{journey.name}-{wording}")
            for turn, seen in zip(journey.turn, watch.seen, strict=False):
                right = expects(turn)
                for name, proposals in seen.items():
                    lengths[name].append(len(proposals))
                    if right is None:
                        continue
                    judged = [right(assistant, each) for each in proposals]
                    place = judged.index(True) + 1 if True in judged else 0
                    places[name].setdefault(language_of_wording(wording), []).append(place)
    print(
        "| order | messages | right one first | among the first 3 | in the list | MRR |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name, by_language in places.items():
        for language, found in (
            *by_language.items(),
            ("all", [place for each in by_language.values() for place in each]),
        ):
            hits = np.array(found)
            shares = [np.mean(hits == 1), np.mean((hits > 0) & (hits <= 3)), np.mean(hits > 0)]
            mrr = float(np.mean([1 / place if place else 0.0 for place in found]))
            print(
                f"| {name}, {language} | {len(found)} | "
                + " | ".join(f"{each:.3f}" for each in shares)
                + f" | {mrr:.3f} |"
            )
    for name, found in lengths.items():
        print(f"{name}: {np.mean(found):.1f} proposals a message, over {len(found)} messages")


def sentiment() -> None:
    """Prints the accuracy by part and language."""
    parts = tomllib.loads(SENTIMENT.read_text(encoding="utf-8"))
    for part, languages in parts.items():
        for language, labels in languages.items():
            judged = [
                sentiment_of([Turn(role="user", content=text, language=language)]) == label
                for label, texts in labels.items()
                for text in texts
            ]
            print(f"sentiment, {part}, {language}: {sum(judged)} of {len(judged)}")


def talks(shop: Path, messages: int) -> Iterator[tuple[str, list[str]]]:
    """Customers' messages of dialogues, as many in each language: (language, the first one to three of a dialogue)."""
    left = {"en": messages // 2, "zh": messages - messages // 2}
    with (shop / "dialogues.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row.get("split") == "test" and left.get(row["language"], 0) > 0:
                said = [each["content"] for each in row["messages"] if each["role"] == "user"][:3]
                left[row["language"]] -= len(said)
                yield row["language"], said


def speed(assistant: Assistant, shop: Path, messages: int) -> None:
    """Prints how long each part takes, and the slowest messages."""
    suggester = Suggester(assistant)
    with assistant.database.read() as connection:
        people = list(
            connection.execute(select(orders.c.user_id).distinct().order_by(orders.c.user_id).limit(200)).scalars()
        )
    parts: dict[str, list[tuple[float, float]]] = {}
    slow: list[tuple[float, str]] = []

    def timed(name: str, run: Callable[[Context], object], principal: Principal, conversation_id: str) -> float:
        vector_of.cache_clear()
        wall, cpu = time.perf_counter(), time.process_time()
        run(context_at(assistant, principal, conversation_id))
        took = (1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
        parts.setdefault(name, []).append(took)
        return took[1]

    def own(context: Context) -> object:
        assert context.asked is not None
        return assistant.rehearse(context.customer, context.head.conversation_id, context.turns[:-1], context.asked)

    def kept(context: Context) -> object:
        return suggester.macros(context.asked.content if context.asked else "", context.language, 2)

    def pages(context: Context) -> object:
        return scored_passages(assistant.parts.shelf, context.asked.content if context.asked else "", context.language)

    runs: dict[str, Callable[[Context], object]] = {
        "next action": next_action_of,
        "summary": summary_of,
        "sentiment": lambda context: sentiment_of(context.turns),
        "of the suggestions: Aisle's own answer": own,
        "of the suggestions: replies at hand": kept,
        "of the suggestions: pages": pages,
        "nothing but reading the conversation": lambda _: None,
    }
    for number, (language, said) in enumerate(talks(shop, messages)):
        principal, conversation_id = Principal(people[number % len(people)], Role.CUSTOMER), None
        for text in said:
            conversation_id = assistant.reply(principal, text, conversation_id).conversation_id
            took = timed(f"suggestions, {language}", suggester.suggest, principal, conversation_id)
            slow.append((took, text))
            for name, run in runs.items():
                timed(name, run, principal, conversation_id)
    whole = [each for name, values in parts.items() if name.startswith("suggestions") for each in values]
    print("| | messages | p50 ms | p95 ms | p50 ms of CPU | p95 ms of CPU |\n| --- | --- | --- | --- | --- | --- |")
    for name, values in (("**suggestions**", whole), *parts.items()):
        figures = np.percentile(np.array(values), (50, 95), axis=0).T.ravel()  # (wall p50, p95, CPU p50, p95)
        print(f"| {name} | {len(values)} | " + " | ".join(f"{each:.1f}" for each in figures) + " |")
    for took, text in sorted(slow, reverse=True)[:5]:
        print(f"slowest: {took:.0f} ms {text[:80]!r}", file=sys.stderr)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"))
    parser.add_argument("--messages", type=int, default=320)
    parser.add_argument("--only", choices=("order", "sentiment", "speed"))
    options = parser.parse_args()
    if options.only in (None, "sentiment"):
        sentiment()
    if options.only == "sentiment":
        return
    with tempfile.TemporaryDirectory() as place:
        with (
            closing(sqlite3.connect(options.shop / "aisle.db")) as own,
            closing(sqlite3.connect(f"{place}/bench.db")) as copy,
        ):
            own.backup(copy)
        database = Database.open(f"sqlite:///{place}/bench.db")
        for number, (language, title, text) in enumerate(MACROS):
            put_macro(
                database, SUPERVISOR, Macro(macro_id=f"bench-{number}", language=language, title=title, text=text)
            )
        assistant = Assistant.open(options.shop, settings_of(options.shop), database)
        if options.only in (None, "order"):
            order(assistant)
        if options.only in (None, "speed"):
            speed(assistant, options.shop, options.messages)
        assistant.close()
        database.close()


if __name__ == "__main__":
    main()
