"""The bench says when the machine itself was the cause of slow answers."""

from bench.machine import plan_cores
from bench.steadiness import slow_share, steadiness


def test_pieces_of_one_speed_have_no_slow_share() -> None:
    assert slow_share([0.001, 0.0012, 0.0011, 0.0019]) == 0


def test_the_slow_share_is_one_of_time_and_not_of_pieces() -> None:
    assert slow_share([1.0] * 9 + [9.0]) == 0.5


def test_a_core_is_described_in_one_line() -> None:
    line = steadiness(plan_cores().subject, seconds=0.05)

    assert "% of 0.05 s at less than half speed" in line
    assert "\n" not in line
