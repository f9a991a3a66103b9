"""The window's HTML, made from records. Every text is escaped here: what a customer types or a catalog says is never markup.

It is long because it is all of the window's markup, a function a panel or a part of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from bot.cards import Card, CartView, Citation, ConsentView, ProfileView
from bot.desk.views import Happening, Said
from bot.reply.voice import Voice, languages
from bot.shelf import price_of, telling_options
from bot.transcript import day_of
from bot.windows.texts import name_of, texts
from index.money import format_money
from index.product import Money, Product, Variant
from storage.conversations import Conversation
from storage.errors import AisleError, Unauthenticated
from storage.past_conversations import PastConversation

# Replies are plain text with the occasional table; raw HTML in them is shown, not run, and links stay text.
_MARKDOWN = MarkdownIt("zero", {"html": False, "breaks": True}).enable(["table", "list", "emphasis", "newline"])

# Drawn, for not every machine has letters for it; the style sheet turns it upside down for the other one.
_THUMB = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 11h3.5v10H3z"/>'
    '<path d="M9 20V11l3.6-7.4c1.7 0 2.8 1.4 2.5 3L14.4 10H19c1.3 0 2.2 1.2 1.9 2.4l-1.7 6.9'
    'c-.3 1-1.1 1.7-2.1 1.7h-6C10 21 9 20.6 9 20z"/></svg>'
)
_FEWEST_VARIANTS = 2  # one is no choice
_TALLEST_LIST = 6  # attributes on a card: more than these nobody reads there
_FIRST_BELIEFS = 5  # the strongest; the others stand behind a fold


def _attribute(name: str, value: object) -> str:
    return f'{name}="{escape(str(value), quote=True)}"'


def _data(**values: object) -> str:
    return " ".join(_attribute(f"data-{name}", value) for name, value in values.items() if value is not None)


def safe_url(url: str) -> str:
    """The address if a page may link to it (a path of this site, http or https), else ""."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    own = not parts.scheme and not parts.netloc and url.strip().startswith("/")
    return url.strip() if own or parts.scheme in ("http", "https") else ""


def money(value: Money | None, language: str) -> str:
    """A price as people of that language write it, "" where there is none."""
    return format_money(value, language) if value else ""


def user_turn(text: str, language: str) -> str:
    """What the customer said."""
    label = texts(language)["you"]
    return f'<li class="turn turn-user"><span class="who">{escape(label)}</span><p>{escape(text)}</p></li>'


def thinking(language: str) -> str:
    """The sign that an answer is on its way."""
    label = escape(texts(language)["thinking"])
    return f'<li class="turn turn-aisle"><p class="thinking" role="status">{label}<i></i><i></i><i></i></p></li>'


def note(text: str) -> str:
    """A word about what was done, beside what was said."""
    return f'<li class="turn turn-note"><p>{escape(text)}</p></li>'


def day(instant: int, language: str) -> str:
    """A line between what was said on different days; `instant` in milliseconds since 1970, UTC."""
    iso = day_of(instant)
    year, month, date = iso.split("-")
    said = texts(language)["day"].format(year=year, month=int(month), date=int(date), iso=iso)
    return f'<li class="day"><time datetime="{iso}">{escape(said)}</time></li>'


def failure(detail: str, hint: str, language: str) -> str:
    """An error, with the way out."""
    title = escape(texts(language)["failed"])
    return (
        f'<li class="turn turn-aisle"><p class="failure" role="alert">{title} {escape(detail)} {escape(hint)}</p></li>'
    )


def unkept(asked: str, answer: str) -> str:
    """A question and its answer that no transcript will show."""
    return f'<ol class="talk">{asked}{answer}</ol>'


def busy(language: str) -> str:
    """The word that a message was not sent, where the answer would come; the message is still in its box."""
    return f'<p class="failure" role="alert">{escape(texts(language)["busy"])}</p>'


