"""The tokens of a Realtime session, read off its frames however they are cut."""

import json

import pytest

from switchgear.kernel.chat import Usage
from switchgear.wire.realtime_usage import SessionUsage

TOLD = {"input_tokens": 3, "output_tokens": 1}


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """One frame as servers send it."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def event(kind: str, **more: object) -> bytes:
    return json.dumps({"type": kind, **more}).encode()


DONE = event("response.done", response={"usage": TOLD}).replace(b": ", b":")


@pytest.mark.parametrize("size", [1, 3, 1000, 1 << 20])
def test_only_finished_responses_count_and_they_are_summed(size: int) -> None:
    half = len(DONE) // 2
    session = b"".join(
        (
            frame(event("response.output_audio.delta", delta="QUJD" * 30_000)),
            frame(DONE),
            frame(event("other", usage=TOLD)),
            frame(b"ping", 0x89),
            frame(DONE[:half], 0x01) + frame(b"", 0x89) + frame(DONE[half:], 0x80),
            frame(b""),
            frame(event("response.done", response={"usage": None, "padding": "x" * 70_000})),
            frame(event("conversation.item.created", item={"said": "response.done", "usage": TOLD})),
            frame(event("other", quoted={"type": "response.done"}, response={"usage": TOLD})),
            frame(json.dumps({"response": {"usage": TOLD}, "about": ["response.done"]}).encode()),
            frame(b'"response.done"'),
            frame(DONE.replace(b".done", b".\\u0064one")),
        )
    )
    usage = SessionUsage()
    for at in range(0, len(session), size):
        usage.feed(session[at : at + size])
    assert usage.usage == Usage(input=9, output=3)


def test_bytes_that_are_no_frames_count_nothing() -> None:
    usage = SessionUsage()
    usage.feed(b"\xff" * 1000)
    assert usage.usage is None
