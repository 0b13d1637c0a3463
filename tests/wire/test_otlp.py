"""OTLP both ways: what is written is read again, and what is no export is refused in its own words."""

import base64
import gzip
import hashlib
import json
import math
import zlib
from typing import cast

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from switchgear.kernel.errors import BadRequest, BodyTooLarge
from switchgear.kernel.span import SpanEvent, ToldSpan
from switchgear.wire import otlp, otlp_json, otlp_protobuf
from switchgear.wire.inflate import Bounds, UnknownEncoding, inflated

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
SCALARS = TEXT | INT64 | st.booleans() | st.floats(allow_nan=False) | st.binary(max_size=20) | st.none()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=4)
NANOSECONDS = st.integers(0, (1 << 64) - 1)
EVENTS = st.builds(SpanEvent, name=TEXT, at_ns=NANOSECONDS, attributes=ATTRIBUTES)


def hexadecimal(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(bytes.hex)


SPANS = st.builds(
    ToldSpan,
    trace_id=hexadecimal(16),
    span_id=hexadecimal(8),
    parent_id=st.just("") | hexadecimal(8),
    name=TEXT,
    started_ns=NANOSECONDS,
    ended_ns=NANOSECONDS,
    status=st.sampled_from(["unset", "ok", "error"]),
    status_message=TEXT,
    attributes=ATTRIBUTES,
    events=st.lists(EVENTS, max_size=2).map(tuple),
    resource=ATTRIBUTES,
    scope_name=TEXT,
    scope_version=TEXT,
)
TRACE_ID, SPAN_ID = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
SPAN = ToldSpan(trace_id=TRACE_ID, span_id=SPAN_ID, name="chat", started_ns=1, ended_ns=2)


def json_export(span: dict[str, object]) -> bytes:
    spans = [{"traceId": TRACE_ID, "spanId": SPAN_ID, "name": "chat", **span}]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def json_span(**span: object) -> ToldSpan:
    (told,) = otlp_json.read(json_export(span)).spans
    return told


@given(st.lists(SPANS, max_size=4))
def test_what_is_written_in_protobuf_is_read_again(spans: list[ToldSpan]) -> None:
    assert otlp_protobuf.read(otlp_protobuf.write(spans)).spans == spans


@given(st.lists(SPANS, max_size=4))
def test_what_is_written_in_json_is_read_again(spans: list[ToldSpan]) -> None:
    assert otlp_json.read(otlp_json.write(spans)).spans == spans


@given(st.binary(max_size=200))
def test_any_bytes_are_an_export_or_a_bad_request(body: bytes) -> None:
    for read in (otlp_protobuf.read, otlp_json.read):
        try:
            otlp.checked(read(body))
        except BadRequest:
            continue


@given(st.lists(SPANS, min_size=1, max_size=2), st.integers(0, 1 << 30), st.integers(0, 255))
def test_an_export_with_one_byte_changed_is_an_export_or_a_bad_request(
    spans: list[ToldSpan], where: int, byte: int
) -> None:
    for read, written in ((otlp_protobuf.read, otlp_protobuf.write(spans)), (otlp_json.read, otlp_json.write(spans))):
        body = bytearray(written)
        body[where % len(body)] = byte
        try:
            read(bytes(body))
        except BadRequest:
            continue


def test_not_a_number_is_carried_in_both_forms() -> None:
    span = ToldSpan(trace_id=TRACE_ID, span_id=SPAN_ID, name="", started_ns=0, ended_ns=0, attributes={"x": math.nan})
    for form in (otlp_protobuf, otlp_json):
        (found,) = form.read(form.write([span])).spans
        assert math.isnan(float(str(found.attributes["x"])))


def test_a_broken_span_costs_itself_alone() -> None:
    whole = ExportTraceServiceRequest.FromString(otlp_protobuf.write([SPAN, SPAN]))
    good = whole.resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    broken = b"\x2a\x01\xff"  # a name that is not UTF-8
    scope = b"".join(b"\x12" + bytes((len(each),)) + each for each in (good, broken, good))
    resource = b"\x12" + bytes((len(scope),)) + scope
    export = otlp_protobuf.read(b"\x0a" + bytes((len(resource),)) + resource)
    assert (len(export.spans), export.unreadable) == (2, 1)

    spans = [{"traceId": TRACE_ID, "spanId": SPAN_ID}, {"traceId": 7}, {"attributes": [{"value": 1}]}]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    export = otlp_json.read(body)
    assert (len(export.spans), export.unreadable) == (1, 2)


def test_a_broken_resource_costs_its_own_spans_alone() -> None:
    broken = ToldSpan(trace_id=TRACE_ID, span_id=SPAN_ID, name="x", started_ns=1, ended_ns=2, resource={"n": "mark"})
    of_protobuf = otlp_protobuf.read(otlp_protobuf.write([broken, broken, SPAN]).replace(b"mark", b"\xff\xff\xff\xff"))
    of_json = otlp_json.read(
        otlp_json.write([broken, broken, SPAN]).replace(b'{"stringValue":"mark"}', b'{"intValue":"mark"}')
    )
    for export in (of_protobuf, of_json):
        assert (export.spans, export.unreadable) == ([SPAN], 2)


@pytest.mark.parametrize("span", [{"name": "without ids"}, {"traceId": 7}])
def test_json_that_tells_of_spans_is_no_export_of_logs_whatever_is_wrong_with_them(span: dict[str, object]) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    assert otlp.checked(otlp_json.read(body)).count == 1


def test_a_huge_span_is_left_out_and_not_read() -> None:
    huge = ToldSpan(trace_id=TRACE_ID, span_id=SPAN_ID, name="x" * otlp.MAX_SPAN_BYTES, started_ns=1, ended_ns=2)
    for form in (otlp_protobuf, otlp_json):
        export = form.read(form.write([huge, SPAN]))
        assert (export.spans, export.too_large) == ([SPAN], 1)


def test_a_span_of_very_many_empty_fields_is_too_large() -> None:
    span = b"\x4a\x00" * 200_000
    scope = b"\x12" + varint(len(span)) + span
    resource = b"\x12" + varint(len(scope)) + scope
    assert otlp_protobuf.read(b"\x0a" + varint(len(resource)) + resource).too_large == 1


def test_a_body_of_very_many_empty_spans_is_refused_before_it_is_read() -> None:
    scope = b"\x12\x00" * (otlp.MAX_SPANS + 1)
    resource = b"\x12" + varint(len(scope)) + scope
    with pytest.raises(BodyTooLarge):
        otlp_protobuf.read(b"\x0a" + varint(len(resource)) + resource)
    spans = b",".join([b"{}"] * (otlp.MAX_SPANS + 1))
    with pytest.raises(BodyTooLarge):
        otlp_json.read(b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + spans + b"]}]}]}")


def test_ids_in_base64_and_in_capitals_are_understood() -> None:
    for trim in ("", "="):
        told = json_span(
            traceId=base64.b64encode(bytes.fromhex(TRACE_ID)).decode().rstrip(trim),
            spanId=base64.b64encode(bytes.fromhex(SPAN_ID)).decode().rstrip(trim),
        )
        assert (told.trace_id, told.span_id) == (TRACE_ID, SPAN_ID)
    assert json_span(traceId=TRACE_ID.upper()).trace_id == TRACE_ID
    assert json_span(traceId="not an id").trace_id == "not an id"


def test_numbers_are_text_or_numbers_and_statuses_numbers_or_names() -> None:
    told = json_span(
        startTimeUnixNano="1700000000000000001",
        endTimeUnixNano=1700000000000000002,
        status={"code": "STATUS_CODE_ERROR", "message": "no"},
        attributes=[{"key": "n", "value": {"intValue": "5"}}, {"key": "m", "value": {"intValue": 6}}],
    )
    assert (told.started_ns, told.ended_ns) == (1700000000000000001, 1700000000000000002)
    assert (told.status, told.status_message) == ("error", "no")
    assert told.attributes == {"n": 5, "m": 6}


def test_attributes_may_be_an_object_and_unknown_members_are_passed_over() -> None:
    told = json_span(
        attributes={"model": "gpt", "n": 3, "wrapped": {"stringValue": "x"}, "deep": {"a": [1]}},
        flags=256,
        links=[{"traceId": 1}],
        parentSpanId=None,
        events=None,
        somethingNew={"a": 1},
    )
    assert told.attributes == {"model": "gpt", "n": 3, "wrapped": "x", "deep": {"a": [1]}}


def test_an_export_of_logs_at_the_door_for_traces_is_told_what_it_is() -> None:
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = "hello"
    record.time_unix_nano = 1
    with pytest.raises(BadRequest, match="export of logs"):
        otlp.checked(otlp_protobuf.read(logs.SerializeToString()))
    with pytest.raises(BadRequest, match="exports logs"):
        otlp_json.read(b'{"resourceLogs": [{}]}')


def test_an_empty_export_is_no_fault() -> None:
    assert otlp.checked(otlp_protobuf.read(b"")).count == 0
    for nothing in (b"{}", b"", b" "):
        assert otlp.checked(otlp_json.read(nothing)).count == 0


def test_answers_say_how_many_were_refused() -> None:
    assert otlp.answer("protobuf") == b""
    assert otlp.answer("json") == b"{}"
    partial = ExportTraceServiceResponse.FromString(otlp.answer("protobuf", 2, "two")).partial_success
    assert (partial.rejected_spans, partial.error_message) == (2, "two")
    assert json.loads(otlp.answer("json", 2, "two")) == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "two"}
    }
    assert otlp.refusal("protobuf", 3, "no" * 100) == b"\x08\x03\x12\xc8\x01" + b"no" * 100


