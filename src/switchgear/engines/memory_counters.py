"""Counters in this process: exact, never waiting, bounded.

A count is two numbers, settled and held. Whatever has a time is in a heap by it, so that forgetting costs no search. A
reservation comes into its heap only when the first of those that are not in it is due: hardly any lives so long.
"""

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from switchgear.engines.memory_counters_saved import SavedCount, SavedCounters, SavedHold, parts_of, written
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import PARTS, Claim, Counters, Standing

_NANOSECONDS: Final = 1_000_000_000
_NEVER: Final = 1 << 63
_REMEMBER_NS: Final = 86_400 * _NANOSECONDS
"""How long a reservation that was let go may still be settled, and an entry is counted once."""
_AT_ONCE: Final = 500
_KEEP_IDLE: Final = 10_000
_MOST_FOUND: Final = 4_096

_Key = tuple[str, str]


class _Count(Struct, gc=False):
    settled: int = 0
    held: int = 0


class _Hold(Struct):
    expires_ns: int
    claims: Sequence[Claim]
    amounts: Sequence[int]
    counts: Sequence[_Count]
    """Those of ``claims``, in their order."""


class _Found(Struct):
    """Where claims were found: what stands as long as no count begins and none is forgotten."""

    claims: Sequence[Claim]
    counts: Sequence[_Count]
    before: Sequence[_Count | None]
    """Those of the windows before, where they weigh."""
    is_fresh: bool
    """Whether some of ``counts`` are nowhere else yet."""
    generation: int


_NOWHERE: Final = _Found((), (), (), is_fresh=True, generation=-1)


