"""A string of a stream that never ends: whoever looks for its end gives up at once."""

from contextlib import suppress

import pytest

from switchgear.kernel.chat import ChoiceStop, Delta, Done, Event, PartStart, PartStop, Start
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.registry import discover

CHATS = [name for name, dialect in discover().items() if dialect.family == "chat"]
LONG = "a" * 20_000
TOLD: tuple[Event, ...] = (
    Start(id="c1", model="m"),
    PartStart(part=0, kind="text"),
    Delta(part=0, kind="text", text=LONG),
    PartStop(part=0),
    ChoiceStop(finish="stop"),
    Done(),
)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", CHATS)
def test_a_string_without_an_end_costs_no_time(name: str) -> None:
    dialect = discover()[name]
    writer = dialect.writer(StreamOptions())
    frames = [writer.write(event) for event in TOLD]
    assert any(LONG.encode() in frame for frame in frames)
    for frame in frames:
        broken = frame.replace(b'a"', b"a")
        with suppress(UpstreamGarbled):
            dialect.relay(StreamOptions()).forward(broken)
        dialect.events().feed(broken)
