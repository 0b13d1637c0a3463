"""Spans put together: their store, the one way in, the doors, and what the management API shows of them."""

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

from fastapi import APIRouter, Request
from msgspec import Struct

from switchgear.app.masks import ConfiguredMasks
from switchgear.app.span_prices import SpanPrices
from switchgear.auth.model import KeyRing
from switchgear.config.model import Config
from switchgear.config.traces import ClickHouseEntry, GrpcEntry, Traces
from switchgear.engines.clickhouse_address import ClickHouseAddress, read_origin
from switchgear.engines.clickhouse_spans.store import ClickHouseSpans
from switchgear.engines.logged_spans import LoggedSpans, SpanLog
from switchgear.engines.sealed_spans.segment import folder_beside
from switchgear.engines.sqlite_spans.making import Segments
from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ports import Arrivals, Holdings
from switchgear.kernel.upstream import Transport
from switchgear.rest.principal import Asker
from switchgear.traces.doors import otlp
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.doors.listening import Listening, Proof
from switchgear.traces.doors.otlp_exports import Exports
from switchgear.traces.export.counts import ExportCounts
from switchgear.traces.families import Family
from switchgear.traces.ingest import Ingest
from switchgear.traces.masked import MaskedNormaliser, SpanMasks
from switchgear.traces.normaliser import Normaliser

_ON_THE_WAY: Final = Family(
    "switchgear_spans_on_the_way", "gauge", "Spans that are on the disk, and soon in the store.", ()
)
_SET_ASIDE: Final = Family(
    "switchgear_spans_set_aside_total",
    "counter",
    "Spans that the store would not take, in files of their own.",
    (),
)
_LOG: Final = logging.getLogger("switchgear.traces")


class SpanStore(Holdings, Arrivals, Protocol):
    """A TraceStore of this process's own."""

    async def start(self) -> None:
        """Open it. Raises OSError."""
        ...

    async def aclose(self) -> None:
        """Write what is left, and close it."""
        ...


class SpanWork(Struct, frozen=True, kw_only=True):
    """What a control process has to do with spans."""

    store: LoggedSpans
    """Where spans that are sent here are written, and all are asked for."""
    kept: SpanStore
    """The same without the log in front: for those who hold what they write until it is there."""
    ingest: Ingest
    importing: Ingest
    """The same without the log in front of the store, for callers who ask what was new."""
    masks: SpanMasks
    entrance: Entrance
    """Who is let in at its doors."""
    routers: tuple[APIRouter, ...]
    listening: Listening | None
    """The door for OTLP over gRPC, where it is declared."""
    exported: ExportCounts

    def metrics(self) -> str:
        """What came in and what went out, in Prometheus' text format."""
        return (
            self.ingest.counts.exposition()
            + exposition_of_log(self.store.on_the_way, self.store.refused)
            + self.masks.exposition()
            + self.exported.exposition()
        )

    async def aclose(self) -> None:
        """Take nothing more by doors of its own, write what waits, and close the store."""
        if self.listening is not None:
            await self.listening.aclose()
        await self.ingest.aclose()
        await self.importing.aclose()
        await self.store.aclose()


def exposition_of_log(on_the_way: int, refused: int) -> str:
    """How the log before the store fares, in Prometheus' text format."""
    families = ((_ON_THE_WAY, on_the_way), (_SET_ASIDE, refused))
    return "".join(family.text([family.line((), number)]) for family, number in families)


def log_beside(store: str) -> Path:
    """Where spans lie that are on their way into the store."""
    return Path(store).with_suffix(".incoming")


async def open_spans(settings: Traces, kept: SpanStore) -> LoggedSpans:
    """A log before the store, both opened. Raises OSError for a file that cannot be opened.

    A server that cannot be asked now is asked again by whoever needs it; what else there is to do does not wait for it.
    """
    store = LoggedSpans(kept, SpanLog(log_beside(settings.path)))
    try:
        await store.start()
    except OSError as error:
        if settings.clickhouse is None:
            raise
        _LOG.error("the trace store cannot be used, and is tried again when it is needed: %s", error)
    return store


