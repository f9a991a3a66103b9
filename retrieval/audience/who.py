"""Who is named for which reason. A reason is a fact that the shop's own records show: no price, no offer, no pressure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from retrieval.goods import Goods
from retrieval.retention.bands import Band, Standing, days
from retrieval.retention.consumption import Due
from storage.purchases import Buyer
from storage.shortages import Wanted

MOST_REASONS: Final = 3
_EPOCH: Final = date(1970, 1, 1)


class Audience(StrEnum):
    """Whom a shop may want to write to."""

    AT_RISK = "at-risk"
    REORDER_DUE = "reorder-due"
    BACK_IN_STOCK = "back-in-stock"


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact, in English, and what it is made of; a field that it has nothing to do with is None.

    `Reason("usually every 32 days, now 71 days", usual_days=32, current_days=71)`
    `Reason("buys Coffee usually every 24 days, last 20 days ago (Morning roast); due on 2026-03-30", "p7", "Morning roast", …)`
    """

    text: str
    product_id: str | None = None
    title: str | None = None
    category: str | None = None
    usual_days: int | None = None
    current_days: int | None = None
    due_on: str | None = None
    due_from: str | None = None
    due_to: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody with at least one reason, the strongest first."""

    user_id: str
    reasons: tuple[Reason, ...]


def at_risk(people: Sequence[Buyer], standings: Sequence[Standing]) -> list[Candidate]:
    """Those of the band at-risk, the likeliest to come back first; standings are in the order of the people."""
    found = [
        (standing.chance, buyer.user_id, standing)
        for buyer, standing in zip(people, standings, strict=True)
        if standing.band is Band.AT_RISK
    ]
    return [
        Candidate(
            user_id,
            (Reason(standing.reason, usual_days=standing.usual_days, current_days=standing.current_days),),
        )
        for _, user_id, standing in sorted(found, key=lambda each: (-each[0], each[1]))
    ]


def reorder_due(dues: dict[str, list[Due]], today: int) -> list[Candidate]:
    """Those to whom something is due that can be ordered now, the likeliest to buy first; `today` in days since 1970."""
    wanted = {user_id: [due for due in each if due.good.orderable] for user_id, each in dues.items()}
    found = sorted((-each[0].chance, user_id, each) for user_id, each in wanted.items() if each)
    return [Candidate(user_id, tuple(_due(due, today) for due in each[:MOST_REASONS])) for _, user_id, each in found]


def back_in_stock(wanted: Iterable[Wanted], people: Iterable[Buyer], goods: Goods) -> list[Candidate]:
    """Those who wanted what was out and can be ordered now, and have not bought it since; the latest wish first."""
    wishes = list(wanted)
    known = goods({wish.item_id for wish in wishes})
    able = {item: good for item, good in known.items() if good.orderable}
    bought = _bought(people, {wish.user_id for wish in wishes}, goods)
    latest: dict[tuple[str, str], Wanted] = {}
    for wish in wishes:  # oldest first within a user, so the last one stays
        good = able.get(wish.item_id)
        if good is not None and bought.get((wish.user_id, good.product_id), -1) < wish.at:
            before = latest.get((wish.user_id, good.product_id))
            # A cart says more than a look, however old.
            if before is None or wish.carted or not before.carted:
                latest[wish.user_id, good.product_id] = wish
    by_user: dict[str, list[Wanted]] = {}
    for (user_id, _), wish in latest.items():
        by_user.setdefault(user_id, []).append(wish)
    found = []
    for user_id, own in by_user.items():
        own.sort(key=lambda wish: -wish.at)
        reasons = []
        for wish in own[:MOST_REASONS]:
            good = able[wish.item_id]
            did = "put into the cart" if wish.carted else "looked at"
            back = f", again since {_day(wish.until)}" if wish.until else ""
            text = f"{did} {good.title} on {_day(wish.at)} when it was out of stock; it can be ordered now{back}"
            category = good.category[-1] if good.category else None
            reasons.append(Reason(text, good.product_id, good.title, category))
        found.append((-own[0].at, user_id, tuple(reasons)))
    return [Candidate(user_id, reasons) for _, user_id, reasons in sorted(found, key=lambda each: each[:2])]


def _due(due: Due, today: int) -> Reason:
    category = due.good.category[-1]
    gone = today - due.last
    often = f"usually every {days(due.usual_days)}" if due.purchases > 1 else f"others every {days(due.usual_days)}"
    title = due.good.title if due.product_days is None else f"{due.good.title}, every {days(due.product_days)}"
    text = f"buys {category} {often}, last {days(gone)} ago ({title}); due on {_date(due.due)}"
    return Reason(
        text,
        due.good.product_id,
        due.good.title,
        category,
        due.usual_days,
        gone,
        _date(due.due),
        _date(due.early),
        _date(due.late),
    )


def _bought(people: Iterable[Buyer], users: set[str], goods: Goods) -> dict[tuple[str, str], int]:
    """When each of these users bought a product last."""
    buyers = [buyer for buyer in people if buyer.user_id in users]
    known = goods({item for buyer in buyers for purchase in buyer.purchases for item in purchase.items})
    return {
        (buyer.user_id, known[item].product_id): purchase.at
        for buyer in buyers
        for purchase in buyer.purchases  # oldest first
        for item in purchase.items
        if item in known
    }


def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


def _day(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).date().isoformat()
