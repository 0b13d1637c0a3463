"""Small writes of one round: the first at once, the others together at its end, and never to a sink that closes."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from switchgear.kernel.outbox import Outbox

FLUSH = "flush"


class Round:
    """What a loop would run at the end of its round, and what came to be written."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []
        self.written: list[tuple[str, bytes]] = []
        self.outbox = Outbox(self.callbacks.append)

    def end(self) -> None:
        callbacks, self.callbacks[:] = self.callbacks[:], []
        for callback in callbacks:
            callback()


class Sink:
    def __init__(self, round_: Round, name: str) -> None:
        self._round = round_
        self._name = name
        self.closing = False

    def write(self, data: bytes) -> None:
        self._round.written.append((self._name, data))

    def is_closing(self) -> bool:
        return self.closing


def test_the_first_is_written_at_once_and_the_others_at_the_end_of_the_round_in_their_order() -> None:
    it = Round()
    one, other = Sink(it, "one"), Sink(it, "other")
    it.outbox.put(one, b"1")
    it.outbox.put(other, b"2")
    it.outbox.put(one, b"3")
    assert it.written == [("one", b"1")]
    assert len(it.callbacks) == 1
    it.end()
    assert it.written == [("one", b"1"), ("other", b"2"), ("one", b"3")]


def test_what_one_sink_is_given_again_in_a_round_goes_out_as_one_write() -> None:
    it = Round()
    one, other = Sink(it, "one"), Sink(it, "other")
    for sink, data in ((one, b"1"), (other, b"2"), (one, b"3"), (other, b"4"), (one, b"5")):
        it.outbox.put(sink, data)
    it.end()
    assert it.written == [("one", b"1"), ("other", b"24"), ("one", b"35")]


def test_many_sinks_do_not_wait_for_the_end_of_a_long_round() -> None:
    it = Round()
    for number in range(12):
        it.outbox.put(Sink(it, str(number)), b".")
    assert [name for name, _ in it.written] == [str(number) for number in range(9)]
    it.end()
    assert [name for name, _ in it.written] == [str(number) for number in range(12)]


def test_what_is_large_is_written_before_the_end_and_behind_what_was_held_for_the_same_sink() -> None:
    it = Round()
    one, other = Sink(it, "one"), Sink(it, "other")
    large = b"x" * 100_000
    for sink, data in ((one, b"1"), (other, b"2"), (one, b"3"), (one, large)):
        it.outbox.put(sink, data)
    assert it.written == [("one", b"1"), ("other", b"2"), ("one", b"3" + large)]


def test_whoever_writes_without_a_pause_has_only_little_held() -> None:
    it = Round()
    sink = Sink(it, "s")
    for _ in range(1000):
        it.outbox.put(sink, b"x" * 1000)
    assert sum(len(data) for _, data in it.written) > 1_000_000 - 20_000
    assert max(len(data) for _, data in it.written) < 20_000


@given(st.lists(st.one_of(st.none(), st.just(FLUSH), st.tuples(st.integers(0, 11), st.integers(0, 20_000)))))
def test_each_sink_gets_all_that_is_put_in_its_order(steps: list[tuple[int, int] | str | None]) -> None:
    it = Round()
    sinks = [Sink(it, str(number)) for number in range(12)]
    put = [b""] * len(sinks)
    for place, step in enumerate([*steps, None]):
        if isinstance(step, tuple):
            number, size = step
            data = b"%d:%b;" % (place, b"." * size)
            put[number] += data
            it.outbox.put(sinks[number], data)
        elif step is None:
            it.end()
        else:
            it.outbox.flush()
    got = [b"".join(data for name, data in it.written if name == str(number)) for number in range(len(sinks))]
    assert got == put


def test_each_round_has_its_own_end() -> None:
    it = Round()
    sink = Sink(it, "s")
    for data in (b"1", b"2"):
        it.outbox.put(sink, data)
        assert it.written[-1] == ("s", data)
        it.outbox.put(sink, data + b"+")
        it.end()
    assert it.written == [("s", b"1"), ("s", b"1+"), ("s", b"2"), ("s", b"2+")]


def test_who_flushes_need_not_wait_and_nothing_is_written_twice() -> None:
    it = Round()
    it.outbox.put(Sink(it, "s"), b"1")
    it.outbox.put(Sink(it, "s"), b"2")
    it.outbox.flush()
    assert it.written == [("s", b"1"), ("s", b"2")]
    it.end()
    assert it.written == [("s", b"1"), ("s", b"2")]


def test_what_is_for_a_sink_that_closes_is_dropped_and_the_others_get_theirs() -> None:
    it = Round()
    gone, there, left = Sink(it, "gone"), Sink(it, "there"), Sink(it, "left")
    left.closing = True
    it.outbox.put(left, b"0")
    it.outbox.put(gone, b"1")
    it.outbox.put(there, b"2")
    gone.closing = True
    it.end()
    assert it.written == [("there", b"2")]
