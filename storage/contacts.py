"""Who was drawn to be contacted by the shop, and who was left alone to compare with: nobody twice within some days.

A row says only that somebody was drawn, for which campaign and band and when; the reasons are in the file that the shop took.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select, union

from storage.consent import Consent
from storage.database import Database, in_chunks
from storage.errors import Conflict, NotFound
from storage.principal import Principal, Role
from storage.secret import derive
from storage.tables import consents, contacts, events, orders

_PURPOSE: Final = "audience-control"
_DAY_MS: Final = 86_400_000
_LISTED: Final = 5  # campaigns that an error names


@dataclass(frozen=True, slots=True)
class Contact:
    """One person of a campaign; `control` was left alone. `drawn_at` is in milliseconds since 1970, UTC.

    `agrees` says whether the person's consent still says `personalize`: what they did since may be looked at only then.
    """

    user_id: str
    band: str
    control: bool
    drawn_at: int
    agrees: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of candidates, in their order.

    Attributes:
        contacted: to be written to.
        control: left alone.
        capped: how many were drawn for another campaign within the days of rest.
        refused: how many do not want it, or are not known any more.
    """

    contacted: tuple[str, ...]
    control: tuple[str, ...]
    capped: int
    refused: int


def in_control(secret: str, campaign: str, user_id: str, share: float) -> bool:
    """Whether a person is left alone: a keyed hash of campaign and person, so the same each time and guessed by nobody.

    Of any people about `share` are.
    """
    key = derive(secret, _PURPOSE).encode()
    digest = hmac.digest(key, f"{campaign}\n{user_id}".encode("utf-8", errors="replace"), "sha256")
    return int.from_bytes(digest[:8]) < share * 2**64


def draw_contacts(
    db: Database,
    principal: Principal,
    campaign: str,
    band: str,
    candidates: Sequence[str],
    *,
    secret: str,
    share: float,
    rest_days: int,
    default: Consent,
    now: int,
    deliver: Callable[[Drawn], None] | None,
) -> Drawn:
    """Parts candidates into those to contact and a control group, hands that over, and keeps it.

    Who was drawn for this campaign before stays in the same group. Who was drawn for another within the days of rest is left out,
    whichever group that was: a control that gets the next letter is none. One such run goes at a time, so no two take one person.

    Args:
        db: where to.
        principal: who contacts.
        campaign: its name.
        band: of the candidates.
        candidates: their ids, each once.
        secret: the shop's.
        share: of the control group, 0 to 1.
        rest_days: 0 for none.
        default: the consent of people who never chose; the shop's `[consent]`.
        now: milliseconds since 1970.
        deliver: called before anything is kept; where it raises, or there is none, nothing is.

    Raises:
        Forbidden: only the shop itself contacts people.
        Conflict: the campaign is one of another band.
    """
    principal.require_role(Role.SERVICE, Role.ADMIN)
    with db.write(durable=True) as connection:
        if not db.is_sqlite:
            connection.exec_driver_sql("LOCK TABLE contacts IN SHARE ROW EXCLUSIVE MODE")
        other = connection.execute(
            select(contacts.c.band).where(contacts.c.campaign == campaign, contacts.c.band != band).limit(1)
        ).scalar_one_or_none()
        if other is not None:
            raise Conflict(f"The campaign {campaign!r} is one of the band {other}.", "Give another --campaign.")
        groups: dict[str, bool] = {}
        capped: set[str] = set()
        allowed: set[str] = set()
        for some in in_chunks(candidates):
            groups |= _groups(connection, campaign, some)
            capped |= _resting(connection, campaign, some, now - rest_days * _DAY_MS)
            allowed |= _willing(connection, some, default)
        chosen = [user for user in candidates if user in allowed and (user in groups or user not in capped)]
        new = {user: in_control(secret, campaign, user, share) for user in chosen if user not in groups}
        groups |= new
        drawn = Drawn(
            tuple(user for user in chosen if not groups[user]),
            tuple(user for user in chosen if groups[user]),
            sum(user in allowed and user in capped and user not in groups for user in candidates),
            sum(user not in allowed for user in candidates),
        )
        if deliver is None:
            return drawn
        deliver(drawn)
        row = {"campaign": campaign, "band": band, "drawn_at": now}
        if new:
            connection.execute(
                db.insert_new(contacts), [{**row, "user_id": user, "control": each} for user, each in new.items()]
            )
    return drawn


def contacts_of(db: Database, principal: Principal, campaign: str, default: Consent) -> list[Contact]:
    """Everybody who was drawn for a campaign, by id; `default` is the consent of people who never chose.

    Raises:
        Forbidden: only the shop itself may see them.
        NotFound: nobody was.
    """
    principal.require_role(Role.SERVICE, Role.ADMIN)
    last = func.max(contacts.c.drawn_at)
    with db.read() as connection:
        rows = connection.execute(
            select(contacts, func.coalesce(consents.c.personalize, default.personalize).label("agrees"))
            .outerjoin(consents, consents.c.user_id == contacts.c.user_id)
            .where(contacts.c.campaign == campaign)
            .order_by(contacts.c.user_id)
        ).all()
        latest = select(contacts.c.campaign).group_by(contacts.c.campaign).order_by(last.desc()).limit(_LISTED)
        names = [] if rows else connection.execute(latest).scalars().all()
    if not rows:
        known = f"The latest are: {', '.join(names)}." if names else "None was exported: launch.py audience --output."
        raise NotFound(f"There is no campaign {campaign[:200]!r}.", known)
    return [Contact(row.user_id, row.band, row.control, row.drawn_at, bool(row.agrees)) for row in rows]


def _groups(connection: Connection, campaign: str, users: Sequence[str]) -> dict[str, bool]:
    """Who of these was drawn for the campaign, and whether as control."""
    rows = select(contacts.c.user_id, contacts.c.control).where(
        contacts.c.campaign == campaign, contacts.c.user_id.in_(users)
    )
    return {row.user_id: row.control for row in connection.execute(rows)}


def _resting(connection: Connection, campaign: str, users: Sequence[str], since: int) -> set[str]:
    """Who of these was drawn for another campaign after that instant."""
    rows = select(contacts.c.user_id).where(
        contacts.c.campaign != campaign, contacts.c.user_id.in_(users), contacts.c.drawn_at > since
    )
    return set(connection.execute(rows).scalars())


def _willing(connection: Connection, users: Sequence[str], default: Consent) -> set[str]:
    """Who of these is still known and agrees: someone may have been erased, or have said no, since the candidates were read."""
    known = union(
        select(orders.c.user_id).where(orders.c.user_id.in_(users)),
        select(events.c.user_id).where(events.c.user_id.in_(users)),
    )
    said = select(consents.c.user_id, consents.c.personalize).where(consents.c.user_id.in_(users))
    choices = {row.user_id: row.personalize for row in connection.execute(said)}
    return {user for user in connection.execute(known).scalars() if choices.get(user, default.personalize)}
