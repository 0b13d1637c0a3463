"""What the fuzz tests share: inputs that are almost requests, and what must hold whatever comes."""

import asyncio
import json
import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from itertools import pairwise

import httptools
from hypothesis import strategies as st

from switchgear.doors.bounds import Bounds
from tests.doors.house import KEY, House, chat, running

HASTY = Bounds(
    max_body_bytes=100_000,
    max_head_bytes=4096,
    max_headers=40,
    max_pipelined=2,
    request_seconds=0.03,
    keepalive_seconds=0.03,
    stalled_seconds=1.0,
)
PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/openai/v1/chat/completions",
    "/anthropic/v1/messages",
    "/v1/responses",
    "/v1/responses/input_tokens",
)


class Answers:
    """Reads what the server sent: the status and the request id of each answer."""

    def __init__(self, data: bytes) -> None:
        self.statuses: list[int] = []
        self.request_ids: list[str] = []
        self.whole = True
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == b"x-request-id":
            self.request_ids.append(value.decode().removeprefix("req_"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 100:
            self.statuses.append(status)

    def on_message_complete(self) -> None:
        self.whole = True


class Defects(logging.Handler):
    """Collects what the gateway itself calls a defect."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class Siege:
    """A house under attack, and the loop it lives on; synchronous, because Hypothesis is."""

    def __init__(self, house: House, runner: asyncio.Runner, defects: Defects) -> None:
        self._house = house
        self._runner = runner
        self._defects = defects

    def strike(self, pieces: list[bytes]) -> list[int]:
        """Send the pieces, wait for the server to close, check what must always hold; the statuses."""
        return self._runner.run(self._strike(pieces))

    async def _strike(self, pieces: list[bytes]) -> list[int]:
        journal = self._house.journal
        journal.records.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._house.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                answer = await reader.read()
        except ConnectionError:
            # The server closed while bytes were still on their way.
            answer = b""
        finally:
            writer.close()
        assert not self._defects.found, self._defects.found
        recorded = [record.id for record in journal.records]
        assert len(set(recorded)) == len(recorded), "two records for one request"
        if not answer:
            return []
        answers = Answers(answer) if not any(b"HEAD" in piece for piece in pieces) else None
        if answers is None:
            return []
        assert set(answers.request_ids) == set(recorded), (answer, journal.records)
        assert all(200 <= status < 500 for status in answers.statuses), answer
        return answers.statuses

    def still_answers(self) -> None:
        """The house takes a plain call."""
        body = json.dumps(chat()).encode()
        # A machine that is busy elsewhere may let a connection's few milliseconds pass; three times is no accident.
        assert any(self.strike([request(PATHS[0], body, "connection: close")]) == [200] for _ in range(3))


@contextmanager
def siege(bounds: Bounds) -> Generator[Siege]:
    """A house for one fuzz test; ``HASTY`` bounds make an end of what is never finished."""
    defects = Defects()
    logger = logging.getLogger("switchgear")
    logger.addHandler(defects)
    with asyncio.Runner() as runner:
        stay = running(bounds)
        house = runner.run(_enter(stay))
        try:
            besieged = Siege(house, runner, defects)
            yield besieged
            besieged.still_answers()
        finally:
            runner.run(_leave(stay))
            logger.removeHandler(defects)


async def _enter(stay: AbstractAsyncContextManager[House]) -> House:
    return await stay.__aenter__()


async def _leave(stay: AbstractAsyncContextManager[House]) -> None:
    await stay.__aexit__(None, None, None)


def request(path: str, body: bytes, *extra: str, method: str = "POST") -> bytes:
    """A well-formed request."""
    lines = (f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {KEY}", *extra)
    return "\r\n".join((*lines, f"content-length: {len(body)}", "", "")).encode("latin-1") + body


def chunked(path: str, body: bytes, sizes: list[int]) -> bytes:
    """A well-formed request with a chunked body."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    out = head.encode()
    for size in sizes:
        piece, body = body[:size], body[size:]
        out += b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
    return out + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


HEADER_LINES = st.sampled_from(
    [
        "connection: close",
        "connection: keep-alive, upgrade",
        "upgrade: h2c",
        "connection: upgrade\r\nupgrade: h2c",
        "connection: close, upgrade\r\nupgrade: websocket",
        "expect: 100-continue",
        "transfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "content-length: 0",
        "content-length: 99999999999999999999",
        "host: other",
        "x-api-key: wrong",
        "x-empty:",
        "te: trailers",
        "content-encoding: gzip",
        "content-type: text/plain",
        "x-a: \xff\xfe",
        "anthropic-version: 2023-06-01",
        "x-long: " + "a" * 2000,
    ]
)
SCRAPS = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.0", b"HTTP/1.1", b"{",
     b"\xff", b"\\ud800", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"transfer-encoding: chunked\r\n",
     b"content-length: 5\r\n", b"connection: close\r\n", b"%00", b";", b","]
)  # fmt: skip


@st.composite
def wholes(draw: st.DrawFn) -> bytes:
    """A request that is in order, or nearly so."""
    path = draw(st.sampled_from((*PATHS, "/v1/models", "/healthz", "/v1/models/echo", "/v1/responses/resp_1/cancel")))
    stream = draw(st.booleans())
    body = json.dumps({**chat("echo", stream=stream, max_tokens=20), "prompt": "a", "input": "b"}).encode()
    if draw(st.booleans()):
        return chunked(path, body, draw(st.lists(st.integers(0, 40), max_size=4)))
    extra = draw(st.lists(HEADER_LINES, max_size=1))
    method = draw(st.sampled_from(("POST",) * 8 + ("GET", "DELETE", "CONNECT")))
    return request(path, body, *extra, method=method)


@st.composite
def onslaughts(draw: st.DrawFn) -> list[bytes]:
    """Pipelined requests with some bytes changed, in pieces cut anywhere."""
    data = bytearray(b"".join(draw(st.lists(wholes(), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        width = draw(st.integers(0, 6))
        data[at : at + width] = draw(st.one_of(SCRAPS, st.binary(max_size=6)))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    edges = [0, *cuts, len(data)]
    return [bytes(data[start:end]) for start, end in pairwise(edges) if end > start]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**18, 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["user", "assistant", "tool", "system", "text", "image_url", "function", "auto", "echo", "data:,"]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["role", "content", "type", "text", "image_url", "url", "tool_calls", "id", "function", "name", "arguments",
     "tool_call_id", "input", "source", "data", "media_type", "cache_control", "thinking", "signature", "tool_use_id",
     "parameters", "input_schema", "json_schema", "schema", "strict", "index", "input_audio", "file", "format",
     "output", "call_id", "summary", "encrypted_content", "refusal", "annotations"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
FIELDS = st.sampled_from(
    ["messages", "stream", "max_tokens", "max_completion_tokens", "tools", "tool_choice", "response_format", "stop",
     "temperature", "top_p", "n", "seed", "user", "metadata", "stream_options", "logprobs", "top_logprobs", "system",
     "thinking", "stop_sequences", "top_k", "input", "prompt", "suffix", "echo", "best_of", "encoding_format",
     "dimensions", "logit_bias", "parallel_tool_calls", "reasoning_effort", "modalities", "audio", "functions",
     "function_call", "service_tier", "unheard_of", "instructions", "previous_response_id", "store", "include", "text",
     "reasoning", "truncation", "background", "max_output_tokens"]
)  # fmt: skip


PLAUSIBLE: Mapping[str, Sequence[str]] = {
    "stream": (
        "true",
        "false",
        "null",
    ),
    "tools": (
        '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]',
        '[{"name": "f", "input_schema": {"type": "object", "properties": {"a": {"enum": [1, null]}}}}]',
        "[]",
    ),
    "tool_choice": (
        '"auto"',
        '"none"',
        '"required"',
        '{"type": "any"}',
        '{"type": "tool", "name": "f"}',
    ),
    "response_format": (
        '{"type": "json_object"}',
        '{"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#", "type": ["array", "null"]}}}',
    ),
    "stop": (
        '"a"',
        '["a", ""]',
        "[]",
    ),
    "stream_options": (
        '{"include_usage": true}',
        '{"include_usage": null}',
        "{}",
    ),
    "system": (
        '"a"',
        '[{"type": "text", "text": "a"}]',
        "[]",
    ),
    "thinking": (
        '{"type": "enabled", "budget_tokens": 5}',
        '{"type": "disabled"}',
        '{"type": "adaptive"}',
    ),
    "metadata": (
        "{}",
        '{"user_id": "u"}',
        "null",
    ),
    "input": (
        '""',
        "[]",
        '["a", ""]',
        "[1, 2]",
        "[[1], [2]]",
    ),
    "prompt": (
        '""',
        "[]",
        '["a", "b"]',
        "[1]",
        "[[1]]",
    ),
    "n": (
        "1",
        "2",
        "0",
        "16",
        "1000000000000000000000000000000",
    ),
    "temperature": (
        "0",
        "1.5",
        "-1",
        "1e+308",
    ),
    "logit_bias": (
        '{"1": -100}',
        "{}",
    ),
    "max_tokens": (
        "0",
        "1",
        "-5",
        "10000000000000000000000000",
    ),
    "messages": (
        "[]",
        '[{"role": "user", "content": [{"type": "text", "text": "\\ud83d\\ude00"}]}]',
        '[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]',
        '[{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]}]',
        '[{"role": "tool", "tool_call_id": "1", "content": ""}]',
        '[{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": []}]}]',
    ),
}
"""JSON texts that belong in each field, more or less."""


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A JSON body whose fields are about right and whose values are, at times, anything."""
    model = draw(
        st.sampled_from(
            (
                "echo",
                "sim/echo",
                "sim/tools",
                "sim/think",
                "sim/json",
                "sim/embed",
                "sim/refuse",
                "sim/anthropic:echo",
                "sim/anthropic:tools",
                "sim/openai_chat:think",
                "sim/ech:o",
                "nobody",
            )
        )
    )
    base: dict[str, object] = {"model": model, "max_tokens": 9, "prompt": "a b", "input": "a b"}
    base["messages"] = [{"role": "user", "content": "a b"}]
    for field in draw(st.lists(st.sampled_from(sorted(PLAUSIBLE)), max_size=3)):
        base[field] = json.loads(draw(st.sampled_from(PLAUSIBLE[field])))
    how = draw(st.integers(0, 5))
    if how == 0:
        base.update(draw(st.dictionaries(FIELDS, VALUES, max_size=2)))
    if how == 1:
        message = {"role": draw(st.sampled_from(("user", "assistant", "tool", "system")))}
        base["messages"] = [{**message, **draw(st.dictionaries(KEYS, VALUES, max_size=4))}]
    if how == 2:
        base.update(draw(st.dictionaries(st.text(max_size=5), VALUES, max_size=1)))
    text = bytearray(json.dumps(base).encode())
    if how == 3:
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 4))] = draw(SCRAPS)
    return bytes(text)
