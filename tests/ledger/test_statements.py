"""Statements: sums by scope and period, without reading a row."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from switchgear.app.database import ControlDatabase
from switchgear.kernel.record import CallRecord
from switchgear.ledger.row import BUCKETS, DAY_NS, rows_of
from switchgear.ledger.statement import Asked, lines
from switchgear.ledger.tables import ROWS
from switchgear.ledger.totals import ALL_SCOPES, AMOUNTS, Totals, scopes_of
from tests.ledger.samples import NOON_NS, TODAY, attempt, record, stated, taken

ESTIMATE = {"cost": "estimated", "reason": "cancelled", "lowest_nano_usd": 100, "highest_nano_usd": 900}


async def test_a_statement_tells_calls_tokens_and_cost_by_how_sure_it_is(database: ControlDatabase) -> None:
    await taken(
        database,
        record(1, attempts=[attempt(cost="void", cost_nano_usd=0, usage=None), attempt(why="retry")]),
        record(2, attempts=[attempt(**ESTIMATE)]),
        record(3, attempts=[attempt(cost="unknown", cost_nano_usd=0, usage=None, highest_nano_usd=50)]),
        record(4, attempts=[], status=429, outcome="refused"),
    )
    (line,) = await stated(database)
    assert (line.calls, line.attempts, line.input, line.output) == (4, 4, 20, 4)
    assert (line.cost_nano_usd, line.settled_nano_usd, line.estimated_nano_usd) == (690, 345, 345)
    assert (line.lowest_nano_usd, line.highest_nano_usd) == (445, 345 + 900 + 50)
    assert (line.estimated_attempts, line.unknown_attempts, line.void_attempts) == (1, 1, 1)


async def test_one_attempt_without_an_upper_bound_leaves_the_sum_without_one(database: ControlDatabase) -> None:
    await taken(database, record(1), record(2, attempts=[attempt(cost="unknown", cost_nano_usd=0)]))
    assert [line.highest_nano_usd for line in await stated(database)] == [None]


@pytest.mark.parametrize("scope", ALL_SCOPES)
async def test_every_scope_has_statements(database: ControlDatabase, scope: str) -> None:
    await taken(database, record(1, user="u", tags=("a", "b", "a")), record(2, user="u", tags=("b",)))
    found = await stated(database, scope=scope)
    expected = {"tag": [("a", 345), ("b", 690)], "all": [("", 690)]}.get(scope)
    names = {"key": "bot", "owner": "ann", "team": "support", "project": "shop", "organisation": "acme"}
    names |= {"end_user": "u", "model": "small", "provider": "openai"}
    assert [(line.name, line.cost_nano_usd) for line in found] == (expected or [(names[scope], 690)])


async def test_statements_do_not_read_rows(database: ControlDatabase) -> None:
    await taken(database, record(1))
    async with database.write() as connection:
        await connection.execute(delete(ROWS))
    assert [line.cost_nano_usd for line in await stated(database)] == [345]


async def test_a_statement_is_told_by_model_where_that_is_asked_for(database: ControlDatabase) -> None:
    await taken(
        database, record(1), record(2, model="large"), record(3, model="made up", attempts=[], outcome="refused")
    )
    found = await stated(database, scope="key", by_model=True)
    assert [(line.model, line.calls) for line in found] == [("", 1), ("large", 1), ("small", 1)]
    assert [line.name for line in await stated(database, scope="model")] == ["large", "small"]


async def test_days_and_months_end_at_midnight_utc(database: ControlDatabase) -> None:
    midnight = NOON_NS + DAY_NS // 2
    moments = [midnight - 1, midnight, midnight + 5 * DAY_NS]
    await taken(database, *(record(n, attempts=[attempt(started_ns=at)]) for n, at in enumerate(moments)))
    end = TODAY + timedelta(days=10)
    days = await stated(database, to_day=end)
    assert [(line.period, line.calls) for line in days] == [("2026-11-26", 1), ("2026-11-27", 1), ("2026-12-02", 1)]
    months = await stated(database, to_day=end, period="month")
    assert [(line.period, line.calls) for line in months] == [("2026-11", 2), ("2026-12", 1)]
    assert [line.calls for line in await stated(database, period="month", name="")] == [1]


async def test_a_statement_of_one_name_holds_no_other(database: ControlDatabase) -> None:
    await taken(database, record(1), record(2, key="other"))
    assert [line.name for line in await stated(database, scope="key", name="other")] == ["other"]
    assert await stated(database, scope="key", name="nobody") == []


async def test_what_cannot_be_stated_is_refused(database: ControlDatabase) -> None:
    with pytest.raises(ValueError, match="no scope"):
        await stated(database, scope="session")
    await taken(database, record(1))
    with pytest.raises(ValueError, match="more than 400 periods"):
        await stated(database, from_day=date(2020, 1, 1), to_day=date(2026, 1, 1))
    async with database.read() as connection:
        nothing = Asked(period="day", from_day=TODAY, to_day=TODAY)
        assert [line async for line in lines(connection, nothing)] == []


NAMES = st.sampled_from(["", "a", "b"])
RECORDS = st.builds(
    record,
    st.integers(0, 50),
    key=NAMES,
    team=NAMES,
    user=NAMES,
    tags=st.lists(st.sampled_from("xyz"), max_size=3).map(tuple),
    attempts=st.lists(
        st.builds(
            attempt,
            cost=st.sampled_from(["settled", "estimated", "unknown", "void"]),
            cost_nano_usd=st.integers(0, 10**6),
            started_ns=st.integers(0, 3).map(lambda day: NOON_NS + day * DAY_NS),
        ),
        max_size=3,
    ),
)


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=12))
def test_totals_are_the_sums_of_the_rows_that_name_them_and_what_is_taken_away_again_leaves_nothing(
    records: list[CallRecord],
) -> None:
    rows = [row for told in records for row in rows_of(told)]
    totals = Totals()
    totals.add(rows)
    for (day, scope, name, model, state), amounts in totals:
        place = [
            row
            for row in rows
            if (row.day, row.state, row.model if row.attempt else "") == (day, state, model)
            and (scope, name) in set(scopes_of(row))
        ]
        told = dict(zip(AMOUNTS, amounts, strict=True))
        assert told["cost_nano_usd"] == sum(row.cost_nano_usd for row in place)
        assert told["calls"] == sum(row.attempt <= 1 for row in place)
        assert [told[bucket] for bucket in BUCKETS] == [
            sum(getattr(row, bucket) for row in place) for bucket in BUCKETS
        ]
    totals.add(rows, -1)
    assert not any(any(amounts) for _, amounts in totals)
