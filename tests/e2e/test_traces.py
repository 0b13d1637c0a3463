"""Spans sent to a live server through the gateway's port: on the disk, priced, and seen at once."""

import gzip
import http.client
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import duckdb
import pytest
from msgspec import structs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.span import ToldSpan
from switchgear.wire import otlp_json, otlp_protobuf
from tests.e2e.live import KEY, SOURCES, LiveServer

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
VIEWED = ((20, "viewed one", "ok"), (21, "viewed two", "error"), (22, "another", "error"))


def told(trace: int, span: int = 1, /, **changes: object) -> ToldSpan:
    now = SystemClock().wall_ns()
    plain = ToldSpan(
        trace_id=f"{trace:032x}",
        span_id=f"{span:016x}",
        name="chat gpt",
        started_ns=now - 1_000_000,
        ended_ns=now,
        resource={"service.name": "shop"},
    )
    return structs.replace(plain, **changes)


def post(live: LiveServer, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    address = urlsplit(live.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    try:
        connection.request("POST", path, body, {"authorization": f"Bearer {KEY}", **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read()
    finally:
        connection.close()


def seen(live: LiveServer, trace: int) -> Mapping[str, object]:
    return json.loads(live.get(f"/api/v1/traces/{trace:032x}")[2])["trace"]


def test_spans_in_protobuf_and_gzip_are_seen_as_soon_as_they_are_acknowledged(live: LiveServer) -> None:
    body = gzip.compress(otlp_protobuf.write([told(1, 1), told(1, 2, parent_id=f"{1:016x}", name="step")]))
    status, media_type, answer = post(
        live, "/v1/traces", body, {"content-type": f"{PROTOBUF}; charset=utf-8", "content-encoding": "gzip"}
    )
    assert (status, media_type, answer) == (200, PROTOBUF, b"")
    assert (seen(live, 1)["span_count"], seen(live, 1)["name"]) == (2, "chat gpt")
    assert "switchgear_spans_taken" in live.get("/metrics")[2].decode()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/traces",
        "/otel",
        "/otel/v1/traces",
        "/api/public/otel/v1/traces",
        "/api/v1/private/otel",
        "/api/v1/private/otel/v1/traces",
        "/api/otlp/v1/traces",
    ],
)
def test_every_vendors_path_takes_spans_in_json(live: LiveServer, path: str) -> None:
    trace = 100 + sum(path.encode())
    status, media_type, answer = post(live, path, otlp_json.write([told(trace)]), {"content-type": JSON})
    assert (status, media_type, answer) == (200, JSON, b"{}")
    assert seen(live, trace)["span_count"] == 1


def test_a_wrong_key_is_refused_in_the_form_of_the_request(live: LiveServer) -> None:
    headers = {"authorization": "Bearer wrong", "content-type": PROTOBUF}
    status, media_type, answer = post(live, "/v1/traces", otlp_protobuf.write([told(2)]), headers)
    assert (status, media_type, answer[:2]) == (401, PROTOBUF, b"\x08\x10")


def test_a_bad_span_is_refused_and_the_rest_is_kept(live: LiveServer) -> None:
    spans = [told(3, 1), told(3, 2, started_ns=5), told(3, 3)]
    status, _, answer = post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert (status, partial.rejected_spans) == (200, 1)
    assert "bad_times" in partial.error_message
    assert seen(live, 3)["span_count"] == 2


def command(live: LiveServer, *arguments: str) -> str:
    """What ``switchgear`` prints."""
    finished = answered(live, "", *arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def answered(live: LiveServer, answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What becomes of ``switchgear`` when somebody types an answer."""
    return subprocess.run(
        [sys.executable, "-m", "switchgear", *arguments, "--url", live.url],
        env={"HOME": str(live.directory), "PYTHONPATH": str(SOURCES)},
        input=answer,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_the_command_line_lists_sessions_and_end_users_with_their_totals(live: LiveServer) -> None:
    named = {"session.id": "s-1", "user.id": "ada"}
    assert (
        post(live, "/v1/traces", otlp_protobuf.write([told(9, 1, attributes=named)]), {"content-type": PROTOBUF})[0]
        == 200
    )
    assert command(live, "traces", "sessions", "--user", "ada").splitlines()[1].split()[:4] == ["s-1", "1", "1", "1"]
    listed = {each["id"]: each for each in json.loads(command(live, "traces", "end-users", "--json"))}
    assert (listed["ada"]["sessions"], listed["ada"]["spans"]) == (1, 1)
    assert "Spans name no session." in command(live, "traces", "sessions", "--user", "eve")


def test_the_command_line_finds_a_trace_and_shows_its_spans_as_a_tree(live: LiveServer) -> None:
    spans = [told(4, 1, name="plan a heist"), told(4, 2, name="think", parent_id=f"{1:016x}")]
    assert post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0] == 200
    assert f"{4:032x}" in command(live, "traces", "search", "heist", "--since", "10m")
    assert "No trace fits." in command(live, "traces", "search", "heist", "--failed")
    shown = command(live, "traces", "show", f"{4:032x}").splitlines()
    assert shown[0].startswith("plan a heist: ")
    assert [line.split("  ")[1] for line in shown[2:3]] == ["plan a heist"]
    assert shown[3].startswith("    think ")
    whole = json.loads(command(live, "traces", "show", f"{4:032x}", "--span", f"{2:016x}"))
    assert (whole["span"]["name"], whole["resource"]) == ("think", {"service.name": "shop"})


def test_the_command_line_says_why_spans_failed_and_why_a_question_has_no_answer(live: LiveServer) -> None:
    failing = told(40, 1, name="fetch", status="error", status_message="no\nroute")
    assert post(live, "/v1/traces", otlp_protobuf.write([failing]), {"content-type": PROTOBUF})[0] == 200
    shown = command(live, "traces", "show", f"{40:032x}").splitlines()
    assert [line.split() for line in shown[3:]] == [["id", "why"], [f"{1:016x}", "no", "route"]]
    assert "`traces.capture`" in command(live, "traces", "search", "platypus")
    for asked, said in (
        (("show", "abc"), "error: 404: there is no trace 'abc'"),
        (("search", "--where", "{"), "error: 400: the filter cannot be read: Input data was truncated"),
        (
            ("export", "--output", "/nowhere/at.all"),
            "error: /nowhere/at.all cannot be written: No such file or directory",
        ),
    ):
        assert answered(live, "", "traces", *asked).stderr.strip() == said


def test_a_saved_view_is_asked_by_its_name(live: LiveServer) -> None:
    spans = [told(trace, name=name, status=status) for trace, name, status in VIEWED]
    assert post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0] == 200
    view = {"spec": {"since": "10m", "where": {"type": "starts_with", "field": "name", "prefix": "viewed"}}}
    headers = {"content-type": JSON, "if-none-match": "*"}
    asked = Request(f"{live.url}/api/v1/views/default/mine", json.dumps(view).encode(), headers, method="PUT")
    with urlopen(asked, timeout=20) as answer:
        assert answer.status == 201
    found = json.loads(command(live, "traces", "search", "--view", "mine", "--json"))
    assert sorted(row["name"] for row in found) == ["viewed one", "viewed two"]
    found = json.loads(command(live, "traces", "search", "--view", "default/mine", "--failed", "--json"))
    assert [row["name"] for row in found] == ["viewed two"]


def test_the_command_line_deletes_a_trace_and_what_is_left_of_its_user(live: LiveServer) -> None:
    spans = [told(trace, attributes={"user.id": "mallory"}) for trace in (5, 6, 7)]
    assert post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0] == 200
    assert "Deleted: 1 traces, 1 spans" in command(live, "traces", "delete", f"{5:032x}", "--yes")
    assert json.loads(command(live, "traces", "delete", "--user", "mallory", "--yes", "--json"))["traces"] == 2
    assert "Nothing was there" in command(live, "traces", "delete", "--user", "mallory", "--yes")


def test_nothing_is_deleted_before_somebody_says_that_they_mean_it(live: LiveServer) -> None:
    spans = [told(30, attributes={"user.id": "peggy"})]
    assert post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0] == 200
    for answer in ("n\n", ""):
        refused = answered(live, answer, "traces", "delete", "--user", "peggy")
        assert (refused.returncode, refused.stdout.strip()) == (1, "")
        assert "Delete every trace of user 'peggy', for good? [y/N]" in refused.stderr
        assert seen(live, 30)["user"] == "peggy"
    meant = answered(live, "y\n", "traces", "delete", f"{30:032x}", "--project", "default")
    assert meant.returncode == 0
    assert f"Delete trace {30:032x} in project 'default', for good?" in meant.stderr
    assert "Deleted: 1 traces, 1 spans" in meant.stdout


def test_the_command_line_exports_whole_spans_as_lines_and_as_columns(live: LiveServer, tmp_path: Path) -> None:
    spans = [told(8, span, attributes={"user.id": "trudy", "step": 'say \\N, "it"'}) for span in range(1, 4)]
    assert post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0] == 200
    where = json.dumps({"type": "compare", "field": "user", "value": "trudy"})
    lines, columns = tmp_path / "spans.jsonl", tmp_path / "spans.parquet"
    assert "3 spans" in command(live, "traces", "export", "--since", "10m", "--where", where, "--output", str(lines))
    told_lines = [json.loads(line) for line in lines.read_text().splitlines()]
    assert sorted(line["span"]["span_id"] for line in told_lines) == [f"{span:016x}" for span in range(1, 4)]
    command(live, "traces", "export", "--where", where, "--format", "parquet", "--output", str(columns))
    with duckdb.connect() as database:
        rows = database.execute(f"SELECT span_id, \"user\", attributes FROM '{columns}' ORDER BY span_id").fetchall()
    assert [(span, user) for span, user, _ in rows] == [(f"{span:016x}", "trudy") for span in range(1, 4)]
    assert json.loads(rows[0][2]) == told_lines[0]["attributes"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["spans.jsonl", "spans.parquet"]


def asked(trace: int, hours_ago: int, words: str, tokens: int) -> ToldSpan:
    """A call of a model."""
    began_ns = SystemClock().wall_ns() - hours_ago * 3_600_000_000_000
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": words}]}])
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "drifting",
        "gen_ai.usage.input_tokens": tokens + trace % 9,
        "gen_ai.input.messages": said,
    }
    failed = hours_ago < 2 and trace % 5 == 0
    status = "error" if failed else "ok"
    return told(trace, 1, started_ns=began_ns, ended_ns=began_ns + 1, attributes=attributes, status=status)


def test_the_command_line_tells_that_what_users_send_has_changed(live: LiveServer) -> None:
    before = [asked(10_000 + number, 30, "what is the weather in the city", 20) for number in range(500)]
    now = [asked(20_000 + number, 1, "wie ist das wetter in der stadt", 60) for number in range(500)]
    for spans in (before, now):
        assert post(live, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0] == 200
    report = json.loads(command(live, "drift", "check", "--model", "drifting", "--json"))["report"]
    (compared,) = report["compared"]
    verdicts = {result["monitor"]: result["verdict"] for result in compared["results"]}
    assert compared["drifted"]
    assert (verdicts["length"], verdicts["language"], verdicts["tools"]) == ("drift", "drift", "off")
    assert (verdicts["errors"], verdicts["refusals"]) == ("drift", "off")
    shown = command(live, "drift", "check", "--model", "drifting")
    assert "drifting: drift (500 calls, 500 before)" in shown
    assert "no spans of tools were told" in shown
    listed = command(live, "drift", "list", "--drifted").splitlines()
    assert [line.split()[2:4] for line in listed[1:]] == [["local:local", "drifting"]] * 2


def test_the_command_line_lists_comments_and_makes_them(live: LiveServer) -> None:
    trace, span = f"{40:032x}", f"{1:016x}"
    command(live, "traces", "comments", trace, "--span", span, "--say", "Why so [slow]?")
    answered(live, "It was\nthe disk.\n", "traces", "comments", trace, "--say", "-")
    listed = json.loads(command(live, "traces", "comments", trace, "--json"))
    assert [(each["text"], each["span_id"]) for each in listed] == [("It was\nthe disk.", ""), ("Why so [slow]?", span)]
    shown = command(live, "traces", "comments", trace, "--span", span)
    assert "Why so [slow]?" in shown
    assert f"{trace}/{span}" in shown
