"""What a shop sets in its shop.toml. Every key here is read by something; an unknown key is an error that names it."""

from __future__ import annotations

import difflib
import math
import tomllib
from datetime import date, datetime, time
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from storage.consent import Consent
from storage.errors import InvalidInput
from storage.record import Currency, Instant, Record, reasons_of

DAY_MS = 86_400_000


class CatalogSettings(Record):
    """`[catalog.columns]` maps a field of the product to the column of the shop's file: `title = "Product name"`."""

    columns: dict[str, str] = Field(default_factory=dict)


class DatabaseSettings(Record):
    """`[database]`: where the tables are."""

    url: str = ""

    def url_for(self, shop: Path) -> str:
        """The URL set, or the SQLite file in the shop's folder."""
        return self.url or f"sqlite:///{shop.absolute() / 'aisle.db'}"


class IdentitySettings(Record):
    """`[identity]`: how tokens are signed and how long a signed-in window stays so."""

    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    session_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 12


class EmbedSettings(Record):
    """`[embed]`: the pages that may frame the customer window and call the API from a browser."""

    origins: tuple[Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+$")], ...] = ()


class McpSettings(Record):
    """`[mcp]`: the names, with the port where it is not the scheme's own, under which agents may call `/mcp` from elsewhere."""

    hosts: tuple[Annotated[str, StringConstraints(pattern=r"^[^/\s]+$", max_length=260)], ...] = ()


class TrackingSettings(Record):
    """`[tracking]`: where the figures of fine-tuning runs go beside their folders; no text of a log goes with them."""

    wandb_project: Annotated[str, StringConstraints(max_length=128, pattern=r"^[^/\\#?%:]*$")] = ""


class ExplorationSettings(Record):
    """`[exploration]`: how often a conversation's first slate is ordered by lot, so that other orders can be judged; 0 is never.

    `new_products` is how often the last card of a first slate of advice without words is given to a new product; 0 is never.
    """

    share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    new_products: Annotated[float, Field(ge=0, le=0.5)] = 0.0


def _midnight(value: object) -> object:
    """TOML's bare day (`2026-03-02`) as its first instant, UTC; all else as it is."""
    return datetime.combine(value, time.min) if isinstance(value, date) and not isinstance(value, datetime) else value


# In `policy_version` they stand between "+" and "=", so neither may be in them.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
CardOrder = Literal["ranked", "relevance"]
Metric = Literal["purchase", "reward", "revenue"]


class ArmSettings(Record):
    """`[experiment.NAME.arms.ARM]`: which share of the shoppers it gets, and what it changes.

    `order` is that of the cards: `ranked` by taste, ratings and popularity, `relevance` as search alone has them.
    """

    share: Annotated[float, Field(gt=0, lt=1)]
    order: CardOrder = "ranked"


class ExperimentSettings(Record):
    """`[experiment.NAME]`: shoppers split by lot from `start` for `days` days; all of it is fixed before it starts.

    Who first sees cards in the first `days - window_days` days is watched for `window_days` days, so that the last window ends with
    the experiment. `control` names the arm that the others are compared with, `metric` the one figure that decides.
    """

    start: Annotated[Instant, BeforeValidator(_midnight)]
    days: Annotated[int, Field(ge=2, le=366)]
    window_days: Annotated[int, Field(ge=1, le=90)] = 7
    metric: Metric = "purchase"
    control: Name
    arms: Annotated[dict[Name, ArmSettings], Field(min_length=2, max_length=10)]

    @property
    def enrolled_until(self) -> int:
        """The instant from which on nobody new is counted, in milliseconds since 1970, UTC."""
        return self.start + (self.days - self.window_days) * DAY_MS

    @property
    def end(self) -> int:
        """The instant at which it is over, in milliseconds since 1970, UTC."""
        return self.start + self.days * DAY_MS

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.window_days >= self.days:
            raise ValueError(
                f"it ends before anybody's {self.window_days} days are over: days must be above window_days"
            )
        total = sum(arm.share for arm in self.arms.values())
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"the shares of the arms sum to {total:g}, not to 1")
        if self.control not in self.arms:
            raise ValueError(f"control {self.control!r} is no arm; arms are {', '.join(self.arms)}")
        return self


class PrivacySettings(Record):
    """`[privacy]`: categories, brands and attribute values of this catalog of which nothing is concluded about a shopper.

    They come beside those that `retrieval/sensitive.py` knows; an attribute is spelled "name: value".
    """

    sensitive: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)], ...] = ()


class AudienceSettings(Record):
    """`[audience]`: of those whom `launch.py audience` names, the share left alone to compare with, and the days of rest."""

    control_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    rest_days: Annotated[int, Field(ge=0, le=3650)] = 30


class DeskSettings(Record):
    """`[desk]`: the agents who answer what Aisle hands over.

    `hours` says when somebody is there, by language, in words that complete "Somebody is there …"; `codes` are the ways in which
    an agent can close a conversation.
    """

    hours: dict[
        Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")],
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)],
    ] = Field(default_factory=dict)
    codes: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")], ...],
        Field(min_length=1, max_length=20),
    ] = ("solved", "refunded", "passed_on", "no_answer", "other")


class CareSettings(Record):
    """`[care]`: whom a customer in danger is told to call: the shop's own number or page, for none is right everywhere."""

    crisis_contact: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""


ChangeKind = Literal["cancel", "return", "exchange", "items", "address", "payment", "default_address"]


