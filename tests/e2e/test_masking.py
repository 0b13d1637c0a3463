"""What masks find is nowhere in what a live server keeps: neither of its own calls nor of spans that are sent to it."""

import json
import time
from collections.abc import Iterator, Mapping
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
    """Under the key at a door; as the machine's owner at the management API."""
    of_owner = path.startswith("/api/v1/")
    headers = {"content-type": media_type, **({} if of_owner else {"authorization": f"Bearer {KEY}"})}
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


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/public/scores", {"name": "helpful", "value": 1, "traceId": "ab" * 16}),
        ("/api/v1/scores", {"name": "kind", "number": 1, "trace_id": "ab" * 16, "project": "default"}),
    ],
)
def test_what_is_said_of_a_trace_is_masked_too(masking: LiveServer, path: str, fields: dict[str, object]) -> None:
    body = json.dumps({**fields, "comment": f"said {ADDRESS}"}).encode()
    posted(masking, path, body, "application/json")
    shown = json.loads(masking.get("/api/v1/scores?project=default")[2])["data"]
    assert [score["comment"] for score in shown if score["name"] == fields["name"]] == ["said [mail]"]


def test_a_comment_is_masked(masking: LiveServer) -> None:
    body = json.dumps({"project": "default", "session": "s-1", "text": f"ask {ADDRESS}"}).encode()
    posted(masking, "/api/v1/comments", body, "application/json")
    (comment,) = json.loads(masking.get("/api/v1/comments?project=default&session=s-1")[2])["data"]
    assert comment["text"] == "ask [mail]"


def test_nothing_of_it_is_in_the_store_s_files(masking: LiveServer) -> None:
    files = [*(masking.directory / "switchgear-data").glob("*.db*")]
    assert files
    assert not any(ADDRESS.encode() in file.read_bytes() for file in files)
