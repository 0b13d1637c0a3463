"""Bad input: a clear error in the caller's dialect, one record with the cause, and the process goes on."""

import json
from pathlib import Path

import pytest

from switchgear.doors.bounds import Bounds
from tests.doors.house import KEY, chat, parse, running
from tests.doors.told import ANTHROPIC, BOTH_DOORS, EVERY_PAIR, OPENAI, only_record, openai_error, still_alive, worded

BODIES = [
    (b"", "no body"),
    (b"{", "not JSON"),
    (b'{"model": "echo", "messages": [', "not JSON"),
    (b"[]", "object"),
    (b'"text"', "object"),
    (b"null", "object"),
    (b'{"messages": []}', "model"),
    (b'{"model": 7, "messages": []}', "model"),
    (b'{"model": "", "messages": []}', "model"),
    (b'{"model": "echo", "stream": "yes", "messages": []}', "stream"),
    (b'{"model": "echo", "messages": [{"role": "user", "content": "\xff\xfe"}]}', "UTF-8"),
    (b'{"model": "\xc3\x28"}', ""),
    (b"<html></html>", "not JSON"),
    (b'{"model": "echo", "messages": []} trailing', "not JSON"),
    (b"[" * 100_000, ""),
]


@pytest.mark.parametrize(("body", "word"), BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC, "/v1/embeddings", "/v1/completions"])
async def test_a_body_that_cannot_be_understood_is_a_400(path: str, body: bytes, word: str) -> None:
    async with running() as house:
        status, headers, answer = await house.post(path, body)
        assert status == 400
        assert headers["x-request-id"].startswith("req_")
        assert headers["x-should-retry"] == "false"
        assert word in worded(path, answer)
        only_record(house, 400, "refused", "invalid_request: ")
        await still_alive(house)


WRONG_TYPES: dict[str, object] = {
    "messages": "a text",
    "messages[0]": [1],
    "messages[0].role": [{"role": "nobody", "content": "a"}],
    "messages[0].content": [{"role": "user", "content": 7}],
    "max_tokens": "many",
    "temperature": "warm",
    "tools": {},
    "stream": "yes",
    "model": 7,
    "user": ["me"],
}


@pytest.mark.parametrize("field", WRONG_TYPES)
@EVERY_PAIR
async def test_a_value_of_the_wrong_type_is_a_400_that_names_the_field(path: str, upstream: str, field: str) -> None:
    async with running() as house:
        asked = {**chat(f"sim/{upstream}echo", max_tokens=5), field.partition("[")[0]: WRONG_TYPES[field]}
        status, _, answer = await house.post(path, asked)
        assert status == 400
        assert field in worded(path, answer)
        assert [record.status for record in house.journal.records] == [400]
        assert "invalid_request: " in house.journal.records[0].error
        await still_alive(house)


@BOTH_DOORS
async def test_a_missing_and_a_wrong_key_get_the_same_401(path: str) -> None:
    async with running() as house:
        words: set[str] = set()
        for key in ("", "Bearer wrong", "Bearer", f"Bearer {KEY}x"):
            status, headers, answer = await house.post(path, chat(), authorization=key)
            assert status == 401
            assert headers["x-should-retry"] == "false"
            words.add(worded(path, answer))
            only_record(house, 401, "refused", "invalid_api_key: ")
            house.journal.records.clear()
        assert len(words) == 1
        await still_alive(house)


@BOTH_DOORS
async def test_an_unknown_model_is_a_404_naming_close_matches(path: str) -> None:
    async with running() as house:
        status, _, answer = await house.post(path, chat("ecko", max_tokens=5))
        assert status == 404
        assert "'echo'" in worded(path, answer)
        assert only_record(house, 404, "refused", "model_not_found: ").attempts == []
        await still_alive(house)


@BOTH_DOORS
async def test_a_body_over_32_mib_is_refused_before_it_is_read(path: str) -> None:
    async with running() as house:
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 33554433\r\n\r\n"
        status, headers, answer = parse(await house.raw(head.encode()))
        assert status == 413
        assert headers["connection"] == "close"
        assert "server.max_body_bytes" in worded(path, answer)
        assert only_record(house, 413, "refused", "request_too_large: ").request_bytes == 0
        await still_alive(house)