class OrderSettings(Record):
    """`[orders]`: what customers may change by themselves, once they said yes to it; all else is handed to a person.

    `return_days` is how long after delivery an item can be returned or exchanged. Of `cancel_reasons` a customer has to give
    one; where there are none, none is asked for. `backend` names the shop's own system in place of the tables here, as
    "package.module:factory".
    """

    self_service: tuple[ChangeKind, ...] = ()
    return_days: Annotated[int, Field(ge=0, le=3650)] = 30
    cancel_reasons: tuple[
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)], ...
    ] = ()
    backend: Annotated[str, StringConstraints(pattern=r"^$|^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] = ""


LlmUse = Literal["plan", "phrase", "cart", "orders", "order_changes", "translate", "summary"]


class LlmSettings(Record):
    """`[llm]`: a language model that advises beside the templates; without this section there is none (docs/llm.md).

    `provider` and `model` are named as LangChain's `init_chat_model` names them; `base_url` is any server that speaks OpenAI's
    protocol, with `provider = "openai"`. `api_key_env` is the name of the environment variable that holds the key, never the key.
    `temperature` is the provider's where it is not set. `timeout_s` is how long a turn waits for it, `max_calls` how often a turn
    may call it, `parallel` how many turns may at once. After `breaker_failures` failures in a row it is left alone for `breaker_s`
    seconds. Of `may`, `plan` lets it search where the templates know no answer, `phrase` lets it add advice to cards;
    `cart` and `orders` let it read the customer's own, and `order_changes` lets it propose a change to an order besides;
    `translate` lets it translate for the agents, and `summary` lets it word what they read about a conversation.
    """

    model: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    provider: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")] = "openai"
    base_url: Annotated[str, StringConstraints(max_length=500, pattern=r"^(?:https?://\S+)?$")] = ""
    api_key_env: Annotated[str, StringConstraints(max_length=100, pattern=r"^(?:[A-Za-z_][A-Za-z0-9_]*)?$")] = ""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 20.0
    may: Annotated[tuple[LlmUse, ...], Field(min_length=1)] = ("plan", "phrase")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=16, le=4_000)] = 300
    max_calls: Annotated[int, Field(ge=1, le=10)] = 4
    parallel: Annotated[int, Field(ge=1, le=64)] = 8
    breaker_failures: Annotated[int, Field(ge=1, le=100)] = 3
    breaker_s: Annotated[float, Field(gt=0, le=3_600)] = 60.0


class ShopSettings(Record):
    """The whole of shop.toml; an empty file is a valid one.

    `checkout_url` is the shop's page that takes the payment, with `{cart_id}` where the cart's id belongs.
    """

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = "Aisle"
    checkout_url: Annotated[str, StringConstraints(max_length=500)] = ""
    currency: Currency = "USD"
    languages: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")], ...] = Field(
        default=("en", "zh"), min_length=1
    )
    catalog: CatalogSettings = CatalogSettings()
    intents: dict[str, str] = Field(default_factory=dict)
    database: DatabaseSettings = DatabaseSettings()
    identity: IdentitySettings = IdentitySettings()
    embed: EmbedSettings = EmbedSettings()
    mcp: McpSettings = McpSettings()
    consent: Consent = Consent()
    tracking: TrackingSettings = TrackingSettings()
    exploration: ExplorationSettings = ExplorationSettings()
    experiment: dict[Name, ExperimentSettings] = Field(default_factory=dict)
    privacy: PrivacySettings = PrivacySettings()
    audience: AudienceSettings = AudienceSettings()
    care: CareSettings = CareSettings()
    desk: DeskSettings = DeskSettings()
    orders: OrderSettings = OrderSettings()
    llm: LlmSettings | None = None

    @model_validator(mode="after")
    def _one_experiment_at_a_time(self) -> Self:
        in_order = sorted(self.experiment.items(), key=lambda each: each[1].start)
        for (first, before), (second, after) in pairwise(in_order):
            if after.start < before.end:
                raise ValueError(f"the experiments {first!r} and {second!r} overlap; one runs at a time")
        return self


def parse_settings(text: str | bytes) -> ShopSettings:
    """Reads the text of a shop.toml, or its bytes, with or without a byte order mark.

    Raises:
        InvalidInput: it is not UTF-8, is not TOML, has an unknown key (named, with the nearest known one) or an impossible value.
    """
    try:
        values = tomllib.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"shop.toml is not UTF-8 at byte {error.start}.", "Save it again with the encoding UTF-8."
        ) from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # also a number of thousands of digits, and brackets in brackets in brackets
        raise InvalidInput(f"shop.toml is not TOML: {error}.", "Mend that line.") from None
    try:
        return ShopSettings.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] == "extra_forbidden":
                raise _unknown_key(tuple(str(part) for part in problem["loc"])) from None
        raise InvalidInput(f"shop.toml: {reasons_of(error)}.", "Correct the value.") from None


def _unknown_key(path: tuple[str, ...]) -> InvalidInput:
    """The error for a key that nothing reads."""
    section: Any = ShopSettings
    for part in path[:-1]:
        # In a table of tables, such as [experiment.NAME], the part is a name that the shop gave.
        section = get_args(section)[1] if get_origin(section) is dict else section.model_fields[part].annotation
        if get_origin(section) is UnionType:  # a section that may be left out
            section = get_args(section)[0]
    known = list(section.model_fields)
    near = difflib.get_close_matches(path[-1], known, n=1)
    where = f"[{'.'.join(path[:-1])}]" if path[:-1] else "the top level"
    hint = f"Did you mean {near[0]!r}?" if near else f"Known in {where}: {', '.join(known)}."
    return InvalidInput(f"shop.toml has an unknown key {'.'.join(path)!r}.", hint)
