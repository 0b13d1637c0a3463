"""Fuzzing the doors: whatever bytes come, no hang, no defect, one record for each answer, and the house stands."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchgear.doors.bounds import Bounds
from tests.doors.fuzzing import HASTY, PATHS, bodies, onslaughts, request, siege

CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example)
SHORT = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=CHECKS)
LONG = settings(max_examples=3000, deadline=None, suppress_health_check=CHECKS)


def besiege_with_bytes(level: settings) -> None:
    with siege(HASTY) as house:

        @level
        @given(onslaughts())
        def attack(pieces: list[bytes]) -> None:
            house.strike(pieces)

        attack()


def besiege_with_bodies(level: settings) -> None:
    with siege(Bounds()) as house:

        @level
        @given(st.sampled_from(PATHS), bodies())
        def attack(path: str, body: bytes) -> None:
            assert len(house.strike([request(path, body, "connection: close")])) == 1

        attack()


def test_any_bytes_leave_the_house_standing() -> None:
    besiege_with_bytes(SHORT)


def test_any_json_leaves_the_house_standing() -> None:
    besiege_with_bodies(SHORT)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_long_siege_with_bytes() -> None:
    besiege_with_bytes(LONG)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_long_siege_with_json() -> None:
    besiege_with_bodies(LONG)