def assistant_turn(
    text: str,
    cards: Iterable[Card],
    citations: Iterable[Citation],
    language: str,
    message_id: str,
    feedback: Mapping[str, str] | None = None,
    record: Callable[[str], Product | None] = lambda _: None,
    *,
    agent: str | None = None,
    actions: bool = True,
    checkout: str = "",
) -> str:
    """One answer: its text, its cards, its sources. `agent` is who gave it where Aisle did not; `actions` are the cards' buttons.

    The address of the `checkout` becomes a link where the text names it, and no other: links in texts stay text. `feedback` maps a
    product id to the thumb given ("up" or "down"), `record` gives the product, for what else there is of it.
    """
    words = texts(language)
    name = words["aisle"] if agent is None else agent or words["agent"]
    parts = [f'<span class="who{"" if agent is None else " told"}">{escape(name)}</span>']
    if text:
        parts.append(f'<div class="said">{_linked(_MARKDOWN.render(text), checkout)}</div>')
    shown = [
        card(
            item,
            language,
            message_id,
            (feedback or {}).get(item.product_id, ""),
            buttons=actions,
            record=record(item.product_id),
        )
        for item in cards
    ]
    if shown:
        parts.append(f'<ul class="cards">{"".join(shown)}</ul>')
    parts += [citation(item, language, quoted=item.quote in text) for item in citations]
    kind = "turn turn-aisle" if agent is None else "turn turn-aisle turn-agent"
    return f'<li class="{kind}" lang="{escape(language)}">{"".join(parts)}</li>'


def coming(text: str, cards: Iterable[Card], language: str, record: Callable[[str], Product | None]) -> str:
    """An answer on its way: what there is of it; the text's place is kept while only the cards are known."""
    turn = assistant_turn(text, cards, (), language, "", record=record, actions=False)
    if text:
        return turn
    dots = f'<p class="thinking said" role="status">{escape(texts(language)["thinking"])}<i></i><i></i><i></i></p>'
    return turn.replace('<ul class="cards">', f'{dots}<ul class="cards">', 1)


def message(
    item: Said,
    language: str,
    feedback: Mapping[str, str] | None,
    record: Callable[[str], Product | None],
    checkout: str = "",
) -> str:
    """What was said, by whomever."""
    if item.role == "user":
        return user_turn(item.text, language)
    return assistant_turn(
        item.text,
        item.products,
        item.citations,
        item.language,
        item.message_id,
        feedback,
        record,
        agent=item.agent if item.role == "agent" else None,
        checkout=checkout,
    )


def happened(item: Happening, language: str) -> str:
    """That an agent came or went."""
    words = texts(language)
    said = words[f"person_{item.event}"].format(agent=item.agent or words["agent"])
    return f'<li class="turn turn-happened"><p>{escape(said)}</p></li>'


def company(agent: str | None, language: str) -> str:
    """Who is with the customer now: an agent by name, or nobody yet where one was asked for (`agent` is None)."""
    words = texts(language)
    said = words["person_awaited"] if agent is None else words["person_here"].format(agent=agent)
    kind = "waits" if agent is None else "here"
    return f'<li class="company {kind}" role="status"><i aria-hidden="true"></i>{escape(said)}</li>'


def rating(language: str) -> str:
    """Five buttons: what the customer thought of the agents' help."""
    words = texts(language)
    stars = "".join(
        f'<button type="button" data-act="rate" data-rating="{stars}" '
        f"{_attribute('aria-label', words['rate_stars'].format(stars=stars))}>{stars}</button>"
        for stars in range(1, 6)
    )
    ends = (f"<small>{escape(words[name])}</small>" for name in ("rate_worst", "rate_best"))
    return (
        f'<li class="turn turn-rating" role="group" {_attribute("aria-label", words["rate"])}><p>{escape(words["rate"])}</p>'
        f'<div class="rates">{next(ends)}{stars}{next(ends)}</div></li>'
    )


