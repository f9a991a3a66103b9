"""What people allow: kept with when and how it was given, and honoured at once wherever it matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage.answers import list_answers
from storage.behavior import Wanted, behavior_of
from storage.consent import Consent, ConsentRecord, consent_of, consent_records_of, set_consent
from storage.database import Database
from storage.errors import NotFound
from storage.event import EARLIEST_MS, parse_event
from storage.events import events_of, record_events
from storage.labels import training_conversations, turns_to_label
from storage.models import list_runs, register_run, runs_with_user
from storage.principal import Principal, Role
from storage.purchases import buyer_of
from storage.record import now_ms
from storage.resolved import still_learnable
from storage.secret import load_secret
from storage.settings import parse_settings
from storage.tables import consent_records
from tests.storage.people import BACKEND, ENGINEER, settle

DEFAULT = Consent()
EVERYTHING = Consent(train=True)


@pytest.mark.parametrize("kept", [{"answer": False}, {"answer": False, "personalize": True}])
def test_without_answers_nothing_is_personal(kept: dict[str, bool]) -> None:
    assert not Consent.model_validate(kept).personalize
    assert Consent(answer=False, train=True).train, "learning is a question of its own"
    assert not parse_settings("[consent]\nanswer = false\n").consent.personalize


def test_a_choice_is_kept_with_when_and_how(database: Database, alice: Principal, backend: Principal) -> None:
    assert consent_of(database, alice, "alice", EVERYTHING) == EVERYTHING, "the shop's default"
    assert consent_records_of(database, alice, "alice") == []
    before = now_ms()
    assert set_consent(database, alice, "alice", Consent(personalize=False), "window")
    assert set_consent(database, backend, "alice", EVERYTHING)
    assert not set_consent(database, alice, "alice", EVERYTHING), "the same again is no new choice"
    later, first = consent_records_of(database, alice, "alice")
    assert before <= first.given_at <= later.given_at <= now_ms()
    assert first == ConsentRecord(True, False, False, first.given_at, "alice", "customer", "window")
    assert later == ConsentRecord(True, True, True, later.given_at, "shop", "service", "api")
    assert consent_of(database, alice, "alice", DEFAULT) == EVERYTHING


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN])
def test_another_persons_is_not_there(database: Database, role: Role) -> None:
    other = Principal("mallory", role, "support")
    for act in (
        lambda: set_consent(database, other, "alice", EVERYTHING),
        lambda: consent_of(database, other, "alice", DEFAULT),
        lambda: consent_records_of(database, other, "alice"),
    ):
        with pytest.raises(NotFound):
            act()
    with database.read() as connection:
        assert not connection.execute(select(func.count()).select_from(consent_records)).scalar_one()


def test_without_answers_no_profile_is_read_and_none_is_made(database: Database, alice: Principal) -> None:
    event = {"event_id": "e1", "event": "purchase", "user_id": "alice", "timestamp": now_ms() - 1000}
    record_events(database, BACKEND, [parse_event({**event, "items": [{"item_id": "p1"}]})], DEFAULT)
    wanted = Wanted(("purchase",), EARLIEST_MS, 10)
    assert behavior_of(database, alice, "alice", wanted, now_ms(), DEFAULT).personalize
    assert buyer_of(database, alice, "alice", DEFAULT) is not None
    set_consent(database, alice, "alice", Consent(answer=False, personalize=True))
    assert not behavior_of(database, alice, "alice", wanted, now_ms(), DEFAULT).personalize
    assert buyer_of(database, alice, "alice", DEFAULT) is None
    record_events(database, BACKEND, [parse_event(event | {"event_id": "e2", "timestamp": now_ms()})], DEFAULT)
    consent = events_of(database, alice, "alice")[-1].consent
    assert consent is not None
    assert not consent.personalize, "what is recorded meanwhile stays out later, too"


def learnt(database: Database, shop: Path, name: str, *users: str) -> str:
    """A run that learnt from these."""
    return register_run(
        database,
        ENGINEER,
        load_secret(shop),
        name="intent",
        kind="intent",
        folder=shop / name,
        data_hashes={},
        users=users,
    )


class TestTakingTrainBack:
    def test_it_is_out_of_everything_that_is_learnt_from_at_once(self, database: Database) -> None:
        who = Principal("alice", Role.CUSTOMER)
        talk = settle(database, "alice", "only alice said this")
        others = settle(database, "bob", "bob said that")
        read = {each.conversation_id for each in training_conversations(database, ENGINEER, DEFAULT)}
        assert read == {talk, others}
        assert still_learnable(database, DEFAULT, [talk, others, "gone"]) == {talk, others}
        assert set_consent(database, who, "alice", Consent(train=False))
        assert {each.conversation_id for each in training_conversations(database, ENGINEER, DEFAULT)} == {others}
        assert still_learnable(database, DEFAULT, [talk, others]) == {others}
        assert [each.text for each in turns_to_label(database, ENGINEER, DEFAULT, 10).first] == ["bob said that"]
        assert [each.source for each in list_answers(database, ENGINEER)] == [others]

    def test_models_that_learnt_from_them_are_to_be_trained_again(self, database: Database, tmp_path: Path) -> None:
        mine = learnt(database, tmp_path, "1", "alice", "bob")
        learnt(database, tmp_path, "2", "bob")
        who = Principal("alice", Role.CUSTOMER)
        set_consent(database, who, "alice", EVERYTHING, shop=tmp_path)
        assert not any(run.retrain_since for run in list_runs(database, ENGINEER))
        set_consent(database, who, "alice", Consent(personalize=False), shop=tmp_path)
        assert [run.run_id for run in list_runs(database, ENGINEER) if run.retrain_since] == [mine]
        assert [run.run_id for run in runs_with_user(database, ENGINEER, "alice", load_secret(tmp_path))] == [mine], (
            "an erasure has to find them still"
        )

    def test_who_never_chose_takes_it_back_with_the_first_choice(self, database: Database, tmp_path: Path) -> None:
        learnt(database, tmp_path, "1", "alice")
        set_consent(database, BACKEND, "alice", Consent(), shop=tmp_path)
        assert all(run.retrain_since for run in list_runs(database, ENGINEER))
