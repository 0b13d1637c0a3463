"""Spans put together: their store, the one way in, the doors, and what the management API shows of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fastapi import APIRouter, Request
from msgspec import Struct

from switchgear.app.span_prices import SpanPrices
from switchgear.auth.model import KeyRing
from switchgear.config.model import Config
from switchgear.config.traces import Traces
from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import TraceStore
from switchgear.rest.principal import Asker
from switchgear.traces.doors import otlp
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser


class SpanStore(TraceStore, Protocol):
    """A TraceStore of this process's own."""

    async def start(self) -> None:
        """Open it. Raises OSError."""
        ...

    async def aclose(self) -> None:
        """Write what is left, and close it."""
        ...


class SpanWork(Struct, frozen=True, kw_only=True):
    """What a control process has to do with spans."""

    store: SpanStore
    ingest: Ingest
    entrance: Entrance
    """Who is let in at its doors."""
    routers: tuple[APIRouter, ...]

    def metrics(self) -> str:
        """What came in, in Prometheus' text format."""
        return self.ingest.counts.exposition()

    async def aclose(self) -> None:
        """Write what waits, and close the store."""
        await self.ingest.aclose()
        await self.store.aclose()


async def open_spans(settings: Traces) -> SpanStore:
    """The store that ``settings`` name, opened. Raises OSError."""
    store = SqliteSpans(Path(settings.path))
    await store.start()
    return store


async def span_work(
    config: Callable[[], Config], ring: Callable[[], KeyRing], asker: Callable[[Request], Asker], clock: Clock
) -> SpanWork:
    """All of it. Raises OSError when the store cannot be opened."""
    store = await open_spans(config().traces)
    ingest = Ingest(store, Normaliser(), SpanPrices(config), clock)
    entrance = Entrance(ring, asker, clock)
    routers = (otlp.router(ingest, entrance, ingest.counts),)
    return SpanWork(store=store, ingest=ingest, entrance=entrance, routers=routers)