def named_store(settings: Traces, transport: Transport, clock: Clock) -> SpanStore:
    """The store that ``settings`` name, not opened."""
    if settings.clickhouse is None:
        return _in_sqlite(Path(settings.path))
    return _in_clickhouse(settings.clickhouse, transport, clock)


def _in_clickhouse(settings: ClickHouseEntry, transport: Transport, clock: Clock) -> SpanStore:
    address = ClickHouseAddress(
        origin=read_origin(settings.url),
        database=settings.database,
        user=settings.user,
        password="" if settings.password is None else settings.password.reveal(),
    )
    return ClickHouseSpans(transport, address, clock)


async def open_sqlite(path: Path) -> SqliteSpans:
    """The file's store, with its sealed segments beside it. Raises OSError."""
    store = _in_sqlite(path)
    await store.start()
    return store


def _in_sqlite(path: Path) -> SqliteSpans:
    return SqliteSpans(path, _segments(folder_beside(path)))


def _segments(folder: Path) -> Segments | None:
    """What reads and writes sealed spans; None without the extra ``duckdb``."""
    made: Callable[[Path], Segments]
    try:
        # By name, because the library is an extra.
        made = import_module("switchgear.engines.sealed_spans.reader").SealedSpans
    except ImportError:
        return None
    return made(folder)


async def span_work(
    config: Callable[[], Config],
    ring: Callable[[], KeyRing],
    asker: Callable[[Request], Asker],
    clock: Clock,
    transport: Transport,
) -> SpanWork:
    """All of it; the transport belongs to whoever gave it.

    Raises OSError when the store or a port cannot be opened, ConfigError when an extra is not installed.
    """
    kept = named_store(config().traces, transport, clock)
    store = await open_spans(config().traces, kept)
    masks = SpanMasks(ConfiguredMasks(config))
    normalise, price = MaskedNormaliser(Normaliser(), masks), SpanPrices(config)
    ingest = Ingest(store, normalise, price, clock)
    importing = Ingest(kept, normalise, price, clock, counts=ingest.counts)
    entrance = Entrance(ring, asker, clock)
    listening = await _listening(config, Exports(ingest, entrance, ingest.counts), entrance, ring)
    return SpanWork(
        store=store,
        kept=kept,
        ingest=ingest,
        importing=importing,
        masks=masks,
        entrance=entrance,
        routers=(otlp.router(ingest, entrance, ingest.counts),),
        listening=listening,
        exported=ExportCounts(),
    )


async def _listening(
    config: Callable[[], Config], exports: Exports, entrance: Entrance, ring: Callable[[], KeyRing]
) -> Listening | None:
    """The door for OTLP over gRPC, open. Raises ConfigError without the extra, OSError for its port."""
    settings = config().traces.grpc
    if settings is None:
        return None
    make: Callable[[Exports, Entrance, Callable[[], KeyRing], Callable[[], Proof | None]], Listening]
    try:
        # By name, because the library is an extra.
        make = import_module("switchgear.traces.doors.otlp_grpc").GrpcDoor
    except ImportError as error:
        raise ConfigError("traces.grpc: grpcio is not installed; pip install 'switchgear[grpc]'") from error
    door = make(exports, entrance, ring, lambda: _proof(config().traces.grpc))
    port = await door.start(settings.host, settings.port)
    how = "in plain text" if settings.tls is None else "with TLS"
    _LOG.info("spans are taken by OTLP over gRPC at %s, port %s, %s", settings.host, port, how)
    return door


def _proof(settings: GrpcEntry | None) -> Proof | None:
    """What a configuration has the door prove itself by."""
    tls = None if settings is None else settings.tls
    if tls is None:
        return None
    authorities = tls.client_authorities
    return Proof(
        certificate=tls.certificate.reveal().encode(),
        key=tls.key.reveal().encode(),
        client_authorities=None if authorities is None else authorities.reveal().encode(),
    )
