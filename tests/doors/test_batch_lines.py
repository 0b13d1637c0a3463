"""Lines of batches come in by a socket of their own, under the key that made the batch, as that key stands now."""

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import structs

from switchgear.app.gateway import Keeping, Machinery, lines_gateway, outside
from switchgear.app.models import build_snapshot
from switchgear.auth.line_credential import LineOfBatch, sign, verify
from switchgear.batches.sending import Answer, Sent, ToGateway
from switchgear.config.model import Config, Key, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.doors.bounds import Bounds
from switchgear.doors.gateway import Snapshots
from switchgear.doors.response_store import ResponseStore
from switchgear.doors.server import GatewayServer
from switchgear.engines.memory import MemoryKeyValue
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.kernel.record import CallRecord
from switchgear.models.rate_card import PriceCard
from switchgear.traces.stage import Record
from switchgear.upstream.client import HttpTransport
from switchgear.wire.registry import discover as dialects
from tests.doors.house import KEY, ListJournal

SECRET = b"s" * 32
LINE = LineOfBatch(key="tester", batch="batch_1", number=7)
PRICE = PriceCard(input="2", output="2", services={"batch": "0.5"})
CONFIG = Config(
    keys=(Key(name="tester", key=Secret(KEY), models=("echo", "cheap")),),
    providers={"sim": ProviderEntry(kind="simulator", prices={"*": PRICE})},
    models={
        "echo": ModelEntry(deployments=(DeploymentEntry(model="sim/echo"),)),
        "cheap": ModelEntry(deployments=(DeploymentEntry(model="sim/echo", batch_prices=True),)),
    },
)


class Entrance:
    """A gateway's private socket, and what sends lines there."""

    def __init__(self, send: ToGateway, forging: ToGateway, journal: ListJournal, snapshots: Snapshots) -> None:
        self.send = send
        self.forging = forging
        """The same with a secret of its own."""
        self.journal = journal
        self.snapshots = snapshots

    @property
    def last(self) -> CallRecord:
        return self.journal.records[-1]


@asynccontextmanager
async def entrance(directory: Path, config: Config = CONFIG) -> AsyncGenerator[Entrance]:
    clock, journal, bits = SystemClock(), ListJournal(), seeded_bits()
    machinery = Machinery(clock=clock, ids=Ids(clock, bits), random_bits=bits)
    spoken, http = dialects(), HttpTransport()
    out = outside(spoken, machinery, http)
    snapshots = Snapshots(build_snapshot(config, "test", out))
    store = ResponseStore(MemoryKeyValue(clock, keep_bytes=1_000_000), ttl_seconds=60)
    keeping = Keeping(responses=store, counters=MemoryCounters(clock))
    made = lines_gateway(snapshots, spoken, machinery, Record(journal, clock, "g0"), keeping, SECRET)
    server = GatewayServer(made, Bounds(), tick_seconds=0.005)
    path = str(directory / "lines.sock")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    await server.start(listening)
    send = ToGateway(http, path, SECRET, clock)
    try:
        yield Entrance(send, ToGateway(http, path, b"t" * 32, clock), journal, snapshots)
    finally:
        await server.drain(0)
        await http.aclose()


def line(model: str = "echo", path: str = "/v1/chat/completions", key: str = "tester") -> Sent:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "one two"}]}).encode()
    return Sent(key=key, batch="batch_1", number=7, custom_id="ä\n1", path=path, body=body)


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]["code"]


async def test_a_line_is_an_ordinary_call_of_its_key_and_says_which_line_it_is(tmp_path: Path) -> None:
    async with entrance(tmp_path) as door:
        answer = await door.send(line())
        assert answer.status == 200
        assert json.loads(answer.body)["choices"][0]["message"]["content"] == "one two"
        assert (door.last.key, door.last.model, door.last.outcome) == ("tester", "echo", "ok")
        assert door.last.metadata == {"batch": "batch_1", "line": "7", "custom_id": "ä\n1"}
        assert answer.request_id == f"req_{door.last.id}"


async def test_batch_prices_hold_where_the_operator_says_that_the_vendor_bills_them(tmp_path: Path) -> None:
    async with entrance(tmp_path) as door:
        await door.send(line("echo"))
        (standard,) = door.last.attempts
        await door.send(line("cheap"))
        (batched,) = door.last.attempts
        assert (standard.service, standard.cost_nano_usd) == ("", 4 * 2000)
        assert (batched.service, batched.cost_nano_usd) == ("batch", 4 * 1000)


async def test_a_forged_credential_is_refused(tmp_path: Path) -> None:
    async with entrance(tmp_path) as door:
        assert code(await door.forging(line())) == (401, "invalid_api_key")
        assert code(await door.send(line(key="nobody"))) == (401, "invalid_api_key")
        assert code(await door.send(line(key="anonymous"))) == (401, "invalid_api_key")
        assert door.last.key == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"disabled": True}, (401, "invalid_api_key")),
        ({"expires_at": "2020-01-01T00:00:00Z"}, (401, "invalid_api_key")),
        ({"models": ("other",)}, (403, "permission_denied")),
        ({"doors": ("gemini",)}, (403, "permission_denied")),
    ],
)
async def test_what_the_key_may_not_do_any_more_fails(
    tmp_path: Path, fields: dict[str, object], expected: tuple[int, str]
) -> None:
    (key,) = CONFIG.keys
    changed = structs.replace(key, **fields)
    async with entrance(tmp_path, structs.replace(CONFIG, keys=(changed,))) as door:
        assert code(await door.send(line())) == expected


async def test_from_where_a_key_may_be_used_was_looked_at_when_the_batch_was_made(tmp_path: Path) -> None:
    key = structs.replace(CONFIG.keys[0], ip_ranges=("10.0.0.0/8",))
    async with entrance(tmp_path, structs.replace(CONFIG, keys=(key,))) as door:
        assert (await door.send(line())).status == 200


async def test_lines_ask_for_models_alone(tmp_path: Path) -> None:
    async with entrance(tmp_path) as door:
        assert (await door.send(line(path="/v1/files"))).status == 404
        assert (await door.send(line(path="/api/v1/keys"))).status == 404


def test_a_credential_is_for_one_line_and_one_time() -> None:
    credential = sign(SECRET, LINE, expires_ns=100)
    assert verify(SECRET, credential, now_ns=99) == LINE
    assert verify(SECRET, credential, now_ns=100) is None
    assert verify(b"t" * 32, credential, now_ns=99) is None
    assert verify(SECRET, credential.replace("tester", "tester2"), now_ns=99) is None
    assert verify(SECRET, credential.replace(":7:", ":8:"), now_ns=99) is None
    assert verify(SECRET, "", now_ns=99) is None
    assert verify(SECRET, ":::::", now_ns=99) is None


async def test_without_keys_lines_are_the_anonymous_callers(tmp_path: Path) -> None:
    async with entrance(tmp_path, structs.replace(CONFIG, keys=())) as door:
        assert (await door.send(line(key="anonymous"))).status == 200
        assert door.last.key == "anonymous"
