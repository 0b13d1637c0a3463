"""Spans put together: their store, the one way in, the doors, and what the management API shows of them."""

from collections.abc import Callable
from typing import Protocol

from fastapi import APIRouter, Request
from msgspec import Struct

from switchgear.app.span_prices import SpanPrices
from switchgear.auth.model import KeyRing
from switchgear.config.model import Config
from switchgear.config.traces import Traces
from switchgear.engines.memory_spans import MemorySpans
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.span import Span, ToldSpan
from switchgear.rest.principal import Asker
from switchgear.traces.doors import otlp
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.ingest import Ingest
from switchgear.traces.intake import Origin


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
    store = MemorySpans()
    await store.start()
    return store


async def span_work(
    config: Callable[[], Config], ring: Callable[[], KeyRing], asker: Callable[[Request], Asker], clock: Clock
) -> SpanWork:
    """All of it. Raises OSError when the store cannot be opened."""
    store = await open_spans(config().traces)
    ingest = Ingest(store, understood, SpanPrices(config), clock)
    entrance = Entrance(ring, asker, clock)
    return SpanWork(store=store, ingest=ingest, routers=(otlp.router(ingest, entrance, ingest.counts),))


def understood(told: ToldSpan, origin: Origin) -> Span:
    """A row of what every span has."""
    return Span(
        project=origin.project,
        trace_id=told.trace_id,
        span_id=told.span_id,
        parent_id=told.parent_id,
        name=told.name,
        started_ns=told.started_ns,
        ended_ns=told.ended_ns,
        status=told.status,
        status_message=told.status_message,
        service=str(told.resource.get("service.name", "")),
        attributes=told.attributes,
        resource=told.resource,
        events=told.events,
        scope=f"{told.scope_name}@{told.scope_version}" if told.scope_version else told.scope_name,
    )
