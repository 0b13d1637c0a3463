"""A control process looks at rules: states, history and notices, after restarts and beside others too."""

import pytest
from msgspec import structs

from switchgear.app.database import ControlDatabase
from switchgear.kernel.limit_report import LimitReport
from switchgear.traces.alerts import store
from switchgear.traces.alerts.notice import Outcome
from switchgear.traces.alerts.rule import Budget
from tests.traces.alerts.stand import PACE, Stand, rule, spans


@pytest.fixture
def stand(database: ControlDatabase) -> Stand:
    made = Stand(database)
    made.rules = [rule()]
    return made


async def test_a_rule_fires_is_told_once_and_recovers_and_history_knows_all_of_it(stand: Stand) -> None:
    stand.rules[0] = rule(for_seconds=60)
    stand.calls(10)
    await stand.turn()
    assert await stand.state() == ("inactive", "clear")
    for _ in range(5):
        stand.calls(10, status="error")
        await stand.turn()
    assert await stand.state() == ("firing", "met")
    assert stand.receiver.events == ["firing"]
    assert (stand.receiver.told[0].value, stand.receiver.told[0].severity) == (1.0, "warning")
    stand.clock.advance(60)
    stand.calls(100)
    await stand.turn()
    assert await stand.state() == ("recovered", "clear")
    assert stand.receiver.events == ["firing", "recovered"]
    assert len({notice.episode for notice in stand.receiver.told}) == 1
    moves = [(change.before, change.after) for change in await stand.history()]
    assert moves == [("inactive", "pending"), ("pending", "firing"), ("firing", "recovered")]
    assert (await stand.history())[1].condition == "error_rate of 60 s above 0.1"


async def test_one_failure_of_two_calls_is_no_alarm_where_the_rule_wants_more_calls(stand: Stand) -> None:
    stand.rules[0] = rule(measure=spans(min_calls=20))
    stand.calls(1)
    stand.calls(1, status="error")
    await stand.turn()
    assert await stand.state() == ("inactive", "too_little")
    stand.calls(30, status="error")
    await stand.turn()
    assert await stand.state() == ("firing", "met")
    await stand.turn(90)
    assert await stand.state() == ("firing", "too_little")
    assert stand.receiver.events == ["firing"]


async def test_a_store_that_does_not_answer_is_a_state_of_its_own_and_no_recovery(stand: Stand) -> None:
    stand.calls(1, status="error")
    await stand.turn()
    stand.spans.is_down = True
    await stand.turns(5)
    assert await stand.state() == ("firing", "unanswered")
    stand.spans.is_down = False
    stand.calls(20)
    await stand.turn()
    assert await stand.state() == ("recovered", "clear")
    assert stand.receiver.events == ["firing", "recovered"]


async def test_each_value_of_a_grouped_rule_is_an_alert_by_itself(stand: Stand) -> None:
    stand.rules[0] = rule(measure=spans(by="model"))
    stand.calls(5, model="good")
    stand.calls(5, model="bad", status="error")
    await stand.turn()
    assert [notice.labels for notice in stand.receiver.told] == ["model=bad"]
    stand.clock.advance(60)
    stand.calls(5, model="good", status="error")
    await stand.turn()
    assert await stand.state(labels="model=bad") == ("firing", "too_little")
    assert await stand.state(labels="model=good") == ("firing", "met")
    assert [notice.labels for notice in stand.receiver.told] == ["model=bad", "model=good"]


async def test_no_calls_for_a_time_is_an_alarm_for_each_who_called_before(stand: Stand) -> None:
    stand.rules[0] = rule(measure=spans(quantity="calls", by="service"), test="absent")
    stand.calls(1, service="shop")
    stand.calls(1, service="bot")
    await stand.turn()
    assert stand.receiver.told == []
    stand.clock.advance(30)
    stand.calls(1, service="bot")
    await stand.turn()
    assert [notice.labels for notice in stand.receiver.told] == ["service=shop"]
    await stand.turns(4)
    stand.calls(1, service="shop")
    await stand.turn()
    assert await stand.state(labels="service=shop") == ("recovered", "clear")
    assert stand.receiver.told[0].condition == "no calls for 60 s"


