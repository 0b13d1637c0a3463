"""How one alert goes on, reading by reading, on a clock that is an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.traces.alerts.machine import KNOWN, Event, Knowledge, Reading, Standing, step, withdraw
from switchgear.traces.alerts.rule import Rule
from tests.traces.alerts.stand import SECOND, rule

START = 1_700_000_000 * SECOND
WORDS: dict[str, Knowledge] = {"!": "met", ".": "clear", "?": "too_little", "x": "unanswered"}
SIGNS = {"inactive": "i", "pending": "p", "firing": "F", "recovered": "r", "lapsed": "l", "withdrawn": "w"}


def course(readings: str, of: Rule, silent: str = "") -> tuple[str, list[tuple[int, Event]]]:
    """States, one for each reading ten seconds apart, and what was told at which of them."""
    standing, states, told = Standing(rule=of.name), "", list[tuple[int, Event]]()
    for number, sign in enumerate(readings):
        silenced = silent[number : number + 1] == "s"
        reading = Reading(knowledge=WORDS[sign])
        after = step(standing, reading, of, START + number * 10 * SECOND, silenced=silenced)
        standing = after.after
        states += SIGNS[standing.state]
        if after.event is not None:
            told.append((number, after.event))
    return states, told


@pytest.mark.parametrize(
    ("readings", "states", "told"),
    [
        ("...!!!!!..", "iiipppFFrr", [(6, "firing"), (8, "recovered")]),
        ("!!.!!.!", "ppippip", []),
        ("!!!!", "pppF", [(3, "firing")]),
    ],
)
def test_it_fires_when_the_condition_was_met_for_so_long_and_recovers_when_it_is_over(
    readings: str, states: str, told: list[tuple[int, Event]]
) -> None:
    assert course(readings, rule(for_seconds=30)) == (states, told)


def test_without_a_time_it_fires_at_once_and_again_after_it_was_over() -> None:
    assert course("!.!!", rule()) == ("FrFF", [(0, "firing"), (1, "recovered"), (2, "firing")])


def test_recovery_takes_as_long_as_the_rule_says_without_a_break() -> None:
    assert course("!..!...!", rule(recover_for_seconds=20))[0] == "FFFFFFrF"


@pytest.mark.parametrize("unknown", ["?", "x"])
def test_what_is_not_known_is_no_recovery_and_no_reason_to_fire(unknown: str) -> None:
    assert course("!" + unknown * 50, rule()) == ("F" * 51, [(0, "firing")])
    assert course("!" + unknown * 5 + "!!!", rule(for_seconds=30))[0] == "p" * 8 + "F"
    assert course("!." + unknown + "..", rule(recover_for_seconds=20))[0] == "FFFFF"
    assert course(unknown * 9, rule())[0] == "i" * 9


def test_a_firing_of_which_there_is_too_little_for_too_long_lapses_and_that_is_told_as_such() -> None:
    assert course("!" + "?" * 5, rule(lapse_seconds=40)) == ("FFFFll", [(0, "firing"), (4, "lapsed")])
    assert course("!" + "x" * 9, rule(lapse_seconds=40))[0] == "F" * 10
    assert course("!" + "?" * 5, rule(lapse_seconds=40, for_seconds=90))[0] == "ppppii"


def test_a_firing_is_told_once_and_again_only_when_the_rule_wants_it() -> None:
    assert course("!" * 20, rule())[1] == [(0, "firing")]
    assert course("!" * 8, rule(repeat_seconds=30))[1] == [(0, "firing"), (3, "repeated"), (6, "repeated")]


def test_a_silence_keeps_it_quiet_and_afterwards_what_still_fires_is_told() -> None:
    assert course("!!!!.", rule(), "ss") == ("FFFFr", [(2, "firing"), (4, "recovered")])
    assert course("!!..", rule(), "ssss") == ("FFrr", [])


def test_who_was_told_of_a_firing_is_told_of_its_end_whatever_is_silenced_since() -> None:
    assert course("!!.", rule(), " ss")[1] == [(0, "firing"), (2, "recovered")]


def test_the_end_of_its_rule_is_told_to_who_was_told_of_the_firing() -> None:
    fired = step(Standing(rule="errors"), Reading(knowledge="met"), rule(), START)
    assert withdraw(fired.after, START + SECOND).event == "withdrawn"
    quiet = step(Standing(rule="errors"), Reading(knowledge="met"), rule(), START, silenced=True)
    assert withdraw(quiet.after, START + SECOND).event is None


@given(readings=st.text(st.sampled_from(sorted(WORDS)), max_size=60), wait=st.sampled_from((0, 10, 30)))
def test_firings_and_ends_alternate_and_every_move_rests_on_something_known(readings: str, wait: int) -> None:
    states, told = course(readings, rule(for_seconds=wait, recover_for_seconds=wait))
    assert [event for _, event in told] == [("firing", "recovered")[at % 2] for at in range(len(told))]
    for number, event in told:
        assert WORDS[readings[number]] in KNOWN
        assert (event == "firing") == (WORDS[readings[number]] == "met")
    assert len(states) == len(readings)
