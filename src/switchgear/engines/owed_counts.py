"""What shared counters have not been told yet: kept while they cannot be asked, told once when they can."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct, structs

from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Claim, Counters

_NANOSECONDS: Final = 1_000_000_000
_AT_ONCE: Final = 64
"""Settlements told together, and counters of one entry: no script of the engine's takes long."""


class _Sum(Struct):
    claim: Claim
    amount: int
    keep_until_ns: int


class _Settlement(Struct, frozen=True):
    claims: Sequence[Claim] = ()
    amounts: Sequence[int] = ()


class OwedCounts:
    """Settlements of reservations that the engine holds, and sums of what it never heard of.

    A sum is given a name before it is told, and told under it again until the engine has answered: it counts once.
    At most ``keep_counters`` sums are kept; what is beyond is lost, and said to be.
    """

    def __init__(self, clock: Clock, ids: Ids, keep_counters: int = 200_000) -> None:
        self.lost = 0
        """Sums for which there was no room."""
        self._clock = clock
        self._ids = ids
        self._keep_counters = keep_counters
        self._settlements: dict[str, _Settlement] = {}
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._entries: dict[str, tuple[Claim, ...]] = {}

    def __len__(self) -> int:
        return len(self._settlements) + len(self._sums) + len(self._entries)

    def settle(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        """Owe the end of a reservation that the engine holds, or may hold."""
        self._settlements[reservation] = _Settlement(claims, amounts)

    def add(self, claims: Sequence[Claim], amounts: Sequence[int]) -> None:
        """Owe ``amounts`` of counters with windows."""
        now_ns = self._clock.monotonic_ns()
        for claim, amount in zip(claims, amounts, strict=True):
            if not claim.window or not amount:
                continue
            known = self._sums.get((claim.counter, claim.window))
            if known is None:
                keep_until_ns = now_ns + int(claim.keep_seconds * _NANOSECONDS)
                self._sums[claim.counter, claim.window] = _Sum(claim, amount, keep_until_ns)
            else:
                known.amount += amount
        if len(self._sums) > self._keep_counters:
            self._make_room(now_ns)

    def entry(self, name: str, claims: Sequence[Claim]) -> None:
        """Owe an entry that has a name already."""
        self._entries[name] = tuple(claims)

    async def tell(self, counters: Counters) -> list[Claim]:
        """Tell ``counters`` everything; the sums that were told. Raises OSError, and what was not answered is kept."""
        while batch := dict(islice(self._settlements.items(), _AT_ONCE)):
            await self._tell_settlements(counters, batch)
        self._name_sums()
        told: list[Claim] = []
        for name, claims in list(self._entries.items()):
            await counters.count(name, claims)
            del self._entries[name]
            told += claims
        return told

    async def _tell_settlements(self, counters: Counters, batch: dict[str, _Settlement]) -> None:
        answers = await asyncio.gather(
            *(counters.settle(reservation, owed.claims, owed.amounts) for reservation, owed in batch.items()),
            return_exceptions=True,
        )
        failed: BaseException | None = None
        for (reservation, owed), answer in zip(batch.items(), answers, strict=True):
            if isinstance(answer, BaseException):
                failed = answer
            elif self._settlements.get(reservation) is owed:
                del self._settlements[reservation]
        if failed is not None:
            raise failed

    def _name_sums(self) -> None:
        """From here on these sums grow no more; what comes later is told under another name."""
        claims = list(self._claims())
        self._sums.clear()
        for first in range(0, len(claims), _AT_ONCE):
            self._entries[self._ids.new()] = tuple(claims[first : first + _AT_ONCE])

    def _claims(self) -> Iterator[Claim]:
        now_ns = self._clock.monotonic_ns()
        for owed in self._sums.values():
            left_seconds = (owed.keep_until_ns - now_ns) / _NANOSECONDS
            if left_seconds > 0:
                yield structs.replace(owed.claim, amount=owed.amount, keep_seconds=left_seconds)

    def _make_room(self, now_ns: int) -> None:
        self._sums = {key: owed for key, owed in self._sums.items() if owed.keep_until_ns > now_ns}
        while len(self._sums) > self._keep_counters:
            del self._sums[next(iter(self._sums))]
            self.lost += 1
