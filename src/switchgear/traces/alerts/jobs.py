"""Runs alerts in a control process: looks at rules when it is time, and tells receivers what is due."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from switchgear.kernel.clock import Clock
from switchgear.traces.alerts.rule import NANOSECONDS
from switchgear.traces.alerts.sending import Sending
from switchgear.traces.alerts.watch import Pace, Watch

_PAUSE_SECONDS: Final = 1.0


class Runner:
    """Goes on until it is cancelled; while the control database is away it waits for it."""

    def __init__(
        self,
        watch: Watch,
        sending: Sending,
        pace: Callable[[], Pace | None],
        clock: Clock,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        """``pace`` of the configuration of the moment; None: nothing is looked at, and only what is due is sent."""
        self._watch = watch
        self._sending = sending
        self._pace = pace
        self._clock = clock
        self.pause_seconds = pause_seconds
        self._looked_ns: int | None = None
        self._failing = False
        self.log = logging.getLogger("switchgear.alerts")

    def metrics(self) -> str:
        """How alerts stand, for Prometheus."""
        return self._watch.metrics()

    async def run(self) -> None:
        """Look and tell until cancelled."""
        while True:
            await self._round()
            await asyncio.sleep(self.pause_seconds)

    async def _round(self) -> None:
        try:
            await self.turn()
        except (OSError, SQLAlchemyError) as error:
            if not self._failing:
                self.log.error("alerts wait for the control database: %s", error)  # noqa: TRY400 (an operator's concern, and no defect)
            self._failing = True
        except Exception:
            self.log.exception("alerts failed on a defect and go on")
        else:
            self._failing = False

    async def turn(self) -> None:
        """Do what is due now. Raises OSError of the control database."""
        pace, now_ns = self._pace(), self._clock.monotonic_ns()
        if pace is not None and self._is_due(pace, now_ns):
            await self._watch.turn(pace)
            self._looked_ns = now_ns
        await self._sending.send_due()

    def _is_due(self, pace: Pace, now_ns: int) -> bool:
        return self._looked_ns is None or now_ns - self._looked_ns >= pace.every_seconds * NANOSECONDS
