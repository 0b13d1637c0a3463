"""The disk under a live server fills with spans: they are turned away for a while, and what was taken stays."""

import http.client
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from numpy.random import default_rng

from switchgear.wire import otlp_protobuf
from tests.e2e.live import CONFIG, KEY, LiveServer
from tests.e2e.test_traces import PROTOBUF, told

SIZE = 12 * 1024 * 1024
ROOM_LATER = 6 * 1024 * 1024
SPANS = 20
CALL = b'{"model": "echo", "messages": [{"role": "user", "content": "still there?"}]}'


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


class Sent(NamedTuple):
    trace_id: str
    status: int
    retry_after: str


class Client:
    """Of one server."""

    def __init__(self, server: LiveServer) -> None:
        self._address = urlsplit(server.url)
        self._draw = default_rng(7)
        self._next = 0

    def trace(self) -> Sent:
        """Send a new trace of text that cannot be made small."""
        self._next += 1
        text = self._draw.bytes(4_000).hex()
        spans = [told(self._next, n, attributes={"input.value": f"{n} {text}"}) for n in range(1, SPANS + 1)]
        status, later = self._post("/v1/traces", otlp_protobuf.write(spans), PROTOBUF)
        return Sent(spans[0].trace_id, status, later)

    def call(self) -> int:
        """Call a model: the status."""
        return self._post("/v1/chat/completions", CALL, "application/json")[0]

    def _post(self, path: str, body: bytes, media_type: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=20)
        try:
            connection.request("POST", path, body, {"authorization": f"Bearer {KEY}", "content-type": media_type})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("retry-after", "")
        finally:
            connection.close()


def fill(disk: Path) -> None:
    """Take what room is left."""
    with (disk / "rest").open("wb", buffering=0) as file:
        for size in (65_536, 4_096):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def kept(disk: Path) -> dict[str, int]:
    """Spans of each trace that was sent, in a file that is whole; calls have ids of their own."""
    connection = sqlite3.connect(disk / "switchgear-data" / "traces.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counted = "SELECT trace_id, count(*) FROM spans JOIN traces ON traces.id = spans.trace GROUP BY trace_id"
        found: list[tuple[str, int]] = connection.execute(counted).fetchall()
        return {trace_id: count for trace_id, count in found if trace_id.startswith("0" * 16)}
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("when_full", "status"), [pytest.param("refuse", 503, marks=pytest.mark.long), ("continue", 200)]
)
def test_a_full_disk_turns_spans_away_and_takes_them_again_when_there_is_room(
    small_disk: Path, when_full: str, status: int
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(ROOM_LATER))
    taken: list[str] = []
    config = CONFIG.replace("directory: {journal}", f"directory: {{journal}}, when_full: {when_full}")
    with LiveServer(small_disk, config) as server:
        client = Client(server)
        while (answer := client.trace()).status == 200:
            taken.append(answer.trace_id)
        assert answer.status == 503
        assert int(answer.retry_after) >= 1
        fill(small_disk)
        while client.call() != status:
            pass
        assert client.trace().status == 503
        ballast.unlink()
        while (answer := client.trace()).status != 200:
            assert answer.status == 503
        taken.append(answer.trace_id)
        while client.call() != 200:
            pass
        server.stop()
    assert kept(small_disk) == dict.fromkeys(taken, SPANS)
