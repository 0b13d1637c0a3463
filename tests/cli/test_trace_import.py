"""``switchgear traces import`` against a gateway whose store is behind for a while."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from switchgear.cli.trace_asking import Asking
from switchgear.cli.trace_files import Found, spans_in
from switchgear.cli.trace_import import Sender, Tally, batches
from switchgear.kernel.errors import UpstreamRefused
from switchgear.traces.import_api import MOST_BYTES
from tests.traces.spans import told


class Gateway(ThreadingHTTPServer):
    """Answers with each of ``statuses``, then takes everything."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.statuses: list[int] = []
        self.asked: list[str] = []


class Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        gateway = cast("Gateway", self.server)
        gateway.asked.append(self.path)
        self.rfile.read(int(self.headers["content-length"]))
        status = gateway.statuses.pop(0) if gateway.statuses else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"new":1,"known":0,"refused":[]}')

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


SPAN = Found(place="a.jsonl:1", line=b'{"span":{}}')


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_while_the_store_is_behind_the_same_spans_are_sent_again_with_longer_and_longer_pauses(
    gateway: Gateway,
) -> None:
    pauses: list[float] = []
    tally = Tally()
    sender = Sender(Asking(f"http://127.0.0.1:{gateway.server_port}", None, None), "shop", pauses.append)
    gateway.statuses = [503, 503]
    sender.send([SPAN], tally)
    assert (tally.new, pauses) == (1, [1.0, 2.0])
    assert gateway.asked == ["/api/v1/traces/import?project=shop"] * 3
    gateway.statuses = [403]
    with pytest.raises(UpstreamRefused):
        sender.send([SPAN], tally)
    gateway.statuses = [503] * 7
    with pytest.raises(UpstreamRefused):
        sender.send([SPAN], tally)
    assert pauses[2:] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


def test_a_call_takes_spans_of_one_form_and_not_too_many() -> None:
    tally = Tally()
    other = Found(place="b.binpb", told=told())
    broken = Found(place="c", unreadable="broken", count=3)
    large = Found(place="d", line=b"x" * 4_000_000)
    found = [*[SPAN] * 501, other, broken, SPAN, large, large]
    assert [len(some) for some in batches(iter(found), tally)] == [500, 1, 1, 2, 1]
    assert tally.refused["unreadable"].count == 3


def test_a_line_that_no_call_takes_is_refused_with_its_place_and_the_others_are_sent(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    with file.open("wb") as written:
        for line in (SPAN.line, b'{"span":{"name":"%b"}}' % (b"x" * MOST_BYTES), SPAN.line):
            written.write(line + b"\n")
    tally = Tally()
    assert [[each.place for each in some] for some in batches(spans_in(file), tally)] == [[f"{file}:1", f"{file}:3"]]
    refused = tally.refused["too_large"]
    assert (refused.count, refused.first) == (1, f"{file}:2: the span is over {MOST_BYTES} bytes")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_gateway_that_takes_less_gets_fewer_spans_in_a_call_and_one_that_is_too_large_for_it_is_refused(
    gateway: Gateway,
) -> None:
    tally = Tally()
    sender = Sender(Asking(f"http://127.0.0.1:{gateway.server_port}", None, None), "shop")
    gateway.statuses = [413, 413]
    sender.send([SPAN, Found(place="a.jsonl:2", line=SPAN.line), SPAN], tally)
    assert (tally.new, tally.refused["too_large"].count) == (1, 1)
    assert tally.refused["too_large"].first.startswith("a.jsonl:1: ")
