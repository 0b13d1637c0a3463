"""Cards of models: stages and their days."""

import pytest
from msgspec import ValidationError, convert

from switchgear.models.card import MOVES, ModelCard, Stage, Stages, midnight_ns

DAY_NS = 86_400 * 10**9
DATES = Stages(deprecated="2026-03-01", retired="2026-09-30")


@pytest.mark.parametrize(
    ("declared", "day", "stage"),
    [
        ("production", "2026-02-28", "production"),
        ("production", "2026-03-01", "deprecated"),
        ("production", "2026-09-29", "deprecated"),
        ("production", "2026-09-30", "retired"),
        ("experimental", "2026-02-28", "experimental"),
        ("deprecated", "2026-01-01", "deprecated"),
        ("retired", "2026-01-01", "retired"),
    ],
)
def test_what_is_announced_begins_with_its_day(declared: Stage, day: str, stage: Stage) -> None:
    card = ModelCard(stage=declared, dates=DATES)

    assert card.stage_at(midnight_ns(day)) == card.stage_at(midnight_ns(day) + DAY_NS - 1) == stage


def test_nothing_that_people_rely_on_is_gone_without_a_warning() -> None:
    assert "retired" not in MOVES["production"]
    assert all("retired" in MOVES[stage] for stage in ("experimental", "staging", "deprecated"))
    assert set(MOVES) == {target for targets in MOVES.values() for target in targets}


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "0000-01-01"])
def test_a_day_that_no_calendar_has_is_none(day: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        midnight_ns(day)


@pytest.mark.parametrize(
    "card", [{"stage": "gone"}, {"dates": {"retired": "soon"}}, {"redirect_to": "a b"}, {"capabilities": {"tools": 1}}]
)
def test_a_card_takes_nothing_that_it_does_not_know(card: object) -> None:
    with pytest.raises(ValidationError):
        convert(card, ModelCard)
