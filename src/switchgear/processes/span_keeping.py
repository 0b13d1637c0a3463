"""The control process' hand in the traces: the journal's records become spans, and those go to the store.

The store has them before the position is kept, and their ids follow from the record's: what is read again after a
crash changes nothing, and nothing is missed. While the store fails, the journal keeps what it owes.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.record import CallRecord, CapturedRecord
from switchgear.kernel.span import Span
from switchgear.traces.gateway_content import ContentReader
from switchgear.traces.gateway_spans import SILENT, CallRules, spans_of
from switchgear.traces.journal_reader import JournalReader
from switchgear.traces.masked import only_previews
from switchgear.traces.offsets import FileOffsets, Position

OFFSETS_FILE: Final = "spans.offsets"
_POLL_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
_KEEP_NS: Final = 1_000_000_000
"""Between two commits of the position: each has the file system commit its journal, and a gateway's store may wait."""


class SpanKeeper:
    """Keeps the spans of one journal's calls."""

    def __init__(
        self,
        directory: Path,
        store: TraceStore,
        clock: Clock,
        dialects: Mapping[str, Dialect],
        rules: Callable[[], CallRules],
        mask: Callable[[Span], Span],
    ) -> None:
        """``rules`` gives those in force, once for each batch; ``mask`` a span as it may be kept."""
        self._directory = directory
        self._store = store
        self._monotonic_ns = clock.monotonic_ns
        self._content = ContentReader(dialects)
        self._rules = rules
        self._mask = mask
        self._log = logging.getLogger("switchgear.traces")
        self._unkept: Position | None = None
        self._kept_ns = 0
        self._failing = False

    async def run(self) -> None:
        """Follow until cancelled; the position is kept then."""
        pause = _POLL_SECONDS
        while True:
            try:
                reader = await asyncio.to_thread(self.open)
                pause = _POLL_SECONDS
                await self._follow(reader)
            except OSError as error:
                self._failed(error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def open(self) -> JournalReader:
        """A reader that begins where the last commit stood; from now on nothing unread is deleted. Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._directory / OFFSETS_FILE
        offsets = FileOffsets(path)
        if not path.exists():
            offsets.commit({})
        self._unkept = None
        return JournalReader(self._directory, offsets, CapturedRecord)

    async def take(self, reader: JournalReader) -> bool:
        """Take in the next batch; whether the one behind it is there already. Raises OSError."""
        batch = None if reader.is_quiet() else await asyncio.to_thread(reader.read_batch)
        if batch is not None:
            spans = await asyncio.to_thread(self._spans, batch.records)
            if spans:
                await self._store.write(spans)
            self._unkept = batch.position
            self._failing = False
        if self._unkept is not None and self._monotonic_ns() - self._kept_ns >= _KEEP_NS:
            await asyncio.to_thread(self._keep, reader)
        return batch is not None and batch.more

    async def _follow(self, reader: JournalReader) -> None:
        try:
            while True:
                if not await self.take(reader):
                    await asyncio.sleep(_POLL_SECONDS)
        finally:
            self._keep(reader)

    def _spans(self, records: list[CallRecord]) -> list[Span]:
        rules = self._rules()
        return [span for record in records if rules.keeps(record) for span in self._of(record, rules)]

    def _of(self, record: CallRecord, rules: CallRules) -> list[Span]:
        said = self._content.said(record) if isinstance(record, CapturedRecord) else SILENT
        spans = [self._mask(span) for span in spans_of(record, said, rules)]
        if isinstance(record, CapturedRecord) and record.capture == "previews":
            return [only_previews(span) for span in spans]
        return spans

    def _keep(self, reader: JournalReader) -> None:
        position, self._unkept = self._unkept, None
        if position is None:
            return
        try:
            reader.commit(position)
        except OSError as error:
            # What is kept stays kept; the next batch commits for this one too.
            self._log.error("the position in the journal cannot be kept: %s", error)
        self._kept_ns = self._monotonic_ns()

    def _failed(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._log.error("spans of calls are not kept, and the journal holds what is owed: %s", error)
