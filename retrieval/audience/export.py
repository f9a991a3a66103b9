"""From the shop's database to a file of people to contact, a control group held out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from retrieval.audience.files import check_name, write_contacts
from retrieval.audience.who import Audience, Candidate, at_risk, back_in_stock, reorder_due
from retrieval.goods import Goods
from retrieval.retention.consumption import DAY_MS
from retrieval.retention.customers import CustomerModel
from storage.contacts import Drawn, draw_contacts
from storage.database import Database
from storage.disk import new_file
from storage.errors import InvalidInput
from storage.identity import VISITOR_MARK
from storage.principal import Principal
from storage.purchases import Buyer, buyers
from storage.record import now_ms
from storage.secret import load_secret
from storage.settings import ShopSettings
from storage.shortages import wanted_while_out

LOOK_BACK_DAYS: Final = 90
"""How old a wish for what was out of stock may be."""
LONGEST_NAME: Final = 200
"""Characters of a campaign's name."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of those whom the band names.

    Attributes:
        band, campaign: as recorded.
        named: people with a reason.
        contacted: of them those in the file.
        control: left alone to compare with, by `control_share`.
        capped: drawn for another campaign within `rest_days`.
        refused: withdrew their consent, or were erased, while this ran.
        visitors: known by a cookie alone, so that nobody can write to them.
        recorded: whether the groups were kept; they are where there is an output.
        output: the file.
    """

    band: str
    campaign: str
    named: int
    contacted: int
    control: int
    capped: int
    refused: int
    visitors: int
    control_share: float
    rest_days: int
    recorded: bool
    output: str | None


def export_audience(
    db: Database,
    principal: Principal,
    shop: Path,
    settings: ShopSettings,
    band: Audience,
    goods: Goods,
    *,
    output: Path | None = None,
    campaign: str | None = None,
    control_share: float | None = None,
    rest_days: int | None = None,
    within_days: int = 14,
    model: CustomerModel | None = None,
    now: int | None = None,
) -> Exported:
    """Names people, holds a control group out, and writes the others to a file; without a file it only counts.

    What is learnt of the customers on the way is published as the shop's `CustomerModel`, unless one was given.

    Args:
        db: where from.
        principal: who contacts.
        shop: the folder, for the secret and what was learnt.
        settings: its consent for people who never chose, and the defaults of share and rest.
        band: whom.
        goods: what the shop sells.
        output: .csv or .jsonl, not there yet.
        campaign: its name; the band and today's date where left out.
        control_share: 0 to 1.
        rest_days: how long nobody is drawn again.
        within_days: how near a reorder has to be.
        model: what was learnt of the customers shortly before; it is learnt anew where left out.
        now: milliseconds since 1970; by default this instant.

    Raises:
        Forbidden: only the shop itself contacts people.
        InvalidInput: the file's name says neither CSV nor JSONL, the campaign's is none, or too few customers came back to learn
            from.
        Conflict: the file is there already, or the campaign is one of another band.
        Unavailable: the file cannot be written; then nothing is recorded.
    """
    if output is not None:
        check_name(output)
    if campaign is not None:
        _check_campaign(campaign)
    moment = now_ms() if now is None else now
    name = campaign or f"{band}-{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d}"
    share = settings.audience.control_share if control_share is None else control_share
    rest = settings.audience.rest_days if rest_days is None else rest_days
    people = list(buyers(db, principal, settings.consent, moment))
    named = _named(db, principal, shop, settings, band, goods, people, within_days, model, moment)
    candidates = {each.user_id: each for each in named if not each.user_id.startswith(VISITOR_MARK)}

    def draw(deliver: Callable[[Drawn], None] | None) -> Drawn:
        return draw_contacts(
            db,
            principal,
            name,
            band,
            list(candidates),
            secret=load_secret(shop),
            share=share,
            rest_days=rest,
            default=settings.consent,
            now=moment,
            deliver=deliver,
        )

    if output is None:
        drawn = draw(None)
    else:
        # Without a byte order mark: many a mailing tool would take it for a part of the first column's name.
        with new_file(output) as out:

            def deliver(drawn: Drawn) -> None:
                write_contacts(out, output, [candidates[user] for user in drawn.contacted], name, band)
                out.flush()
                os.fsync(out.fileno())

            drawn = draw(deliver)
    return Exported(
        band=str(band),
        campaign=name,
        named=len(named),
        contacted=len(drawn.contacted),
        control=len(drawn.control),
        capped=drawn.capped,
        refused=drawn.refused,
        visitors=len(named) - len(candidates),
        control_share=share,
        rest_days=rest,
        recorded=output is not None,
        output=None if output is None else str(output),
    )


def _check_campaign(name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            f"{name[:60]!r} cannot name a campaign.",
            f"Give 1 to {LONGEST_NAME} printable characters, such as spring-1.",
        )


def _named(
    db: Database,
    principal: Principal,
    shop: Path,
    settings: ShopSettings,
    band: Audience,
    goods: Goods,
    people: Sequence[Buyer],
    within_days: int,
    model: CustomerModel | None,
    now: int,
) -> list[Candidate]:
    if band is Audience.BACK_IN_STOCK:
        wanted = wanted_while_out(db, principal, settings.consent, now - LOOK_BACK_DAYS * DAY_MS)
        return back_in_stock(wanted, people, goods)
    if model is None:
        model = CustomerModel.fit(people, goods, now)
        model.save(shop)
    if band is Audience.AT_RISK:
        return at_risk(people, model.standings(people, now))
    return reorder_due(model.dues(people, goods, now, within_days), now // DAY_MS)
