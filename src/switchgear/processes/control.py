"""The control process: everything that no call waits for."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Generator, Mapping
from importlib.metadata import version
from pathlib import Path

import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI
from msgspec import Struct

from switchgear.app.alerts import AlertParts, alert_runner
from switchgear.app.asker import asker_of, gateway_of
from switchgear.app.batches import BatchWork, batch_work
from switchgear.app.catalogue import is_simulated
from switchgear.app.console import Console, Doorstep, console
from switchgear.app.control import control
from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.identity.resolvers import KeyResolver, SessionResolver
from switchgear.app.identity.service import Identity, identity
from switchgear.app.keys import ring_of
from switchgear.app.listing import routes
from switchgear.app.management import Management, Sources
from switchgear.app.metrics import exposed, meter_settings
from switchgear.app.migrations import upgrade
from switchgear.app.spans import SpanWork, span_work
from switchgear.app.tool_doors import ToolDoors, tool_doors
from switchgear.auth.directory import Directory
from switchgear.auth.master_key import read_master_keys
from switchgear.auth.model import KeyRing
from switchgear.batches.sending import Send, ToGateway
from switchgear.config import Config, ConfigWatcher, Source, read_environment
from switchgear.config.feed import FEED_FILE
from switchgear.config.secret_stores import Remembered
from switchgear.kernel.clock import Clock, SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import Ids, secret_hex, seeded_bits
from switchgear.kernel.limit_report import LimitReport, merged_limits
from switchgear.ledger.service import Ledger
from switchgear.processes.banner import reachable_url
from switchgear.processes.bookkeeping import Bookkeeper
from switchgear.processes.bookkeeping import identity as identity_of_journal
from switchgear.processes.child import report_ready
from switchgear.processes.counter_proof import CounterProof, ReadCounters, reader
from switchgear.processes.crash import prepare_for_a_crash
from switchgear.processes.feeding import Feeding
from switchgear.processes.follow import Follower
from switchgear.processes.lines import read_secret, socket_path
from switchgear.processes.log import configure_logging
from switchgear.processes.memory import settle_memory
from switchgear.processes.open_calls import keep_burying
from switchgear.processes.options import ControlOptions, read_options
from switchgear.processes.reports import living_reports
from switchgear.processes.signals import stop_event
from switchgear.processes.sockets import address
from switchgear.processes.span_rounds import SpanRounds
from switchgear.providers.simulator.catalogue import MODELS
from switchgear.routing.report import Word, word
from switchgear.traces.alerts.jobs import Runner as AlertRunner
from switchgear.traces.alerts.measuring import Asked
from switchgear.traces.import_api import Imports
from switchgear.traces.media import Media
from switchgear.upstream.client import HttpTransport

_STANDS_BACK = 10
"""Steps of niceness behind the gateways of the same machine."""


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals alone."""
        yield


class _File:
    """The configuration as gateways read it again; what is wrong with a new one is theirs to tell."""

    def __init__(self, source: Source, environ: Mapping[str, str]) -> None:
        """Raises ConfigError."""
        self._source = source
        self._watcher = ConfigWatcher(
            source.first_file, environ, lambda _path, _environ: source.load(), self._take, lambda _: None
        )
        self._watcher.watch(source.seen)
        self._watcher.otherwise(source.load_feed, source.took)
        self.config = source.load()
        self.declared = source.glance()
        """Without what the control database adds."""
        self._watcher.follow(self.config)

    def _take(self, config: Config) -> None:
        with contextlib.suppress(ConfigError):  # while the file is broken, what it said last
            self.declared = self._source.glance()
        self.config = config

    async def follow(self) -> None:
        """Follow until cancelled."""
        await self._watcher.run()


class _Ring:
    """The keys of the configuration in force, put in order once for each."""

    def __init__(self, file: _File) -> None:
        self._file = file
        self._of = file.config
        self._ring = ring_of(file.config)

    def current(self) -> KeyRing:
        """The ring."""
        if self._of is not self._file.config:
            self._of = self._file.config
            self._ring = ring_of(self._of)
        return self._ring


class _Declared:
    """What the file says without the feed; while it is broken, what it said last."""

    def __init__(self, source: Source) -> None:
        """Raises ConfigError."""
        self._source = source
        self._last = source.declared()

    def __call__(self) -> Config:
        with contextlib.suppress(ConfigError):
            # On the loop, where no store may be waited for.
            self._last = self._source.glance()
        return self._last


class _Parts(Struct, frozen=True, kw_only=True):
    """What a control process works with."""

    clock: Clock
    journal: Path
    database: ControlDatabase
    people: Identity
    feeding: Feeding
    file: _File
    ring: _Ring
    spans: SpanWork
    counted: ReadCounters
    console: Console
    media: Media


