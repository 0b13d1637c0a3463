"""One collector over OTLP/HTTP: a POST of spans in protobuf, and what its answer means.

By OTLP 1.9: 429, 502, 503 and 504 are tried again, after ``Retry-After`` where it says so, and a partial success names
spans that it has refused. Beyond it: what is no fault of the spans (a wrong key, a wrong path, a redirect) waits for
somebody to mend it, because the store keeps what is owed.
"""

import gzip
from collections.abc import Sequence
from typing import Final, Literal

from google.protobuf.message import DecodeError
from msgspec import Struct, structs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.span import ToldSpan
from switchgear.kernel.upstream import Timers, Transport, UpstreamReply
from switchgear.routing.retry_after import retry_after_seconds
from switchgear.traces.export.address import address
from switchgear.wire import otlp_protobuf
from switchgear.wire.otlp import MEDIA_TYPES

_TIMERS: Final = Timers(connect_seconds=5.0, first_byte_seconds=30.0, idle_seconds=5.0, total_seconds=60.0)
_MAX_ANSWER_BYTES: Final = 1 << 20
_MAX_MESSAGE_CHARACTERS: Final = 200
_GZIP_LEVEL: Final = 1
_BUSY: Final = frozenset((408, 425, 429, 502, 503, 504))
_ABOUT_THE_ADDRESS: Final = frozenset((401, 402, 403, 404, 405, 407))

Headers = tuple[tuple[str, str], ...]
Fate = Literal["taken", "busy", "broken", "refused"]
"""``busy``: the same again, as long as it takes. ``broken``: it may be these spans. ``refused``: it is these spans."""


class Answer(Struct, frozen=True, kw_only=True):
    """What became of some spans."""

    fate: Fate
    rejected: int = 0
    """Of those that were taken: refused all the same."""
    message: str = ""
    """Why, without any secret."""
    after_seconds: float | None = None
    """How long the collector wants to be left alone."""


class Collector:
    """Takes spans at one address. Raises ConfigError for one that is none."""

    def __init__(self, transport: Transport, endpoint: str, headers: Headers, *, compressed: bool) -> None:
        self._transport = transport
        self._compressed = compressed
        about: Headers = (("content-type", MEDIA_TYPES["protobuf"]), ("user-agent", "switchgear-export"))
        encoding: Headers = (("content-encoding", "gzip"),) if compressed else ()
        self._target = structs.replace(address(endpoint), headers=(*about, *encoding))
        self._headers = headers

    def written(self, spans: Sequence[ToldSpan]) -> bytes:
        """The body of a request; called from any thread."""
        body = otlp_protobuf.write(spans)
        return gzip.compress(body, _GZIP_LEVEL, mtime=0) if self._compressed else body

    async def send(self, body: bytes) -> Answer:
        """Offer what was written."""
        try:
            reply = await self._transport.send(self._target, body, _TIMERS, self._headers)
            try:
                said = await reply.read_all(_MAX_ANSWER_BYTES)
            except SwitchgearError:
                # Its status is what counts; no more of it is wanted.
                reply.close()
                said = b""
        except SwitchgearError as error:
            return Answer(fate="busy", message=error.message)
        return self._meaning(reply, said)

    def _meaning(self, reply: UpstreamReply, said: bytes) -> Answer:
        status = reply.status
        if status // 100 == 2:
            return _partial(said)
        # What it answers beside its status may repeat a secret.
        message = f"{self._target.origin.authority} answered {status}"
        if status in _BUSY:
            return Answer(fate="busy", message=message, after_seconds=retry_after_seconds(reply.headers))
        if status // 100 == 3:
            return Answer(fate="busy", message=f"{message} (redirects are not followed; give where it leads to)")
        if status in _ABOUT_THE_ADDRESS:
            return Answer(fate="busy", message=f"{message}: look at its address and its headers")
        return Answer(fate="broken" if status // 100 == 5 else "refused", message=message)


def _partial(said: bytes) -> Answer:
    try:
        partial = ExportTraceServiceResponse.FromString(said).partial_success
    except DecodeError:
        # It has taken the spans, in whatever words.
        return Answer(fate="taken")
    message = partial.error_message[:_MAX_MESSAGE_CHARACTERS]
    return Answer(fate="taken", rejected=max(partial.rejected_spans, 0), message=message)
