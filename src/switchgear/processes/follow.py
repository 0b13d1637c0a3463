"""The control process' eye on the journal: counts every record, and remembers the last ones."""

import asyncio
import logging
from collections import deque
from pathlib import Path
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.record import CallRecord
from switchgear.processes.reports import living_reports
from switchgear.routing.report import word
from switchgear.traces.families import Family, Form
from switchgear.traces.gauges import exposition
from switchgear.traces.journal_reader import Batch, FileOffsets, JournalReader
from switchgear.traces.meter import Meter, Settings
from switchgear.traces.offsets import Position

_POLL_SECONDS: Final = 0.2
_KEEP_NS: Final = 1_000_000_000
"""Between two commits of the position: each has the file system commit its journal, and a gateway's store may wait."""
_REMEMBERED: Final = 1000
_BEHIND: Final = "How old the calls are that are being counted, while more of them wait in the journal; else 0."
OFFSETS_FILE: Final = "control.offsets"


class Follower:
    """Follows a journal; a restarted control process goes on where the last one stood, counting from zero."""

    def __init__(self, directory: Path, clock: Clock, settings: Settings | None = None) -> None:
        self._directory = directory
        self._monotonic_ns = clock.monotonic_ns
        self._wall_ns = clock.wall_ns
        self._meter = Meter(settings)
        self._behind_ns = 0
        self._meter.show(lambda: exposition(word(living_reports(directory), clock.wall_ns())))
        self._meter.show(self._standing)
        self._log = logging.getLogger("switchgear.control")
        self._recent: deque[CallRecord] = deque(maxlen=_REMEMBERED)
        self._unkept: Position | None = None
        self._kept_ns = 0

    async def run(self) -> None:
        """Follow until cancelled; the position is kept then."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        reader = await asyncio.to_thread(self._open)
        self._meter.watch(reader.counts)
        try:
            while True:
                # It rests after a batch that is not full: else it would take in call by call, and commit as often.
                if not await self.take(reader):
                    await asyncio.sleep(_POLL_SECONDS)
        finally:
            self._keep(reader)

    async def take(self, reader: JournalReader) -> bool:
        """Take in the next batch; whether the one behind it is there already."""
        batch = None if reader.is_quiet() else await asyncio.to_thread(reader.read_batch)
        if batch is not None:
            for record in batch.records:
                self._meter.count(record)
            self._recent.extend(batch.records)
            self._unkept = batch.position
        self._behind_ns = self._age_of(batch) if batch is not None and batch.more else 0
        if self._unkept is not None and self._monotonic_ns() - self._kept_ns >= _KEEP_NS:
            await asyncio.to_thread(self._keep, reader)
        return batch is not None and batch.more

    def metrics(self, form: Form = "text") -> str:
        """All counts, for Prometheus; OpenMetrics' form is not finished here."""
        return self._meter.render(form)

    def _age_of(self, batch: Batch) -> int:
        """How long ago the last call of a batch ended."""
        last = batch.records[-1] if batch.records else None
        return 0 if last is None else max(self._wall_ns() - last.started_ns - last.duration_ns, 0)

    def _standing(self) -> str:
        family = Family("switchgear_journal_behind_seconds", "gauge", _BEHIND, ())
        return family.text([family.line((), self._behind_ns / 1e9)])

    def newest(self, limit: int) -> list[CallRecord]:
        """The last finished calls, newest first."""
        newest = list(self._recent)[-limit:]
        return newest[::-1]

    def _open(self) -> JournalReader:
        offsets = FileOffsets(self._directory / OFFSETS_FILE)
        reader = JournalReader(self._directory, offsets)
        if not offsets.load():
            reader.skip_to_end()
        return reader

    def _keep(self, reader: JournalReader) -> None:
        position, self._unkept = self._unkept, None
        if position is None:
            return
        try:
            reader.commit(position)
        except OSError as error:
            # What is counted stays counted; the next batch commits for this one too.
            self._log.error("the position in the journal cannot be kept: %s", error)
        self._kept_ns = self._monotonic_ns()
