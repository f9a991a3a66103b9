"""The conversation in a terminal: what `launch.py chat` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bot.cards import Card, CartView, Reply
from bot.reply.voice import Voice
from bot.service import Assistant
from index.money import format_money
from storage.errors import AisleError
from storage.principal import Principal

LEAVE = frozenset({"/quit", "/exit", "quit", "exit", ":q", "退出"})


def converse(
    assistant: Assistant,
    principal: Principal,
    console: Console,
    read: Callable[[], str],
    language: str | None = None,
    user_id: str | None = None,
) -> None:
    """Talks until the shopper leaves (`/quit`, Ctrl-D or Ctrl-C).

    Args:
        assistant: answers.
        principal: who talks.
        console: where to print.
        read: returns the next line; raises EOFError at the end.
        language: the language to answer in; by default that of each turn.
        user_id: whom the shop's backend talks for.
    """
    for question in assistant.starters(language or "en"):
        console.print(Text(f"  · {question}", style="dim"))
    conversation_id: str | None = None
    while True:
        try:
            line = read()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        if line.strip().casefold() in LEAVE:
            return
        try:
            reply = assistant.reply(principal, line, conversation_id, user_id, language, channel="terminal")
        except AisleError as error:
            console.print(Text(str(error), style="red"))
            continue
        conversation_id = reply.conversation_id
        show(reply, console)


def show(reply: Reply, console: Console) -> None:
    """Prints a reply: its text, then cards with their reasons, sources, and the cart where the turn touched it."""
    voice = Voice.of(reply.language)
    console.print(Markdown(reply.text))
    for number, card in enumerate(reply.products, start=1):
        price = voice.money(card.price) if card.price is not None else "–"
        old = f" ({voice.money(card.list_price)})" if card.list_price is not None else ""
        stars = f"  ★ {voice.rating(card.rating.value)} ({card.rating.count})" if card.rating is not None else ""
        console.print(
            Text.assemble(
                (f"{number}. {card.title}", "bold"), f"  {price}{old}{stars}  {voice.availability(card.availability)}"
            )
        )
        told = [f"{voice.attribute(name)}: {', '.join(values)}" for name, values in card.attributes.items()]
        told += [reason.text for reason in card.reasons]
        if told:
            console.print(Text("   " + " · ".join(told), style="dim"))
    for citation in reply.citations:
        console.print(Text(f"[{citation.title}] {citation.url}".rstrip(), style="dim"))
    if reply.cart is not None and reply.cart.lines:
        console.print(_cart(reply.cart, voice))


def results(products: Sequence[Card], total: int, language: str = "en") -> Table:
    """What a search found, as a table."""
    table = Table(caption=f"{len(products)} / {total}", caption_justify="left", box=None)
    for heading in ("id", "title", "brand", "price", "availability"):
        table.add_column(heading)
    for card in products:
        price = format_money(card.price, language) if card.price else ""
        table.add_row(*map(escape, (card.product_id, card.title, card.brand, price, card.availability.value)))
    return table


def _cart(cart: CartView, voice: Voice) -> Table:
    table = Table(box=None, show_header=False)
    for line in cart.lines:
        price = voice.money(line.price) if line.price is not None else voice.availability(line.availability)
        table.add_row(f"{line.quantity} ×", line.title, price)
    if cart.subtotal is not None:
        table.add_row("", "", Text(voice.money(cart.subtotal), style="bold"))
    return table