class MemoryCounters:
    """Counters that no other process sees. None of its methods suspends, and none raises OSError.

    At most ``keep_windows`` are remembered: beyond that, the windows that would be forgotten first are.
    """

    def __init__(self, clock: Clock, keep_windows: int = 200_000, keep_remembered: int = 100_000) -> None:
        self.changes = 0
        """Goes up whenever something is held, settled or counted."""
        self._clock = clock
        self._now_ns = clock.monotonic_ns
        self._keep_windows = keep_windows
        self._keep_remembered = keep_remembered
        self._counts: dict[_Key, _Count] = {}
        self._forgetting: list[tuple[int, _Key]] = []
        self._holds: dict[str, _Hold] = {}
        self._expiring: list[tuple[int, str]] = []
        """Those that were held already when this was made; mostly they are settled long before it is looked at."""
        self._fresh_expires_ns = _NEVER
        """When the first of all others is let go."""
        self._generation = 0
        """Goes up whenever a count begins, or one is forgotten."""
        self._found: dict[int, _Found] = {}
        """By the identity of the claims, which stay alive here: those that are asked again and again."""
        self._gauges = 0
        self._most_gauges = _KEEP_IDLE
        self._remembered: dict[str, int] = {}
        """In the order in which they are forgotten, since all are kept equally long."""
        self._next_ns = _NEVER
        """When something is due to be forgotten or let go."""

    async def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        ttl_seconds: float,
        amounts: Sequence[int] | None = None,
    ) -> tuple[Standing, ...]:
        now_ns = self._now_ns()
        if now_ns >= self._next_ns:
            self._tidy(now_ns)
        if amounts is None:
            claims = tuple(claims)
            amounts, found = _amounts(claims), self._find(claims)
        else:
            found = self._found.get(id(claims), _NOWHERE)
            if found.generation != self._generation:
                found = self._find_for_long(claims)
        counts = found.counts
        standings: list[Standing] = []
        refused = False
        for claim, amount, count, before in zip(claims, amounts, counts, found.before, strict=True):
            # Held at once, and given back where it turns out that not all fit: mostly they do.
            held = count.held = count.held + amount
            used = count.settled + held
            if before is not None:
                used -= -(before.settled + before.held) * claim.previous_parts // PARTS
            fits = used <= claim.limit
            if not fits and claim.enforced:
                refused = True
            standings.append(Standing(used, fits, held))
        if refused:
            _take_back(counts, amounts)
            return _without(standings, amounts)
        self.changes += 1
        if found.is_fresh:
            self._begin_all(claims, amounts, counts)
        expires_ns = now_ns + int(ttl_seconds * _NANOSECONDS)
        hold = _Hold(expires_ns, claims, amounts, counts)
        if expires_ns < self._fresh_expires_ns or reservation in self._holds:
            self._hold(reservation, hold)
        else:
            self._holds[reservation] = hold
        return tuple(standings)

    async def settle(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        now_ns = self._now_ns()
        if now_ns >= self._next_ns:
            self._tidy(now_ns)
        hold = self._holds.pop(reservation, None)
        was_let_go = bool(self._remembered) and self._remembered.pop(f"r {reservation}", None) is not None
        self.changes += 1
        if hold is not None:
            if hold.claims is claims:
                _end(hold, amounts)
                return
            _take_back(hold.counts, hold.amounts)
        elif not was_let_go:
            return
        for claim, amount in zip(claims, amounts, strict=True):
            if claim.window and amount:
                self._count(claim).settled += amount

    async def count(self, entry: str, claims: Sequence[Claim]) -> None:
        now_ns = self._clock.monotonic_ns()
        self._tidy(now_ns)
        if f"e {entry}" in self._remembered:
            return
        self._remember(f"e {entry}", now_ns)
        self.changes += 1
        for claim in claims:
            if claim.window:
                self._count(claim).settled += claim.amount

    async def standings(self, claims: Sequence[Claim]) -> tuple[Standing, ...]:
        self._tidy(self._clock.monotonic_ns())
        found: list[Standing] = []
        for claim in claims:
            count = self._counts.get((claim.counter, claim.window), _Count())
            used = count.settled + count.held + self._share(claim)
            found.append(Standing(used, used + claim.amount <= claim.limit, count.held))
        return tuple(found)

    def counted(self) -> Sequence[tuple[str, str]]:
        """Counters with their windows, all that are remembered."""
        return list(self._counts)

    def clear_settled(self) -> None:
        """Forget all that was settled; what is held stays."""
        for count in self._counts.values():
            count.settled = 0

    def dump(self) -> bytes:
        """What :meth:`load` takes, by wall time; without what only lives as long as the process (calls at once)."""
        return b"".join(self.dump_in_parts())

    def dump_in_parts(self) -> Iterator[bytes]:
        """The same in pieces of less than a millisecond each, between which calls may be counted.

        What a call counts meanwhile may be in it in part, and what it held twice: rather too much than too little.
        """
        now_ns = self._clock.monotonic_ns()
        shift_ns = self._clock.wall_ns() - now_ns
        self._tidy(now_ns)
        forgetting, holds = self._forgetting.copy(), list(self._holds.items())
        remembered = list(self._remembered.items())
        for first in range(0, max(len(forgetting), len(holds), len(remembered)), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            yield written(
                SavedCounters(
                    tuple(self._saved_counts(forgetting[part], shift_ns)),
                    tuple(_saved_hold(name, hold, shift_ns) for name, hold in holds[part]),
                    {name: forget_ns + shift_ns for name, forget_ns in remembered[part]},
                )
            )

    def _saved_counts(self, forgetting: list[tuple[int, _Key]], shift_ns: int) -> Iterator[SavedCount]:
        for forget_ns, key in forgetting:
            count = self._counts.get(key)
            if count is not None:
                yield SavedCount(*key, count.settled, forget_ns + shift_ns)

    def load(self, saved: bytes) -> None:
        """Go on where another process stopped, in place of all that is known; what it held lapses in its time.

        Raises ValueError, and changes nothing, when ``saved`` is not what :meth:`dump` wrote.
        """
        parts = list(parts_of(saved))
        shift_ns = self._clock.wall_ns() - self._clock.monotonic_ns()
        counts = [each for part in parts for each in part.counts]
        self._counts = {(each.counter, each.window): _Count(each.settled) for each in counts}
        self._generation += 1
        self._forgetting = [(each.forget_wall_ns - shift_ns, (each.counter, each.window)) for each in counts]
        heapify(self._forgetting)
        self._holds, self._expiring = {}, []
        self._fresh_expires_ns = 0
        self._gauges = 0
        self._remembered = {name: forget_ns - shift_ns for part in parts for name, forget_ns in part.remembered.items()}
        self._next_ns = 0
        for each in (hold for part in parts for hold in part.holds):
            claims = tuple(
                Claim(counter=name, amount=held, limit=0, window=window) for name, window, held in each.amounts
            )
            held = [self._counts.get((claim.counter, claim.window), _Count()) for claim in claims]
            for claim, count in zip(claims, held, strict=True):
                count.held += claim.amount
            amounts = _amounts(claims)
            self._holds[each.reservation] = _Hold(each.expires_wall_ns - shift_ns, claims, amounts, held)
        self._tidy(self._clock.monotonic_ns())

    def gained_since(self, saved: bytes) -> list[Claim]:
        """What was settled since :meth:`dump` wrote ``saved``, as something that can be counted. Raises ValueError."""
        before = {(each.counter, each.window): each.settled for part in parts_of(saved) for each in part.counts}
        now_ns = self._clock.monotonic_ns()
        return [
            Claim(
                counter=key[0],
                amount=gained,
                limit=0,
                window=key[1],
                keep_seconds=(forget_ns - now_ns) / _NANOSECONDS,
            )
            for forget_ns, key in self._forgetting
            if (count := self._counts.get(key)) is not None and (gained := count.settled - before.get(key, 0))
        ]

    def ended_since(self, saved: bytes) -> list[str]:
        """Reservations that were held when :meth:`dump` wrote ``saved``, and are not any more. Raises ValueError."""
        return [
            each.reservation for part in parts_of(saved) for each in part.holds if each.reservation not in self._holds
        ]

    def _share(self, claim: Claim) -> int:
        """What the previous window still weighs."""
        count = self._counts.get((claim.counter, claim.previous)) if claim.previous else None
        if count is None:
            return 0
        return -(-(count.settled + count.held) * claim.previous_parts // PARTS)

    def _find(self, claims: Sequence[Claim]) -> _Found:
        known = self._counts
        there = [known.get((claim.counter, claim.window)) for claim in claims]
        before = [known.get((claim.counter, claim.previous)) if claim.previous else None for claim in claims]
        return _Found(claims, [count or _Count() for count in there], before, None in there, self._generation)

    def _find_for_long(self, claims: Sequence[Claim]) -> _Found:
        found = self._find(claims)
        if not found.is_fresh:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[id(claims)] = found
        return found

    def _hold(self, reservation: str, hold: _Hold) -> None:
        """Of what expires before all others, or grows."""
        known = self._holds.setdefault(reservation, hold)
        if known is not hold:
            _grow(known, hold)
        self._fresh_expires_ns = min(self._fresh_expires_ns, hold.expires_ns)
        self._next_ns = min(self._next_ns, hold.expires_ns)

    def _begin_all(self, claims: Sequence[Claim], amounts: Sequence[int], counts: Sequence[_Count]) -> None:
        for claim, amount, count in zip(claims, amounts, counts, strict=True):
            if amount and (claim.counter, claim.window) not in self._counts:
                self._begin(claim, count)

    def _begin(self, claim: Claim, count: _Count) -> None:
        key = (claim.counter, claim.window)
        self._generation += 1
        self._counts[key] = count
        if not claim.window:
            self._gauges += 1
            if self._gauges > self._most_gauges:
                self._forget_idle()
            return
        forget_ns = self._clock.monotonic_ns() + int(claim.keep_seconds * _NANOSECONDS)
        heappush(self._forgetting, (forget_ns, key))
        self._next_ns = min(self._next_ns, forget_ns)
        while len(self._forgetting) > self._keep_windows:
            self._counts.pop(heappop(self._forgetting)[1], None)

    def _forget_idle(self) -> None:
        """Counters without windows of which nothing is held are kept for the next call, up to a point."""
        idle = [key for key, count in self._counts.items() if not key[1] and not count.held and not count.settled]
        self._generation += 1
        for key in idle:
            del self._counts[key]
        self._gauges -= len(idle)
        self._most_gauges = max(_KEEP_IDLE, 2 * self._gauges)

    def _count(self, claim: Claim) -> _Count:
        count = self._counts.get((claim.counter, claim.window))
        if count is None:
            count = _Count()
            self._begin(claim, count)
        return count

    def _remember(self, name: str, now_ns: int) -> None:
        self._remembered[name] = now_ns + _REMEMBER_NS
        if len(self._remembered) > self._keep_remembered:
            del self._remembered[next(iter(self._remembered))]

    def _tidy(self, now_ns: int) -> None:
        """Let go and forget what is due."""
        if now_ns < self._next_ns:
            return
        self._let_go(now_ns)
        forgetting = self._forgetting
        while forgetting and forgetting[0][0] <= now_ns:
            self._generation += 1
            self._counts.pop(heappop(forgetting)[1], None)
        while self._remembered and self._remembered[oldest := next(iter(self._remembered))] <= now_ns:
            del self._remembered[oldest]
        self._next_ns = min(
            forgetting[0][0] if forgetting else _NEVER,
            self._expiring[0][0] if self._expiring else _NEVER,
            self._fresh_expires_ns,
        )

    def _let_go(self, now_ns: int) -> None:
        if now_ns >= self._fresh_expires_ns:
            # As good as all that were made since are settled by now: a heap kept for every call would be for nothing.
            self._expiring = [(each.expires_ns, name) for name, each in self._holds.items()]
            heapify(self._expiring)
            self._fresh_expires_ns = _NEVER
        expiring = self._expiring
        while expiring and expiring[0][0] <= now_ns:
            reservation = heappop(expiring)[1]
            hold = self._holds.get(reservation)
            if hold is not None and hold.expires_ns <= now_ns:
                del self._holds[reservation]
                _take_back(hold.counts, hold.amounts)
                self._remember(f"r {reservation}", now_ns)


def _amounts(claims: Sequence[Claim]) -> list[int]:
    return [claim.amount for claim in claims]


def _end(hold: _Hold, amounts: Sequence[int]) -> None:
    for claim, held, count, amount in zip(hold.claims, hold.amounts, hold.counts, amounts, strict=True):
        count.held -= held
        if claim.window:
            count.settled += amount


def _grow(hold: _Hold, more: _Hold) -> None:
    """What was found is everybody's who asks the same: it is left as it is."""
    hold.expires_ns = more.expires_ns
    hold.claims = (*hold.claims, *more.claims)
    hold.amounts = (*hold.amounts, *more.amounts)
    hold.counts = (*hold.counts, *more.counts)


def _take_back(counts: Sequence[_Count], amounts: Sequence[int]) -> None:
    for count, amount in zip(counts, amounts, strict=True):
        count.held -= amount


def _saved_hold(reservation: str, hold: _Hold, shift_ns: int) -> SavedHold:
    held = zip(hold.claims, hold.amounts, strict=True)
    amounts = tuple((claim.counter, claim.window, amount) for claim, amount in held if claim.window)
    return SavedHold(reservation, hold.expires_ns + shift_ns, amounts)


def _without(standings: list[Standing], amounts: Sequence[int]) -> tuple[Standing, ...]:
    """How counters stand that were asked for more, and did not give it."""
    return tuple(
        Standing(each.used - amount, each.fits, each.held - amount)
        for each, amount in zip(standings, amounts, strict=True)
    )


if TYPE_CHECKING:
    _: type[Counters] = MemoryCounters
