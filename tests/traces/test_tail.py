"""Calls as they end, one line each."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.record import CallRecord
from switchgear.traces.tail import costs as costs_of
from switchgear.traces.tail import follow, format_line
from tests.traces.samples import attempt, numbers, record, write, writer


@pytest.fixture
def utc() -> Iterator[None]:
    """Lines show local time; here that is UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            record(),
            "22:13:20.000  200  ok  team-a  openai/chat  small → openai/gpt-4o-mini  250.0 ms  1000 in 50 out",
        ),
        (
            record(stream=True, attempts=[attempt(deployment="gpt", usage=Usage(input=7, output=3, estimated=True))]),
            "22:13:20.000  200  ok  team-a  openai/chat  small → gpt  250.0 ms  first byte 100.0 ms  ~7 in ~3 out",
        ),
        (
            record(status=401, outcome="refused", key="", error="invalid_api_key: no such key", attempts=[]),
            "22:13:20.000  401  refused  -  openai/chat  small  250.0 ms  invalid_api_key: no such key",
        ),
        (
            record(model="\x1b[2Jm\n", attempts=[attempt(deployment="a\u202eb")], error="e\r"),
            "22:13:20.000  200  ok  team-a  openai/chat  ·[2Jm· → a·b  250.0 ms  1000 in 50 out  e·",
        ),
    ],
    ids=["plain", "estimated stream", "refused", "hostile"],
)
def test_a_call_is_one_line_that_a_terminal_can_be_trusted_with(call: CallRecord, line: str) -> None:
    assert format_line(call) == line


@pytest.mark.parametrize(
    ("costs", "shown"),
    [
        ([("settled", 150_000)], "$0.00015"),
        ([("void", 0), ("settled", 2_000_000_000)], "$2.00"),
        ([("estimated", 1), ("settled", 1)], "~$0.000000002"),
        ([("settled", 5_000_000), ("unknown", 0)], "$0.005+?"),
        ([("unknown", 0)], "$?"),
        ([("void", 0)], ""),
        ([("", 0)], ""),
        ([("settled", 0)], "$0.00"),
    ],
)
def test_a_call_costs_what_its_attempts_cost_and_what_is_not_known_is_said(
    costs: list[tuple[str, int]], shown: str
) -> None:
    call = record(attempts=[attempt(cost=cost, cost_nano_usd=nano_usd) for cost, nano_usd in costs])

    assert costs_of(call) == shown
    assert format_line(call).endswith(f"50 out  {shown}" if shown else "50 out")


def test_following_from_the_start_tells_every_call_and_then_those_to_come(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write(directory, 1, 2)
    stop = Event()
    calls = follow(directory, True, stop.is_set)
    assert numbers([next(calls), next(calls)]) == [1, 2]
    journal = writer(directory, FrozenClock(wall_ns=1_800_000_000_000_000_000), segment_bytes=1)
    for number in (3, 4):
        journal.append(record(number))
    assert numbers([next(calls), next(calls)]) == [3, 4]
    stop.set()
    assert list(calls) == []
    journal.close()


def test_following_from_now_on_leaves_out_what_was_there(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write(directory, 1)
    journal = writer(directory, FrozenClock(wall_ns=1_800_000_000_000_000_000))
    journal.append(record(2))
    asked = Event()

    def ended() -> bool:
        """Whoever asks has taken its place before."""
        asked.set()
        return False

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(lambda: next(follow(directory, False, ended)))
        assert asked.wait(30)
        journal.append(record(3))
        assert numbers([following.result(30)]) == [3]
    journal.close()
