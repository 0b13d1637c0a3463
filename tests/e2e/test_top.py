"""``switchgear top`` before a live server: what it reads there is what was called meanwhile."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.request import Request, urlopen

import pytest

from tests.e2e.live import KEY, SOURCES, LiveServer

MODEL = "sim/length"
"""Called by no other test."""
MESSAGES = [{"role": "user", "content": "how are you?"}]


class BetweenReadings(BaseHTTPRequestHandler):
    """Passes the server's own metrics on; what is asked for second has the calls that were made after the first."""

    live: LiveServer
    readings = 0

    def do_GET(self) -> None:
        """A reading."""
        kind = type(self)
        kind.readings += 1
        if kind.readings > 1:
            before = counted(self.live)
            for stream in (False, True):
                call(self.live, stream)
            while counted(self.live) < before + 2:
                Event().wait(0.02)
        _, _, page = self.live.get(self.path)
        self.send_response(200)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def call(live: LiveServer, stream: bool) -> None:
    body = json.dumps({"model": MODEL, "messages": MESSAGES, "stream": stream}).encode()
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    with urlopen(Request(f"{live.url}/v1/chat/completions", body, headers), timeout=10) as answer:
        answer.read()


def counted(live: LiveServer) -> float:
    """Calls whose ends the metrics tell."""
    series = f'switchgear_call_duration_seconds_count{{door="openai",model="{MODEL}"}} '
    lines = live.get("/metrics")[2].decode().splitlines()
    return sum(float(line.removeprefix(series)) for line in lines if line.startswith(series))


@contextmanager
def between(live: LiveServer) -> Generator[str]:
    """The address to read at."""
    handler = type("Handler", (BetweenReadings,), {"live": live})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def top(live: LiveServer, *arguments: str) -> str:
    """What it prints."""
    with between(live) as url:
        command = [sys.executable, "-m", "switchgear", "top", "--url", url, "--every", "0.2", *arguments]
        environ = {"HOME": str(live.directory), "PYTHONPATH": str(SOURCES), "COLUMNS": "200"}
        done = subprocess.run(
            command, cwd=live.directory, env=environ, capture_output=True, text=True, check=False, timeout=50
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_top_tells_the_calls_that_a_live_server_answered_between_its_readings(live: LiveServer) -> None:
    told = json.loads(top(live, "--json"))
    (model,) = (each for each in told["models"] if each["model"] == MODEL)
    (deployment,) = (each for each in told["deployments"] if each["deployment"] == MODEL)

    def number(rate: float) -> float:
        return rate * told["seconds"]

    assert number(model["calls"]) == pytest.approx(2)
    assert number(model["input_tokens"]) == pytest.approx(6)
    assert number(model["output_tokens"]) == pytest.approx(32)
    assert (model["failed"], model["limited"], model["rescued"]) == (0, 0, 0)
    assert min(model["first_token_p50_seconds"], model["duration_p95_seconds"], told["overhead_p95_seconds"]) > 0
    assert (deployment["state"], deployment["errors"]) == ("closed", 0)
    assert number(deployment["attempts"]) == pytest.approx(2)


def test_top_draws_them_once_where_it_is_asked_to(live: LiveServer) -> None:
    lines = top(live, "--once").splitlines()
    assert "calls/s over" in lines[0]
    model, deployment = (line.split() for line in lines if line.split()[:1] == [MODEL])
    assert float(model[1]) > 0
    assert deployment[1] == "closed"
