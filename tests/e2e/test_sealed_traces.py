"""Spans that were sealed, asked for at a live server: nothing shows of it; without DuckDB, its name does."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from switchgear.app.spans import open_sqlite
from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.span import Content, Span, ToldSpan
from switchgear.wire import otlp_protobuf
from tests.e2e.live import CONFIG, DATABASE, SOURCES, LiveServer
from tests.e2e.test_traces import JSON, PROTOBUF, command, post, seen, told

TRACES = 8


def spans_of(trace: int) -> list[Span]:
    """A call of a model below a step, by a user of its own."""
    now = SystemClock().wall_ns()
    step = Span(
        project="default",
        trace_id=f"{trace:032x}",
        span_id=f"{1:016x}",
        name="plan",
        started_ns=now - 1_000_000,
        ended_ns=now,
    )
    call = Span(
        project="default",
        trace_id=step.trace_id,
        span_id=f"{2:016x}",
        parent_id=step.span_id,
        kind="llm",
        name="chat deep",
        model="deep",
        user=f"user {trace}",
        started_ns=now - 900_000,
        ended_ns=now,
        usage=Usage(input=10 + trace, output=1),
        input=Content(parts=(f'"word{trace} of the sea"'.encode(),)),
    )
    return [step, call]


async def keep(directory: Path, *, seal: bool) -> None:
    """Traces 1 to 8, as a control process leaves them that sealed them, or did not."""
    store = await open_sqlite(directory / DATABASE.with_name("traces.db"))
    try:
        await store.write([span for trace in range(1, TRACES + 1) for span in spans_of(trace)])
        if seal:
            await store.seal(1, 1)
    finally:
        await store.aclose()


def send(server: LiveServer, spans: list[ToldSpan]) -> int:
    return post(server, "/v1/traces", otlp_protobuf.write(spans), {"content-type": PROTOBUF})[0]


def run(directory: Path, *arguments: str, path: str = str(SOURCES)) -> tuple[int, str]:
    """What ``switchgear`` says, and its status."""
    finished = subprocess.run(
        [sys.executable, "-m", "switchgear", *arguments, "--config", str(directory / "switchgear.yaml")],
        env={"HOME": str(directory), "PYTHONPATH": path},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    return finished.returncode, finished.stdout + finished.stderr


def ask(server: LiveServer, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(server.url + path, data, {"content-type": JSON}, method=method)
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except HTTPError as error:
        return error.code, json.loads(error.read())


def names(server: LiveServer, query: str) -> list[str]:
    status, answer = ask(server, "GET", f"/api/v1/traces?{query}")
    assert status == 200, answer
    return [row["trace_id"] for row in answer["data"]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all traces are sealed, and no process runs; what a test says of a trace changes no other's."""
    directory = tmp_path_factory.mktemp("sealed")
    LiveServer(directory).write_config(CONFIG)
    asyncio.run(keep(directory, seal=False))
    assert run(directory, "traces", "seal") == (0, f"{2 * TRACES} spans were sealed\n")
    return directory


@pytest.fixture(scope="module")
def sealed(kept: Path) -> Iterator[LiveServer]:
    with LiveServer(kept) as server:
        yield server


def test_a_sealed_trace_is_listed_found_by_words_and_shown(sealed: LiveServer) -> None:
    wanted = f"{1:032x}"
    assert wanted in names(sealed, "limit=100")
    assert names(sealed, "text=word1") == [wanted]
    assert names(sealed, "user=user%201") == [wanted]
    assert wanted in command(sealed, "traces", "search", "word1", "--since", "1h")
    shown = command(sealed, "traces", "show", wanted).splitlines()
    assert shown[0].startswith("plan: ")
    assert shown[3].startswith("    chat deep ")
    whole = json.loads(command(sealed, "traces", "show", wanted, "--span", f"{2:016x}"))
    assert whole["span"]["usage"]["input"] == 11
    assert "word1 of the sea" in json.dumps(whole["input"])


def test_sealed_spans_are_measured(sealed: LiveServer) -> None:
    question = {
        "measures": [{"reduction": "quantile", "field": "input_tokens", "q": 0.5}, {"reduction": "count"}],
        "by": ["user"],
        "where": {"type": "said", "text": "word2 sea"},
    }
    status, answer = ask(sealed, "POST", "/api/v1/metrics/query", question)
    assert status == 200, answer
    assert "user 2" in json.dumps(answer)
    assert "12" in json.dumps(answer)


