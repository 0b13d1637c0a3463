"""Upstreams that answer nonsense, or errors where an answer should be: clear to the caller, recorded, survived."""

import json

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.testing.scripted_upstream import Peer, Script, ScriptedUpstream
from tests.doors.house import chat, running
from tests.doors.told import BOTH_DOORS, EVERY_PAIR, only_record, still_alive, worded


@pytest.mark.parametrize("fault", ["html", "empty", "garbage"])
@pytest.mark.parametrize("stream", [False, True])
@EVERY_PAIR
async def test_an_upstream_that_answers_nonsense_is_a_502(
    path: str, upstream: str, fault: str, *, stream: bool
) -> None:
    async with running() as house:
        asked = chat(f"sim/{upstream}{fault}", stream=stream, max_tokens=50)
        status, _, body = await house.post(path, asked)
        assert status == 502, body
        assert "upstream" in worded(path, body)
        (attempt,) = only_record(house, 502, "failed", "upstream_garbled: ").attempts
        assert (attempt.status, attempt.outcome) == (200, "failed")
        assert attempt.error.startswith("upstream_garbled: ")
        await still_alive(house)


@EVERY_PAIR
async def test_an_error_object_under_200_gets_the_status_of_an_error(path: str, upstream: str) -> None:
    async with running() as house:
        status, _, body = await house.post(path, chat(f"sim/{upstream}error-in-stream", max_tokens=50))
        assert status >= 500, body
        assert "the simulator was asked for status 500" in worded(path, body)
        (attempt,) = only_record(house, status, "failed", "").attempts
        assert (attempt.status, attempt.outcome) == (200, "failed")
        assert "the simulator was asked for status 500" in attempt.error
        await still_alive(house)


ERRORS = {
    "anthropic": b'{"type":"error","error":{"type":"overloaded_error","message":"Too much at once"}}',
    "openai": b'{"error":{"message":"Too much at once","type":"server_error","param":null,"code":503}}',
}


def says(error: bytes) -> Script:
    """An upstream whose streams begin and end with an error under status 200."""
    event = b"event: error\ndata: %b\n\n" % error

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
            await peer.send(head % len(event) + event)

    return script


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@BOTH_DOORS
async def test_a_stream_that_begins_with_an_error_gets_the_status_of_the_error(path: str, kind: str) -> None:
    async with ScriptedUpstream(says(ERRORS[kind])) as upstream:
        address = f"http://127.0.0.1:{upstream.origin.port}/v1"
        kind_of_provider = {"openai": "openai_compatible"}.get(kind, kind)
        async with running(providers={"up": ProviderEntry(kind=kind_of_provider, base_url=address)}) as house:
            status, headers, body = await house.post(path, chat("up/m", stream=True, max_tokens=50))
            assert status == {"openai": 503, "anthropic": 529}[kind]
            assert headers["x-should-retry"] == "true"
            assert worded(path, body) == "Too much at once"
            (attempt,) = only_record(house, status, "failed", "").attempts
            assert (attempt.status, attempt.outcome) == (200, "failed")
            await still_alive(house)


@EVERY_PAIR
async def test_an_error_in_a_stream_is_an_error_frame_and_no_end_mark(path: str, upstream: str) -> None:
    async with running() as house:
        asked = chat(f"sim/{upstream}error-in-stream", stream=True, max_tokens=50)
        status, _, body = await house.post(path, asked)
        assert status == 200
        last = body.rstrip(b"\n").rpartition(b"data: ")[2]
        assert "the simulator was asked for status 500" in json.loads(last)["error"]["message"]
        assert b"[DONE]" not in body
        assert b"message_stop" not in body
        only_record(house, 200, "failed", "")
        assert "the simulator was asked for status 500" in house.journal.records[0].error
        await still_alive(house)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("refusal", [401, 403])
@EVERY_PAIR
async def test_a_refusal_of_the_gateways_key_is_a_502_that_no_client_takes_for_its_own(
    path: str, upstream: str, refusal: int, *, stream: bool
) -> None:
    async with running() as house:
        asked = chat(f"sim/{upstream}error-{refusal}", stream=stream, max_tokens=50)
        status, headers, body = await house.post(path, asked)
        assert status == 502
        assert headers["x-should-retry"] == "false"
        assert f"'sim/{upstream}error-{refusal}' (status {refusal}" in worded(path, body)
        (attempt,) = only_record(house, 502, "failed", "upstream_auth: ").attempts
        assert attempt.status == refusal
        await still_alive(house)