async def test_a_cost_that_has_doubled_against_the_window_before_is_an_alarm(stand: Stand) -> None:
    stand.rules[0] = rule(measure=spans(quantity="cost_usd"), test="grows_by", bound=2.0)
    stand.calls(2, cost_nano_usd=1_000_000_000)
    await stand.turn()
    assert await stand.state() == ("inactive", "too_little")
    stand.clock.advance(30)
    stand.calls(2, cost_nano_usd=1_900_000_000)
    stand.calls(1, cost_nano_usd=9_000_000_000, counted=False)
    await stand.turn(1)
    assert await stand.state() == ("inactive", "clear")
    stand.calls(1, cost_nano_usd=300_000_000)
    await stand.turn(1)
    assert await stand.state() == ("firing", "met")
    assert stand.receiver.told[0].value == pytest.approx(4.1)


async def test_slow_answers_and_slow_first_tokens_are_measured_by_their_quantile(stand: Stand) -> None:
    slow = spans(quantity="duration_ms", quantile=0.5)
    first = spans(quantity="first_token_ms", quantile=0.95)
    stand.rules[:] = [rule(measure=slow, bound=499.0), rule(name="first", measure=first, bound=100.0)]
    stand.calls(10)
    await stand.turn()
    assert await stand.state() == ("firing", "met")
    assert await stand.state("first") == ("inactive", "too_little")
    stand.calls(1, first_token_ns=200_000_000)
    await stand.turn()
    assert (await stand.standing("first")).value == 200.0


async def test_a_budget_that_is_nearly_spent_is_an_alarm_for_whom_it_is_until_its_window_ends(stand: Stand) -> None:
    def spent(whom: str, used: int) -> LimitReport:
        return LimitReport(
            limit="month", quantity="usd", whom=whom, used=used, held=0, allowed=100, action="block", period="month"
        )

    stand.rules[0] = rule(measure=Budget(limit="month"), bound=0.8)
    stand.limits = [spent("team=a", 90), spent("team=b", 10)]
    await stand.turn()
    assert [(notice.labels, notice.value) for notice in stand.receiver.told] == [("usd team=a", 0.9)]
    stand.limits = None
    await stand.turn()
    assert await stand.state(labels="usd team=a") == ("firing", "unanswered")
    stand.limits = [structs.replace(spent("team=a", 0), known=False)]
    await stand.turn()
    assert await stand.state(labels="usd team=a") == ("firing", "unanswered")
    stand.limits = [spent("team=b", 10)]
    await stand.turn()
    assert stand.receiver.events == ["firing", "recovered"]


async def test_a_restart_tells_nothing_a_second_time(stand: Stand, database: ControlDatabase) -> None:
    stand.calls(1, status="error")
    await stand.turn()
    again = Stand(database, other=stand)
    again.calls(1, status="error")
    await again.turn()
    assert await again.state() == ("firing", "met")
    assert again.receiver.events == ["firing"]


async def test_of_two_processes_on_one_database_one_looks_until_it_is_gone(
    stand: Stand, database: ControlDatabase
) -> None:
    other = Stand(database, "there", stand)
    stand.calls(1, status="error")
    assert await stand.turn()
    assert not await other.turn()
    assert stand.receiver.events == ["firing"]
    stand.clock.advance(200)
    stand.calls(1, status="error")
    assert await other.turn(1)
    assert not await stand.turn(1)
    assert stand.receiver.events == ["firing"]


async def test_a_process_that_slept_over_its_lease_writes_nothing_of_what_it_saw(
    stand: Stand, database: ControlDatabase
) -> None:
    async with database.read() as connection:
        seen = await store.lease(connection)
    stand.calls(1, status="error")
    await stand.turn()
    async with database.write() as connection:
        assert not await store.take_turn(connection, seen, "there", stand.clock.wall_ns() + PACE.lease_ns)


async def test_what_is_silenced_is_not_told_by_rule_label_and_project(stand: Stand) -> None:
    stand.rules[:] = [rule(measure=spans(by="model"), project="a")]
    await stand.silence(100, rule="errors", labels="model=sm*", project="a")
    await stand.silence(1000, rule="others")
    await stand.silence(1000, project="b")
    stand.calls(1, status="error", project="a")
    stand.calls(1, status="error", project="a", model="large")
    await stand.turn()
    assert [notice.labels for notice in stand.receiver.told] == ["model=large"]
    quiet = {change.labels: change.silence != "" for change in await stand.history()}
    assert quiet == {"model=small": True, "model=large": False}
    stand.clock.advance(90)
    stand.calls(1, status="error", project="a")
    await stand.turn(5)
    assert [notice.labels for notice in stand.receiver.told] == ["model=large", "model=small"]


