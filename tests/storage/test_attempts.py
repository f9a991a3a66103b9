"""Failures are counted by account and address, and nobody else is stopped by them."""

from __future__ import annotations

import threading

import pytest

from storage.attempts import Attempts, Rate, site
from storage.errors import TooManyAttempts, Unauthenticated, Unavailable

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(Rate(3, 60.0), Rate(5, 30.0), clock)


def fail(attempts: Attempts, address: str | None = HERE, account: str = "a", proof: str = "wrong") -> None:
    with pytest.raises(Unauthenticated), attempts.attempt(address, account, proof):
        raise Unauthenticated("It does not hold.")


def hold(attempts: Attempts, address: str = HERE, account: str = "a", proof: str = "right") -> None:
    with attempts.attempt(address, account, proof):
        pass


def test_an_account_is_left_alone_after_so_many_from_anywhere(attempts: Attempts, clock: Clock) -> None:
    for number in range(3):
        fail(attempts, f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts) as refused:
        hold(attempts, THERE)
    assert refused.value.retry_after == 60
    assert refused.value.status == 429
    hold(attempts, THERE, account="b")
    clock.now += 60
    hold(attempts, THERE)


def test_an_address_is_left_alone_after_so_many_accounts(attempts: Attempts, clock: Clock) -> None:
    for number in range(5):
        fail(attempts, account=str(number))
    for _ in range(10):
        with pytest.raises(TooManyAttempts) as refused:
            hold(attempts, account="new")
        assert refused.value.retry_after == 30, "what is refused adds nothing"
    hold(attempts, THERE, account="new")
    clock.now += 29
    with pytest.raises(TooManyAttempts):
        hold(attempts, account="other")
    clock.now += 1
    fail(attempts, account="other")
    with pytest.raises(TooManyAttempts):
        fail(attempts, account="other")


def test_what_holds_costs_nothing(attempts: Attempts) -> None:
    for number in range(50):
        hold(attempts, proof=f"right {number}")


def test_what_has_held_here_goes_on_though_others_try_from_here(attempts: Attempts) -> None:
    hold(attempts)
    for number in range(5):
        fail(attempts, account=str(number))
    for _ in range(3):
        hold(attempts)
    with pytest.raises(TooManyAttempts):
        hold(attempts, proof="another of the same account")


def test_what_has_held_and_was_revoked_counts_like_any(attempts: Attempts) -> None:
    hold(attempts)
    for _ in range(3):
        fail(attempts, proof="right")
    with pytest.raises(TooManyAttempts):
        fail(attempts, proof="right")


def test_it_has_held_there_and_not_elsewhere(attempts: Attempts) -> None:
    hold(attempts)
    for number in range(5):
        fail(attempts, THERE, account=str(number))
    with pytest.raises(TooManyAttempts):
        hold(attempts, THERE)


def test_what_could_not_be_judged_counts_for_nothing(attempts: Attempts) -> None:
    hold(attempts)
    for proof in ["right", *"123456789"]:
        with pytest.raises(Unavailable), attempts.attempt(HERE, "a", proof):
            raise Unavailable("The database is away.")
    hold(attempts, proof="another")


def test_many_at_once_are_no_way_around(attempts: Attempts) -> None:
    begun, outcomes = threading.Barrier(12), []

    def try_it(number: int) -> None:
        begun.wait(30)
        try:
            fail(attempts, account=str(number))
            outcomes.append("looked at")
        except TooManyAttempts:
            outcomes.append("refused")

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["looked at"] * 5 + ["refused"] * 7


def test_signatures_count_by_address(attempts: Attempts) -> None:
    for _ in range(5):
        attempts.failed(HERE)
    with pytest.raises(TooManyAttempts):
        attempts.failed(HERE)
    attempts.failed(THERE)


def test_without_an_address_nothing_is_counted(attempts: Attempts) -> None:
    for _ in range(20):
        fail(attempts, None)
        attempts.failed(None)


def test_it_keeps_only_so_many_names(clock: Clock) -> None:
    attempts = Attempts(clock=clock, most=10)
    for number in range(200):
        hold(attempts, f"10.0.0.{number}")
        fail(attempts, f"10.0.0.{number}", account=str(number))
    assert len(attempts._empty_at) == len(attempts._held) == 10


def test_a_name_that_was_dropped_meanwhile_is_not_missed(clock: Clock) -> None:
    attempts = Attempts(clock=clock, most=1)
    with attempts.attempt(HERE, "a", "right"):
        fail(attempts, THERE, account="b")
    hold(attempts)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
        ("x" * 1000, "x" * 100),
    ],
)
def test_a_subscriber_of_ipv6_counts_as_one(address: str, counted: str) -> None:
    assert site(address) == counted
