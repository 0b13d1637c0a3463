"""What is wrong with spans at the live door: each is refused by itself with its reason, and the rest is kept."""

import gzip

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from switchgear.kernel.clock import SystemClock
from switchgear.wire import otlp_protobuf
from tests.e2e.live import LiveServer
from tests.e2e.test_traces import PROTOBUF, post, seen, told

HEADERS = {"content-type": PROTOBUF}
TWO_DAYS_NS = 2 * 86_400_000_000_000


def test_bad_spans_are_refused_with_their_reasons_and_the_rest_is_kept(live: LiveServer) -> None:
    future_ns = SystemClock().wall_ns() + TWO_DAYS_NS
    trace = 0xBAD1
    spans = [
        told(trace, 1, scope_name="sdk-of-nobody", scope_version="99.0", attributes={"x.y": "z"}),
        told(trace, 2, span_id=""),
        told(trace, 3, trace_id="abcd"),
        told(trace, 4, started_ns=future_ns, ended_ns=future_ns + 1),
        told(trace, 5, attributes={"input.value": "x" * 5_000_000}),
        told(trace, 6, parent_id=f"{7:016x}"),
        told(trace, 7, parent_id=f"{6:016x}"),
        told(trace, 1, name="again"),
    ]
    status, _, answer = post(live, "/v1/traces", otlp_protobuf.write(spans), HEADERS)
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert (status, partial.rejected_spans) == (200, 3)
    assert all(reason in partial.error_message for reason in ("no_ids", "bad_ids", "in_the_future"))
    assert seen(live, trace)["span_count"] == 4


def test_a_bomb_is_refused_and_the_door_goes_on(live: LiveServer) -> None:
    bomb = gzip.compress(bytes(60_000_000))
    assert post(live, "/v1/traces", bomb, {**HEADERS, "content-encoding": "gzip"})[0] == 413
    assert post(live, "/v1/traces", otlp_protobuf.write([told(0xBAD2)]), HEADERS)[0] == 200
    assert seen(live, 0xBAD2)["span_count"] == 1
