"""A gateway process: the data plane and nothing else on its loop."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from pathlib import Path

import uvloop
from msgspec import Struct

from switchgear.app.gateway import Keeping, Machinery, gateway, lines_gateway, outside
from switchgear.app.limits import limits_in
from switchgear.app.metrics import meter_settings
from switchgear.app.models import Outside, build_snapshot
from switchgear.app.state import key_value
from switchgear.config import Config, ConfigWatcher, Source, config_version, listening, read_environment
from switchgear.config.feed import FEED_FILE
from switchgear.doors.batch_desk import BatchDesk
from switchgear.doors.bounds import Bounds
from switchgear.doors.forward import ForwardToControl, ForwardToNobody
from switchgear.doors.gateway import Forward, Snapshots
from switchgear.doors.response_store import ResponseStore
from switchgear.doors.server import GatewayServer
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import Ids, secret_hex, seeded_bits
from switchgear.limits.standings import Standings
from switchgear.processes.banner import reachable_url
from switchgear.processes.child import report_ready
from switchgear.processes.counting import Counting, counting
from switchgear.processes.crash import prepare_for_a_crash
from switchgear.processes.lines import read_secret
from switchgear.processes.log import configure_logging
from switchgear.processes.memory import settle_memory
from switchgear.processes.open_calls import OpenCalls
from switchgear.processes.options import GatewayOptions, read_options
from switchgear.processes.report_values import ReportValues
from switchgear.processes.reports import ReportFile
from switchgear.processes.sharing import Sharing
from switchgear.processes.signals import stop_event
from switchgear.processes.sockets import address, bind, grow_descriptor_table, raise_descriptor_limit
from switchgear.processes.state import GatewayState
from switchgear.routing.queues import Queues, QueueWatch
from switchgear.routing.report import Word
from switchgear.traces.gauges import exposition
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.meter import Meter
from switchgear.traces.stage import Record
from switchgear.upstream.client import HttpTransport
from switchgear.wire.registry import discover as dialects

_POLL_SECONDS = 0.2
"""A change must be in force within a second, wherever it was made."""
_FEED_LOOKS = 200
_FEED_PAUSE_SECONDS = 0.02


class Parts(Struct, kw_only=True):
    """What a running gateway consists of."""

    snapshots: Snapshots
    state: GatewayState
    server: GatewayServer
    journal: JournalWriter
    transport: HttpTransport
    outside: Outside
    sharing: Sharing
    open_calls: OpenCalls
    counting: Counting
    watch: QueueWatch
    lines: GatewayServer | None = None
    """For lines of batches, on a socket of its own; None: none come here."""


async def run(options: GatewayOptions, environ: Mapping[str, str]) -> int:
    """Serve until told to stop; the exit status."""
    log = logging.getLogger("switchgear.gateway")
    path = Path(options.config_path) if options.config_path else None
    stopping = stop_event(options.life_fd)
    parts: Parts | None = None
    try:
        source = Source(path, environ)
        source.remembered.keep_fresh()
        watch = _Watch(source, environ)
        config = await _first_config(source, options, stopping)
        watch.follow(config)
        parts = build(config, options)
        watch.bind(parts)
        listener = _listener(config, options)
    except (ConfigError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 (the message is for the operator; a traceback would bury it)
        return 1
    if not raise_descriptor_limit(config.server.max_connections):
        log.warning("the system allows this process fewer files than server.max_connections may need; see ulimit -n")
    grow_descriptor_table(config.server.max_connections)
    settle_memory()
    # As late as can be: from here on a gateway that drains does not know what this one counts.
    await parts.counting.start()
    await parts.server.start(listener)
    if parts.lines is not None:
        await parts.lines.start(socket.socket(fileno=options.lines_fd))
    report_ready(options.ready_fd)
    if options.listen_fd is None:
        log.info("this gateway listens on %s", reachable_url(*address(listener)))
    loop = asyncio.get_running_loop()
    watching = loop.create_task(watch.run())
    rounds = [loop.create_task(each.run()) for each in (parts.sharing, parts.watch, parts.open_calls)]
    rounds.append(asyncio.ensure_future(parts.counting.run()))
    await stopping.wait()
    watching.cancel()
    parts.state.draining = True
    servers = [parts.server] if parts.lines is None else [parts.server, parts.lines]
    if not all(await asyncio.gather(*(each.drain(config.server.drain_seconds) for each in servers))):
        log.warning("streams were still open after %s s of draining and were cut", config.server.drain_seconds)
    await parts.server.gateway.aclose()
    for task in rounds:
        task.cancel()
    await asyncio.wait(rounds)
    await parts.counting.aclose()
    await parts.transport.aclose()
    await parts.outside.fallbacks.aclose()
    parts.journal.close()
    return 0


def build(config: Config, options: GatewayOptions) -> Parts:
    """Put a gateway together. Raises ConfigError or OSError when it cannot be."""
    clock = SystemClock()
    bits = seeded_bits()
    machinery = Machinery(clock=clock, ids=Ids(clock, bits), random_bits=bits)
    spoken = dialects()
    transport = HttpTransport()
    out = outside(spoken, machinery, transport)
    snapshots = Snapshots(build_snapshot(config, config_version(config), out))
    gateway_id = f"g{options.number}-{secret_hex(4)}"
    journal = _journal(config, gateway_id, clock)
    values = key_value(config.state, clock)
    told = ReportValues(values, gateway_id, clock) if config.state.engine == "redis" else None
    sharing = Sharing(out.fleet, ReportFile(Path(config.journal.directory), gateway_id), gateway_id, clock, told)
    meter = None
    if options.control_socket is None:
        meter = Meter(meter_settings(lambda: config))
        meter.watch(journal.counts)
        meter.show(lambda: exposition(Word(reports=(sharing.last,))))
    state = GatewayState(snapshots, journal, meter, clock)
    state.feed = Path(config.journal.directory) / FEED_FILE
    counts = counting(config.counters, Path(config.journal.directory), gateway_id, clock, bits)
    forward: Forward = ForwardToNobody(state)
    if options.control_socket is not None:
        forward = ForwardToControl(transport, options.control_socket, state)
    responses = ResponseStore(values, config.state.response_ttl_seconds)
    keeping = Keeping(responses=responses, counters=counts.counters, batches=_desk(config, options, transport))
    record = Record(journal, clock, gateway_id, meter)
    made = gateway(snapshots, spoken, machinery, record, forward, keeping)
    server = GatewayServer(made, _bounds(config))
    lines: GatewayServer | None = None
    if options.lines is not None:
        secret = read_secret(Path(options.lines))
        lines = GatewayServer(lines_gateway(snapshots, spoken, machinery, record, keeping, secret), _bounds(config))
    sharing.server, sharing.shared_counters, sharing.journal = server, counts.shared, journal
    sharing.limits = Standings(lambda: limits_in(snapshots.current), counts.counters, clock, counts.counted)
    return Parts(
        snapshots=snapshots,
        state=state,
        server=server,
        journal=journal,
        transport=transport,
        outside=out,
        sharing=sharing,
        open_calls=OpenCalls(record, Path(config.journal.directory), gateway_id, clock),
        counting=counts,
        watch=QueueWatch(lambda: snapshots.current.part(Queues), clock),
        lines=lines,
    )


def _desk(config: Config, options: GatewayOptions, transport: HttpTransport) -> BatchDesk | None:
    """Where files and batches are kept, if this installation runs batches itself."""
    if config.batches is None or options.control_socket is None:
        return None
    return BatchDesk(transport, options.control_socket)


def _bounds(config: Config) -> Bounds:
    server = config.server
    return Bounds(
        max_connections=server.max_connections,
        max_body_bytes=server.max_body_bytes,
        max_upload_bytes=server.max_upload_bytes,
        max_arriving_bytes=server.max_arriving_bytes,
        hold_seconds=server.hold_seconds,
    )


async def _first_config(source: Source, options: GatewayOptions, stopping: asyncio.Event) -> Config:
    """What to begin with. Beside a control process, a gateway waits a moment for the first feed there ever is."""
    feed = Path(source.declared().journal.directory) / FEED_FILE
    for _ in range(_FEED_LOOKS if options.control_socket is not None else 0):
        if stopping.is_set() or await asyncio.to_thread(feed.exists):
            break
        await asyncio.sleep(_FEED_PAUSE_SECONDS)
    return listening(source.load(), options.host, options.port)


def _journal(config: Config, gateway_id: str, clock: SystemClock) -> JournalWriter:
    declared = config.journal
    settings = JournalSettings(
        directory=Path(declared.directory),
        strict=declared.fsync == "strict",
        when_full=declared.when_full,
        keep_bytes=declared.keep_bytes,
        when_unread=declared.when_unread,
    )
    return JournalWriter(settings, gateway_id, clock)


def _listener(config: Config, options: GatewayOptions) -> socket.socket:
    if options.listen_fd is not None:
        return socket.socket(fileno=options.listen_fd)
    return bind(config.server.host, config.server.port)


class _Watch:
    """Hot reload: a new file or feed becomes a new snapshot, a broken one is reported and changes nothing."""

    def __init__(self, source: Source, environ: Mapping[str, str]) -> None:
        self._parts: Parts | None = None
        self._log = logging.getLogger("switchgear.config")
        self._source = source
        self._watcher = ConfigWatcher(
            source.first_file, environ, lambda _path, _environ: source.load(), self._apply, self._report, _POLL_SECONDS
        )
        self._watcher.watch(source.seen)
        self._watcher.otherwise(source.load_feed, source.took)

    def bind(self, parts: Parts) -> None:
        self._parts = parts
        parts.state.secrets_problem = lambda: self._source.remembered.problem

    def follow(self, config: Config) -> None:
        """Watch what ``config`` is made of."""
        self._watcher.follow(config)

    async def run(self) -> None:
        await self._watcher.run()

    def _apply(self, config: Config) -> None:
        if self._parts is None:
            return
        snapshot = build_snapshot(config, config_version(config), self._parts.outside)
        self._parts.snapshots.current = snapshot
        self._parts.state.config_problem = ""
        self._log.info("configuration %s is in force", snapshot.version)

    def _report(self, error: ConfigError) -> None:
        if self._parts is not None:
            self._parts.state.config_problem = error.message
            version = self._parts.snapshots.current.version
            self._log.error("the configuration cannot be used, %s stays in force:\n%s", version, error.message)


def main(arguments: list[str]) -> int:
    """Run a gateway with the options in ``arguments``."""
    configure_logging()
    prepare_for_a_crash()
    return uvloop.run(run(read_options(GatewayOptions, arguments), read_environment()))