def _linked(html: str, checkout: str) -> str:
    if not (link := safe_url(checkout)):
        return html
    return html.replace(escape(checkout), f'<a {_attribute("href", link)} target="_top">{escape(checkout)}</a>')


def choices(record: Product, variants: Iterable[Variant], language: str) -> str:
    """Variants of a product as buttons that put one into the cart."""
    words = texts(language)
    names = telling_options(record)
    buttons = []
    for variant in variants:
        name = ", ".join(variant.options[each] for each in names if each in variant.options)
        price = money(price_of(record, variant), language)
        target = _data(product=record.id, variant=variant.id, exact="yes")
        label = " · ".join(filter(None, (name or variant.title or variant.id, price)))
        buttons.append(f'<button type="button" data-act="add" {target}>{escape(label)}</button>')
    asked = escape(words["which"].format(title=record.title))
    inside = f'<p>{asked}</p><div class="choices">{"".join(buttons)}</div>'
    return f'<li class="turn turn-aisle"><span class="who">{escape(words["aisle"])}</span><div class="said">{inside}</div></li>'


def citation(item: Citation, language: str, *, quoted: bool = False) -> str:
    """Where a sentence comes from, with the words that stand there unless the answer has `quoted` them."""
    source = escape(texts(language)["sources"])
    quote = "" if quoted else f"<blockquote>{escape(item.quote)}</blockquote>"
    return f'<figure class="citation">{quote}<figcaption>{source}: {escape(item.title)}</figcaption></figure>'


def card(
    item: Card,
    language: str,
    message_id: str,
    thumb: str = "",
    *,
    buttons: bool = True,
    record: Product | None = None,
) -> str:
    """One product, with everything one can do with it; without `buttons` for a page that has no script behind them.

    With its `record` it says how many colors and sizes there are, and that a price is where they start.
    """
    words = texts(language)
    title = escape(item.title)
    link = safe_url(item.url)
    picture = safe_url(item.image_url)
    image = (
        f'<img {_attribute("src", picture)} alt="" loading="lazy">' if picture else '<span class="no-picture"></span>'
    )
    heading = f'<a {_attribute("href", link)} target="_blank" rel="noopener">{title}</a>' if link else title
    target = _data(product=item.product_id, variant=item.variant_id, message=message_id)
    sellable = item.availability.orderable
    thumbs = "".join(
        f'<button type="button" class="thumb" data-act="{value}" {target} aria-pressed="{str(thumb == value).lower()}" '
        f"{_attribute('aria-label', words[name])} {_attribute('title', words[name])}>{_THUMB}</button>"
        for value, name in (("up", "like"), ("down", "dislike"))
    )
    add = (
        f'<button type="button" class="add" data-act="add" {target}>{escape(words["add"])}</button>' if sellable else ""
    )
    actions = f'<div class="actions">{add}{thumbs}</div>' if buttons else ""
    return (
        f'<li class="card" {target}><div class="picture">{image}</div><div class="body">'
        f'<p class="brand">{escape(item.brand)}</p><h3>{heading}</h3>{_price(item, language, record)}{_rating(item, language)}'
        f'<p class="availability {item.availability}">{escape(words[item.availability])}</p>'
        f"{_variants(record, language)}{_attributes(item.attributes, language)}{_reasons(item, language)}{actions}</div></li>"
    )


def _variants(record: Product | None, language: str) -> str:
    """How many there are to choose from: "12 × color, 5 × size"."""
    if record is None or len(record.variants) < _FEWEST_VARIANTS:
        return ""
    voice = Voice.of(language)
    counts = [
        f"{len({variant.options.get(name) for variant in record.variants} - {None})} × {voice.attribute(name)}"
        for name in telling_options(record)
    ]
    inside = texts(language)["choose"].format(options=", ".join(counts) or len(record.variants))
    return f'<p class="variants">{escape(inside)}</p>'


