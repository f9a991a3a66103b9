from __future__ import annotations

from bot.llm.breaker import Breaker


def test_it_opens_after_failures_in_a_row_and_lets_one_try_after_the_pause() -> None:
    now = 0.0
    breaker = Breaker(3, 60.0, lambda: now)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()  # in a row, not in all
    for _ in range(2):
        breaker.failed()
        assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now = 59.9
    assert not breaker.allows()
    now = 60.0
    assert breaker.allows()
    assert not breaker.allows()  # the others wait for what becomes of it
    breaker.failed()
    now = 119.0
    assert not breaker.allows()
    now = 121.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()
