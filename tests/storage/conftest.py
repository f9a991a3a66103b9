"""Who acts in these tests."""

from __future__ import annotations

import pytest

from storage.principal import Principal, Role


@pytest.fixture
def alice() -> Principal:
    return Principal("alice", Role.CUSTOMER)


@pytest.fixture
def mallory() -> Principal:
    return Principal("mallory", Role.CUSTOMER)


@pytest.fixture
def backend() -> Principal:
    return Principal("shop", Role.SERVICE)


@pytest.fixture
def admin() -> Principal:
    return Principal("boss", Role.ADMIN)
