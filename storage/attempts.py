"""Who may still try to prove who they are: failures are counted by account and by the address that they come from.

Each name has a bucket that drains (GCRA, as in ITU-T I.371): so many failures at once, then one more each time that a drop has
leaked. What is refused for that adds nothing, so nobody is shut out for longer than one drop. An attempt is counted before its
proof is looked at and given back if it holds, so that many at once are no way around.

A key that has held from an address keeps holding there whatever others try from it: it is compared, and nothing is guessed by
that. Without this a stranger behind the same address could shut a shop's backend out.

The counts are in memory and bounded: what failed longest ago is dropped first. Each process counts by itself, so that with n
processes behind one address n times as many attempts pass, and a restart begins anew. Both are bounds on noise and load: keys and
links are 256 random bits, which no rate of guessing finds.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from storage.errors import TooManyAttempts, Unauthenticated

MOST_NAMES: Final = 20_000
_IPV6_SITE: Final = 64
"""Bits of an address that one subscriber has in common (RFC 6177): the rest they choose freely."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many failures at once, then one every `seconds`."""

    burst: int
    seconds: float


ACCOUNT: Final = Rate(10, 60.0)
ADDRESS: Final = Rate(20, 30.0)
"""More than an account's: behind one address may be a whole office."""


class Attempts:
    """Counts failures. `clock` gives seconds that only grow."""

    def __init__(
        self,
        account: Rate = ACCOUNT,
        address: Rate = ADDRESS,
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_NAMES,
    ) -> None:
        self._rates = {"account": account, "address": address}
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        # By name, when its bucket is empty again, in seconds of the clock; the latest failure last.
        self._empty_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._held: OrderedDict[str, None] = OrderedDict()

    @contextmanager
    def attempt(self, address: str | None, account: str, proof: str) -> Iterator[None]:
        """The block looks at a proof, and raises `Unauthenticated` where it does not hold; without an address nothing is counted.

        Raises:
            TooManyAttempts: too many failed lately; the block is not entered.
        """
        if address is None:
            yield
            return
        place = site(address)
        names, seen = (("account", account), ("address", place)), _seen(place, proof)
        with self._lock:
            known = seen in self._held
            if not known:
                self._count(names)
        try:
            yield
        except Unauthenticated:
            with self._lock:
                self._held.pop(seen, None)
                if known:
                    self._count(names)
            raise
        except BaseException:  # the proof was not judged
            with self._lock:
                self._return(() if known else names)
            raise
        with self._lock:
            self._return(() if known else names)
            self._held[seen] = None
            self._held.move_to_end(seen)
            _trim(self._held, self._most)

    def failed(self, address: str | None) -> None:
        """A signature that did not hold came from there.

        Raises:
            TooManyAttempts: too many did lately.
        """
        if address is not None:
            with self._lock:
                self._count((("address", site(address)),))

    def _count(self, names: tuple[tuple[str, str], ...]) -> None:
        now = self._clock()
        until = {name: max(self._empty_at.get(name, now), now) + self._rates[name[0]].seconds for name in names}
        over = max(end - now - self._rates[name[0]].seconds * self._rates[name[0]].burst for name, end in until.items())
        if over > 0:
            raise TooManyAttempts(math.ceil(over))
        for name, end in until.items():
            self._empty_at[name] = end
            self._empty_at.move_to_end(name)
        _trim(self._empty_at, self._most)

    def _return(self, names: tuple[tuple[str, str], ...]) -> None:
        for name in names:
            if name in self._empty_at:
                self._empty_at[name] -= self._rates[name[0]].seconds


def site(address: str) -> str:
    """What counts as one address: an IPv4 address, or the network of an IPv6 one; all else as it is spelled.

    `2001:db8::1` and `2001:db8::2` are `2001:db8::/64`; `::ffff:192.0.2.1` is `192.0.2.1`.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_SITE), strict=False))


def _seen(place: str, proof: str) -> str:
    # Hashed, so that no key lies in memory for days.
    return hashlib.sha256(f"{place}\0{proof}".encode("utf-8", errors="replace")).hexdigest()


def _trim(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
