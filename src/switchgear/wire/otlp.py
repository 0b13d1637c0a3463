"""OpenTelemetry's protocol for traces, in both of its forms, up to what is the same in both.

Bodies are read span by span: one that cannot be read is counted, and the others are taken. What stands in a body is
bounded before it is read. Answers are those of OTLP 1.9: a partial success names how many spans were refused.
"""

from math import ceil
from typing import Final, Literal

from msgspec import Struct, json
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.span import ToldSpan

Form = Literal["protobuf", "json"]

MEDIA_TYPES: Final[dict[Form, str]] = {"protobuf": "application/x-protobuf", "json": "application/json"}
MAX_SPANS: Final = 100_000
"""In one body; SDKs send 512 at most by default."""
MAX_SPAN_BYTES: Final = 8 * 1024 * 1024
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
SPAN_KINDS: Final = ("", "", "server", "client", "producer", "consumer")
"""By OTLP's number; nothing of one that is internal, as most are, or not told."""
_LARGEST_CODE: Final = 16
_VARINT_BIT: Final = 0x80
_LENGTH_BEFORE: Final = 2
_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"


class Export(Struct, kw_only=True):
    """What a body told."""

    spans: list[ToldSpan] = []
    unreadable: int = 0
    """Spans that are not in ``spans`` because they are broken."""
    too_large: int = 0
    """Those over ``MAX_SPAN_BYTES``."""
    says_spans: bool = False
    """Whether the body itself says that these are spans, as JSON does."""

    @property
    def count(self) -> int:
        """All."""
        return len(self.spans) + self.unreadable + self.too_large


def checked(export: Export) -> Export:
    """``export``. Raises BadRequest when nothing says that it tells of spans: not the body, and not an id of any."""
    if export.says_spans or export.count == export.too_large:
        return export
    if any(span.trace_id or span.span_id for span in export.spans):
        return export
    raise BadRequest(
        f"none of the {export.count} spans has an id that can be read: this looks like an export of logs or metrics "
        "that was sent to the door for traces. Send traces here, and set OTEL_LOGS_EXPORTER=none and "
        "OTEL_METRICS_EXPORTER=none, or give these an endpoint of their own."
    )


def answer(form: Form, refused: int = 0, message: str = "") -> bytes:
    """How an export was taken; a message without refused spans is a warning."""
    if form == "json":
        partial = {"rejectedSpans": str(refused), "errorMessage": message}
        return json.encode({"partialSuccess": partial} if refused or message else {})
    if not refused and not message:
        return b""
    partial = ExportTracePartialSuccess(rejected_spans=refused, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


def refusal(form: Form, code: int, message: str) -> bytes:
    """Why nothing was taken, as ``google.rpc.Status``; ``code`` is one of gRPC's."""
    assert 0 <= code <= _LARGEST_CODE, "gRPC knows no such code"
    if form == "json":
        return json.encode({"code": code, "message": message})
    return bytes((0x08, code)) + _member(2, message.encode())


def grpc_refusal(code: int, message: str, retry_after_seconds: float | None) -> bytes:
    """The same for gRPC's ``grpc-status-details-bin``, with ``google.rpc.RetryInfo`` where it is worth trying again."""
    status = refusal("protobuf", code, message)
    if retry_after_seconds is None:
        return status
    pause = b"\x08" + _varint(ceil(retry_after_seconds))
    return status + _member(3, _member(1, _RETRY_INFO) + _member(2, _member(1, pause)))


def _member(number: int, message: bytes) -> bytes:
    """A message as the member ``number``, below 16, of another."""
    return bytes((number << 3 | _LENGTH_BEFORE,)) + _varint(len(message)) + message


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= _VARINT_BIT:
        found.append(number & 0x7F | _VARINT_BIT)
        number >>= 7
    found.append(number)
    return bytes(found)
