"""Counts over the last so many seconds, held against a list of everything that was counted."""

from hypothesis import given
from hypothesis import strategies as some

from switchgear.routing.windows import SLOTS, Window

SECOND = 1_000_000_000
STEPS = some.lists(
    some.tuples(some.integers(0, 1), some.integers(-5, 100), some.integers(0, 15 * SECOND)), min_size=1, max_size=60
)


@given(steps=STEPS, seconds=some.sampled_from((1.0, 10.0, 30.0)))
def test_a_window_holds_what_was_counted_in_its_last_ten_slots(
    steps: list[tuple[int, int, int]], seconds: float
) -> None:
    window = Window(seconds, 2)
    slot_ns = round(seconds * SECOND / SLOTS)
    counted: list[tuple[int, int, int]] = []
    now_ns = 0
    for kind, amount, passed_ns in steps:
        now_ns += passed_ns
        window.add(kind, amount, now_ns)
        counted.append((kind, amount, now_ns // slot_ns))
        for each in (0, 1):
            recent = [amount for kind, amount, slot in counted if kind == each and now_ns // slot_ns - slot < SLOTS]
            assert window.sums[each] == sum(recent)


@given(steps=STEPS)
def test_nothing_is_left_a_whole_window_after_the_last_count(steps: list[tuple[int, int, int]]) -> None:
    window = Window(10.0, 2)
    now_ns = 0
    for kind, amount, passed_ns in steps:
        now_ns += passed_ns
        window.add(kind, amount, now_ns)
    window.turn(now_ns + 10 * SECOND)
    assert window.sums == [0, 0]
    assert window.seconds_until_less(now_ns + 10 * SECOND) == 0


@given(passed_ns=some.lists(some.integers(0, 3 * SECOND), min_size=1, max_size=30))
def test_waiting_until_less_is_known_makes_it_less_and_not_much_sooner(passed_ns: list[int]) -> None:
    window = Window(10.0, 1)
    now_ns = 0
    for passed in passed_ns:
        now_ns += passed
        window.add(0, 1, now_ns)
    before = window.sums[0]
    seconds = window.seconds_until_less(now_ns)
    window.turn(now_ns + round(seconds * SECOND) - 1)
    assert window.sums[0] == before
    window.turn(now_ns + round(seconds * SECOND))
    assert window.sums[0] < before


def test_a_cleared_window_starts_anew() -> None:
    window = Window(10.0, 2)
    window.add(0, 3, 5 * SECOND)
    window.clear()
    assert window.sums == [0, 0]
    window.add(0, 1, 5 * SECOND)
    assert window.sums == [1, 0]
    window.turn(15 * SECOND)
    assert window.sums == [0, 0]


def test_a_clock_that_stands_still_or_was_read_earlier_loses_nothing() -> None:
    window = Window(10.0, 1)
    window.add(0, 1, 9 * SECOND)
    window.add(0, 1, 8 * SECOND)
    assert window.sums == [2]