async def _open(
    options: ControlOptions, environ: Mapping[str, str], log: logging.Logger, transport: HttpTransport
) -> _Parts:
    """Bring the database forward, write the first feed, read the configuration. Raises ConfigError or OSError."""
    path = Path(options.config_path) if options.config_path else None
    remembered, clock = Remembered(environ), SystemClock()
    remembered.keep_fresh()
    declared = _Declared(Source(path, environ, remembered))
    journal = Path(declared().journal.directory)
    master_keys = read_master_keys(environ)
    database = open_database(declared().control)
    await _brought_forward(database, log)
    people = identity(database, declared, master_keys, clock)
    feeding = Feeding(journal / FEED_FILE, master_keys, people.compiler, database.changes)
    await feeding.look()
    file = _File(Source(path, environ, remembered), environ)
    ring = _Ring(file)
    spans = await span_work(lambda: file.config, ring.current, asker_of, clock, transport)
    doorstep = Doorstep(
        database=database,
        config=lambda: file.config,
        master_keys=master_keys,
        clock=clock,
        client=lambda request: gateway_of(request).client,
    )
    return _Parts(
        clock=clock,
        journal=journal,
        database=database,
        people=people,
        feeding=feeding,
        file=file,
        ring=ring,
        spans=spans,
        counted=reader(file.config.counters, journal, clock),
        console=console(doorstep),
        media=Media(database, journal / "media", clock, secret_hex, spans.masks.text),
    )


