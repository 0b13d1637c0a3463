"""A large file goes through a live gateway without staying there."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest

from tests.e2e.live import KEY, LiveServer, records

MEBIBYTE = 1024 * 1024
SIZE = 64 * MEBIBYTE
CONFIG = """
server: {{port: 0, drain_seconds: 5, max_body_bytes: 1048576}}
journal: {{directory: {journal}}}
state: {{directory: {state}}}
keys:
  - {{name: tester, key: {key}}}
providers:
  vendor: {{kind: openai_compatible, base_url: "http://127.0.0.1:VENDOR_PORT/v1"}}
"""


class Vendor(BaseHTTPRequestHandler):
    """Reads a file without keeping it and says how long it was."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = length = int(self.headers["content-length"])
        while left:
            left -= len(self.rfile.read(min(left, MEBIBYTE)))
        answer = b'{"id":"file-1","object":"file","bytes":%d,"created_at":1,"filename":"f","purpose":"batch"}' % length
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def vendor_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Vendor) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def memory_kibibytes(pid: int, what: str) -> int:
    """A line of the kernel's account of a process's memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


def test_an_upload_of_64_mebibytes_takes_little_memory(tmp_path: Path, vendor_port: int) -> None:
    config = CONFIG.replace("VENDOR_PORT", str(vendor_port))
    with (
        LiveServer(tmp_path, config) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client,
    ):
        client.files.create(file=("small", b"x"), purpose="batch")
        (pid,) = server.gateway_pids()
        before = memory_kibibytes(pid, "VmRSS")
        made = client.files.create(file=("large", bytes(SIZE)), purpose="batch")
        assert made.bytes > SIZE
        assert memory_kibibytes(pid, "VmHWM") - before < 16 * 1024
        assert records(server)[-1].request_bytes == made.bytes
