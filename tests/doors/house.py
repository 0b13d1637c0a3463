"""A gateway on a real socket, its records in a list: for tests of what the server itself does."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct, structs

from switchgear.app.gateway import Keeping, Machinery, gateway, outside
from switchgear.app.installed import installed
from switchgear.app.models import Outside, build_snapshot
from switchgear.config.model import Config, Key, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry, RetriesEntry, RoutingEntry
from switchgear.config.secret import Secret
from switchgear.doors.bounds import Bounds
from switchgear.doors.endpoint import Request
from switchgear.doors.gateway import Snapshots
from switchgear.doors.response_store import ResponseStore
from switchgear.doors.server import GatewayServer
from switchgear.engines.memory import MemoryKeyValue
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import Clock, SystemClock
from switchgear.kernel.errors import NotFound
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.kernel.ports import Counters, KeyValue
from switchgear.kernel.record import CallRecord
from switchgear.kernel.reply import Reply
from switchgear.traces.stage import Record
from switchgear.upstream.client import HttpTransport
from switchgear.upstream.tls import client_context
from switchgear.wire.registry import discover as dialects

KEY = "sk-sg-test-0123456789abcdef"
# What is the same in every house, and takes longer to read than a house to build.
INSTALLED: Final = installed()
SPOKEN: Final = dialects()
AUTHORITIES: Final = client_context()
JSON = Mapping[str, object]


class ListJournal:
    """Keeps records in memory."""

    healthy = True

    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    def append(self, record: CallRecord) -> None:
        self.records.append(record)


class House:
    """A running server and the ways to it."""

    def __init__(
        self, server: GatewayServer, port: int, journal: ListJournal, change: Callable[[Mapping[str, object]], None]
    ) -> None:
        self.server = server
        self.port = port
        self.journal = journal
        self._change = change
        self.snapshots: Snapshots | None = None
        """Where it has the one that is in force."""

    def change(self, **parts: object) -> None:
        """Go on with another configuration, in which these parts are different."""
        self._change(parts)

    async def raw(self, data: bytes) -> bytes:
        """Send bytes, and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()

    async def post(self, path: str, body: JSON | bytes, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """One POST on a connection of its own."""
        return await self.ask("POST", path, body, **headers)

    async def ask(
        self, method: str, path: str, body: JSON | bytes = b"", **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request on a connection of its own."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"host": "localhost", "authorization": f"Bearer {KEY}", "connection": "close", **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value)
        answer = await self.raw(
            f"{method} {path} HTTP/1.1\r\n{head}content-length: {len(payload)}\r\n\r\n".encode() + payload
        )
        return parse(answer)


def parse(answer: bytes) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and decoded body of one response."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = dechunk(body)
    return int(status_line.split()[1]), headers, body


def dechunk(data: bytes) -> bytes:
    """The body inside chunks; an end that is missing is an error."""
    out = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return out
        out += data[:length]
        data = data[length + 2 :]


class Fittings(Struct, frozen=True, kw_only=True):
    """What a house has in the place of the usual."""

    clock: Clock | None = None
    journal: ListJournal | None = None
    ways: Callable[[Outside], Outside] | None = None
    """Changes how it reaches the world."""
    counters: Counters | None = None


async def nobody(request: Request) -> Reply:
    """There is no control process in these tests."""
    raise NotFound(f"there is no {request.path} here")


ONCE = RoutingEntry(retries=RetriesEntry(attempts=1))


def configured(
    providers: Mapping[str, ProviderEntry] | None = None,
    models: Mapping[str, ModelEntry] | None = None,
    routing: RoutingEntry | None = None,
) -> Config:
    """The configuration of :func:`running`."""
    return Config(
        keys=(
            Key(name="tester", key=Secret(KEY)),
            Key(name="stranger", key=Secret(f"{KEY}-stranger")),
            Key(name="narrow", key=Secret(f"{KEY}-narrow"), models=("sim/echo",)),
        ),
        providers={"sim": ProviderEntry(kind="simulator"), **(providers or {})},
        models={"echo": ModelEntry(deployments=(DeploymentEntry(model="sim/echo"),)), **(models or {})},
        routing=routing or ONCE,
    )


@asynccontextmanager
async def running(
    bounds: Bounds | None = None,
    *,
    keepalive_after_seconds: float = 15.0,
    providers: Mapping[str, ProviderEntry] | None = None,
    models: Mapping[str, ModelEntry] | None = None,
    routing: RoutingEntry | None = None,
    state: KeyValue | None = None,
) -> AsyncGenerator[House]:
    """A house for one test; ``providers`` come on top of the simulator, ``models`` on top of ``echo``.

    Unless ``routing`` says otherwise nothing is tried twice: what an upstream does is then what the client sees.
    """
    config = configured(providers, models, routing)
    async with serving(config, bounds, keepalive_after_seconds=keepalive_after_seconds, state=state) as house:
        yield house


@asynccontextmanager
async def serving(
    config: Config,
    bounds: Bounds | None = None,
    *,
    keepalive_after_seconds: float = 15.0,
    state: KeyValue | None = None,
    fittings: Fittings | None = None,
) -> AsyncGenerator[House]:
    """A house of any configuration. Whatever its clock tells, its sockets and timers live in real time."""
    fitted = fittings or Fittings()
    clock = fitted.clock or SystemClock()
    journal = fitted.journal or ListJournal()
    bits = seeded_bits()
    machinery = Machinery(clock=clock, ids=Ids(clock, bits), random_bits=bits)
    spoken = dict(SPOKEN)
    http = HttpTransport(tls=AUTHORITIES)
    out = outside(spoken, machinery, http, INSTALLED)
    out = out if fitted.ways is None else fitted.ways(out)
    snapshots = Snapshots(build_snapshot(config, "test", out))
    responses = ResponseStore(state or MemoryKeyValue(clock, keep_bytes=10_000_000), ttl_seconds=3600)
    keeping = Keeping(responses=responses, counters=fitted.counters or MemoryCounters(clock))
    made = gateway(snapshots, spoken, machinery, Record(journal, clock, "g0"), nobody, keeping)
    server = GatewayServer(
        made, bounds or Bounds(), keepalive_after_seconds=keepalive_after_seconds, tick_seconds=0.005
    )

    def change(parts: Mapping[str, object]) -> None:
        snapshots.current = build_snapshot(structs.replace(config, **parts), "changed", out)

    listening = socket.create_server(("127.0.0.1", 0))
    await server.start(listening)
    try:
        house = House(server, listening.getsockname()[1], journal, change)
        house.snapshots = snapshots
        yield house
    finally:
        await server.drain(0)
        await made.aclose()
        await http.aclose()
        await out.fallbacks.aclose()


def chat(model: str = "echo", content: str = "hello", **more: object) -> JSON:
    """A chat completion request."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}
