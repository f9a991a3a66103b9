"""Arms: dealt evenly and for good by a key, shown as the settings say, and written down with what was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.cards import Card
from bot.experiments import Experiments
from bot.exploration import POLICY
from bot.exposure import Exposures
from bot.parts import Parts
from bot.service import Assistant
from storage.database import Database
from storage.event import Event
from storage.events import events_of, record_events
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import DAY_MS, ExperimentSettings, ShopSettings
from tests.bot.conftest import Conversation, ToldIntents

USERS = 4_000
FIRST = 1_700_000_000_000
SHOPPERS = [Principal(f"shopper-{number}", Role.CUSTOMER) for number in range(8)]


def experiment(start: int = 0, days: int = 28, arms: Mapping[str, float] | None = None) -> ExperimentSettings:
    shares = arms or {"plain": 0.5, "taste": 0.5}
    orders = {
        arm: {"share": share, "order": "relevance" if arm == "plain" else "ranked"} for arm, share in shares.items()
    }
    values: dict[str, Any] = {"start": start, "days": days, "control": next(iter(shares)), "arms": orders}
    return ExperimentSettings.model_validate(values)


def dealt(name: str = "one", secret: str = "s", arms: Mapping[str, float] | None = None) -> list[str]:
    experiments = Experiments({name: experiment(arms=arms)}, secret)
    return [experiments.arm_of(name, f"user-{number}") for number in range(USERS)]


def test_arms_are_dealt_by_their_shares_and_the_same_each_time() -> None:
    found = Counter(dealt(arms={"a": 0.7, "b": 0.2, "c": 0.1}))
    for arm, share in {"a": 0.7, "b": 0.2, "c": 0.1}.items():
        assert found[arm] / USERS == pytest.approx(share, abs=4 * (share * (1 - share) / USERS) ** 0.5)
    assert dealt() == dealt()


def test_one_experiments_groups_are_spread_over_the_nexts_and_over_another_shops() -> None:
    for other in (dealt("two"), dealt(secret="another")):
        both = Counter(zip(dealt(), other, strict=True))
        assert all(count == pytest.approx(USERS / 4, rel=0.15) for count in both.values())


def test_it_runs_from_its_start_to_its_end() -> None:
    experiments = Experiments({"one": experiment(FIRST), "two": experiment(FIRST + 28 * DAY_MS, days=8)}, "s")
    assert experiments.running("u", FIRST - 1) is None
    first = experiments.running("u", FIRST)
    assert first is not None
    assert first.label == f"one={first.arm}"
    assert experiments.running("u", FIRST + 28 * DAY_MS - 1) == first
    second = experiments.running("u", FIRST + 28 * DAY_MS)
    assert second is not None
    assert second.label.startswith("two=")
    assert experiments.running("u", FIRST + 36 * DAY_MS) is None


def test_the_secret_is_read_only_where_there_is_an_experiment(tmp_path: Path) -> None:
    assert Experiments.of_shop({}, tmp_path).running("u", 0) is None
    assert not (tmp_path / "secret").exists()
    one = Experiments.of_shop({"one": experiment()}, tmp_path)
    assert one.arm_of("one", "u") == Experiments.of_shop({"one": experiment()}, tmp_path).arm_of("one", "u")


def assistant_with(parts: Parts, database: Database, share: float = 0.0, start: int | None = None) -> Assistant:
    settings = ShopSettings.model_validate(
        {
            "exploration": {"share": share},
            "experiment": {"one": experiment(now_ms() - DAY_MS if start is None else start).model_dump()},
        }
    )
    return Assistant(parts, settings, database, experiments=Experiments(settings.experiment, "s"))


def shown_to(database: Database, shopper: Principal) -> list[Event]:
    return [event for event in events_of(database, shopper, shopper.id) if event.event == "recommendation_shown"]


def test_each_arm_sees_its_order_and_the_log_says_which(parts: Parts, intents: ToldIntents, database: Database) -> None:
    """In the plain arm the cards stand as search has them; the log keeps the ranking's order and both arms' names."""
    assistant = assistant_with(parts, database)
    arms = set()
    for shopper in SHOPPERS:
        reply = Conversation(assistant, intents, shopper).say("search", "headphones")
        assistant.exposures.flush()
        (event,) = shown_to(database, shopper)
        arm = assistant.experiments.arm_of("one", shopper.id)
        arms.add(arm)
        assert {item.policy_version for item in event.items} == {f"{POLICY}+one={arm}"}
        by_place = sorted(event.items, key=lambda item: item.position or 0)
        assert [item.item_id for item in by_place] == [card.product_id for card in reply.products]
        orderable = [item for item in by_place if item.item_id != "head-4"]  # sold out: stays last
        places = [item.index for item in orderable]
        if arm == "plain":
            assert places == sorted(places, key=lambda each: each or 0)
        else:
            assert [item.item_id for item in event.items] == [item.item_id for item in by_place]
    assert arms == {"plain", "taste"}
    assistant.close()


def test_lots_are_drawn_around_the_arms_own_order(parts: Parts, intents: ToldIntents, database: Database) -> None:
    """Each card's propensity is that of the arm that showed it, so that `evaluate policy` can use the slates of all arms."""
    assistant = assistant_with(parts, database, share=0.5)
    plain = next(each for each in SHOPPERS if assistant.experiments.arm_of("one", each.id) == "plain")
    for _ in range(6):
        Conversation(assistant, intents, plain).say("search", "kettles")
    assistant.close()
    events = shown_to(database, plain)
    assert len({tuple(item.item_id for item in event.items) for event in events}) == 1, "the ranking's own order"
    for event in events:
        count = len(event.items)
        by_relevance = sorted(event.items, key=lambda item: item.index or 0)
        for own, item in enumerate(by_relevance):
            assert item.propensity == pytest.approx(0.5 / count + 0.5 * (item.position == own))
            assert item.policy_version == f"{POLICY}+lot-0.5+one=plain"


def test_what_both_arms_show_alike_is_no_exposure(parts: Parts, intents: ToldIntents, database: Database) -> None:
    assistant = assistant_with(parts, database)
    Conversation(assistant, intents, SHOPPERS[0]).say("search", "cheapest kettles first")
    assistant.close()
    (event,) = shown_to(database, SHOPPERS[0])
    assert {item.policy_version for item in event.items} == {POLICY}


def test_outside_its_days_nothing_changes(parts: Parts, intents: ToldIntents, database: Database) -> None:
    assistant = assistant_with(parts, database, start=now_ms() + DAY_MS)
    Conversation(assistant, intents, SHOPPERS[0]).say("search", "kettles")
    assistant.close()
    (event,) = shown_to(database, SHOPPERS[0])
    assert {item.policy_version for item in event.items} == {POLICY}


def test_a_card_that_the_check_takes_out_leaves_the_exposure(database: Database, parts: Parts) -> None:
    from bot.exploration import draw_order
    from retrieval.ranking import RankedHit
    from retrieval.search import Hit

    hits = [RankedHit(Hit(place, f"p{place}", None, 1.0), 1.0) for place in range(3)]
    _, ordering = draw_order(hits, [True] * 3, 0.0, "m", label="one=plain")
    exposures = Exposures(partial(record_events, database))
    exposures.show("u", "c", "m", [Card(product_id="p0", title="a")], "USD", ordering)
    exposures.close()
    (event,) = shown_to(database, Principal("u", Role.CUSTOMER))
    assert [(item.propensity, item.policy_version) for item in event.items] == [(None, f"{POLICY}+one=plain")]