def _price(item: Card, language: str, record: Product | None) -> str:
    if not item.price:
        return f'<p class="price none">{escape(texts(language)["no_price"])}</p>'
    if record is not None and not item.variant_id and len({price_of(record, each) for each in record.variants}) > 1:
        start = escape(texts(language)["from"]).format(price=f"<strong>{escape(money(item.price, language))}</strong>")
        return f'<p class="price">{start}</p>'
    before = money(item.list_price, language) if item.list_price and item.list_price.amount > item.price.amount else ""
    struck = f" <s>{escape(before)}</s>" if before else ""
    return f'<p class="price"><strong>{escape(money(item.price, language))}</strong>{struck}</p>'


def _rating(item: Card, language: str) -> str:
    if not item.rating or not item.rating.count:
        return ""
    value = f"{item.rating.value:.1f}"
    label = texts(language)["rating"].format(value=value, count=item.rating.count)
    share = round(item.rating.value / 5 * 100)
    return (
        f'<p class="rating" {_attribute("aria-label", label)} {_attribute("title", label)}>'
        f'<span class="stars" style="--share:{share}%" aria-hidden="true"></span>'
        f'<span aria-hidden="true">{value} ({item.rating.count})</span></p>'
    )


def _attributes(attributes: Mapping[str, tuple[str, ...]], language: str) -> str:
    """Names and values in the window's language, as the answer beside them has them; a maker's own word stays."""
    voice = Voice.of(language)
    rows = [
        f"<div><dt>{escape(voice.attribute(name))}</dt><dd>{escape(', '.join(map(voice.value, values)))}</dd></div>"
        for name, values in list(attributes.items())[:_TALLEST_LIST]
    ]
    return f'<dl class="attributes">{"".join(rows)}</dl>' if rows else ""


def _reasons(item: Card, language: str) -> str:
    if not item.reasons:
        return ""
    words = texts(language)
    rows = [
        f"<li>{escape(reason.text)}"
        + (
            f" <small>{escape(words['evidence'])} {escape(', '.join(reason.evidence[:3]))}</small>"
            if reason.evidence
            else ""
        )
        + "</li>"
        for reason in item.reasons
    ]
    return f'<details class="why"><summary>{escape(words["why"])}</summary><ul>{"".join(rows)}</ul></details>'


def cart(view: CartView, language: str) -> str:
    """The cart panel."""
    words = texts(language)
    rows = []
    for line in view.lines:
        target = _data(line=line.line_id, quantity=line.quantity)
        amount = money(line.price, language) or escape(words[line.availability])
        buttons = "".join(
            f'<button type="button" data-act="{act}" {target} {_attribute("aria-label", words[name].format(title=line.title))}>'
            f"{sign}</button>"
            for act, name, sign in (("fewer", "fewer", "−"), ("more", "more", "+"), ("remove", "remove_from_cart", "×"))
        )
        gone = "" if line.availability.orderable else f" <em>{escape(words[line.availability])}</em>"
        rows.append(
            f'<li><span class="title">{escape(line.title)}{gone}</span><span class="amount">{line.quantity} × {amount}</span>'
            f'<span class="buttons">{buttons}</span></li>'
        )
    inside = (
        f'<ul class="lines">{"".join(rows)}</ul>' if rows else f'<p class="empty">{escape(words["cart_empty"])}</p>'
    )
    if rows and view.subtotal:
        total = escape(money(view.subtotal, language))
        inside += f'<p class="subtotal">{escape(words["subtotal"])} <strong>{total}</strong></p>'
        if link := safe_url(view.checkout_url):
            inside += f'<a class="checkout" {_attribute("href", link)} target="_top">{escape(words["checkout"])}</a>'
    return _panel("cart", f"{words['cart']} ({view.pieces})", inside)


