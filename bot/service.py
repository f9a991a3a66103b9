"""The assistant as one object: what the windows, the API and the terminal call.

Every method that touches personal data takes the `Principal` who asks; `user_id` names another shopper and is
accepted from the shop's own backend only. All methods may be called from several threads. It is long because it is the one list of
what can be asked of the assistant; each method hands on to what does it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bot import outage
from bot.answer_book import AnswerBook, Remembered
from bot.backend import Backend
from bot.basket import lines_wanted, orderable, view_of
from bot.cards import Card, CartView, ConsentGiven, ConsentView, ProfileView, Reply
from bot.embedded import backend_of
from bot.experiments import Experiments
from bot.exposure import Exposures
from bot.grounding import Ledger
from bot.language import language_of, spoken
from bot.logs import REQUEST
from bot.memory import Memory
from bot.novelty import Novelty
from bot.parts import Parts, load_parts
from bot.policy import check_actions
from bot.present import belief_of, card_of, facts_of, slate_of
from bot.profiles import Profiles
from bot.reply.voice import Voice, languages
from bot.spoken import Event
from bot.starters import starters_of
from bot.talk import Clock, Rehearsal, Talk, Told
from bot.turn_figures import note_turn
from index.filters import Filters
from index.product import Product
from retrieval.path.stage import Journey, Position
from retrieval.profile import Profile
from retrieval.retention import Standing, band_of
from retrieval.retention.consumption import Due
from retrieval.search import SORTS
from retrieval.understanding import Understanding, merge
from storage.access_log import ACCOUNTABLE, MOST, Access, accesses_of, note
from storage.beliefs import hide_belief
from storage.carts import Cart, add_line, cart_of, change_line, empty_cart, remove_line, replace_lines
from storage.compaction import Compactor
from storage.consent import Consent, Source, consent_of, consent_records_of, set_consent
from storage.conversations import Channel, Turn, conversation
from storage.database import Database
from storage.erasure import Erased, erase_user, erased_name
from storage.errors import AisleError, Fault, Forbidden, InvalidInput, NotFound, Unavailable
from storage.event import Event as Behavior
from storage.event_spool import EventSpool
from storage.events import Recorded, events_of, record_events
from storage.personal import export_rows
from storage.principal import Principal, Role
from storage.purchases import buyer_of
from storage.record import now_ms
from storage.settings import ExplorationSettings, ShopSettings

if TYPE_CHECKING:
    from bot.llm.advise import Adviser

PATH_EVENTS = 100
"""The last events that a stage is read from; of those before, it only loses what was looked at so long ago."""
REORDER_DAYS = 7
"""What is due within so many days is reminded of."""
TURNS_TIMED = 10_000
MOST_RESULTS = 100
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message, by whom and where; of what `Assistant.reply` takes."""

    principal: Principal
    message: str
    conversation_id: str | None
    user_id: str | None
    language: str | None
    channel: Channel