def test_sealed_spans_are_exported(sealed: LiveServer, tmp_path: Path) -> None:
    where = json.dumps({"type": "compare", "field": "user", "value": "user 3"})
    lines = tmp_path / "spans.jsonl"
    assert "1 spans" in command(sealed, "traces", "export", "--where", where, "--output", str(lines))
    (line,) = [json.loads(line) for line in lines.read_text().splitlines()]
    assert "word3 of the sea" in json.dumps(line["input"])


def test_a_sealed_trace_takes_scores_and_comments(sealed: LiveServer) -> None:
    trace, span = f"{4:032x}", f"{2:016x}"
    score = {"name": "good", "trace_id": trace, "span_id": span, "number": 0.5}
    comment = {"trace_id": trace, "span_id": span, "text": "Well said."}
    assert ask(sealed, "POST", "/api/v1/scores", score)[0] == 201
    assert ask(sealed, "POST", "/api/v1/comments", comment)[0] == 201
    for kind, words in (("scores", "0.5"), ("comments", "Well said.")):
        status, answer = ask(sealed, "GET", f"/api/v1/{kind}?trace_id={trace}")
        assert (status, words in json.dumps(answer)) == (200, True)


def test_a_span_that_comes_late_joins_its_sealed_trace(sealed: LiveServer) -> None:
    late = told(5, 3, parent_id=f"{1:016x}", name="late", status="error")
    assert send(sealed, [late]) == 200
    assert (seen(sealed, 5)["span_count"], seen(sealed, 5)["error_count"]) == (3, 1)
    assert names(sealed, "text=word5") == [f"{5:032x}"]
    assert names(sealed, "status=error") == [f"{5:032x}"]


def test_a_sealed_trace_and_those_of_a_user_are_deleted(sealed: LiveServer) -> None:
    assert "Deleted: 1 traces, 2 spans" in command(sealed, "traces", "delete", f"{6:032x}", "--yes")
    assert "Deleted: 1 traces, 2 spans" in command(sealed, "traces", "delete", "--user", "user 7", "--yes")
    assert {f"{6:032x}", f"{7:032x}"} & set(names(sealed, "limit=100")) == set()
    assert names(sealed, "text=word6") == names(sealed, "text=word7") == []
    assert ask(sealed, "GET", f"/api/v1/traces/{6:032x}")[0] == 404


def test_without_duckdb_what_is_sealed_is_refused_by_name_and_all_else_goes_on(tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "duckdb.py").write_text("raise ImportError('not installed')\n")
    path = f"{tmp_path / 'without'}:{SOURCES}"
    LiveServer(tmp_path).write_config(CONFIG)
    asyncio.run(keep(tmp_path, seal=True))
    before = sorted(tmp_path.rglob("*.parquet"))
    status, said = run(tmp_path, "traces", "seal", path=path)
    assert (status, "pip install 'switchgear[duckdb]'" in said) == (1, True)
    hourly = f"{CONFIG}\ntraces: {{{{seal_after_hours: 1}}}}\n"
    with LiveServer(tmp_path, hourly, {"PYTHONPATH": path}) as server:
        assert len(names(server, "limit=100")) == TRACES
        assert send(server, [told(100, 1, name="new")]) == 200
        assert seen(server, 100)["span_count"] == 1
        whole = f"/api/v1/traces/{1:032x}/spans/{2:016x}"
        for method, asked in (
            ("GET", "/api/v1/traces?text=word1"),
            ("GET", f"/api/v1/traces/{1:032x}"),
            ("GET", whole),
            ("DELETE", "/api/v1/traces?user=user%201"),
        ):
            status, problem = ask(server, method, asked)
            assert (status, "pip install 'switchgear[duckdb]'" in str(problem["detail"])) == (503, True), problem
        assert send(server, [told(1, 3)]) == 200
        server.stop()
        assert "spans of trace" in server.errors()
        assert "closed traces are not sealed" in server.errors()
    assert sorted(tmp_path.rglob("*.parquet")) == before != []
