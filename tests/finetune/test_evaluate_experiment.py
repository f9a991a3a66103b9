"""From a shop's log to a verdict, or to why there is none: broken, early, small and strange experiments are said to be so."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from bot.experiments import Experiments
from finetune.evaluate_experiment import evaluate_experiment
from finetune.experiment_report import ExperimentReport
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden, InvalidInput
from storage.event import Event, parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.settings import DAY_MS, ShopSettings

ENGINEER = Principal("ada", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
START = 1_700_000_000_000
OVER = START + 14 * DAY_MS
NAME = "order"


def settings_of(metric: str = "purchase", shares: dict[str, float] | None = None) -> ShopSettings:
    arms = {arm: {"share": share} for arm, share in (shares or {"plain": 0.5, "taste": 0.5}).items()}
    experiment = {
        "start": START,
        "days": 14,
        "window_days": 4,
        "metric": metric,
        "control": next(iter(arms)),
        "arms": arms,
    }
    return ShopSettings.model_validate({"experiment": {NAME: experiment}})


SETTINGS = settings_of()


class Log:
    """Writes down what shoppers of an experiment did."""

    def __init__(self, settings: ShopSettings = SETTINGS, secret: str = "secret") -> None:
        self.dealt = Experiments(settings.experiment, secret)
        self.events: list[Event] = []

    def arm(self, user: str) -> str:
        return self.dealt.arm_of(NAME, user)

    def add(self, user: str, event: str, at: int, **fields: Any) -> None:
        row = {"event_id": f"e{len(self.events)}", "event": event, "user_id": user, "timestamp": at}
        self.events.append(parse_event(row | {"consent": {"train": True}} | fields))

    def show(self, user: str, at: int = START + DAY_MS, arm: str | None = None) -> None:
        version = f"rules-1+{NAME}={arm or self.arm(user)}"
        self.add(user, "recommendation_shown", at, items=[{"item_id": "p", "policy_version": version}])

    def buy(self, user: str, at: int = START + 2 * DAY_MS, **fields: Any) -> None:
        self.add(user, "purchase", at, items=[{"item_id": "p"}], **fields)

    def shoppers(self, count: int, bought: dict[str, float], **fields: Any) -> None:
        """So many shoppers who buy with the chance of their arm, after a month in which regulars came too."""
        draw = random.Random(3)
        for number in range(count):
            user = f"u{number}"
            regular = draw.random() < 0.5
            if regular:
                self.add(user, "view_item", START - DAY_MS, items=[{"item_id": "q"}])
            self.show(user, START + draw.randrange(9 * DAY_MS))
            if draw.random() < bought[self.arm(user)] + (0.2 if regular else -0.2):
                self.buy(user, self.events[-1].timestamp + 5, **fields)


def report(
    db: Database, log: Log, settings: ShopSettings = SETTINGS, now: int = OVER, secret: str = "secret"
) -> ExperimentReport:
    assert record_events(db, BACKEND, log.events).rejected == ()
    dealt = Experiments(settings.experiment, secret)
    found = evaluate_experiment(db, ENGINEER, settings, NAME, lambda user: dealt.arm_of(NAME, user), now)
    json.dumps(found.values(), allow_nan=False)
    assert found.text()
    return found


def verdict(found: ExperimentReport, arm: str = "taste") -> tuple[str, str]:
    return found.verdicts[arm].verdict, "; ".join(found.verdicts[arm].reasons)


def test_the_better_arm_is_found_and_by_how_much(database: Database) -> None:
    log = Log()
    log.shoppers(1200, {"plain": 0.25, "taste": 0.45}, value=1000, currency="USD")
    found = report(database, log)
    assert verdict(found) == ("better", "")
    assert sum(found.users.values()) == 1200
    compared = found.comparisons["purchase"]["taste"]
    assert compared.difference.low is not None
    assert compared.difference.high is not None
    assert compared.difference.low < 0.2 < compared.difference.high
    assert found.ratio is not None
    assert found.ratio > 0.001
    assert "taste against plain, by purchase: better" in found.text()
    values = found.values()
    assert values["figures"]["revenue:USD"]["means"]["taste"] > values["figures"]["revenue:USD"]["means"]["plain"]
    worse = report(database, Log(), settings_of(shares={"taste": 0.5, "plain": 0.5}))
    assert worse.verdicts["plain"].verdict == "inconclusive", "the shares' order changed, so every lot did"


def test_arms_that_are_the_same_are_inconclusive(database: Database) -> None:
    log = Log()
    log.shoppers(600, {"plain": 0.3, "taste": 0.3})
    said, reasons = verdict(report(database, log))
    assert said == "inconclusive"
    assert "by chance" in reasons


def test_before_the_last_day_nothing_is_said_of_the_arms(database: Database) -> None:
    log = Log()
    log.shoppers(300, {"plain": 0.1, "taste": 0.9})
    found = report(database, log, now=OVER - 1)
    assert (found.status, found.day) == ("running", 13)
    assert not found.verdicts
    assert not found.comparisons
    assert "means" not in found.values()["figures"]["purchase"]
    assert "day 13 of 14" in found.text()
    assert "looking early is not a test" in found.text()
    early = report(database, Log(), now=START + 3 * DAY_MS)
    assert early.log.left_out["window_not_over"] > 0
    planned = report(database, Log(), now=START - 1)
    assert (planned.status, planned.day, sum(planned.users.values())) == ("planned", 0, 0)


def test_a_sample_ratio_that_no_lot_explains_refuses_a_verdict(database: Database) -> None:
    log = Log()
    log.shoppers(1200, {"plain": 0.2, "taste": 0.6})
    log.events = [each for each in log.events if log.arm(str(each.user_id)) == "plain" or hash_of(each) % 4]
    said, reasons = verdict(report(database, log))
    assert said == "inconclusive"
    assert "not split as they were to be" in reasons
    assert "likely causes" in reasons


def hash_of(event: Event) -> int:
    return int(str(event.user_id)[1:])


def test_all_of_one_arm_or_one_user_of_another(database: Database) -> None:
    log = Log()
    users = [f"u{number}" for number in range(400) if log.arm(f"u{number}") == "plain"]
    for user in users:
        log.show(user)
    said, reasons = verdict(report(database, log))
    assert said == "inconclusive"
    assert "not split" in reasons
    assert "taste has 0" in reasons
    log.events = []
    log.show(next(f"u{number}" for number in range(400) if log.arm(f"u{number}") == "taste"))
    log.events = [each.model_copy(update={"event_id": "one"}) for each in log.events]
    said, reasons = verdict(report(database, log))
    assert said == "inconclusive"
    assert "taste has 1" in reasons


def test_nobody_exposed_is_an_error_with_the_way_out(database: Database) -> None:
    with pytest.raises(InvalidInput, match="consent says train"):
        report(database, Log())
    log = Log()
    log.show("u1")
    report(database, log)
    set_consent(database, BACKEND, "u1", Consent())
    with pytest.raises(InvalidInput, match="consent says train"):
        report(database, Log())


def test_an_experiment_that_the_shop_does_not_have(database: Database) -> None:
    with pytest.raises(InvalidInput, match="no experiment 'x'") as found:
        evaluate_experiment(database, ENGINEER, SETTINGS, "x", str)
    assert NAME in found.value.hint
    with pytest.raises(InvalidInput) as found:
        evaluate_experiment(database, ENGINEER, ShopSettings(), "x", str)
    assert "shop.toml" in found.value.hint


def test_shares_changed_midway_are_found_out(database: Database) -> None:
    """Half the shoppers came under 50 : 50, half under 90 : 10, some under both."""
    log, changed = Log(), Log(settings_of(shares={"plain": 0.9, "taste": 0.1}))
    for number in range(600):
        user = f"u{number}"
        if number < 400:
            log.show(user, START + DAY_MS)
        if number >= 300:
            log.show(user, START + 5 * DAY_MS, changed.arm(user))
    found = report(database, log, settings_of(shares={"plain": 0.9, "taste": 0.1}))
    assert found.log.left_out["two_arms"] > 20
    assert found.log.left_out["other_arm"] > 50
    said, reasons = verdict(found)
    assert said == "inconclusive"
    assert "two arms" in reasons
    assert "shares or secret were changed" in reasons


def test_another_secret_and_renamed_arms_are_found_out(database: Database) -> None:
    log = Log()
    log.shoppers(600, {"plain": 0.2, "taste": 0.6})
    other = report(database, log, secret="another")
    assert other.log.left_out["other_arm"] > 200
    assert "secret" in verdict(other)[1]
    renamed = report(database, Log(), settings_of(shares={"plain": 0.5, "personal": 0.5}))
    assert renamed.log.strange.keys() == {"taste"}
    assert "shop.toml does not have (taste)" in verdict(renamed, "personal")[1]


def test_a_few_forged_slates_do_not_spoil_it(database: Database) -> None:
    """Anybody may send events in their own name, also ones that claim an arm."""
    log = Log()
    log.shoppers(1200, {"plain": 0.25, "taste": 0.45})
    for number in range(5):
        log.show(f"forger-{number}", arm="mine")
    found = report(database, log)
    assert found.log.left_out["unknown_arm"] == 5
    assert verdict(found)[0] == "better"


def test_who_comes_late_is_not_counted_and_windows_end(database: Database) -> None:
    log = Log()
    log.show("u1", START + 10 * DAY_MS)
    log.show("u2", START + DAY_MS)
    log.buy("u2", START + 5 * DAY_MS)
    log.show("u3", START + DAY_MS)
    log.buy("u3", START + 5 * DAY_MS - 1)
    log.buy("u3", START + DAY_MS - 1)
    found = report(database, log)
    assert found.log.left_out == {"too_late": 1}
    assert sorted(found.log.figures["purchase"].after.tolist()) == [0, 1]
    assert sorted(found.log.figures["purchase"].before.tolist()) == [0, 1]


def test_money_is_added_by_currency_and_refunds_count(database: Database) -> None:
    log = Log()
    log.show("u1")
    for fields in ({"value": 500, "currency": "EUR"}, {"value": 700, "currency": "USD"}, {"value": 30}, {}):
        log.buy("u1", **fields)
    log.add("u1", "refund", START + 3 * DAY_MS, value=200, currency="EUR")
    found = report(database, log)
    figures = {name: each.after.tolist() for name, each in found.log.figures.items()}
    assert figures == {"purchase": [1], "reward": [6], "revenue:USD": [730], "revenue:EUR": [300]}
    assert found.log.without_amount == 1
    assert "say no amount" in found.text()


def test_a_whale_decides_nothing(database: Database) -> None:
    settings = settings_of("revenue")
    log = Log(settings)
    log.shoppers(900, {"plain": 0.5, "taste": 0.5}, value=1000)
    whale = next(f"w{number}" for number in range(50) if log.arm(f"w{number}") == "taste")
    log.show(whale)
    log.buy(whale, value=900_000_000)
    found = report(database, log, settings)
    figure = found.log.figures["revenue:USD"]
    assert (figure.cap, figure.capped) == (1000, 1)
    assert verdict(found)[0] == "inconclusive"
    assert "1 users cut at 1000" in found.text()


def test_where_nothing_varies_there_is_nothing_to_compare(database: Database) -> None:
    log = Log()
    for number in range(400):
        log.show(f"u{number}")
        log.buy(f"u{number}")
    said, reasons = verdict(report(database, log))
    assert said == "inconclusive"
    assert "the same for everybody" in reasons


def test_too_few_who_buy(database: Database) -> None:
    log = Log()
    for number in range(400):
        log.show(f"u{number}")
        if number < 10:
            log.buy(f"u{number}")
    assert "too few users with any purchase" in verdict(report(database, log))[1]


def test_several_arms_are_one_family(database: Database) -> None:
    settings = settings_of(shares={"plain": 0.4, "taste": 0.3, "other": 0.3})
    log = Log(settings)
    log.shoppers(1500, {"plain": 0.25, "taste": 0.45, "other": 0.3})
    found = report(database, log, settings)
    raw = [found.comparisons["purchase"][arm].p_value for arm in ("taste", "other")]
    assert found.verdicts["taste"].verdict == "better"
    assert found.verdicts["taste"].p_value == pytest.approx(2 * min(each for each in raw if each is not None))


def test_only_those_who_train_read_it(database: Database) -> None:
    with pytest.raises(Forbidden):
        evaluate_experiment(database, BACKEND, SETTINGS, NAME, str, OVER)
