"""The export of spans put together: an exporter for each collector of the configuration in force."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from switchgear.config.model import Config
from switchgear.config.traces import ExportEntry
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Arrivals, TraceStore
from switchgear.kernel.span import Span
from switchgear.kernel.upstream import Transport
from switchgear.traces.export.collector import Collector
from switchgear.traces.export.counts import ExportCounts
from switchgear.traces.export.exporter import Exporter, Order

_LOOK_SECONDS: Final = 1.0


def folder_of(path: str) -> Path:
    """Where positions are kept: beside the store that they are of."""
    return Path(f"{path}.exports")


class SpanExport:
    """Exporters, each a task of its own, so that none waits for another's collector."""

    def __init__(
        self,
        store: TraceStore,
        config: Callable[[], Config],
        transport: Transport,
        counts: ExportCounts,
        clock: Clock,
    ) -> None:
        self._store = store
        self._config = config
        self._transport = transport
        self._counts = counts
        self._clock = clock
        self._folder = folder_of(config().traces.path)
        self._of: Mapping[str, ExportEntry] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow the store, and the configuration, until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await self._stop(list(self._running))

    async def look(self) -> None:
        """Start and stop exporters as the configuration says now; one that is declared otherwise begins anew."""
        declared = self._config().traces.export
        if declared is self._of:
            return
        changed = [name for name in self._running if declared.get(name) != self._of.get(name)]
        self._of = declared
        await self._stop(changed)
        for name, entry in declared.items():
            if name not in self._running:
                self._start(name, entry)

    def _start(self, name: str, entry: ExportEntry) -> None:
        if not isinstance(self._store, Arrivals):
            logging.getLogger("switchgear.traces").error(
                "no spans are sent to the collector %s: this store of spans cannot be followed", name
            )
            return
        headers = tuple((header, value.reveal()) for header, value in entry.headers.items())
        collector = Collector(self._transport, entry.endpoint, headers, compressed=entry.gzip)
        order = Order(name=name, wants=_wants(entry), with_content=entry.content)
        exporter = Exporter(self._store, collector, order, self._folder, self._counts.of(name), self._clock)
        self._running[name] = asyncio.get_running_loop().create_task(exporter.run())

    async def _stop(self, names: list[str]) -> None:
        tasks = [self._running.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _wants(entry: ExportEntry) -> Callable[[Span], bool]:
    projects = frozenset(entry.projects)
    return lambda span: not projects or span.project in projects
