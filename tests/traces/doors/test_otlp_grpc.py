"""The door for OTLP over gRPC: the same keys, bounds and answers as over HTTP, in gRPC's words."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest

pytest.importorskip("grpc", reason="needs grpcio, the extra 'grpc'")

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from switchgear.app.asker import asker_of
from switchgear.auth.address import read_ranges
from switchgear.auth.model import VirtualKey, digest_of, key_ring
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Find, Window
from switchgear.traces.doors.entrance import Entrance, Limits
from switchgear.traces.doors.otlp_exports import Exports
from switchgear.traces.doors.otlp_grpc import GrpcDoor
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser
from switchgear.wire import otlp_protobuf
from tests.traces.doors.test_otlp_door import BODY, KEY, KEYS, RESTRICTED, as_it_is
from tests.traces.spans import ToldStore, told

SERVICE = "/opentelemetry.proto.collector.{}.v1.{}Service/Export"
OFFICE = "sk-of-the-office"
Streams: TypeAlias = "grpc.aio.StreamUnaryMultiCallable[bytes, bytes]"
Calls: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


class Door:
    """The door over a store, on a port."""

    def __init__(self, *keys: VirtualKey, store: ToldStore | None = None, limits: Limits | None = None) -> None:
        self.store = ToldStore() if store is None else store
        proxies = read_ranges(("127.0.0.1",)) if any(key.ip_ranges for key in keys) else ()
        ring = key_ring(keys, allow_anonymous_loopback=not keys, trusted_proxies=proxies)
        self.ingest = Ingest(self.store, Normaliser(), as_it_is, FrozenClock())
        entrance = Entrance(lambda: ring, asker_of, FrozenClock(), limits)
        self.door = GrpcDoor(Exports(self.ingest, entrance, self.ingest.counts), entrance, lambda: ring)
        self.channel: grpc.aio.Channel

    async def send(
        self,
        body: bytes = BODY,
        metadata: Mapping[str, str] | None = None,
        compression: grpc.Compression | None = None,
        of: str = "trace",
    ) -> bytes:
        """Call as an exporter does. Raises AioRpcError."""
        call: Calls = self.channel.unary_unary(SERVICE.format(of, of.title()))
        return await call(body, metadata=tuple((metadata or {}).items()), compression=compression)

    async def refusal(self, body: bytes = BODY, metadata: Mapping[str, str] | None = None) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.send(body, metadata, grpc.Compression.Gzip)
        return refused.value

    async def projects(self) -> dict[str, str]:
        """What the sender calls its project, by ours."""
        found: dict[str, str] = {}
        for project in ("default", "shop"):
            for row in (
                await self.store.find(Find(window=Window(project=project, since_ns=0, until_ns=1 << 62)))
            ).spans:
                (span,) = await self.store.read(project, row.trace_id, [row.span_id])
                found[project] = span.metadata.get("project", "")
        return found


@asynccontextmanager
async def opened(
    *keys: VirtualKey, store: ToldStore | None = None, limits: Limits | None = None
) -> AsyncGenerator[Door]:
    made = Door(*keys, store=store, limits=limits)
    port = await made.door.start("127.0.0.1", 0)
    options = (("grpc.max_send_message_length", -1),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as made.channel:
        yield made
        await made.door.aclose()


@pytest.mark.parametrize(
    "metadata", [{"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}, {"x-api-key": KEY, "x-project-name": "bot"}]
)
async def test_a_key_is_found_in_the_metadata_and_says_whose_spans_these_are(metadata: Mapping[str, str]) -> None:
    async with opened(*KEYS) as door:
        assert await door.send(metadata=metadata) == b""
        assert await door.projects() == {"shop": metadata.get("x-project-name", "")}


async def test_strangers_are_unauthenticated_and_keys_for_other_doors_have_no_permission() -> None:
    async with opened(*KEYS) as door:
        for metadata in ({}, {"authorization": "Bearer wrong"}):
            refused = await door.refusal(metadata=metadata)
            assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
            assert "virtual key" in (refused.details() or "")
        narrow = await door.refusal(metadata={"x-api-key": RESTRICTED})
        assert narrow.code() is grpc.StatusCode.PERMISSION_DENIED
        assert door.store.writes == []
        assert 'turned_away_total{door="otlp",reason="invalid_api_key"} 2' in door.ingest.counts.exposition()


async def test_a_stranger_is_refused_before_the_message_comes() -> None:
    async with opened(*KEYS) as door:
        method: Streams = door.channel.stream_unary(SERVICE.format("trace", "Trace"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await method(_nothing_yet())
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def _nothing_yet() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def test_without_keys_callers_on_this_machine_need_none_and_those_behind_a_proxy_do() -> None:
    async with opened() as door:
        await door.send()
        assert await door.projects() == {"default": ""}
        refused = await door.refusal(metadata={"x-forwarded-for": "203.0.113.7"})
        assert refused.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_where_a_client_is_a_trusted_proxy_says() -> None:
    key = VirtualKey(name="office", digest=digest_of(OFFICE), ip_ranges=read_ranges(("203.0.113.0/24",)))
    async with opened(key) as door:
        await door.send(metadata={"x-api-key": OFFICE, "x-forwarded-for": "203.0.113.9"})
        for elsewhere in ({}, {"x-forwarded-for": "198.51.100.1"}):
            refused = await door.refusal(metadata={"x-api-key": OFFICE, **elsewhere})
            assert refused.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_messages_are_read(compression: grpc.Compression) -> None:
    body = otlp_protobuf.write([told(span) for span in range(1, 200)])
    async with opened() as door:
        assert await door.send(body, compression=compression) == b""
        assert sum(len(write) for write in door.store.writes) == 199


async def test_what_is_broken_is_an_invalid_argument_and_what_is_too_large_exhausts() -> None:
    async with opened() as door:
        for body, code, word in (
            (BODY[:-1], grpc.StatusCode.INVALID_ARGUMENT, ""),
            (otlp_protobuf.write([told(span_id="", trace_id="")]), grpc.StatusCode.INVALID_ARGUMENT, "logs"),
            (bytes(80_000_000), grpc.StatusCode.RESOURCE_EXHAUSTED, "becomes more than"),
        ):
            refused = await door.refusal(body)
            assert (refused.code(), word in (refused.details() or "")) == (code, True)
            assert b"RetryInfo" not in details(refused)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await door.send(bytes(17 * 1024 * 1024))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await door.send() == b""


async def test_a_message_that_only_looks_compressed_is_an_invalid_argument() -> None:
    async with opened() as door:
        for body in (b"\x1f\x8b nothing", b"\x78\x9c nothing", zlib.compress(BODY)[:-5]):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await door.send(body)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_refused_spans_are_told_by_reason_and_the_rest_is_taken() -> None:
    async with opened() as door:
        answer = await door.send(otlp_protobuf.write([told(1), told(2, parent_id=f"{2:016x}"), told(3, started_ns=1)]))
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        assert partial.rejected_spans == 2
        assert "1 × its_own_parent" in partial.error_message
        assert door.store.writes == [[f"{1:016x}"]]


async def test_a_store_that_cannot_write_is_unavailable_and_says_when_to_come_again() -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    async with opened(store=ToldStore(full)) as door:
        refused = await door.refusal()
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert "No space left" in (refused.details() or "")
        assert pause_seconds(refused) == 5


async def test_while_too_much_is_held_senders_are_told_to_come_again() -> None:
    go_on = asyncio.Event()
    async with opened(store=ToldStore(go_on.wait), limits=Limits(max_held_bytes=len(BODY) + 10)) as door:
        first = asyncio.create_task(door.send())
        while not door.store.writes:
            await asyncio.sleep(0)
        assert pause_seconds(await door.refusal()) == 1
        go_on.set()
        assert await first == b""


async def test_what_is_under_way_when_the_door_closes_is_still_answered() -> None:
    go_on = asyncio.Event()
    async with opened(store=ToldStore(go_on.wait)) as door:
        first = asyncio.create_task(door.send())
        while not door.store.writes:
            await asyncio.sleep(0)
        closing = asyncio.create_task(door.door.aclose())
        go_on.set()
        assert await first == b""
        await closing


async def test_logs_and_metrics_are_not_taken() -> None:
    async with opened() as door:
        for of in ("logs", "metrics"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await door.send(of=of)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert "OTEL_LOGS_EXPORTER=none" in (refused.value.details() or "")


async def test_an_address_that_is_taken_is_an_error_that_names_it() -> None:
    async with opened() as door:
        second = Door()
        port = await second.door.start("127.0.0.1", 0)
        with pytest.raises(OSError, match=f"traces.grpc: cannot listen on 127.0.0.1:{port}"):
            await Door().door.start("127.0.0.1", port)
        await second.door.aclose()
        assert await door.send() == b""


def details(refused: grpc.aio.AioRpcError) -> bytes:
    """What a refusal says beside its words, as ``google.rpc.Status``."""
    found = dict(refused.trailing_metadata()).get("grpc-status-details-bin", b"")
    assert isinstance(found, bytes)
    return found


def pause_seconds(refused: grpc.aio.AioRpcError) -> int:
    """When to come again."""
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    status = details(refused)
    detail = Any.FromString(status[status.index(b"\x0a\x28type.googleapis.com") :])
    assert detail.type_url == "type.googleapis.com/google.rpc.RetryInfo"
    assert detail.value[0] == 0x0A
    return Duration.FromString(detail.value[2:]).seconds
