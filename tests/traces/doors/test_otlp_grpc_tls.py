"""TLS at the door for OTLP over gRPC: what it proves itself by, whom it asks the same of, and how that changes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

pytest.importorskip("grpc", reason="needs grpcio, the extra 'grpc'")

import grpc
import grpc.aio

from switchgear.app.asker import asker_of
from switchgear.auth.model import key_ring
from switchgear.kernel.clock import FrozenClock
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.doors.listening import Proof
from switchgear.traces.doors.otlp_exports import Exports
from switchgear.traces.doors.otlp_grpc import GrpcDoor
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser
from tests.certificates import Certificate
from tests.traces.doors.test_otlp_door import BODY, KEY, KEYS, as_it_is
from tests.traces.doors.test_otlp_grpc import SERVICE, Calls
from tests.traces.spans import ToldStore

OURS, OTHERS = Certificate("our authority"), Certificate("another authority")


def proof(of: Certificate, clients: Certificate | None = None) -> Proof:
    return Proof(certificate=of.pem, key=of.key(), client_authorities=None if clients is None else clients.pem)


class Served:
    """The door on a port, and what it proves itself by from now on."""

    def __init__(self, first: Proof) -> None:
        self.proof: Proof | None = first
        self.store = ToldStore()
        ring = key_ring(KEYS, allow_anonymous_loopback=False)
        ingest = Ingest(self.store, Normaliser(), as_it_is, FrozenClock())
        entrance = Entrance(lambda: ring, asker_of, FrozenClock())
        self.door = GrpcDoor(Exports(ingest, entrance, ingest.counts), entrance, lambda: ring, lambda: self.proof)
        self.port = 0

    async def send(self, trusts: Certificate = OURS, client: Certificate | None = None, key: str = KEY) -> bytes:
        """Send spans over a connection of its own. Raises AioRpcError."""
        credentials = grpc.ssl_channel_credentials(
            trusts.pem, None if client is None else client.key(), None if client is None else client.pem
        )
        # Connections of equal channels are shared otherwise.
        alone = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.secure_channel(f"localhost:{self.port}", credentials, alone) as channel:
            call: Calls = channel.unary_unary(SERVICE.format("trace", "Trace"))
            return await call(BODY, metadata=(("x-api-key", key),))

    async def refusal(self, trusts: Certificate = OURS, client: Certificate | None = None, key: str = KEY) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.send(trusts, client, key)
        return refused.value.code().name


@asynccontextmanager
async def served(first: Proof) -> AsyncGenerator[Served]:
    made = Served(first)
    made.port = await made.door.start("127.0.0.1", 0)
    yield made
    await made.door.aclose()


async def test_spans_come_over_tls_and_a_client_that_does_not_trust_the_certificate_sends_none() -> None:
    async with served(proof(Certificate("door", OURS))) as door:
        assert await door.send() == b""
        assert await door.refusal(OTHERS) == "UNAVAILABLE"
        assert await door.refusal(key="wrong") == "UNAUTHENTICATED"
        async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            call: Calls = channel.unary_unary(SERVICE.format("trace", "Trace"))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(BODY, metadata=(("x-api-key", KEY),))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(door.store.writes) == 1


async def test_where_authorities_of_clients_are_named_a_certificate_of_theirs_is_needed_besides_the_key() -> None:
    async with served(proof(Certificate("door", OURS), OTHERS)) as door:
        assert await door.refusal() == "UNAVAILABLE"
        assert await door.refusal(client=Certificate("client", OURS)) == "UNAVAILABLE"
        assert await door.send(client=Certificate("client", OTHERS)) == b""
        assert await door.refusal(client=Certificate("client", OTHERS), key="wrong") == "UNAUTHENTICATED"


async def test_another_certificate_is_shown_from_the_next_connection_on() -> None:
    async with served(proof(Certificate("door", OURS))) as door:
        assert await door.send(OURS) == b""
        door.proof = proof(Certificate("door", OTHERS))
        assert await door.refusal(OURS) == "UNAVAILABLE"
        assert await door.send(OTHERS) == b""
        # Whether clients are asked, and TLS at all, stays as it was at the start.
        door.proof = proof(Certificate("door", OURS), OTHERS)
        assert await door.send(OURS) == b""
        door.proof = None
        assert await door.send(OURS) == b""


async def test_other_authorities_of_clients_are_in_force_from_the_next_connection_on() -> None:
    certificate = Certificate("door", OURS)
    async with served(proof(certificate, OTHERS)) as door:
        client = Certificate("client", OURS)
        assert await door.refusal(client=client) == "UNAVAILABLE"
        door.proof = proof(certificate, OURS)
        assert await door.send(client=client) == b""
        door.proof = proof(certificate)
        assert await door.refusal() == "UNAVAILABLE"
        assert await door.send(client=client) == b""


async def test_what_is_no_certificate_keeps_the_last_one_and_at_the_start_is_an_error_that_names_the_place() -> None:
    async with served(proof(Certificate("door", OURS))) as door:
        door.proof = Proof(certificate=b"broken", key=b"broken")
        assert await door.send() == b""
    assert "broken" not in repr(door.proof)
    with pytest.raises(OSError, match=r"traces.grpc: cannot listen on 127.0.0.1:0"):
        await Served(Proof(certificate=b"broken", key=b"broken")).door.start("127.0.0.1", 0)
