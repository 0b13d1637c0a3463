"""How alerts stand, as Prometheus is told."""

from switchgear.app.database import ControlDatabase
from switchgear.traces.alerts.exposed import MOST_RULES, exposition
from switchgear.traces.alerts.machine import Standing
from tests.traces.alerts.stand import Stand, rule


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


async def test_alerts_are_told_by_rule_and_state_and_calm_rules_as_zero(database: ControlDatabase) -> None:
    stand = Stand(database)
    stand.rules = [rule(), rule(name="calm", project="a"), rule(name="soon", for_seconds=300)]
    stand.calls(1, status="error")
    assert lines(stand.watch.metrics()) == []
    await stand.turn()
    assert lines(stand.watch.metrics()) == [
        'switchgear_alerts{rule="calm",state="firing"} 0',
        'switchgear_alerts{rule="calm",state="pending"} 0',
        'switchgear_alerts{rule="errors",state="firing"} 1',
        'switchgear_alerts{rule="errors",state="pending"} 0',
        'switchgear_alerts{rule="soon",state="firing"} 0',
        'switchgear_alerts{rule="soon",state="pending"} 1',
    ]


async def test_only_the_process_that_looks_tells_of_alerts(database: ControlDatabase) -> None:
    first = Stand(database)
    second = Stand(database, "there", first)
    first.rules.append(rule())
    assert await first.turn()
    assert not await second.turn()
    assert (len(lines(first.watch.metrics())), lines(second.watch.metrics())) == (2, [])


def test_rules_beyond_the_bound_count_together() -> None:
    names = [f"rule-{number:04}" for number in range(MOST_RULES + 5)]
    text = exposition(names, [Standing(rule=name, state="firing") for name in names])
    assert 'switchgear_alerts{rule="other",state="firing"} 5' in text
    assert len(lines(text)) == 2 * MOST_RULES + 1
