"""Spans that come over gRPC to a live server: by the stock exporter, and by a collector."""

import contextlib
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

pytest.importorskip("grpc", reason="needs grpcio, the extra 'grpc'")

from switchgear.wire import otlp_protobuf
from tests.certificates import Certificate
from tests.e2e.live import CONFIG, KEY, READING_KEY, LiveServer
from tests.e2e.test_span_export import collector, free_port, met, rotel, span
from tests.e2e.test_traces import PROTOBUF
from tests.traces.doors.stand import run_program


class Served(LiveServer):
    """One with the door for gRPC, at any free port, which its log tells."""

    @property
    def grpc(self) -> str:
        """Its address."""
        found = re.search(r"by OTLP over gRPC at (\S+), port (\d+)", (self.directory / "stderr.log").read_text())
        assert found is not None
        return f"{found[1]}:{found[2]}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Shared by all tests here."""
    with Served(tmp_path_factory.mktemp("grpc"), CONFIG + "traces: {{grpc: {{port: 0}}}}\n") as made:
        yield made


def count(server: Served, **wanted: str) -> int:
    [(field, value)] = wanted.items()
    where = json.dumps({"type": "compare", "field": field, "value": value})
    status, _, body = server.get("/api/v1/spans?" + urlencode({"where": where, "limit": 100}))
    assert status == 200, body
    return len(json.loads(body)["data"])


async def test_the_stock_exporter_sends_its_spans_by_grpc_and_twice_is_once(server: Served) -> None:
    await run_program("otlp_grpc.py", server.url, SWITCHGEAR_KEY=KEY, SWITCHGEAR_GRPC=server.grpc)
    assert count(server, service="by-grpc") == 51


async def test_phoenix_own_set_up_sends_by_grpc_where_nothing_else_is_said(server: Served) -> None:
    port = server.grpc.rpartition(":")[2]
    variables = {"PHOENIX_COLLECTOR_ENDPOINT": server.url, "PHOENIX_GRPC_PORT": port, "PHOENIX_API_KEY": READING_KEY}
    assert "Transport: gRPC" in await run_program("phoenix_otel.py", server.url, **variables)


async def test_over_tls_the_stock_exporter_sends_and_a_certificate_that_is_written_anew_is_taken_up(
    tmp_path: Path,
) -> None:
    config = CONFIG + f"traces: {{{{grpc: {{{{port: 0, tls: {{{{certificate: {place(tmp_path / 'tls.crt')}, "
    config += f"key: {place(tmp_path / 'tls.key')}}}}}}}}}}}}}\n"
    first, second = Certificate("the first authority"), Certificate("the second authority")
    write(tmp_path, Certificate("door", first))
    with Served(tmp_path, config) as server:
        await send_over_tls(server, first)
        assert count(server, service="by-grpc") == 51
        write(tmp_path, Certificate("door", second))
        await met(lambda: shown(server) == (tmp_path / "tls.crt").read_text())
        await send_over_tls(server, second)
        assert count(server, service="by-grpc") == 100  # a page's most


def place(path: Path) -> str:
    """A reference to a file, in a text that braces are doubled in."""
    return f'"${{{{file:{path}}}}}"'


def write(folder: Path, certificate: Certificate) -> None:
    """Replace a certificate and its key, one after the other as agents do."""
    for name, content in (("tls.crt", certificate.pem), ("tls.key", certificate.key())):
        (folder / f"{name}.new").write_bytes(content)
        (folder / f"{name}.new").rename(folder / name)


def shown(server: Served) -> str:
    """The certificate that a connection is shown now."""
    host, _, port = server.grpc.rpartition(":")
    return ssl.get_server_certificate((host, int(port)))


async def send_over_tls(server: Served, authority: Certificate) -> None:
    path = server.directory / "authority.pem"
    path.write_bytes(authority.pem)
    at = f"https://localhost:{server.grpc.rpartition(':')[2]}"
    environ = {"SWITCHGEAR_GRPC": at, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(path)}
    await run_program("otlp_grpc.py", server.url, SWITCHGEAR_KEY=KEY, **environ)


async def test_a_collector_sends_on_by_grpc(server: Served, tmp_path: Path) -> None:
    program, entry, log = rotel(), free_port(), tmp_path / "rotel.log"
    body = otlp_protobuf.write([span(1, resource={"service.name": "by-collector"})])

    def sent() -> bool:
        with contextlib.suppress(httpx.TransportError):  # while it starts
            answer = httpx.post(f"http://127.0.0.1:{entry}/v1/traces", content=body, headers={"content-type": PROTOBUF})
            return answer.status_code == 200
        return False

    with collector(program, entry, f"http://{server.grpc}", log, key=KEY, protocol="grpc"):
        await met(sent)
        await met(lambda: count(server, service="by-collector") == 1)
