"""Rules that watch drift: fired by a check that finds it, told once, over with the next that finds none."""

from typing import get_args

import pytest

from switchgear.app.database import ControlDatabase
from switchgear.config.alerts import Monitor
from switchgear.traces.alerts.rule import Drift
from switchgear.traces.drift import store
from switchgear.traces.drift.monitors import Comparison, Monitors
from switchgear.traces.drift.observation import Subject
from switchgear.traces.drift.rates import rates
from switchgear.traces.drift.report import Compared, Report, Stretch
from switchgear.traces.drift.result import Plan, Result, Verdict
from tests.traces.alerts.stand import Stand, rule

HOUR = 3600
SUPPORT = "request_model=support"


@pytest.fixture
def stand(database: ControlDatabase) -> Stand:
    made = Stand(database)
    made.rules = [rule(name="changed", measure=Drift(), test="drifted")]
    return made


def result(monitor: str, verdict: Verdict, p: float = 0.5, since: str = "") -> Result:
    return Result(
        monitor=monitor,
        method="psi",
        verdict=verdict,
        adjusted_p=p,
        reference_size=500,
        current_size=500,
        since=since,
    )


def compared(*results: Result, model: str = "support", prompt: str = "") -> Compared:
    return Compared(
        model=model,
        prompt=prompt,
        reference_calls=500,
        current_calls=500,
        drifted=any(one.verdict == "drift" for one in results),
        results=results,
    )


async def check(stand: Stand, *found: Compared, project: str = "default") -> None:
    """A check is made, and an hour goes by."""
    stretch = Stretch(since="", until="")
    report = Report(project=project, reference=stretch, current=stretch, compared=found, left_out=0, embedder="")
    kept = store.Kept(id=stand.ids.new(), at_ns=stand.clock.wall_ns(), made_by="job:daily", report=report)
    async with stand.database.write() as connection:
        await store.keep(connection, kept)
    await stand.turn(HOUR)


DRIFTED = (result("length", "drift", 0.01), result("errors", "drift", 0.004, "2026-11-27T16:00:00+00:00"))
STILL = (result("length", "none"), result("errors", "none"), result("cost", "off"))


async def test_drift_is_told_once_with_what_found_it_and_is_over_with_the_next_check_without_any(stand: Stand) -> None:
    await check(stand, compared(*STILL))
    assert stand.receiver.told == []
    await check(stand, compared(*DRIFTED, result("cost", "none")))
    await check(stand, compared(*DRIFTED))
    await stand.turn()
    (notice,) = stand.receiver.told
    assert (notice.event, notice.labels, notice.value) == ("firing", SUPPORT, 0.004)
    assert notice.condition == "drift, by the newest check"
    assert "found: length, errors since 2026-11-27T16:00:00+00:00" in notice.lines
    await check(stand, compared(*STILL))
    assert stand.receiver.events == ["firing", "recovered"]
    assert len({one.episode for one in stand.receiver.told}) == 1


async def test_a_check_that_could_not_judge_is_no_recovery_and_an_old_one_lapses(stand: Stand) -> None:
    await check(stand, compared(*DRIFTED))
    await check(stand, compared(result("length", "too_few"), result("errors", "off")))
    assert await stand.state("changed", SUPPORT) == ("firing", "met")
    await stand.turn(47 * HOUR)
    assert await stand.state("changed", SUPPORT) == ("firing", "met")
    await stand.turn(2 * HOUR)
    assert await stand.state("changed", SUPPORT) == ("firing", "too_little")
    await stand.turn(25 * HOUR)
    assert await stand.state("changed", SUPPORT) == ("lapsed", "too_little")


async def test_each_model_and_each_prompt_is_an_alert_by_itself_and_a_check_of_one_says_nothing_of_others(
    stand: Stand,
) -> None:
    await check(stand, compared(*DRIFTED), compared(*DRIFTED, prompt="greet"), compared(*STILL, model="search"))
    assert sorted(one.labels for one in stand.receiver.told) == [SUPPORT, f"{SUPPORT} prompt_name=greet"]
    await check(stand, compared(*STILL, prompt="greet"))
    assert await stand.state("changed", SUPPORT) == ("firing", "met")
    assert await stand.state("changed", f"{SUPPORT} prompt_name=greet") == ("recovered", "clear")


async def test_a_rule_may_watch_one_monitor_of_some_models_and_prompts_in_its_project(stand: Stand) -> None:
    stand.rules = [
        rule(name="rate", project="shop", measure=Drift(monitor="errors", model="sup*", prompt="greet"), test="drifted")
    ]
    told = (
        compared(*DRIFTED, prompt="greet"),
        compared(*DRIFTED),
        compared(*DRIFTED, model="search", prompt="greet"),
        compared(result("length", "drift", 0.001), result("errors", "none"), model="supply", prompt="greet"),
    )
    await check(stand, *told)
    assert stand.receiver.told == []
    await check(stand, *told, project="shop")
    (notice,) = stand.receiver.told
    assert (notice.labels, notice.project) == (f"{SUPPORT} prompt_name=greet", "shop")
    assert notice.condition == "drift of errors, by the newest check"


async def test_a_silence_covers_drift_as_it_does_anything_else(stand: Stand) -> None:
    await stand.silence(10 * HOUR, rule="changed", labels=f"{SUPPORT}*")
    await check(stand, compared(*DRIFTED))
    assert (stand.receiver.told, await stand.state("changed", SUPPORT)) == ([], ("firing", "met"))


def test_a_rule_can_name_every_monitor_that_there_is() -> None:
    nothing = Comparison(subject=Subject(project="p", alias="a"), reference=[], current=[], rates=rates([], []))
    made = {found.result.monitor for found in Monitors(None, Plan()).compare([nothing])}
    assert {"any", *made} == set(get_args(Monitor))
