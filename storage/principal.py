"""Who is asking. A `Principal` is an argument of every function that reads or writes personal data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from storage.errors import Forbidden, NotFound


class Role(StrEnum):
    """What a principal may do; see the HTTP contract in `docs/`."""

    CUSTOMER = "customer"
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ENGINEER = "engineer"
    SERVICE = "service"
    ADMIN = "admin"


FIGURES: Final = (Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN)
"""Who may see figures over everybody, in which nobody can be told from others."""


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller. `team` is set for agents; `anonymous` for shoppers known by the signed cookie alone.

    `scopes` are those of `storage.scopes` that a key is bound to, None where it may all that its role may. They are checked once,
    where a request comes in; the data layer goes by role and id.
    `machine` is Aisle itself, which looks on nobody's behalf: no token, key or cookie makes such a one.
    """

    id: str
    role: Role
    team: str | None = None
    anonymous: bool = False
    scopes: frozenset[str] | None = None
    machine: bool = False

    def require_role(self, *roles: Role) -> None:
        """Raises `Forbidden` unless the principal has one of `roles`."""
        if self.role not in roles:
            allowed = ", ".join(roles)
            raise Forbidden(f"The role {self.role} may not do this.", f"It needs one of: {allowed}.")

    def require_owner(self, user_id: str, *others: Role) -> None:
        """Raises `NotFound` unless the principal is `user_id` itself, the shop's own backend, or has one of `others`.

        `NotFound` rather than `Forbidden`: a foreign id must look exactly like one that does not exist.
        """
        if not self.owns(user_id, *others):
            raise NotFound(f"There is no {user_id[:200]!r} here.", "Check the id, or sign in as its owner.")

    def owns(self, user_id: str, *others: Role) -> bool:
        """Whether `require_owner` lets the principal pass."""
        return (self.role is Role.CUSTOMER and self.id == user_id) or self.role is Role.SERVICE or self.role in others


def local_operator() -> Principal:
    """The person at the machine's own command line: whoever can read the shop's folder acts for the shop."""
    return Principal(id="operator", role=Role.SERVICE)