def profile(view: ProfileView, consent: ConsentView, language: str) -> str:
    """The panel of beliefs, each with its remove button, and what the shopper allows."""
    words = texts(language)
    rows = [
        f"<li><span>{escape(belief.text)}</span>"
        f'<button type="button" data-act="forget" {_data(kind=belief.kind, value=belief.value)} '
        f"{_attribute('aria-label', words['remove_belief'].format(text=belief.text))}>×</button></li>"
        for belief in view.beliefs
    ]
    first, others = "".join(rows[:_FIRST_BELIEFS]), "".join(rows[_FIRST_BELIEFS:])
    rest = (
        f'<details><summary>{escape(words["profile_rest"])}</summary><ul class="beliefs">{others}</ul></details>'
        if others
        else ""
    )
    note = f'<p class="note">{escape(words["profile_note"])}</p>'
    nothing = words["profile_empty" if consent.personalize else "profile_off"]
    empty = f'<p class="empty">{escape(nothing)}</p>'
    inside = f'{note}<ul class="beliefs">{first}</ul>{rest}' if rows else empty
    return _panel("profile", words["profile"], inside + _consent(consent, language))


def _consent(view: ConsentView, language: str) -> str:
    """A switch for each purpose, with what it means; `personalize` is out of reach where `answer` is off, which it needs."""
    words = texts(language)

    def switch(purpose: str, on: bool, reachable: bool = True) -> str:
        label, about = f"consent-{purpose}", f"consent-{purpose}-about"
        off = "" if reachable else ' aria-disabled="true"'
        act = ' data-act="consent"' if reachable else ""
        return (
            f'<li><div><span id="{label}">{escape(words[f"consent_{purpose}"])}</span>'
            f'<p class="note" id="{about}">{escape(words[f"consent_{purpose}_about"])}</p></div>'
            f'<button type="button" role="switch" id="{label}-switch" aria-checked="{str(on).lower()}" aria-labelledby="{label}" '
            f'aria-describedby="{about}"{act} {_data(purpose=purpose, value="off" if on else "on")}{off}>'
            f"<span>{escape(words['consent_on' if on else 'consent_off'])}</span></button></li>"
        )

    switches = (
        switch("answer", view.answer)
        + switch("personalize", view.personalize, view.answer)
        + switch("train", view.train)
    )
    return (
        f'<section class="consent" aria-label="{escape(words["consent"])}"><h3>{escape(words["consent"])}</h3>'
        f'<ul class="switches">{switches}</ul></section>'
    )


def _panel(name: str, title: str, inside: str) -> str:
    return f'<details class="panel {name}" open><summary><h2>{escape(title)}</h2></summary>{inside}</details>'


def header(name: str, language: str) -> str:
    """The shop's name at the top of the window."""
    tagline = escape(texts(language)["tagline"])
    return f'<div class="mark" aria-hidden="true"></div><div><h1>{escape(name)}</h1><p>{tagline}</p></div>'


def hello(language: str) -> str:
    """The first words of the window."""
    words = texts(language)
    who, said = escape(words["aisle"]), escape(words["hello"])
    return f'<li class="turn turn-aisle"><span class="who">{who}</span><div class="said"><p>{said}</p></div></li>'


def product(item: Card, description: str, language: str) -> str:
    """One product with its description."""
    return f'<ul class="cards">{card(item, language, "", buttons=False)}</ul><p>{escape(description)}</p>'


def staff(role: str, language: str) -> str:
    """What stands in the place of the cart for somebody who is signed in and no customer."""
    words = texts(language)
    button = f'<form method="post" action="/logout"><button>{escape(words["sign_out"])}</button></form>'
    return _panel("cart", words["sign_out"], f"<p>{escape(words['staff'].format(role=role))}</p>{button}")


def login(language: str, error: AisleError | None = None) -> str:
    """The page that takes a key, and why the one before was not taken."""
    words = texts(language)
    title, label, send = (escape(words[name]) for name in ("sign_in", "key", "sign_in"))
    told = "" if error is None else f'<p class="failure" role="alert">{escape(_not_signed_in(error, words))}</p>'
    form = (
        f'<h1>{title}</h1>{told}<form method="post" action="/login"><label>{label} '
        f'<input name="key" type="password" autocomplete="current-password" required></label> <button>{send}</button></form>'
    )
    return page(words["sign_in"], form, language)


