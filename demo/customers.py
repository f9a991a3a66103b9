"""What the demo shop knows of those who ordered: a name and an address to write to, at a domain that nobody can own (RFC 2606)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any, Final

from demo.personas import PERSONAS

NAMES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "en": (
        ("Nora", "nora.l"), ("Samir", "samir88"), ("Greta", "greta.b"), ("Paul", "paul.w"), ("Ines", "ines.m"),
        ("Tom", "tom.h"), ("Aisha", "aisha.k"), ("Viktor", "v.orlov"), ("Grace", "grace.t"), ("Leo", "leo.p"),
        ("Hannah", "hannah.r"), ("Omar", "omar.f"),
    ),
    "zh": (
        ("陈晨", "chenchen"), ("王芳", "wangfang"), ("李想", "lixiang"), ("赵敏", "zhaomin"), ("刘洋", "liuyang"),
        ("周杰", "zhoujie"), ("林静", "linjing"), ("何平", "heping"),
    ),
}  # fmt: skip
"""First names with the local part of an address, by language."""
_CHINESE: Final = 0.4


def make_customers(seed: int, orders: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """One customer a line for everybody who ordered, in the order of their ids; somebody's name hangs on their id alone."""
    personas = {persona.id: persona for persona in PERSONAS}
    for user_id in sorted({str(order["user_id"]) for order in orders}):
        persona = personas.get(user_id)
        if persona is not None:
            name, mailbox = (persona.name.zh if persona.language == "zh" else persona.name.en), user_id
        else:
            person = Random(f"customer {seed} {user_id}")
            name, mailbox = person.choice(NAMES["zh" if person.random() < _CHINESE else "en"])
        yield {"user_id": user_id, "first_name": name, "email": f"{mailbox}@mail.example"}