async def test_a_rule_that_is_taken_away_ends_its_firing_for_all_who_were_told(stand: Stand) -> None:
    stand.calls(1, status="error")
    await stand.turn()
    stand.rules.clear()
    await stand.turn()
    assert stand.receiver.events == ["firing", "withdrawn"]
    async with stand.database.read() as connection:
        assert await store.standings(connection) == []
    assert [change.after for change in await stand.history()] == ["firing", "withdrawn"]


async def test_alerts_that_ended_are_listed_for_a_day_and_history_for_as_long_as_it_is_kept(stand: Stand) -> None:
    stand.rules[0] = rule(measure=spans(by="model"))
    stand.calls(1, status="error")
    await stand.turn()
    stand.calls(20)
    await stand.turn()
    assert await stand.state(labels="model=small") == ("recovered", "clear")
    await stand.turn(86_000)
    assert await stand.state(labels="model=small") == ("recovered", "clear")
    await stand.turn(4_000)
    async with stand.database.read() as connection:
        assert await store.standings(connection) == []
    assert await stand.history() == []
    assert await stand.notices() == []


# -------------------------------------------------------------------------------------------------------------- telling


async def test_what_was_not_taken_is_tried_again_under_its_id_later_each_time(stand: Stand) -> None:
    stand.receiver.answers = lambda _: Outcome(sent=False, status=503, error="busy")
    stand.calls(1, status="error")
    await stand.turn()
    await stand.sending.send_due()
    assert len(stand.receiver.told) == 1
    stand.clock.advance(5)
    await stand.sending.send_due()
    stand.clock.advance(5)
    await stand.sending.send_due()
    assert len(stand.receiver.told) == 2
    stand.receiver.answers = lambda _: Outcome(sent=True, status=200)
    stand.clock.advance(5)
    await stand.sending.send_due()
    kept = (await stand.notices())[0]
    assert (kept.state, kept.tries, len({each.id for each in stand.receiver.told})) == ("sent", 3, 1)
    async with stand.database.read() as connection:
        tries = await store.tries(connection, [kept.id])
    assert [(one.number, one.outcome, one.status) for one in tries] == [
        (1, "failed", 503),
        (2, "failed", 503),
        (3, "sent", 200),
    ]


async def test_a_receiver_that_wants_to_be_left_alone_longer_is(stand: Stand) -> None:
    stand.receiver.answers = lambda _: Outcome(sent=False, status=429, after_seconds=120)
    stand.calls(1, status="error")
    await stand.turn()
    stand.clock.advance(119)
    assert await stand.sending.send_due() == 0
    stand.clock.advance(1)
    assert await stand.sending.send_due() == 1


@pytest.mark.parametrize("again", [True, False])
async def test_trying_ends_when_there_is_no_point_in_it_and_the_end_is_told_behind_the_beginning(
    stand: Stand, again: bool
) -> None:
    stand.receiver.answers = lambda _: Outcome(sent=False, status=500 if again else 404, again=again)
    stand.calls(1, status="error")
    await stand.turn()
    stand.calls(20)
    stand.clock.advance(1)
    await stand.watch.turn(PACE)
    for _ in range(40):
        stand.clock.advance(600)
        await stand.sending.send_due()
    kept = await stand.notices()
    assert [(one.event, one.state, one.tries) for one in kept] == [
        ("firing", "failed", 12 if again else 1),
        ("recovered", "failed", 12 if again else 1),
    ]
    assert stand.receiver.events == ["firing"] * kept[0].tries + ["recovered"] * kept[1].tries


async def test_a_receiver_that_is_no_longer_declared_is_told_nothing_and_that_is_noted(stand: Stand) -> None:
    stand.calls(1, status="error")
    stand.receivers.clear()
    await stand.turn()
    assert [(one.state, one.tries) for one in await stand.notices()] == [("failed", 1)]


async def test_two_processes_never_make_the_same_try(stand: Stand, database: ControlDatabase) -> None:
    stand.calls(1, status="error")
    stand.clock.advance(30)
    await stand.watch.turn(PACE)
    async with database.read() as connection:
        kept = (await store.waiting(connection))[0]
    later_ns = stand.clock.wall_ns() + 1
    async with database.write() as connection:
        assert await store.claim(connection, kept, later_ns)
    async with database.write() as connection:
        assert not await store.claim(connection, kept, later_ns)
