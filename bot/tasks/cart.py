"""The cart by talk. A write is checked against what was shown or named, then done once, and reported as it happened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bot.basket import Orderable, held, view_of
from bot.cards import CartLineView, CartView
from bot.policy import Decision
from bot.references import means_several, name_in, resolve, words_of
from bot.reply.voice import Voice
from bot.shelf import availability_of, telling_options
from bot.state import Item, Pending
from bot.tasks.positions import off_list
from bot.turn import Answer, Turn
from bot.variants import asked_of, meant
from index.product import Product, Variant
from retrieval.understanding import Understanding
from retrieval.understanding.numbers import small_number
from storage.carts import Cart, add_line, cart_of, change_line, empty_cart, remove_line
from storage.errors import Conflict, InvalidInput, NotFound

OPTIONS = 8
_COUNT = re.compile(
    r"\b(?:add|put|get|take|buy|order|want|need|have)\s+(?:me\s+)?(\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)\s+"
    r"(?!inch|cm|mm|gb|litre|liter|l\b|of the (?:first|second|third|last))[a-z]",
    re.IGNORECASE,
)
_TAKEN = re.compile(
    r"\b(?:remove|delete|drop|take out|take off)\s+(\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)\s+[a-z]",
    re.IGNORECASE,
)
_CART_SHOWN = ("cart_view", "cart_remove", "checkout")
_ANYTHING = frozenset(
    "item items product products thing things stuff line entry 商 品 东 西 物 件 样 除 移 取 消 退".split()
)
_ALL = re.compile(
    r"\b(?:everything|all of (?:them|these|those|it)|them all|the (?:whole|entire|complete) (?:set|bundle|lot))\b|"
    r"全部|所有(?:的|这些)|全都|都(?:要|加|买)|整套",
    re.IGNORECASE,
)
_EVERYTHING = re.compile(
    r"\b(?:empty|clear|everything|all of (?:it|them)|all items|start over|whole cart)\b|\bremove all\b|"
    r"清空|全部|全删|都删|都不要|所有",
    re.IGNORECASE,
)


def add(turn: Turn, answer: Answer) -> None:
    """Adds what the turn means: shown here, or named by its title or number."""
    words = turn.understanding.query
    everything = bool(_ALL.search(turn.message)) and not turn.understanding.ordinals
    if everything and not turn.state.shown:
        return answer.ask(turn.voice.say("cart.which_none"), Pending(kind="what"))
    if everything:
        return put_all(turn, answer, turn.state.shown, 1)
    # A write needs a product that was named or pointed at: words that name none must not add what was talked about before.
    reference = resolve(turn, assume=not words_of(words))
    if reference.off_list:
        return off_list(turn, answer)
    quantity = _quantity(turn)
    # "The black one" is one, also where several are black.
    pointing = turn.understanding.deixis and not turn.understanding.referent and means_several(turn.message)
    pointed = turn.understanding.ordinals or pointing
    if len(reference.items) > 1 and (reference.either or not pointed):
        return _which(turn, answer, reference.items, quantity)
    if reference.items:
        return put_all(turn, answer, reference.items, quantity)
    if words_of(words):
        answer.ledger.text(words)
        return answer.ask(turn.voice.say("cart.not_found", name=words[:80]), Pending(kind="what"))
    return _which(turn, answer, turn.state.shown, quantity)


def _which(turn: Turn, answer: Answer, candidates: Sequence[Item], quantity: int) -> None:
    products = turn.shelf.products(item.product_id for item in candidates)
    items = tuple(item for item in candidates if item.product_id in products)
    if not items:
        return answer.ask(turn.voice.say("cart.which_none"), Pending(kind="what"))
    answer.know(*products.values())
    titles = tuple(products[item.product_id].title for item in items)
    pending = Pending(kind="which_product", options=titles, items=items, quantity=quantity, task="cart_add")
    return answer.ask(turn.voice.say("cart.which", options=turn.voice.joined(titles, "or")), pending)


def _quantity(turn: Turn) -> int:
    """How many are wanted: a number that was read as a quantity, else one right behind the verb ("add three red mugs")."""
    if turn.understanding.quantity is not None:
        return turn.understanding.quantity
    found = _COUNT.search(turn.message)
    return small_number(found[1].casefold()) or 1 if found else 1


def add_chosen(turn: Turn, answer: Answer) -> None:
    """The variant that was asked for is chosen."""
    pending, choice = turn.decision.pending, turn.decision.choice
    if pending is None or not pending.items or (choice is not None and choice >= len(pending.items)):
        return add(turn, answer)
    if choice is None:
        put(turn, answer, Item(product_id=pending.items[0].product_id), pending.quantity, last=not pending.rest)
        return go_on(turn, answer, pending)
    put(turn, answer, pending.items[choice], pending.quantity, last=not pending.rest)
    return go_on(turn, answer, pending)


def put_all(turn: Turn, answer: Answer, items: Sequence[Item], quantity: int) -> None:
    """Adds several: first those that need no choice, then one question for the first that does; the others wait for its answer."""
    waiting = [item for item in items if _needs_choice(turn, item)]
    ordered = [*(item for item in items if item not in waiting), *waiting]
    for number, item in enumerate(ordered):
        put(turn, answer, item, quantity, last=number == len(ordered) - 1)
        if answer.pending is not None:
            rest = tuple(ordered[number + 1 :])
            answer.pending = answer.pending.model_copy(update={"rest": rest})
            break


def go_on(turn: Turn, answer: Answer, pending: Pending) -> None:
    """Adds what waited for the answer to a question. What was said answers that question alone: the others are asked for theirs."""
    if not pending.rest:
        return
    if answer.pending is not None:
        answer.pending = answer.pending.model_copy(update={"rest": (*answer.pending.rest, *pending.rest)})
        return
    unsaid = replace(turn, message="", understanding=Understanding(query=""), decision=Decision("cart_add"))
    put_all(unsaid, answer, pending.rest, 1)


def _needs_choice(turn: Turn, item: Item) -> bool:
    product = turn.shelf.product(item.product_id)
    return product is not None and bool(product.variants) and len(_fitting(turn, product, item)) != 1


def put(turn: Turn, answer: Answer, item: Item, quantity: int, last: bool = True) -> None:
    """Adds one product, or says why not. `last` also tells the new total."""
    voice = turn.voice
    product = turn.shelf.product(item.product_id)
    if product is None:
        return answer.say(voice.say("product.gone", title=item.product_id))
    answer.know(product)
    answer.focus = (item,)
    if not availability_of(product).orderable:
        return answer.say(
            voice.say(
                "cart.out_of_stock", title=product.title, availability=voice.availability(availability_of(product))
            )
        )
    variant: Variant | None = None
    if product.variants:
        left = _fitting(turn, product, item)
        if len(left) != 1:
            return _ask_variant(turn, answer, product, left, quantity)
        variant = left[0]
    found = Orderable(product, variant)
    if not found.availability.orderable:
        return answer.say(
            voice.say("cart.out_of_stock", title=found.title, availability=voice.availability(found.availability))
        )
    answer.ledger.text(found.title)
    if turn.decision.doubtful:
        exact = Item(product_id=product.id, variant_id=variant.id if variant else None, chosen=variant is not None)
        return answer.ask(
            voice.say("accept.offer_add", title=found.title), Pending(kind="add", items=(exact,), quantity=quantity)
        )
    cart = cart_of(turn.database, turn.principal, turn.user_id)
    already = held(cart, product.id, variant.id if variant else None)
    if found.stock is not None and already + quantity > found.stock:
        left_over = found.stock - already
        if left_over <= 0:
            return answer.say(voice.say("cart.limited_none", stock=found.stock, title=found.title))
        exact = Item(product_id=product.id, variant_id=variant.id if variant else None, chosen=True)
        return answer.ask(
            voice.say("cart.limited", stock=left_over, title=found.title),
            Pending(kind="add", items=(exact,), quantity=left_over),
        )
    variant_id = variant.id if variant else None
    request_id = f"{turn.message_id}:{product.id}:{variant_id or ''}"[:200]
    try:
        cart = add_line(
            turn.database, turn.principal, turn.user_id, product.id, variant_id, quantity,
            most=found.stock, request_id=request_id,
        )  # fmt: skip
    except (Conflict, InvalidInput) as refused:
        return answer.say(voice.say("cart.busy") if isinstance(refused, Conflict) else str(refused))
    answer.focus = (Item(product_id=product.id, variant_id=variant_id, chosen=True),)
    answer.say(voice.say("cart.added", quantity=quantity, title=found.title))
    _attach(turn, answer, cart)
    if last and answer.cart is not None and answer.cart.subtotal is not None:
        answer.say(voice.say("cart.total", subtotal=voice.money(answer.cart.subtotal)))
    return None


def _fitting(turn: Turn, product: Product, item: Item) -> list[Variant]:
    """The variants that can be meant.

    By the options that this turn or the topic's conditions name, else the one chosen before.
    """
    alive = [variant for variant in product.variants if availability_of(product, variant).orderable]
    if turn.decision.pending is not None and turn.decision.pending.kind == "variant" and item.chosen:
        return [variant for variant in product.variants if variant.id == item.variant_id]
    before = product.variant(item.variant_id) if item.chosen and item.variant_id else None
    found = meant(turn, product, running=before is None)
    if found.named:
        named = [variant for variant in found.variants if variant in alive]
        # "Add it in blue", of one that was taken in 42, is the blue one in 42.
        alike = [len(variant.options.items() & before.options.items()) if before else 0 for variant in named]
        return [variant for variant, shared in zip(named, alike, strict=True) if shared == max(alike)]
    return [variant for variant in alive if variant == before] or alive


def _ask_variant(turn: Turn, answer: Answer, product: Product, left: Sequence[Variant], quantity: int) -> None:
    voice = turn.voice
    choices = list(left) or [variant for variant in product.variants if availability_of(product, variant).orderable]
    choices = choices[:OPTIONS]
    if not choices:
        gone = voice.availability(availability_of(product))
        return answer.say(voice.say("cart.out_of_stock", title=product.title, availability=gone))
    names = telling_options(product)
    apart = [name for name in names if len({variant.options.get(name) for variant in choices}) > 1] or names
    spelled = _spelled(choices, apart, voice)
    items = tuple(Item(product_id=product.id, variant_id=variant.id, chosen=True) for variant in choices)
    answer.ledger.text(*spelled)
    pending = Pending(kind="variant", options=spelled, items=items, quantity=quantity)
    options = voice.joined(spelled, "or")
    if not left and (wanted := asked_of(turn, names)):
        answer.ledger.text(wanted)
        return answer.ask(voice.say("cart.variant_none", wanted=wanted, title=product.title, options=options), pending)
    option = voice.joined([voice.attribute(name) for name in apart], "and") or voice.field("title")
    return answer.ask(voice.say("cart.variant", option=option, title=product.title, options=options), pending)


def _spelled(choices: Sequence[Variant], apart: Sequence[str], voice: Voice) -> tuple[str, ...]:
    """Each variant by the options in which they differ; those that are alike in these by their titles or ids too."""
    names = [
        " / ".join(voice.value(variant.options[name]) for name in apart if variant.options.get(name))
        or variant.title
        or variant.id
        for variant in choices
    ]
    titles = [variant.title or variant.id for variant in choices]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({title if titles.count(title) == 1 else variant.id})"
        for name, title, variant in zip(names, titles, choices, strict=True)
    )


def remove(turn: Turn, answer: Answer) -> None:
    """Takes a product out, or some pieces of it; the whole cart only after a yes."""
    cart = cart_of(turn.database, turn.principal, turn.user_id)
    shown = _attach(turn, answer, cart)
    if not cart.lines:
        return answer.say(turn.voice.say("cart.empty"))
    if _EVERYTHING.search(turn.message) and not turn.understanding.ordinals:
        return answer.ask(turn.voice.say("cart.confirm_empty", count=shown.pieces), Pending(kind="empty_cart"))
    lines = _meant(turn, shown)
    if not lines:
        return _not_there(turn, answer, shown)
    if turn.decision.doubtful or (len(lines) > 1 and not turn.understanding.ordinals):
        return _which_line(turn, answer, lines)
    for line in lines:
        _take(turn, answer, line, turn.understanding.quantity or _fewer(turn))
    return None


def _fewer(turn: Turn) -> int | None:
    """How many pieces to take out where a number stands right behind the verb ("remove one Brindle")."""
    found = _TAKEN.search(turn.message)
    return small_number(found[1].casefold()) if found and not turn.understanding.ordinals else None


def remove_chosen(turn: Turn, answer: Answer) -> None:
    """The line that was asked for is chosen."""
    pending, choice = turn.decision.pending, turn.decision.choice
    shown = _attach(turn, answer, cart_of(turn.database, turn.principal, turn.user_id))
    if pending is None or choice is None or choice >= len(pending.items):
        return remove(turn, answer)
    item = pending.items[choice]
    for line in shown.lines:
        if (line.product_id, line.variant_id) == (item.product_id, item.variant_id):
            return _take(turn, answer, line, pending.quantity or None)
    return answer.say(turn.voice.say("cart.not_there"))


def emptied(turn: Turn, answer: Answer) -> None:
    """The customer confirmed: everything goes."""
    cart = empty_cart(turn.database, turn.principal, turn.user_id, request_id=f"{turn.message_id}:empty")
    _attach(turn, answer, cart)
    answer.say(turn.voice.say("cart.emptied"))


def _meant(turn: Turn, cart: CartView) -> list[CartLineView]:
    """The lines that the turn means: a position, a name, "it", or the only one; none where it means what is not there.

    A position counts in what was shown last, which is the cart after a turn about it.
    """
    understanding = turn.understanding
    if understanding.ordinals:
        in_cart = [] if turn.state.last_task in _CART_SHOWN else _lines_of(resolve(turn).items, cart)
        if in_cart or turn.state.last_task not in (*_CART_SHOWN, "cart_add"):
            return in_cart
        picked = [position - 1 if position > 0 else len(cart.lines) + position for position in understanding.ordinals]
        return [cart.lines[index] for index in picked if 0 <= index < len(cart.lines)]
    said = set(words_of(turn.message))
    shared = [(len(said & set(words_of(line.title))), line) for line in cart.lines]
    most = max((count for count, _ in shared), default=0)
    if most:
        return [line for count, line in shared if count == most]
    found = _lines_of(resolve(turn).items, cart)
    if found:
        return found
    named = [word for word in words_of(name_in(turn)) if word not in _ANYTHING]
    return [] if named and not understanding.deixis else list(cart.lines)


def _lines_of(items: Sequence[Item], cart: CartView) -> list[CartLineView]:
    """The lines of these products; of their very variants where the cart has those."""
    ids = {item.product_id for item in items}
    found = [line for line in cart.lines if line.product_id in ids]
    exact = [line for line in found if any(line.variant_id == item.variant_id for item in items)]
    return exact or found


def _not_there(turn: Turn, answer: Answer, shown: CartView) -> None:
    items = resolve(turn).items
    product = turn.shelf.product(items[0].product_id) if items else None
    if product is not None and all(line.product_id != product.id for line in shown.lines):
        answer.know(product)
        return answer.say(turn.voice.say("cart.not_in_cart", title=product.title))
    return answer.say(turn.voice.say("cart.not_there"))


def _which_line(turn: Turn, answer: Answer, lines: Sequence[CartLineView]) -> None:
    some = lines[:OPTIONS]
    titles = tuple(line.title for line in some)
    items = tuple(Item(product_id=line.product_id, variant_id=line.variant_id) for line in some)
    pending = Pending(kind="which_line", options=titles, items=items, quantity=turn.understanding.quantity or 0)
    return answer.ask(turn.voice.say("cart.which_line", options=turn.voice.joined(titles, "or")), pending)


def _take(turn: Turn, answer: Answer, line: CartLineView, quantity: int | None) -> None:
    voice, request_id = turn.voice, f"{turn.message_id}:{line.line_id}"[:200]
    try:
        if quantity is not None and quantity < line.quantity:
            left = line.quantity - quantity
            cart = change_line(turn.database, turn.principal, turn.user_id, line.line_id, left, request_id=request_id)
            answer.say(voice.say("cart.changed", quantity=left, title=line.title))
        else:
            cart = remove_line(turn.database, turn.principal, turn.user_id, line.line_id, request_id=request_id)
            answer.say(voice.say("cart.removed", title=line.title))
    except (Conflict, NotFound):
        return answer.say(voice.say("cart.busy"))
    answer.focus = (Item(product_id=line.product_id, variant_id=line.variant_id, chosen=True),)
    _attach(turn, answer, cart)
    return None


def view(turn: Turn, answer: Answer) -> None:
    """What is in the cart, at today's prices."""
    voice = turn.voice
    shown = _attach(turn, answer, cart_of(turn.database, turn.principal, turn.user_id))
    if not shown.lines:
        return answer.say(voice.say("cart.empty"))
    answer.say(
        voice.say("cart.view", lines=voice.joined([f"{line.quantity} × {line.title}" for line in shown.lines], "and"))
    )
    gone = [line.title for line in shown.lines if not line.availability.orderable]
    if shown.subtotal is not None:
        answer.say(voice.say("cart.total", subtotal=voice.money(shown.subtotal)))
    if gone:
        answer.say(voice.say("cart.gone", titles=voice.joined(gone, "and")))
    return None


def checkout(turn: Turn, answer: Answer) -> None:
    """The link at which the shop takes the payment; Aisle takes none."""
    view(turn, answer)
    cart = answer.cart
    if cart is None or not cart.lines or cart.subtotal is None:
        return None
    if cart.checkout_url:
        return answer.say(turn.voice.say("checkout.link", url=cart.checkout_url))
    return answer.say(turn.voice.say("checkout.none", subtotal=turn.voice.money(cart.subtotal)))


def _attach(turn: Turn, answer: Answer, cart: Cart) -> CartView:
    answer.cart = view_of(cart, turn.shelf, turn.currency, turn.checkout_url)
    answer.ledger.cart(answer.cart)
    return answer.cart