@BOTH_DOORS
async def test_a_chunked_body_over_the_limit_is_cut_off(path: str) -> None:
    async with running(Bounds(max_body_bytes=1000)) as house:
        by_tester = f"authorization: Bearer {KEY}\r\n"
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{by_tester}transfer-encoding: chunked\r\n\r\n".encode()
        # The end never comes: the answer does not wait for it.
        status, _, answer = parse(await house.raw(head + (b"1f4\r\n" + b"x" * 500 + b"\r\n") * 3))
        assert status == 413
        assert "server.max_body_bytes" in worded(path, answer)
        assert only_record(house, 413, "refused", "request_too_large: ").request_bytes == 0
        await still_alive(house)


SMUGGLING = {
    "coding twice, chunked last": b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding before chunked": b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding like chunked": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "an empty coding": b"transfer-encoding:\r\ncontent-length: 2\r\n\r\n{}",
    "a list of lengths": b"content-length: 2, 2\r\n\r\n{}",
    "an empty length": b"content-length:\r\n\r\n",
    "a hexadecimal length": b"content-length: 0x2\r\n\r\n{}",
    "a bare line feed": b"x-a: b\ncontent-length: 2\r\n\r\n{}",
    "a bare carriage return": b"x-a: b\rcontent-length: 2\r\n\r\n{}",
    "a chunk ended by a bare line feed": b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    "a chunk size with a space": b"transfer-encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
    "a chunk size over 64 bits": b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a control character in an extension": b"transfer-encoding: chunked\r\n\r\n2;a\x00\r\n{}\r\n0\r\n\r\n",
    "a length in the trailer": b"transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 5\r\n\r\n",
    "a header without a name": b": a\r\ncontent-length: 2\r\n\r\n{}",
    "a line without a colon": b"abc\r\ncontent-length: 2\r\n\r\n{}",
    "both lengths": b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "negative length": b"content-length: -1\r\n\r\n",
    "length with a plus": b"content-length: +2\r\n\r\n{}",
    "unknown encoding": b"transfer-encoding: gzip\r\n\r\n{}",
    "encoding twice": b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "bad chunk size": b"transfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "chunk without its end": b"transfer-encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
    "space before the colon": b"content-length : 2\r\n\r\n{}",
    "folded header": b"x-a: b\r\n c\r\ncontent-length: 2\r\n\r\n{}",
    "control character in a header": b"x-a: b\x00c\r\ncontent-length: 2\r\n\r\n{}",
    "two keys": b"authorization: Bearer a\r\nauthorization: Bearer b\r\ncontent-length: 2\r\n\r\n{}",
    "two hosts": b"host: y\r\ncontent-length: 2\r\n\r\n{}",
    "an upgrade and both lengths": (
        b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "an upgrade and a bad chunk size": (
        b"connection: upgrade\r\nupgrade: h2c\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n"
    ),
    "an upgrade and a coding before chunked": (
        b"connection: upgrade\r\nupgrade: h2c\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("name", SMUGGLING)
@BOTH_DOORS
async def test_a_smuggling_attempt_is_a_400_and_the_connection_ends(path: str, name: str) -> None:
    async with running() as house:
        start = f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n".encode()
        answer = await house.raw(start + SMUGGLING[name] + b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1, answer
        status, _, body = parse(answer)
        assert status == 400, answer
        assert worded(path, body)
        only_record(house, 400, "refused", "invalid_request: ")
        await still_alive(house)


async def test_what_follows_a_chunked_body_does_not_count_as_headers() -> None:
    async with running(Bounds(keepalive_seconds=0.01)) as house:
        head = f"POST {OPENAI} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        body = json.dumps(chat()).encode()
        chunks = b"%x\r\n%b\r\n0\r\nauthorization: Bearer %b\r\n\r\n" % (len(body), body, KEY.encode())
        status, _, _ = parse(await house.raw(head.encode() + chunks))
        assert status == 401


async def test_what_follows_a_request_that_closes_is_no_request() -> None:
    async with running() as house:
        head = f"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n"
        answer = await house.raw(f"{head}connection: close\r\n\r\n{head}\r\n".encode())
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(house.journal.records) == 1


async def test_a_refused_request_is_recorded_as_what_it_was_whatever_follows_it() -> None:
    async with running() as house:
        bad = f"POST {ANTHROPIC} HTTP/1.1\r\nhost: x\r\nhost: y\r\ncontent-length: 2\r\n\r\n{{}}"
        status, _, body = parse(await house.raw(f"{bad}GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n".encode()))
        assert status == 400
        assert json.loads(body)["type"] == "error"
        assert [record.door for record in house.journal.records] == ["anthropic"]


async def test_a_body_in_tiny_chunks_is_one_body() -> None:
    async with running(Bounds(keepalive_seconds=0.01)) as house:
        head = f"POST {OPENAI} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in json.dumps(chat()).encode()) + b"0\r\n\r\n"
        status, _, _ = parse(await house.raw(head.encode() + chunks))
        assert status == 200


@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC, "/v1/embeddings", "/v1/completions"])
@pytest.mark.parametrize(
    "value",
    [b"[" * 5000 + b"]" * 5000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'"\\ud800"', b"NaN", b"01", b"1e", b'"\x01"'],
)
async def test_a_value_that_no_json_reader_should_take_is_a_400_wherever_it_stands(path: str, value: bytes) -> None:
    async with running() as house:
        for field in (b"messages", b"metadata", b"unheard_of", b"user"):
            body = b'{"model": "echo", "max_tokens": 5, %b: %b}' % (b'"' + field + b'"', value)
            status, _, answer = await house.post(path, body)
            assert status == 400, answer
        assert [record.status for record in house.journal.records] == [400] * 4
        await still_alive(house)


@pytest.mark.parametrize("value", [b"9" * 5000, b"9" * 30, b"1e400", b"-1e999999999"])
async def test_a_number_of_any_size_does_no_harm(value: bytes) -> None:
    async with running() as house:
        for field in (b"max_tokens", b"seed", b"temperature", b"unheard_of"):
            body = b'{"model": "echo", "messages": [{"role": "user", "content": "a"}], "%b": %b}' % (field, value)
            status, _, answer = await house.post(OPENAI, body)
            assert status in (200, 400), answer
        assert len(house.journal.records) == 4


GARBAGE = {
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "version 0.9": b"GET /v1/models HTTP/0.9\r\n\r\n",
    "version 2.0": b"GET /v1/models HTTP/2.0\r\nhost: x\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\nabc",
    "chunked in HTTP/1.0": b"POST /v1/x HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a header that never ends": b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 600_000,
    "one header ever again": b"GET /v1/models HTTP/1.1\r\n" + b"x:\r\n" * 20_000 + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "half a request line": b"POST\r\n\r\n",
    "an old version": b"GET /v1/models HTTP/3.7\r\n\r\n",
    "a very long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "a very long header": b"GET /v1/models HTTP/1.1\r\nx-a: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /v1/models HTTP/1.1\r\n" + b"".join(b"x-%d: a\r\n" % n for n in range(1000)) + b"\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_what_is_no_request_is_refused_and_recorded(name: str) -> None:
    async with running() as house:
        status, _, body = parse(await house.raw(GARBAGE[name]))
        assert status in (400, 431)
        openai_error(body)
        assert len(house.journal.records) == 1
        await still_alive(house)


async def test_a_wrong_method_names_the_right_one() -> None:
    async with running() as house:
        status, _, body = parse(await house.raw(f"DELETE {OPENAI} HTTP/1.1\r\nhost: x\r\n\r\n".encode()))
        assert status == 405
        assert "POST" in body.decode()


async def test_a_slow_request_is_told_that_it_is_late() -> None:
    async with running(Bounds(request_seconds=0.01)) as house:
        status, _, _ = parse(
            await house.raw(f"POST {OPENAI} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n".encode())
        )
        assert status == 408
        assert [record.status for record in house.journal.records] == [408]


def fuzz_cases() -> list[Path]:
    """Inputs that once did harm, kept."""
    return sorted((Path(__file__).parent / "found").glob("*.bin"))


@pytest.mark.parametrize("case", fuzz_cases(), ids=lambda path: path.name)
async def test_what_was_found_by_fuzzing_stays_harmless(case: Path) -> None:
    found = case.read_bytes()
    async with running(Bounds(request_seconds=0.05, keepalive_seconds=0.05)) as house:
        status, _, _ = parse(await house.raw(found))
        assert status < 500
        assert len(house.journal.records) == 1
        await still_alive(house)