BODY = b"a trace " * 1000


def test_bodies_are_inflated_by_every_known_encoding() -> None:
    headerless = zlib.compressobj(wbits=-15)
    for encoding, body in (
        ("", BODY),
        ("identity", BODY),
        ("GZIP ", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:10]) + gzip.compress(BODY[10:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", headerless.compress(BODY) + headerless.flush()),
        ("zstd", zstandard.compress(BODY)),
        ("zstd", zstandard.compress(BODY[:10]) + zstandard.compress(BODY[10:])),
    ):
        assert inflated(body, encoding) == BODY, encoding
    for encoding, body in (("gzip", gzip.compress(b"")), ("zstd", zstandard.compress(b""))):
        assert inflated(body, encoding) == b""
    with pytest.raises(UnknownEncoding):
        inflated(BODY, "br")


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bounds = Bounds(max_bytes=1 << 20, max_ratio=20, free_bytes=1 << 16)
    zeros = bytes(1 << 24)
    for encoding, body in (("gzip", gzip.compress(zeros)), ("zstd", zstandard.compress(zeros))):
        with pytest.raises(BodyTooLarge):
            inflated(body, encoding, bounds)
    with pytest.raises(BodyTooLarge):
        inflated(gzip.compress(bytes(100_000)), "gzip", bounds)


def test_a_window_that_would_cost_much_memory_is_refused() -> None:
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=27)).compressobj()
    with pytest.raises(BadRequest):
        inflated(wide.compress(bytes(1 << 20)) + wide.flush(), "zstd")


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd"]))
def test_any_bytes_are_inflated_or_a_bad_request(body: bytes, encoding: str) -> None:
    try:
        inflated(body, encoding)
    except (BadRequest, BodyTooLarge):
        return


