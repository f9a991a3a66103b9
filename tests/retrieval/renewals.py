"""Made-up customers who buy in a rhythm of their own until they stop."""

from __future__ import annotations

import numpy as np

from retrieval.retention import PurchaseDays
from retrieval.retention.rhythm import Rhythm


def renewals(law: Rhythm, customers: int, days: int, seed: int = 0, join_days: int = 60) -> PurchaseDays:
    """Purchases on days 0 … `days` - 1 of customers who live by the law; each joins in one of the first days."""
    draw = np.random.default_rng(seed)
    own = draw.normal(law.mu, law.tau, customers)
    again = draw.beta(law.a, law.b, customers)
    now = draw.uniform(0, join_days, customers)
    who = np.arange(customers)
    bought, when = [who], [now]
    while len(who):
        stays = draw.random(len(who)) < again[who]
        who, now = who[stays], now[stays] + np.exp(draw.normal(own[who[stays]], law.sigma))
        kept = now < days
        who, now = who[kept], now[kept]
        bought.append(who)
        when.append(now)
    return PurchaseDays.of(np.concatenate(bought), np.floor(np.concatenate(when)).astype(np.int64))