def _not_signed_in(error: AisleError, words: Mapping[str, str]) -> str:
    if error.retry_after is not None:
        return words["sign_in_later"].format(seconds=error.retry_after)
    return words["sign_in_refused" if isinstance(error, Unauthenticated) else "failed"]


def page(title: str, inside: str, language: str) -> str:
    """A plain page of the demo's own site, for links that cards carry."""
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="/window.css"><body class="plain"><main>{inside}</main></body></html>'
    )


def talk(turns: Iterable[str], language: str, head: Conversation | None = None) -> str:
    """The transcript: a log that screen readers follow. With the conversation's `head` the page follows what changes in it."""
    title = texts(language)["transcript"]
    followed = _data(conversation=head.conversation_id, updated=head.updated_at) if head is not None else ""
    return (
        f'<h2 class="unseen">{escape(title)}</h2><div role="log" aria-live="polite" {_attribute("aria-label", title)}>'
        f'<ol class="talk" data-language="{escape(language)}" {followed}>{"".join(turns)}</ol></div>'
        '<button type="button" data-act="refresh" hidden></button>'
    )


def live(turn: str, language: str) -> str:
    """An answer on its way, with the button that stops it. Screen readers are told the whole answer, once it is there."""
    stop = escape(texts(language)["stop"])
    return (
        f'<ol class="talk" aria-live="off">{turn}</ol><p class="stop"><button type="button" data-act="stop">'
        f"{stop} <kbd>Esc</kbd></button></p>"
    )


def tools(past: Iterable[PastConversation], current: str | None, pieces: int, language: str) -> str:
    """The buttons at the top: a new conversation, earlier ones, the file to keep, the language; the way to the cart on phones."""
    words = texts(language)
    rows = "".join(
        f'<li><button type="button" data-act="open" {_data(conversation=each.conversation_id)}'
        f"{_current(each.conversation_id == current)}><span>{escape(each.title)}</span>"
        f'<time datetime="{day_of(each.updated_at)}">{day_of(each.updated_at)}</time></button></li>'
        for each in past
    )
    known = any(each.conversation_id == current for each in past)
    saves = "".join(
        f'<li><button type="button" data-act="export" {_data(conversation=current, format=form)}>{escape(words[name])}'
        "</button></li>"
        for form, name in (("markdown", "save_markdown"), ("json", "save_json"))
    )
    switch = "".join(
        f'<button type="button" data-act="language" data-language="{each}" lang="{each}" '
        f'aria-pressed="{str(each == language).lower()}">'
        f"{escape(name_of(each))}</button>"
        for each in languages()
    )
    parts = [
        f'<a class="to-cart" href="#cart">{escape(words["cart_short"])} ({pieces})</a>',
        f'<button type="button" data-act="new">{escape(words["new"])}</button>' if known else "",
        _menu(words["earlier"], rows) if rows else "",
        _menu(words["save"], saves) if known else "",
        f'<span class="languages" role="group" {_attribute("aria-label", words["languages"])}>{switch}</span>',
        f'<button type="button" class="close" data-act="close" {_attribute("aria-label", words["close"])}>×</button>',
    ]
    return f"<nav {_attribute('aria-label', words['tools'])}>{''.join(parts)}</nav>"


def _current(holds: bool) -> str:
    return ' aria-current="true"' if holds else ""


def _menu(title: str, rows: str) -> str:
    return f'<details class="menu"><summary>{escape(title)}</summary><ul>{rows}</ul></details>'


def described(payload: Mapping[str, Any]) -> tuple[str, str]:
    """Detail and hint of an `error` event."""
    return str(payload.get("detail", "")), str(payload.get("hint", ""))