class Assistant:
    """Answers shoppers from one index snapshot, one intent model and one database.

    `timings` holds one dict a turn: milliseconds by stage (storage, intent, understanding, search, ranking,
    reply, total), newest last; search includes the query's embedding. `removed` counts statements that the
    grounding check took out. `experiments` deal the shop's arms; without them none runs. Without the `shop`'s folder nothing is
    loaded anew, and nobody can be erased.
    `on_erasure` is called when somebody was erased, `on_consent` when somebody chose anew: whoever keeps what was said or is known
    drops it.
    `backend` keeps the orders; without one it is the one that the settings name. `adviser` asks a language model.
    """

    def __init__(
        self,
        parts: Parts,
        settings: ShopSettings,
        database: Database,
        checkout_url: str = "",
        experiments: Experiments | None = None,
        shop: Path | None = None,
        backend: Backend | None = None,
        adviser: Adviser | None = None,
    ) -> None:
        self.parts = parts
        self.settings = settings
        self.database = database
        self.checkout_url = checkout_url
        self.actions = check_actions(settings.intents)
        self.timings: deque[dict[str, float]] = deque(maxlen=TURNS_TIMED)
        self.removed = 0
        self.experiments = experiments or Experiments({}, "")
        self.adviser = adviser
        self._spool = EventSpool(database, shop, settings.consent) if shop is not None else None
        self.exposures = Exposures(self.record)
        share = settings.exploration.new_products
        self._novelty = Novelty(database, settings.consent, share, self.exposures.flush) if share else None
        self._answers = AnswerBook(database)
        self._profiles = Profiles(database, settings.consent)
        self._memory = Memory(database)
        self._outage = outage.Outage(database)
        self.shop = shop
        self._compactor = Compactor(database, shop) if shop is not None else None
        self.on_erasure: list[Callable[[], None]] = [self._memory.forget]
        self.on_consent: list[Callable[[], None]] = []
        self.backend = backend or backend_of(settings.orders, database, self._product_now)

    @classmethod
    def open(
        cls,
        shop: Path,
        settings: ShopSettings,
        database: Database,
        checkout_url: str = "",
        adviser: Adviser | None = None,
    ) -> Self:
        """Loads the current index and intent model of the shop's folder.

        Raises `Unavailable`, `Damaged`, or `InvalidInput` for a language that has no file, with the way out.

        `checkout_url` is the shop's own page that takes the payment, with `{cart_id}` where the cart's id belongs.
        """
        if unknown := [each for each in settings.languages if each not in languages()]:
            raise InvalidInput(
                f"shop.toml names the language {unknown[0]!r}, which has no file.",
                f"There are {', '.join(languages())}; CONTRIBUTING.md says how one is added.",
            )
        experiments = Experiments.of_shop(settings.experiment, shop)
        parts = load_parts(shop, settings, database)
        return cls(parts, settings, database, checkout_url, experiments, shop, adviser=adviser)

    def reload(self) -> None:
        """Serves the versions that are current now; turns that are being answered finish with the old ones.

        Raises what `open` raises, and then goes on serving what it served.
        """
        if self.shop is not None:
            self.parts = load_parts(self.shop, self.settings, self.database, self.parts)

    @property
    def events_waiting(self) -> int:
        """Bytes of events that wait on disk for the database."""
        return self._spool.size if self._spool is not None else 0

    def close(self) -> None:
        """Writes what is still waiting; the database stays open, for it was given."""
        self.exposures.close()
        if self._compactor is not None:
            self._compactor.close()
        if self._spool is not None:
            self._spool.close()

    def reply(
        self,
        principal: Principal,
        message: str,
        conversation_id: str | None = None,
        user_id: str | None = None,
        language: str | None = None,
        channel: Channel = "api",
    ) -> Reply:
        """One turn: understands, acts, answers and stores both turns. Without `conversation_id` a conversation starts on `channel`.

        While an agent holds the conversation the text is empty and the action `handoff`: the agent answers.

        Raises `NotFound` for a conversation that is not the shopper's, `Forbidden` for a `user_id` that is
        not from the service role.
        """
        told: list[Reply] = []
        for _ in self._turn(_Asked(principal, message, conversation_id, user_id, language, channel), told.append):
            pass
        return told[0]

    def _turn(self, asked: _Asked, answered: Callable[[Reply], None]) -> Iterator[Event]:
        """One turn as it comes; `answered` is given the whole reply at its end. While the database is away it is not kept."""
        asked, clock = replace(asked, conversation_id=outage.stored(asked.conversation_id)), Clock()
        if not self._outage.lasts:
            turn = self._kept_turn(asked, answered, clock)
            with closing(turn):
                try:
                    yield from turn
                    return
                except Unavailable as error:
                    if "storage" in clock.stages:  # it had begun, and may have changed something
                        self._outage.suspect()
                        raise
                    self._outage.met(error)
        asked.principal.require_role(Role.CUSTOMER, Role.SERVICE)
        shopper_of(asked.principal, asked.user_id)
        said = Turn(role="user", content=asked.message, language=asked.language or "")
        talk = self._talk(self._undrawn(), Experiments({}, ""), None, None, lambda _: None, known=False)
        found = talk.rehearse(asked.principal, asked.conversation_id or "", (), said)
        voice = Voice.of(spoken(asked.language or language_of(asked.message)), asked.message)
        yield from outage.answer(found, voice, self.settings.currency, asked.conversation_id, answered)

    def _kept_turn(
        self, asked: _Asked, answered: Callable[[Reply], None], clock: Clock
    ) -> Generator[Event, None, None]:
        """A turn that is stored."""
        shopper = self._speaker(asked.principal, asked.user_id, asked.conversation_id)

        def told(turn: Told) -> None:
            reply, removed, ordering = turn
            self.timings.append(stages := clock.ended())
            note_turn(reply.action, removed, stages)
            if removed:
                self.removed += removed
                _LOGGER.warning("The reply %s lost %d statements that no record backs.", reply.message_id, removed)
            if reply.products:
                self.exposures.show(
                    shopper, reply.conversation_id, reply.message_id, reply.products, self.settings.currency, ordering
                )
            answered(reply)

        talk = self._talk(
            self.settings,
            self.experiments,
            self._novelty,
            self.adviser,
            told,
        )
        yield from talk.turn(
            asked.principal, shopper, asked.message, asked.conversation_id, asked.language, asked.channel, clock
        )

    def _talk(
        self,
        settings: ShopSettings,
        experiments: Experiments,
        novelty: Novelty | None,
        adviser: Adviser | None,
        told: Callable[[Told], None],
        known: bool = True,
    ) -> Talk:
        """One turn's talk, with the parts that are current now; who speaks is a stranger where they are not to be `known`."""
        return Talk(
            self.parts,
            settings,
            self.database,
            self.actions,
            self.checkout_url,
            self._profile_of if known else lambda *_: self._stranger(),
            self._position_of if known else lambda *_: Position(),
            self._due_of if known else lambda *_: None,
            experiments,
            novelty,
            self._memory,
            self._answers,
            self.backend,
            adviser,
            told,
        )

    def rehearse(
        self, principal: Principal, conversation_id: str, before: Sequence[Turn], asked: Turn
    ) -> Rehearsal | None:
        """What Aisle would answer to a customer's stored message, as `Talk.rehearse` has it, for the agent who answers instead.

        No lot is drawn, no model asked, and no product shown: it is the customer's own order of what search finds.
        """
        talk = self._talk(self._undrawn(), Experiments({}, ""), None, None, lambda _: None)
        return talk.rehearse(principal, conversation_id, before, asked)

    def _undrawn(self) -> ShopSettings:
        """The settings without lots."""
        return self.settings.model_copy(update={"exploration": ExplorationSettings()})

    def answer_given(self, question: str, language: str) -> Remembered | None:
        """The approved answer of a person to a question, None where none is sure enough."""
        return self._answers.find(question, language, self.parts.shelf.encoders)

    def position(self, principal: Principal) -> Position:
        """Where the shopper themself is on the way to a purchase; a stranger's where nothing may be known of them."""
        return self._position_of(principal, principal.id, self._profile_of(principal, principal.id))

    def standing(self, principal: Principal) -> Standing | None:
        """How likely the shopper comes back; None without their consent, a purchase, or a model of the shop's customers."""
        model = self.parts.customers
        if model is None:
            return None
        return band_of(self.database, principal, principal.id, model, self.settings.consent)

    def _speaker(self, principal: Principal, user_id: str | None, conversation_id: str | None) -> str:
        """Who speaks: the principal, or for the shop's backend the shopper whose conversation it is."""
        if principal.role is Role.SERVICE and conversation_id is not None:
            owner = conversation(self.database, principal, conversation_id).user_id
            if user_id not in (None, owner):
                raise NotFound(f"There is no conversation {conversation_id[:200]!r} here.", "Start a new one.")
            return owner
        principal.require_role(Role.CUSTOMER, Role.SERVICE)
        return shopper_of(principal, user_id)

    def stream(
        self,
        principal: Principal,
        message: str,
        conversation_id: str | None = None,
        user_id: str | None = None,
        language: str | None = None,
        channel: Channel = "api",
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The same turn as events in the contract's order.

        `("meta", {conversation_id, message_id, language, intent})`, `("products", {products})`, `("text",
        {delta})` repeated, `("citations", {citations})`, `("cart", {cart})`, then `("done", the whole reply)`
        or `("error", the problem)`, as `AisleError.problem` spells it. A sentence is checked before it leaves; the deltas joined
        are the text. Closing the iterator ends the turn with what was said so far.
        """
        told: list[Reply] = []
        try:
            asked = _Asked(principal, message, conversation_id, user_id, language, channel)
            for name, payload in self._turn(asked, told.append):
                if name == "text":
                    yield from (("text", {"delta": delta}) for delta in deltas(payload["delta"]))
                else:
                    yield name, payload
        except AisleError as error:
            yield "error", error.problem()
            return
        except Exception:
            _LOGGER.exception("A turn failed.")
            yield "error", Fault().problem() | ({"request_id": REQUEST.get()} if REQUEST.get() else {})
            return
        whole = told[0].model_dump(mode="json")
        yield "citations", {"citations": whole["citations"]}
        yield "cart", {"cart": whole["cart"]}
        yield "done", whole

    def record(self, principal: Principal, batch: Sequence[Behavior]) -> Recorded:
        """Writes events of behavior for good, as `record_events` does; into the shop's folder while the database is away."""
        if self._spool is None:
            return record_events(self.database, principal, batch, self.settings.consent)
        return self._spool.record(principal, batch)

    def search(
        self,
        text: str,
        filters: Filters | None = None,
        sort: str = "relevance",
        limit: int = 10,
        principal: Principal | None = None,
        language: str | None = None,
    ) -> dict[str, Any]:
        """`POST /api/search`: `{products: [card], constraints: Filters, total: int}` as JSON values.

        Constraints in the text join `filters`, which win where both set a field; a signed-in `principal` gets
        their own order.

        Raises:
            InvalidInput: the sort order or the limit is not possible.

        """
        if sort not in SORTS:
            raise InvalidInput(f"There is no sort order {sort[:40]!r}.", f"Use one of: {', '.join(SORTS)}.")
        if not 1 <= limit <= MOST_RESULTS:
            raise InvalidInput(f"The limit {limit} is not possible.", f"Give 1 to {MOST_RESULTS}.")
        parts = self.parts
        understanding = parts.understander.read(text)
        constraints = merge(merge(Filters(), understanding), Understanding(query="", filters=filters or Filters()))
        order = understanding.sort or sort if sort == "relevance" else sort
        profile = self._tastes_of(principal) if principal is not None and principal.role is Role.CUSTOMER else None
        query = understanding.query
        found = parts.shelf.find(query, constraints, order, max(limit, 30), profile)
        voice = Voice.of(spoken(language or understanding.language), query)
        ledger = Ledger(self.settings.currency)
        cards = ledger.reasons(slate_of(found, constraints, voice, limit), found)
        self.removed += ledger.removed
        return {
            "products": [card.model_dump(mode="json") for card in cards],
            "constraints": constraints.model_dump(mode="json"),
            "total": found.total,
        }

    def product(self, product_id: str, principal: Principal | None = None) -> Card:
        """The card of one product, or of a variant by its own id, with all attributes; raises `NotFound`.

        It is the same for every `principal`.
        """
        return _full_card(self.product_record(product_id), product_id)

    def product_record(self, product_id: str) -> Product:
        """The whole record as it is offered now, variants included, also by the id of one; raises `NotFound`."""
        product = self.parts.shelf.product(product_id)
        if product is None:
            raise NotFound(f"There is no product {product_id[:200]!r}.", "Take the id from a search result.")
        return product

    def cart(self, principal: Principal, user_id: str | None = None) -> CartView:
        """The shopper's cart at today's prices."""
        return self._view(cart_of(self.database, principal, shopper_of(principal, user_id)))

    def add_to_cart(
        self,
        principal: Principal,
        product_id: str,
        variant_id: str | None = None,
        quantity: int = 1,
        request_id: str | None = None,
        user_id: str | None = None,
    ) -> CartView:
        """Adds a product; the same `request_id` twice adds once.

        Raises `NotFound` for an unknown product or variant; `Conflict` where it is sold out, fewer are left,
        or a variant must be named.
        """
        shopper = shopper_of(principal, user_id)
        found = orderable(self.parts.shelf, product_id, variant_id)
        chosen = found.variant.id if found.variant else None
        cart = add_line(
            self.database,
            principal,
            shopper,
            found.product.id,
            chosen,
            quantity,
            most=found.stock,
            request_id=request_id,
        )
        return self._view(cart)

    def change_cart_line(
        self,
        principal: Principal,
        line_id: str,
        quantity: int,
        request_id: str | None = None,
        user_id: str | None = None,
    ) -> CartView:
        """Sets a line's quantity (0 removes it); raises `NotFound` for an unknown line, `Conflict` beyond the stock."""
        shopper = shopper_of(principal, user_id)
        lines = cart_of(self.database, principal, shopper).lines
        line = next((each for each in lines if each.line_id == line_id), None)
        most = None
        if line is not None and quantity > line.quantity:
            most = orderable(self.parts.shelf, line.product_id, line.variant_id).stock
        cart = change_line(self.database, principal, shopper, line_id, quantity, most=most, request_id=request_id)
        return self._view(cart)

    def remove_cart_line(
        self, principal: Principal, line_id: str, request_id: str | None = None, user_id: str | None = None
    ) -> CartView:
        """Removes a line; raises `NotFound` for an unknown one."""
        shopper = shopper_of(principal, user_id)
        return self._view(remove_line(self.database, principal, shopper, line_id, request_id=request_id))

    def set_cart(
        self,
        principal: Principal,
        items: Sequence[tuple[str, int]],
        request_id: str | None = None,
        user_id: str | None = None,
        begins: bool = False,
    ) -> CartView:
        """Makes these items, products or variants with a quantity, all that the cart holds.

        Raises `NotFound` and `Conflict` as `add_to_cart` does; `Conflict` too where it `begins` a cart that holds something.
        """
        shopper = shopper_of(principal, user_id)
        cart = cart_of(self.database, principal, shopper)
        wanted = lines_wanted(self.parts.shelf, cart, items)
        changed = replace_lines(
            self.database,
            principal,
            shopper,
            wanted,
            begins=begins,
            request_id=request_id,
            expected_version=cart.version,
        )
        return self._view(changed)

    def empty_cart(self, principal: Principal, request_id: str | None = None, user_id: str | None = None) -> CartView:
        """Takes everything out of the cart; the same `request_id` twice does it once."""
        return self._view(empty_cart(self.database, principal, shopper_of(principal, user_id), request_id=request_id))

    def profile(self, principal: Principal, user_id: str | None = None, language: str = "en") -> ProfileView:
        """What the shop believes about the shopper, in words of `language`."""
        shopper = owner_of(principal, user_id)
        voice = Voice.of(spoken(language), shopper)
        beliefs = tuple(belief_of(belief, voice) for belief in self._profile_of(principal, shopper).beliefs())
        if beliefs:
            note(self.database, principal, shopper, "profile", of=ACCOUNTABLE)
        return ProfileView(user_id=shopper, beliefs=beliefs)

    def remove_belief(
        self, principal: Principal, kind: str, value: str, user_id: str | None = None, language: str = "en"
    ) -> ProfileView:
        """Hides one belief for good and returns what is left."""
        shopper = owner_of(principal, user_id)
        hide_belief(self.database, principal, shopper, kind, value)
        return self.profile(principal, user_id, language)

    def consent(self, principal: Principal, user_id: str | None = None) -> ConsentView:
        """What the shopper allows, and every choice that they made; raises `NotFound` for another's."""
        shopper = owner_of(principal, user_id)
        given = consent_records_of(self.database, principal, shopper)
        holds = consent_of(self.database, principal, shopper, self.settings.consent)
        history = tuple(
            ConsentGiven(**{name: getattr(each, name) for name in ConsentGiven.model_fields}) for each in given
        )
        return ConsentView(user_id=shopper, **holds.model_dump(), chosen=bool(given), history=history)

    def set_consent(
        self, principal: Principal, consent: Consent, user_id: str | None = None, source: Source = "api"
    ) -> ConsentView:
        """Keeps what the shopper allows from now on, as `storage.consent.set_consent` has it; raises `NotFound` for another's."""
        shopper = owner_of(principal, user_id)
        if set_consent(self.database, principal, shopper, consent, source, self.shop):
            for forget in self.on_consent:
                forget()
        return self.consent(principal, user_id)

    def export(self, principal: Principal, user_id: str, language: str = "en") -> dict[str, Any]:
        """All that is kept of a shopper, and what is concluded of it, as JSON values: rows by table, and beliefs.

        Raises `NotFound` where the principal is neither the shopper, the shop's backend nor an admin.
        """
        self.exposures.flush()
        rows = export_rows(self.database, principal, user_id)
        voice = Voice.of(spoken(language), user_id)
        profile = self._profile_of(Principal(user_id, Role.CUSTOMER), user_id)
        beliefs = [belief_of(belief, voice).model_dump(mode="json") for belief in profile.beliefs()]
        return {"user_id": user_id, "exported_at": now_ms(), "beliefs": beliefs, **rows}

    def erase(self, principal: Principal, user_id: str) -> Erased:
        """Erases a shopper from the database, the shop's files and the registry of models; they may come back as a stranger.

        Raises `NotFound` where the principal is neither the shopper, the shop's backend nor an admin.
        """
        if self.shop is None:
            raise Unavailable("This assistant knows no folder of a shop.", "Open it with Assistant.open.")
        self.exposures.flush()  # what was shown and is not written yet would come after
        later = self._compactor.ask if self._compactor is not None else None
        erased = erase_user(self.database, principal, self.shop, user_id, later)
        for forget in self.on_erasure:
            forget()
        return erased

    def accesses(
        self, principal: Principal, user_id: str | None = None, limit: int = MOST, before: int | None = None
    ) -> list[Access]:
        """Who of the shop's people looked at whose data, as `storage.access_log.accesses_of` has it; also of somebody erased."""
        names = [user_id] if user_id is not None else []
        if names and self.shop is not None:
            names.append(erased_name(self.shop, names[0]))
        return accesses_of(self.database, principal, names, limit, before)

    def starters(self, language: str = "en") -> list[str]:
        """Starter questions for the window, made from what this catalog sells."""
        return starters_of(self.parts, self.settings.currency, spoken(language))

    def _product_now(self, product_id: str) -> Product | None:
        """A product by the parts that are current at the moment of the call."""
        return self.parts.shelf.product(product_id)

    def _view(self, cart: Cart) -> CartView:
        return view_of(cart, self.parts.shelf, self.settings.currency, self.checkout_url)

    def _profile_of(self, principal: Principal, user_id: str) -> Profile:
        """The shopper's tastes by all that was written until now. Checked against the principal each time."""
        return self._profiles.of(principal, user_id, self.parts.meanings)

    def _tastes_of(self, principal: Principal) -> Profile:
        """The caller's own tastes; a stranger's while the database is away, for search goes on without."""
        try:
            return self._profile_of(principal, principal.id)
        except Unavailable:
            return self._stranger()

    def _stranger(self) -> Profile:
        return Profile(now_ms(), levels=self.parts.meanings.levels)

    def _position_of(self, principal: Principal, user_id: str, profile: Profile) -> Position:
        """Where the shopper is now, by all that was written until now; a stranger's where nothing may be known of them."""
        parts = self.parts
        if not profile.recent:
            return Position()
        path = Journey.of(
            events_of(self.database, principal, user_id, limit=PATH_EVENTS),
            parts.shelf.category_of,
            self.settings.consent.personalize,
            hidden=lambda item_id: parts.meanings.of(item_id) is None,
        )
        return path.at(now_ms(), parts.chain)

    def _due_of(self, principal: Principal, user_id: str) -> Due | None:
        """What the shopper has probably used up by now and can order again; None without their consent or a model of the rhythm."""
        customers, now = self.parts.customers, now_ms()
        buyer = buyer_of(self.database, principal, user_id, self.settings.consent, now) if customers else None
        if customers is None or buyer is None:
            return None
        dues = customers.dues([buyer], self.parts.shelf.goods, now, REORDER_DAYS).get(user_id, ())
        return next((due for due in dues if due.good.orderable), None)


def shopper_of(principal: Principal, user_id: str | None) -> str:
    """Whose conversation, cart or profile it is.

    Raises:
        Forbidden: `user_id` is given by another role than the shop's backend.

    """
    if user_id is None:
        return principal.id
    if principal.role is not Role.SERVICE:
        raise Forbidden(
            "user_id is accepted from the shop's backend only.", "Leave it out: the token says who you are."
        )
    return user_id


def owner_of(principal: Principal, user_id: str | None) -> str:
    """Whose profile an address names: the principal's own, or anyone's for the shop's backend.

    Raises:
        NotFound: it is another's, which must look like one that does not exist.
    """
    if user_id is None:
        return principal.id
    principal.require_owner(user_id)
    return user_id


def deltas(text: str) -> Iterator[str]:
    """The text in pieces that end with a sentence or a line."""
    start = 0
    for place, char in enumerate(text):
        ends = char in "。！？\n" or (char in ".!?:" and text[place + 1 : place + 2] in (" ", "\n"))
        if ends and place + 1 - start > 1:
            yield text[start : place + 1]
            start = place + 1
    if start < len(text):
        yield text[start:]


def _full_card(product: Product, asked: str) -> Card:
    variant = product.variant(asked) if asked != product.id else None
    return card_of(product, asked if variant else None).model_copy(update={"attributes": facts_of(product, variant)})
