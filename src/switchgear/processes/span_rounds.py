"""What the control process does for spans as long as it runs."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from switchgear.app.call_rules import call_rules
from switchgear.app.database import ControlDatabase
from switchgear.app.drift import drift_work
from switchgear.app.span_export import SpanExport
from switchgear.app.spans import SpanWork
from switchgear.config import Config
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.processes.drift_rounds import DriftRounds
from switchgear.processes.sealer_process import SealerProcess
from switchgear.processes.span_keeping import SpanKeeper
from switchgear.processes.span_retention import SpanRetention
from switchgear.processes.span_sealing import SpanSealing
from switchgear.traces.media import Media
from switchgear.traces.media_retention import MediaRetention
from switchgear.traces.score_retention import ScoreRetention
from switchgear.upstream.client import HttpTransport
from switchgear.wire.registry import discover as dialects


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRounds:
    """With what it does so."""

    spans: SpanWork
    journal: Path
    database: ControlDatabase
    clock: Clock
    ids: Ids
    transport: HttpTransport
    config: Callable[[], Config]
    media: Media

    def all(self) -> tuple[Coroutine[None, None, None], ...]:
        """Keeping the spans of calls; deleting, sealing and sending on what is kept; looking for drift."""
        store, kept, clock = self.spans.store, self.spans.kept, self.clock
        # The journal is log enough for the spans of calls.
        keeper = SpanKeeper(self.journal, kept, clock, dialects(), lambda: call_rules(self.config()), self.spans.masks)
        drift = drift_work(store, self.database, clock, self.ids)
        # A server's store has room enough of its own.
        sealing = (self._sealing(kept).run(),) if isinstance(kept, SqliteSpans) else ()
        return (
            *sealing,
            keeper.run(),
            self._retention().run(),
            SpanExport(store, self.config, self.transport, self.spans.exported, clock).run(),
            DriftRounds(drift, self.database, self.config, clock).run(),
        )

    def _retention(self) -> SpanRetention:
        store = self.spans.store
        media, scores = MediaRetention(self.media, self.database, store), ScoreRetention(self.database, store)
        return SpanRetention(store, self.config, self.clock, media, scores)

    def _sealing(self, store: SqliteSpans) -> SpanSealing:
        maker = SealerProcess(Path(self.config().traces.path))
        return SpanSealing(store, self.config, self.spans.exported, self.clock, maker)
