"""Tells receivers what they are to be told: each notice until it was taken, or trying again has no point.

A try is claimed in the database before it begins, so no two control processes make the same one. A process that dies in
the middle of one leaves it unknown whether the receiver heard: it is tried again under the same id. Notices of one
firing reach one receiver in their order.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Database
from switchgear.traces.alerts import store
from switchgear.traces.alerts.notice import Deliver, Outcome
from switchgear.traces.alerts.rule import NANOSECONDS
from switchgear.traces.alerts.store import KeptNotice, Try

FIRST_PAUSE_SECONDS: Final = 5
LONGEST_PAUSE_SECONDS: Final = 600
MOST_TRIES: Final = 12
"""The last about an hour after the first."""
_CLAIM_SECONDS: Final = 90
"""Longer than any try takes: after it, who claimed it is dead."""
_AT_ONCE: Final = 16

Receivers = Callable[[], Mapping[str, Deliver]]
"""By name, as the configuration of the moment has them."""


class Sending:
    """One control process' hand in all notices."""

    def __init__(self, database: Database[AsyncConnection], receivers: Receivers, clock: Clock) -> None:
        self._database = database
        self._receivers = receivers
        self._clock = clock
        self.log = logging.getLogger("switchgear.alerts")

    async def send_due(self) -> int:
        """Make every try that is due; how many there were. Raises OSError of the control database."""
        async with self._database.read() as connection:
            waiting = await store.waiting(connection)
        due = _due(waiting, self._clock.wall_ns())
        for first in range(0, len(due), _AT_ONCE):
            await asyncio.gather(*map(self._try, due[first : first + _AT_ONCE]))
        return len(due)

    async def _try(self, kept: KeptNotice) -> None:
        now_ns = self._clock.wall_ns()
        async with self._database.write() as connection:
            if not await store.claim(connection, kept, now_ns + _CLAIM_SECONDS * NANOSECONDS):
                return
        deliver = self._receivers().get(kept.receiver)
        if deliver is None:
            outcome = Outcome(sent=False, error=f"no receiver {kept.receiver!r} is declared", again=False)
        else:
            outcome = await deliver(kept.notice)
        await self._note(kept, kept.tries + 1, outcome)

    async def _note(self, kept: KeptNotice, number: int, outcome: Outcome) -> None:
        now_ns = self._clock.wall_ns()
        tried = Try(
            notice=kept.id,
            number=number,
            at_ns=now_ns,
            outcome="sent" if outcome.sent else "failed",
            status=outcome.status,
            error=outcome.error,
        )
        is_over = outcome.sent or not outcome.again or number - kept.replayed >= MOST_TRIES
        async with self._database.write() as connection:
            await store.add_try(connection, tried)
            if is_over:
                state = "sent" if outcome.sent else "failed"
                await store.change_notice(connection, kept.id, state=state, ended_ns=now_ns)
            else:
                pause_ns = round(pause_seconds(number - kept.replayed, outcome.after_seconds) * NANOSECONDS)
                await store.change_notice(connection, kept.id, next_ns=now_ns + pause_ns)
        if not outcome.sent:
            fate = "given up" if is_over else "tried again"
            self.log.warning("the notice %s to %s is %s: %s", kept.id, kept.receiver, fate, outcome.error)


def pause_seconds(tries: int, asked_seconds: float | None) -> float:
    """How long to wait after so many tries; twice as long each time, or what the receiver asks for if that is more."""
    own = min(FIRST_PAUSE_SECONDS * 2 ** (tries - 1), LONGEST_PAUSE_SECONDS)
    return max(own, min(asked_seconds or 0.0, float(LONGEST_PAUSE_SECONDS)))


def _due(waiting: Sequence[KeptNotice], now_ns: int) -> list[KeptNotice]:
    """Of each firing and receiver the oldest, if its time has come."""
    oldest: dict[tuple[str, str], KeptNotice] = {}
    for kept in waiting:
        oldest.setdefault((kept.receiver, kept.episode), kept)
    return [kept for kept in oldest.values() if kept.next_ns <= now_ns]
