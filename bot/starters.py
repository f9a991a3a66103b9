"""Starter questions for an empty chat, made from what the catalog sells, so that each of them has an answer."""

from __future__ import annotations

from bot.parts import Parts
from bot.reply.voice import Voice
from bot.tasks.search import round_price

PRODUCT_STARTERS = 2
FEWEST = 6
"""Products that a category must have to be worth a starter question."""


def starters_of(parts: Parts, currency: str, language: str) -> list[str]:
    """Two searches with a budget in large categories, a gift, what is popular, and a policy where the shop has documents."""
    voice = Voice.of(language, parts.shelf.snapshot.version)
    han = language == "zh"
    own = [name for name in parts.categories if any("\u3400" <= char <= "\u9fff" for char in name) == han]
    names = sorted(own or parts.categories, key=lambda name: (-parts.categories[name][0], name))
    asked = []
    for name in [each for each in names if parts.categories[each][0] >= FEWEST][:PRODUCT_STARTERS]:
        limit = round_price(parts.categories[name][1], currency)
        asked.append(
            voice.say("starters.product", category=name if han else name.lower(), price=voice.limit(limit, currency))
        )
    asked.append(voice.say("starters.gift"))
    asked.append(voice.say("starters.popular"))
    if len(parts.shelf.snapshot.documents):
        asked.append(voice.say("starters.policy"))
    return asked
