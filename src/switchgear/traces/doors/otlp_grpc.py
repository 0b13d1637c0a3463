"""OpenTelemetry's traces over gRPC. It needs grpcio, an extra: this module is imported where the door is declared.

Messages are handed over as they came, by no generated stubs, and compressed ones are inflated within the same bounds as
those of HTTP. Nothing of a message is read before its sender's key is known to be good.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio
from msgspec import structs

from switchgear.auth.address import client_address
from switchgear.auth.model import KeyRing
from switchgear.kernel.errors import BadRequest, Overloaded, SwitchgearError
from switchgear.rest.principal import Asker
from switchgear.traces.doors.entrance import Entrance
from switchgear.traces.doors.listening import Listening, Proof
from switchgear.traces.doors.otlp_exports import NOT_TAKEN, Exports, grpc_code
from switchgear.wire import otlp_protobuf
from switchgear.wire.otlp import answer, grpc_refusal

DOOR: Final = "otlp"
_COLLECTOR: Final = "/opentelemetry.proto.collector."
_EXPORT: Final = f"{_COLLECTOR}trace.v1.TraceService/Export"
_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""As it was sent; servers of gRPC take 4 MiB where nobody says otherwise."""
_MAX_CONNECTIONS: Final = 1024
_MAX_CALLS_OF_ONE_CONNECTION: Final = 64
_RECEIVED_AT_ONCE: Final = 16
"""Messages, whose sizes are not known before they are here."""
_RECEIVE_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 2.0
_GZIP_MARK: Final = 0x1F
_ZLIB_MARK: Final = 0x78
"""First bytes of what is compressed. No export begins so: as members of its message they would be the third and the
fifteenth, and it has one."""
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", _MAX_CALLS_OF_ONE_CONNECTION),
    ("grpc.max_allowed_incoming_connections", _MAX_CONNECTIONS),
    # Inflating is done here, where what it may take is bounded.
    ("grpc.per_message_decompression", 0),
    # Two servers at one port would share its callers by chance.
    ("grpc.so_reuseport", 0),
)

Context = grpc.aio.ServicerContext[bytes, bytes]
_Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


def _nothing() -> None:
    """No proof at all: plain text."""


class GrpcDoor:
    """A server of its own in this process."""

    def __init__(
        self,
        exports: Exports,
        entrance: Entrance,
        ring: Callable[[], KeyRing],
        proof: Callable[[], Proof | None] = _nothing,
    ) -> None:
        """``proof`` is asked at the start, None being plain text, and then at each connection, from any thread."""
        self._proof = proof
        self._exports = exports
        self._entrance = entrance
        self._ring = ring
        self._receiving = asyncio.Semaphore(_RECEIVED_AT_ONCE)
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_Methods(self._export),))

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that it became. Raises OSError for an address that is not to be had."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = self._bound(place)
        except RuntimeError as error:
            raise OSError(f"traces.grpc: cannot listen on {place}: {error}") from error
        await self._server.start()
        return bound

    def _bound(self, place: str) -> int:
        """Raises RuntimeError."""
        proof = self._proof()
        if proof is None:
            return self._server.add_insecure_port(place)
        credentials = grpc.dynamic_ssl_server_credentials(
            _shown(proof),
            _Renewed(self._proof, proof),  # pyright: ignore[reportArgumentType] (None is told of in its docstring)
            require_client_authentication=bool(proof.client_authorities),
        )
        return self._server.add_secure_port(place, credentials)

    async def aclose(self) -> None:
        """Take no more calls, and wait a little for those that are here."""
        await self._server.stop(_STOP_SECONDS)

    async def _export(self, messages: AsyncIterator[bytes], context: Context) -> bytes:
        """One call, which has one message: it is told as a stream, so that it comes when it is asked for."""
        try:
            origin = self._entrance.origin_of(self._asker(context), DOOR)
            body = await self._received(messages)
            with self._entrance.holding(len(body)):
                outcome = await self._exports.take(origin, body, _encoding(body), otlp_protobuf.read)
        except SwitchgearError as error:
            self._exports.turned_away(DOOR, error, error.code)
            await _refuse(context, error)
        return answer("protobuf", outcome.refused, outcome.message)

    async def _received(self, messages: AsyncIterator[bytes]) -> bytes:
        """The message. Raises BadRequest, or Overloaded where it does not come."""
        try:
            async with asyncio.timeout(_RECEIVE_SECONDS), self._receiving:
                async for message in messages:
                    return message
        except TimeoutError:
            raise Overloaded("the export did not arrive in time; send it again", retry_after_seconds=1) from None
        raise BadRequest("the call holds no message")

    def _asker(self, context: Context) -> Asker:
        """Who calls; no page of a browser speaks gRPC over TCP, so that none can in its user's stead."""
        headers = {name.lower(): value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        peer = _address(context.peer())
        forwarded = {
            name.encode(): value.encode() for name, value in headers.items() if name in ("x-forwarded-for", "forwarded")
        }
        return Asker(
            method="POST",
            path=_EXPORT,
            headers=headers,
            cookies={},
            address=client_address(peer, forwarded, self._ring().trusted_proxies),
            local=(peer.startswith("127.") or peer == "::1") and not forwarded,
        )


class _Renewed:
    """Asked by gRPC at each connection, from threads of its own, whether there is something newer to prove it by."""

    def __init__(self, proof: Callable[[], Proof | None], used: Proof) -> None:
        self._proof = proof
        self._used = used

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """None: what was used last is still good."""
        proof = self._proof()
        # What was taken out of the configuration stays until the next start, as does whether clients are asked.
        if proof is None or proof == self._used:
            return None
        if bool(proof.client_authorities) != bool(self._used.client_authorities):
            proof = structs.replace(proof, client_authorities=self._used.client_authorities)
        self._used = proof
        return _shown(proof)


def _shown(proof: Proof) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(proof.key, proof.certificate)], root_certificates=proof.client_authorities
    )


class _Methods(grpc.GenericRpcHandler):
    """Finds what answers a method."""

    def __init__(self, export: Callable[[AsyncIterator[bytes], Context], object]) -> None:
        self._export: _Handler = grpc.stream_unary_rpc_method_handler(export)
        self._not_taken: _Handler = grpc.unary_unary_rpc_method_handler(_not_taken)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "_Handler | None":
        """None for what nobody has heard of."""
        method = handler_call_details.method
        if method == _EXPORT:
            return self._export
        return self._not_taken if method.startswith(_COLLECTOR) else None


async def _not_taken(_: bytes, context: Context) -> bytes:
    """Logs, metrics and profiles."""
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, NOT_TAKEN)


async def _refuse(context: Context, error: SwitchgearError) -> NoReturn:
    code = grpc_code(error.status)
    details = grpc_refusal(code, error.message, error.retry_after_seconds)
    await context.abort(_CODES[code], error.message, (("grpc-status-details-bin", details),))


def _encoding(body: bytes) -> str:
    """How a message is compressed: gRPC's library keeps what its sender said to itself."""
    first = body[0] if body else 0
    return {_GZIP_MARK: "gzip", _ZLIB_MARK: "deflate"}.get(first, "")


def _address(peer: str) -> str:
    """The address in ``ipv4:127.0.0.1:4317`` or ``ipv6:%5B::1%5D:4317``."""
    return unquote(peer.partition(":")[2].rpartition(":")[0]).strip("[]")


if TYPE_CHECKING:
    _: type[Listening] = GrpcDoor
