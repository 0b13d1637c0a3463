"""The control process' eye on the journal: counts every record, and remembers the last ones."""

import asyncio
import logging
from collections import deque
from pathlib import Path
from typing import Final

from switchgear.kernel.record import CallRecord
from switchgear.processes.reports import living_reports
from switchgear.traces.gauges import exposition
from switchgear.traces.journal_reader import Batch, FileOffsets, JournalReader
from switchgear.traces.meter import Meter

_POLL_SECONDS: Final = 0.2
_REMEMBERED: Final = 1000
OFFSETS_FILE: Final = "control.offsets"


class Follower:
    """Follows a journal; a restarted control process goes on where the last one stood, counting from zero."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._meter = Meter()
        self._meter.show(lambda: exposition(living_reports(directory)))
        self._log = logging.getLogger("switchgear.control")
        self._recent: deque[CallRecord] = deque(maxlen=_REMEMBERED)

    async def run(self) -> None:
        """Follow until cancelled."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        reader = await asyncio.to_thread(self._open)
        self._meter.watch(reader.counts)
        while True:
            batch = await asyncio.to_thread(reader.read_batch)
            if batch is None:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                await self._take(reader, batch)

    def _open(self) -> JournalReader:
        offsets = FileOffsets(self._directory / OFFSETS_FILE)
        reader = JournalReader(self._directory, offsets)
        if not offsets.load():
            reader.skip_to_end()
        return reader

    async def _take(self, reader: JournalReader, batch: Batch) -> None:
        for record in batch.records:
            self._meter.count(record)
        self._recent.extend(batch.records)
        try:
            await asyncio.to_thread(reader.commit, batch.position)
        except OSError as error:
            # What is counted stays counted; the next batch commits for this one too.
            self._log.error("the position in the journal cannot be kept: %s", error)

    def metrics(self) -> str:
        """All counts, for Prometheus."""
        return self._meter.render()

    def newest(self, limit: int) -> list[CallRecord]:
        """The last finished calls, newest first."""
        newest = list(self._recent)[-limit:]
        return newest[::-1]
