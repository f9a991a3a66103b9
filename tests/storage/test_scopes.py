from __future__ import annotations

import pytest

from storage.errors import InvalidInput
from storage.scopes import FAMILIES, READ, covers, parse_scopes


def test_a_scope_is_a_family_whole_or_to_read() -> None:
    assert parse_scopes(["orders", "catalog:read", "orders"]) == {"orders", "catalog:read"}
    for family in FAMILIES:
        assert parse_scopes([family, family + READ])


@pytest.mark.parametrize(
    ("name", "hint"),
    [("order", "'orders'"), ("orders:write", "'orders'"), ("", "Known"), (":read", "Known"), ("*", "Known")],
)
def test_any_other_is_an_error_that_names_the_known(name: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_scopes(["chat", name])
    assert hint in refused.value.hint


def test_bound_to_nothing_is_a_mistake() -> None:
    with pytest.raises(InvalidInput, match="nothing"):
        parse_scopes([])


def test_reading_is_less_than_all() -> None:
    bound = parse_scopes(["orders:read", "chat"])
    assert covers(bound, "orders", reads=True)
    assert not covers(bound, "orders", reads=False)
    assert covers(bound, "chat", reads=True)
    assert covers(bound, "chat", reads=False)
    assert not covers(bound, "users", reads=True)
    assert covers(None, "users", reads=False)
