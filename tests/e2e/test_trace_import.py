"""``switchgear traces import`` against a live server: what was exported, and what collectors wrote into files."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from switchgear.wire import otlp_json, otlp_protobuf
from tests.e2e.live import CONFIG, KEY, SOURCES, LiveServer
from tests.e2e.test_span_export import span
from tests.e2e.test_traces import PROTOBUF

SPANS = [span(number, attributes={"gen_ai.usage.cost": 0.25, "number": number}) for number in range(1, 511)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Shared by all tests here; the project ``default`` has all spans."""
    with LiveServer(tmp_path_factory.mktemp("import"), CONFIG) as made:
        headers = {"content-type": PROTOBUF, "authorization": f"Bearer {KEY}"}
        answer = httpx.post(f"{made.url}/v1/traces", content=otlp_protobuf.write(SPANS), headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
        yield made


def traces(url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of the group, in a process of its own."""
    command = [sys.executable, "-m", "switchgear", "traces", *map(str, arguments), "--url", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(SOURCES)})


def exported(server: LiveServer, project: str, folder: Path) -> list[dict[str, Any]]:
    path = folder / f"of-{project}.jsonl"
    assert traces(server.url, "export", "--project", project, "--output", path).returncode == 0
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def sent(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The spans of the project ``default``, as they are exported."""
    return exported(server, "default", tmp_path_factory.mktemp("sent"))


def at_home(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same spans as those of the project that they came from."""
    return [{**line, "span": {**line["span"], "project": "default"}} for line in lines]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_what_was_exported_is_imported_as_it_was_and_twice_is_once(
    server: LiveServer, sent: list[dict[str, Any]], tmp_path: Path, form: str
) -> None:
    if form == "parquet":
        pytest.importorskip("duckdb", reason="needs DuckDB, the extra 'duckdb'")
    file = tmp_path / f"spans.{form}"
    assert traces(server.url, "export", "--format", form, "--output", file).returncode == 0
    for told in (f"{len(SPANS)} spans are new, 0 were known.\n", f"0 spans are new, {len(SPANS)} were known.\n"):
        done = traces(server.url, "import", file, "--project", f"from-{form}")
        assert (done.returncode, done.stdout) == (0, told), done.stderr
    assert at_home(exported(server, f"from-{form}", tmp_path)) == sent


def test_what_collectors_write_is_imported_whatever_its_form(
    server: LiveServer, sent: list[dict[str, Any]], tmp_path: Path
) -> None:
    lines = b"".join(otlp_json.write(SPANS[at : at + 50]) + b"\n" for at in range(0, 300, 50))
    message = otlp_protobuf.write(SPANS[300:400])
    packed = zstandard.compress(otlp_protobuf.write(SPANS[400:]))
    (tmp_path / "lines.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "one.binpb").write_bytes(message)
    framed = b"".join(len(each).to_bytes(4, "big") + each for each in (message, packed))
    (tmp_path / "many.binpb").write_bytes(framed)
    files = [tmp_path / name for name in ("lines.jsonl.gz", "one.binpb", "many.binpb")]
    done = traces(server.url, "import", *files, "--project", "collected", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"new": len(SPANS), "known": 100, "refused": {}}
    # Files tell no virtual key under which spans came.
    keyless = [{**line, "span": {k: v for k, v in line["span"].items() if k != "key"}} for line in sent]
    assert at_home(exported(server, "collected", tmp_path)) == keyless


def test_what_cannot_be_kept_is_counted_with_its_place_and_the_exit_status_says_so(
    server: LiveServer, tmp_path: Path
) -> None:
    early = otlp_json.write([SPANS[0], span(900, started_ns=1)])
    (tmp_path / "mixed.jsonl").write_bytes(b'%b\nno JSON\n\n{"neither": 1}\n{"span": {"name": "x"}}\n' % early)
    done = traces(server.url, "import", tmp_path / "mixed.jsonl", "--project", "mixed")
    assert done.returncode == 1
    assert done.stdout.startswith("1 spans are new, 0 were known.\n")
    assert f"bad_times   1      {tmp_path}/mixed.jsonl:1: the span began before" in done.stdout
    assert f"unreadable  3      {tmp_path}/mixed.jsonl:2: the line is no JSON" in done.stdout
    again = traces(server.url, "import", tmp_path / "mixed.jsonl", "--project", "mixed", "--json")
    told = json.loads(again.stdout)
    assert (told["known"], told["refused"]["unreadable"]["count"]) == (1, 3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x00\x00\x09short", "is neither lines of JSON, Parquet nor OTLP"),
        (b"PAR1 and nothing", "no Parquet of an export"),
        (b"\x1f\x8b nothing", "cannot be read"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "cannot be read"),
        (gzip.compress(b'{"span":{}}' * 50, mtime=0)[:-12], "ends before it is complete"),
        (zstandard.compress(b"")[:4] + b"\xff" * 20, "cannot be read"),
        (zstandard.compress(b'{"span":{}}' * 50)[:-4], "ends before it is complete"),
        (None, "No such file"),
    ],
    ids=["no form", "no Parquet", "no gzip", "broken gzip", "short gzip", "broken zstd", "short zstd", "no file"],
)
def test_a_file_of_no_form_is_told_and_nothing_is_taken(
    server: LiveServer, tmp_path: Path, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    done = traces(server.url, "import", tmp_path / "file", "--project", "nothing")
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert "0 spans are new and 0 were known until here" in done.stderr


def test_a_gateway_that_is_not_there_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(otlp_json.write(SPANS[:1]))
    done = traces("127.0.0.1:1", "import", tmp_path / "file")
    assert done.returncode == 1
    assert "is `switchgear serve` running?" in done.stderr
