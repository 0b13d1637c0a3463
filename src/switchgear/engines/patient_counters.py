"""Shared counters that may fail without any call waiting long for them.

While they answer, they are asked once for each call: a reservation waits for the answer, a settlement does not. When
they do not, each limit does what its claim says (``when_unreachable``), on counts of this gateway's own, and no call
pays for finding out whether they are back: a task in the background does. Before they are asked again they are told
what was counted meanwhile, once.

A reservation stays where it was made. One that was made here ends here, and its amounts are owed; one that was made
there is settled there, later if need be. When it is unknown whether it was made there, it is made here and ended there.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import structs

from switchgear.engines.memory_counters import MemoryCounters
from switchgear.engines.owed_counts import OwedCounts
from switchgear.engines.stalled import Stalled
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids, RandomBits
from switchgear.kernel.ports import Claim, Counters, Standing

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 1.0
_ROUND_SECONDS: Final = 1.0
_LAST_WORDS_SECONDS: Final = 2.0
_KEEP_SEEN: Final = 50_000
_RANDOM_BITS: Final = 16


class SharedCounters(Counters, Protocol):
    """Counters elsewhere."""

    @property
    def ready(self) -> bool:
        """Whether they would be asked, and not only fail at once."""
        ...

    async def meet(self, gateway: str) -> int:
        """Connect, if need be, and say that ``gateway`` is there; how many are. Raises OSError."""
        ...

    async def leave(self, gateway: str) -> None:
        """Say that ``gateway`` is gone, and disconnect. Raises OSError."""
        ...


class PatientCounters:
    """Counters in front of shared ones. No method raises OSError; all else is as the port says."""

    def __init__(self, shared: SharedCounters, gateway: str, clock: Clock, random_bits: RandomBits) -> None:
        self.gateways = 1
        """How many share the counters, as far as is known."""
        self.reachable = False
        self._shared = shared
        self._gateway = gateway
        self._random_bits = random_bits
        self._here = MemoryCounters(clock)
        self._owed = OwedCounts(clock, Ids(clock, random_bits))
        self._made_here: set[str] = set()
        self._made_there: set[str] = set()
        self._grown_here: set[str] = set()
        """Made there, and grown while nobody answered there."""
        self._seen: dict[tuple[str, str], int] = {}
        """How counters stood when they were asked last: those of which a share may be needed."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()
        self._log = logging.getLogger("switchgear.counters")

    @property
    def owed(self) -> int:
        """How many counts and settlements the shared counters have not been told yet."""
        return len(self._owed)

    async def start(self) -> None:
        """Ask once, so that the first call finds the shared counters; without them the gateway starts all the same."""
        await self._return()
        if not self.reachable:
            self._log.warning("shared counters cannot be reached; limits do what they declare for that")

    async def run(self) -> None:
        """Keep in touch until cancelled."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            if self.reachable:
                pause_seconds = _FIRST_PAUSE_SECONDS
                await self._wait_a_round()
            else:
                # Gateways that lost the same server do not all come back at the same moment.
                share = self._random_bits(_RANDOM_BITS) / (1 << _RANDOM_BITS)
                await asyncio.sleep(pause_seconds * (0.5 + share / 2))
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            await self._return()

    async def aclose(self) -> None:
        """Tell what is owed, if anybody listens, and leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self.settled()
                await self._return()
        if self._owed:
            self._log.error("%d counts and settlements could not be told to the shared counters", len(self._owed))
        with suppress(OSError):
            await self._shared.leave(self._gateway)

    async def settled(self) -> None:
        """Wait for the settlements that are under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        ttl_seconds: float,
        amounts: Sequence[int] | None = None,
    ) -> tuple[Standing, ...]:
        if self._asks_there() and reservation not in self._made_here:
            try:
                standings = await self._shared.reserve(reservation, claims, ttl_seconds, amounts)
            except OSError as error:
                self._give_up(reservation, error)
            except asyncio.CancelledError as error:
                self._give_up(reservation, error)
                raise
            else:
                self._note(reservation, claims, standings)
                return standings
        asked = claims if amounts is None else _of_amounts(claims, amounts)
        return await self._reserve_here(reservation, asked, ttl_seconds)

    async def settle(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        if reservation in self._made_here:
            self._made_here.discard(reservation)
            await self._here.settle(reservation, claims, amounts)
            self._owed.add(claims, amounts)
            self._hurry.set()
            return
        if reservation in self._grown_here:
            self._grown_here.discard(reservation)
            await self._here.settle(reservation)
        self._made_there.discard(reservation)
        if self._asks_there():
            self._begin(self._settle_there(reservation, claims, amounts))
        else:
            self._owe_settlement(reservation, claims, amounts)

    async def count(self, entry: str, claims: Sequence[Claim]) -> None:
        self._owed.entry(entry, claims)
        self._hurry.set()

    async def standings(self, claims: Sequence[Claim]) -> tuple[Standing, ...]:
        if self._asks_there():
            try:
                return await self._shared.standings(claims)
            except OSError as error:
                self._fail(error)
        found = await self._here.standings(claims)
        return tuple(self._told(claim, each) for claim, each in zip(claims, found, strict=True))

    def _asks_there(self) -> bool:
        if not self.reachable:
            return False
        if not self._shared.ready:
            self._hurry.set()
            return False
        return True

    def _note(self, reservation: str, claims: Sequence[Claim], standings: Sequence[Standing]) -> None:
        held = True
        for claim, standing in zip(claims, standings, strict=True):
            if not standing.fits and claim.enforced:
                held = False
            if claim.when_unreachable == "local_share":
                self._seen[claim.counter, claim.window] = standing.used
        if held:
            self._made_there.add(reservation)
        while len(self._seen) > _KEEP_SEEN:
            del self._seen[next(iter(self._seen))]

    async def _reserve_here(
        self, reservation: str, claims: Sequence[Claim], ttl_seconds: float
    ) -> tuple[Standing, ...]:
        """By the fail modes, on this gateway's own counts."""
        wishes = [self._wish(claim) for claim in claims]
        if any(claim.enforced and claim.when_unreachable == "closed" for claim in claims):
            found = await self._here.standings(wishes)
        else:
            found = await self._here.reserve(reservation, wishes, ttl_seconds)
            if all(each.fits or not wish.enforced for each, wish in zip(found, wishes, strict=True)):
                (self._grown_here if reservation in self._made_there else self._made_here).add(reservation)
        return tuple(self._told(claim, each) for claim, each in zip(claims, found, strict=True))

    def _wish(self, claim: Claim) -> Claim:
        """What is asked of this gateway's own count."""
        if claim.when_unreachable != "local_share":
            return structs.replace(claim, enforced=False)
        left = claim.limit - self._seen.get((claim.counter, claim.window), 0)
        return structs.replace(claim, limit=max(0, left) // self.gateways)

    def _told(self, claim: Claim, here: Standing) -> Standing:
        """How the counter stands as far as is known; a closed limit is never kept, an open one always."""
        seen = self._seen.get((claim.counter, claim.window), 0)
        fits = claim.when_unreachable == "open" or not claim.enforced
        if claim.when_unreachable == "local_share":
            fits = here.fits
        return Standing(seen + here.used, fits, here.held, known=False)

    async def _settle_there(self, reservation: str, claims: Sequence[Claim], amounts: Sequence[int]) -> None:
        try:
            await self._shared.settle(reservation, claims, amounts)
        except OSError as error:
            self._fail(error)
            self._owe_settlement(reservation, claims, amounts)

    def _owe_settlement(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        self._owed.settle(reservation, claims, amounts)
        self._hurry.set()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _give_up(self, reservation: str, error: BaseException) -> None:
        """Nobody knows whether the reservation was made there."""
        if isinstance(error, OSError):
            self._fail(error)
        if reservation not in self._made_there:
            self._owe_settlement(reservation)

    def _fail(self, error: OSError) -> None:
        # Of one that is slow nobody knows yet: those who wait for it will see.
        if self.reachable and not isinstance(error, Stalled):
            self.reachable = False
            self._log.warning("shared counters cannot be asked: %s; limits do what they declare for that", error)

    async def _return(self) -> None:
        """Meet the shared counters and tell them what they missed; then they are asked again."""
        try:
            self.gateways = max(1, await self._shared.meet(self._gateway))
            told = await self._owed.tell(self._shared)
        except OSError as error:
            self._fail(error)
            return
        for claim in told:
            key = (claim.counter, claim.window)
            if key in self._seen:
                self._seen[key] += claim.amount
        if told and not self._owed:
            self._here.clear_settled()
        if not self.reachable:
            self.reachable = True
            self._log.info("shared counters are asked, and %d counts were told that they missed", len(told))

    async def _wait_a_round(self) -> None:
        self._hurry.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), _ROUND_SECONDS)


def _of_amounts(claims: Sequence[Claim], amounts: Sequence[int]) -> list[Claim]:
    return [structs.replace(claim, amount=amount) for claim, amount in zip(claims, amounts, strict=True)]


if TYPE_CHECKING:
    _: type[Counters] = PatientCounters
