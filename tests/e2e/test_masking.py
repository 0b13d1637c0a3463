"""What masks find is nowhere in what a live server keeps: neither of its own calls nor of spans that are sent to it."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import pytest

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.span import ToldSpan
from switchgear.wire import otlp_protobuf
from tests.e2e.live import CONFIG, KEY, LiveServer

MASKED: Final = "traces: {{capture: full, masks: {{mail: {{find: email}}, order: {{pattern: 'ORD-[0-9]+'}}}}}}\n"
ADDRESS: Final = "joe@example.com"
SAID: Final = f"I am {ADDRESS} and wait for ORD-77"
SEEN_WITHIN_SECONDS: Final = 20.0


@pytest.fixture(scope="module")
def masking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose spans are masked."""
    with LiveServer(tmp_path_factory.mktemp("masking"), CONFIG + MASKED) as server:
        yield server


def posted(server: LiveServer, path: str, body: bytes, media_type: str) -> Mapping[str, str]:
    headers = {"authorization": f"Bearer {KEY}", "content-type": media_type}
    with urlopen(Request(server.url + path, body, headers), timeout=20) as answer:
        return dict(answer.headers)


def spans(server: LiveServer, word: str) -> str:
    """All spans of the traces in which a word is found, as soon as there are any."""
    deadline = time.monotonic() + SEEN_WITHIN_SECONDS
    while time.monotonic() < deadline:
        found = json.loads(server.get(f"/api/v1/traces?text={word}")[2])["data"]
        if found:
            return server.get(f"/api/v1/traces/{found[0]['trace_id']}")[2].decode()
    raise AssertionError(f"no trace of {word} within {SEEN_WITHIN_SECONDS} s")


def test_calls_of_the_gateway_are_kept_without_what_masks_find(masking: LiveServer) -> None:
    chat = {"model": "echo", "messages": [{"role": "user", "content": f"elephant: {SAID}"}]}
    posted(masking, "/v1/chat/completions", json.dumps(chat).encode(), "application/json")
    kept = spans(masking, "elephant")
    assert "I am [mail] and wait for [order]" in kept
    assert ADDRESS not in kept


def test_spans_that_are_sent_are_kept_without_it_and_nobody_finds_them_by_it(masking: LiveServer) -> None:
    now = SystemClock().wall_ns()
    told = ToldSpan(
        trace_id="ab" * 16,
        span_id="cd" * 8,
        name=f"giraffe for {ADDRESS}",
        started_ns=now,
        ended_ns=now,
        attributes={"input.value": f"giraffe: {SAID}", "contact": {"mail": ADDRESS}},
    )
    posted(masking, "/v1/traces", otlp_protobuf.write([told]), "application/x-protobuf")
    assert ADDRESS not in spans(masking, "giraffe")
    assert json.loads(masking.get("/api/v1/traces?text=joe")[2])["data"] == []
    assert 'switchgear_span_values_masked_total{mask="mail"}' in masking.get("/metrics")[2].decode()


def test_nothing_of_it_is_in_the_store_s_files(masking: LiveServer) -> None:
    files = [*Path(masking.directory / "switchgear-data").glob("traces.db*")]
    assert files
    assert not any(ADDRESS.encode() in file.read_bytes() for file in files)