async def run(options: ControlOptions, environ: Mapping[str, str]) -> int:
    """Serve until told to stop; the exit status."""
    log = logging.getLogger("switchgear.control")
    stopping = stop_event(options.life_fd)
    line_transport = HttpTransport()
    try:
        parts = await _open(options, environ, log, line_transport)
    except (ConfigError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 (the message is for the operator; a traceback would bury it)
        return 1
    journal, file, clock, database = parts.journal, parts.file, parts.clock, parts.database
    follower = Follower(journal, clock, meter_settings(lambda: file.config))
    ledger = Ledger(database, clock)
    books = Bookkeeper(journal, ledger, clock, ready=lambda: upgrade(database))
    books.counters = CounterProof(ledger, lambda: file.config, clock, parts.counted, asyncio.sleep)
    management = _management(parts, options.config_path)
    work = await _batches(parts, options, line_transport, management.ids)
    alerts = await _alerts(parts, line_transport, management.ids, parts.spans.store)
    told = (books, work, parts.spans, alerts)
    sources = Sources(
        version=version("switchgear"),
        models=lambda: _models(file.config),
        metrics=lambda form: exposed(form, follower.metrics(form) + "".join(one.metrics() for one in told)),
        newest=follower.newest,
        routes=lambda: routes(file.config, word(living_reports(journal), clock.wall_ns())),
        limits=lambda: _limits(word(living_reports(journal), clock.wall_ns())),
        spans=parts.spans.store,
        imports=Imports(importing=parts.spans.importing, mask=parts.spans.masks),
        mask=parts.spans.masks.text,
    )
    routers = (*work.routers, *parts.spans.routers, *_tool_doors(parts, management.ids))
    server = _server(control(sources, management, parts.console.pages, routers), options)
    serving = asyncio.create_task(server.serve())
    rounds = (follower.run(), file.follow(), parts.feeding.run(), books.run(), keep_burying(journal, clock))
    of_spans = _span_rounds(parts, management.ids, line_transport).all()
    following = [asyncio.create_task(each) for each in (*rounds, *of_spans, alerts.run())]
    if work.runner is not None and file.config.batches is not None:
        following.append(asyncio.create_task(work.runner.run()))
    await _settled(server, serving, log)
    report_ready(options.ready_fd)
    await stopping.wait()
    for task in following:
        task.cancel()
    server.should_exit = True
    await serving
    await asyncio.wait(following)
    await parts.spans.aclose()  # what it writes last goes over the transport
    await line_transport.aclose()
    await database.aclose()
    return 0


async def _settled(server: uvicorn.Server, serving: asyncio.Task[None], log: logging.Logger) -> None:
    """Wait until it listens, or has ended, say where, and settle what lives as long as the process."""
    while not server.started and not serving.done():  # noqa: ASYNC110 (uvicorn tells it by no event)
        await asyncio.sleep(0.01)
    settle_memory()
    for listening in (one for each in server.servers for one in each.sockets) if server.started else ():
        if listening.family != socket.AF_UNIX:  # whoever started this process knows that one
            log.info("this control process listens on %s", reachable_url(*address(listening)))


def _tool_doors(parts: _Parts, ids: Ids) -> tuple[APIRouter, ...]:
    """The doors of other tracing tools."""
    spans = parts.spans
    made = ToolDoors(
        database=parts.database,
        intake=spans.ingest,
        store=spans.store,
        entrance=spans.entrance,
        clock=parts.clock,
        ids=ids,
        media=parts.media,
        counts=spans.ingest.counts,
        mask=spans.masks.text,
    )
    return tool_doors(made)


def _span_rounds(parts: _Parts, ids: Ids, transport: HttpTransport) -> SpanRounds:
    return SpanRounds(
        spans=parts.spans,
        journal=parts.journal,
        database=parts.database,
        clock=parts.clock,
        ids=ids,
        transport=transport,
        config=lambda: parts.file.config,
        media=parts.media,
    )


async def _batches(parts: _Parts, options: ControlOptions, transport: HttpTransport, ids: Ids) -> BatchWork:
    """What this process has to do with batches. Raises OSError when the secret of their lines cannot be read."""
    send: Send | None = None
    if options.lines is not None:
        folder = Path(options.lines)
        send = ToGateway(transport, socket_path(folder), read_secret(folder), parts.clock)
    elif parts.file.config.batches is not None:
        logging.getLogger("switchgear.batches").warning(
            "this control process runs no batches: it has no gateways of its own; `switchgear serve` runs them"
        )
    # Where there is a supervisor's folder, batches were declared when it started.
    parts.journal.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = "" if send is None else await asyncio.to_thread(identity_of_journal, parts.journal)
    return batch_work(parts.database, lambda: parts.file.config, parts.clock, ids, send, owner)


async def _alerts(parts: _Parts, transport: HttpTransport, ids: Ids, spans: Asked) -> AlertRunner:
    """Who looks at rules and tells receivers. Raises OSError when the journal has no identity and can be given none."""
    journal, clock = parts.journal, parts.clock

    def limits() -> list[LimitReport]:
        told = word(living_reports(journal), clock.wall_ns())
        if not told.reports:
            raise FileNotFoundError("no gateway tells how its limits stand")
        return _limits(told)

    made = AlertParts(
        database=parts.database,
        objects=parts.people.objects,
        config=lambda: parts.file.config,
        clock=clock,
        ids=ids,
        owner=await asyncio.to_thread(identity_of_journal, journal),
    )
    return alert_runner(made, transport, spans, limits)


def _management(parts: _Parts, path: str | None) -> Management:
    database, file, clock = parts.database, parts.file, parts.clock
    directory = Directory(parts.people.objects)
    sessions, is_active = parts.console.sessions, parts.console.is_active
    return Management(
        database=database,
        identity=parts.people,
        directory=directory,
        clock=clock,
        ids=Ids(clock, seeded_bits()),
        declared=lambda: file.declared,
        file=path or "the environment",
        resolvers=(
            KeyResolver(database, directory, parts.ring.current, clock),
            SessionResolver(database, directory, sessions, is_active),
        ),
    )


async def _brought_forward(database: ControlDatabase, log: logging.Logger) -> None:
    """Migrate what can be reached now; who keeps the books tries again. Raises ConfigError for what is newer."""
    try:
        await upgrade(database)
    except OSError as error:
        log.error("the control database cannot be reached, and gateways go on with what they know: %s", error)  # noqa: TRY400 (the same)


def _server(app: FastAPI, options: ControlOptions) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            uds=options.socket_path,
            host=options.host,
            port=options.port,
            log_level="warning",
            proxy_headers=False,
            access_log=False,
            lifespan="off",
        )
    )


def _limits(told: Word) -> list[LimitReport]:
    return merged_limits(limit for one in told.reports for limit in one.limits)


def _models(config: Config) -> list[str]:
    """Aliases, then the simulator's models when it is a provider; what only the simulator answers is marked."""
    simulators = [name for name, entry in config.providers.items() if entry.is_simulator]
    names = [*config.models, *(f"{provider}/{model.name}" for provider in simulators for model in MODELS)]
    return [f"{name} (simulator)" if is_simulated(config, name) else name for name in names]


def main(arguments: list[str]) -> int:
    """Run the control process with the options in ``arguments``."""
    configure_logging()
    prepare_for_a_crash()
    # Calls go first: nobody waits for what is done here, and what is not done yet stands in the journal.
    os.nice(_STANDS_BACK)
    return uvloop.run(run(read_options(ControlOptions, arguments), read_environment()))