def test_what_ends_too_early_is_refused() -> None:
    for encoding, body in (("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY))):
        with pytest.raises(BadRequest):
            inflated(body[:-6], encoding)
    with pytest.raises(BadRequest):
        inflated(zstandard.compress(BODY)[:8], "zstd")
    for encoding in ("gzip", "deflate", "zstd"):
        with pytest.raises(BadRequest):
            inflated(b"", encoding)


def varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


def test_the_kind_of_a_span_and_its_links_are_kept_in_both_forms() -> None:
    link = trace_pb2.Span.Link(
        trace_id=bytes.fromhex(TRACE_ID), span_id=bytes.fromhex(SPAN_ID), trace_state="a=b", flags=1
    )
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)
    span.kind = trace_pb2.Span.SPAN_KIND_CLIENT
    span.links.extend([link] * 200)
    (of_protobuf,) = otlp_protobuf.read(request.SerializeToString()).spans
    written = {"traceId": TRACE_ID.upper(), "spanId": SPAN_ID, "traceState": "a=b", "flags": 1}
    of_json = json_span(kind=3, links=[written] * 200)
    told: dict[str, object] = {"trace_id": TRACE_ID, "span_id": SPAN_ID, "trace_state": "a=b", "attributes": {}}
    assert of_protobuf.attributes == of_json.attributes == {"otel.kind": "client", "otel.links": [told] * 128}


@pytest.mark.parametrize(
    ("kind", "kept"),
    [(0, {}), (1, {}), (9, {}), (-1, {}), ("SPAN_KIND_X", {}), ("SPAN_KIND_SERVER", "server"), ("4", "producer")],
)
def test_a_kind_that_says_nothing_is_not_kept(kind: object, kept: str) -> None:
    assert json_span(kind=kind).attributes == ({"otel.kind": kept} if kept else {})


def test_a_link_that_cannot_be_read_is_dropped_and_its_span_is_kept() -> None:
    whole = {"traceId": TRACE_ID, "spanId": SPAN_ID, "attributes": [{"key": "n", "value": {"intValue": "3"}}]}
    broken = [{"traceId": 1}, 7, {"attributes": [{"key": "n", "value": {"intValue": "x"}}]}]
    (link,) = cast("list[dict[str, object]]", json_span(links=[*broken, whole]).attributes["otel.links"])
    assert (link["span_id"], link["attributes"]) == (SPAN_ID, {"n": 3})


def test_a_body_of_very_many_empty_members_is_refused_before_it_costs_minutes() -> None:
    member = gzip.compress(b"")
    with pytest.raises(BodyTooLarge):
        inflated(member * 100_000, "gzip")
    assert inflated(member * 1_000 + gzip.compress(BODY), "gzip") == BODY


def test_zeros_between_and_behind_members_are_padding() -> None:
    body = gzip.compress(BODY) + bytes(70_000) + gzip.compress(BODY) + bytes(70_000)
    assert inflated(body, "gzip") == BODY * 2


@pytest.mark.parametrize("size_bytes", [65_535, 65_536, 65_547, 300_000])
def test_bodies_that_are_longer_than_what_is_handed_over_at_once_are_whole(size_bytes: int) -> None:
    content = hashlib.shake_128(b"a trace").digest(size_bytes)
    assert inflated(gzip.compress(content, 0) * 2, "gzip") == content * 2
    assert inflated(zlib.compress(content, 0), "deflate") == content


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\uDE00 cut", "\ufffd cut"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\N{GRINNING FACE}"),
        (rb"\\ud83d \\\ud83d", "\\ud83d \\\ufffd"),
    ],
)
def test_half_of_a_character_costs_its_request_nothing(written: bytes, name: str) -> None:
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "%s", "spanId": "%s", "name": "%s"}]}]}]}'
    (span,) = otlp_json.read(body % (b"ab" * 16, b"cd" * 8, written)).spans
    assert span.name == name
