"""History under another table of prices: added beside what was, exactly, and no more than once."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from switchgear.app.database import ControlDatabase
from switchgear.kernel.chat import Usage
from switchgear.kernel.pricing import Price
from switchgear.ledger.listing import Wanted
from switchgear.ledger.reconciling import prove_totals
from switchgear.ledger.rerating import Rerating, apply, rated, rerate_page
from switchgear.ledger.row import Row, rows_of
from switchgear.ledger.tables import ADJUSTMENTS
from switchgear.models.rate_card import PriceCard
from tests.ledger.samples import NOON_NS, attempt, listed, record, rerated, rows, stated, taken

DEAR = PriceCard(input="1", output="10", services={"priority": "2"}).price("2026-12")
"""A thousand nano-dollars for a token that is read, ten thousand for one that is written."""
NEW_COST = 10 * 1000 + 2 * 10_000


def dear(row: Row) -> Price | None:
    return DEAR


async def test_cost_and_totals_move_and_the_row_stays_as_it_was_written(database: ControlDatabase) -> None:
    await taken(database, record(1, tags=("a",)), record(2))
    before = await rows(database)
    done = await rerated(database, dear)
    assert (done.looked_at, done.changed) == (2, 2)
    assert await rows(database) == before
    assert [(row.cost_nano_usd, row.price) for row in await listed(database)] == [(NEW_COST, "2026-12")] * 2
    assert [line.cost_nano_usd for line in await stated(database)] == [2 * NEW_COST]
    assert [line.cost_nano_usd for line in await stated(database, scope="tag")] == [NEW_COST]
    assert [line.calls for line in await stated(database)] == [2]


async def test_the_old_cost_and_its_price_are_kept(database: ControlDatabase) -> None:
    await taken(database, record(1))
    await rerated(database, dear)
    await rerated(database, lambda _: PriceCard(input="2", output="10").price("2027-01"))
    async with database.read() as connection:
        made = (await connection.execute(select(ADJUSTMENTS).order_by(ADJUSTMENTS.c.number))).all()
    assert [
        (one.number, one.old_price, one.old_cost_nano_usd, one.new_price, one.new_cost_nano_usd) for one in made
    ] == [
        (1, "2026-11", 345, "2026-12", NEW_COST),
        (2, "2026-12", NEW_COST, "2027-01", NEW_COST + 10_000),
    ]


async def test_the_same_table_twice_changes_nothing(database: ControlDatabase) -> None:
    await taken(database, *(record(number) for number in range(5)))
    assert (await rerated(database, dear)).changed == 5
    assert (await rerated(database, dear)).changed == 0


async def test_a_run_that_was_broken_off_is_finished_by_the_next(database: ControlDatabase) -> None:
    await taken(database, *(record(number) for number in range(1500)))
    async with database.write() as connection:
        _, changes = await rerate_page(connection, Wanted(), None, dear, Rerating())
        await apply(connection, changes, NOON_NS)
    assert (await rerated(database, dear)).changed == 500
    assert [line.cost_nano_usd for line in await stated(database)] == [1500 * NEW_COST]


async def test_a_dry_run_tells_the_difference_by_scope_and_changes_nothing(database: ControlDatabase) -> None:
    await taken(database, record(1), record(2, key="other"))
    done = await rerated(database, dear, dry=True)
    found = done.differences["key", "other"]
    assert (found.attempts, found.old_nano_usd, found.new_nano_usd) == (1, 345, NEW_COST)
    assert done.differences["all", ""].new_nano_usd == 2 * NEW_COST
    assert [line.cost_nano_usd for line in await stated(database)] == [690]


async def test_two_runs_at_once_do_not_both_change_a_row(database: ControlDatabase) -> None:
    await taken(database, record(1))
    async with database.write() as connection:
        _, changes = await rerate_page(connection, Wanted(), None, dear, Rerating())
    await rerated(database, dear)
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await apply(connection, changes, NOON_NS)
    assert [line.cost_nano_usd for line in await stated(database)] == [NEW_COST]


async def test_what_had_no_price_gets_one_and_what_the_table_does_not_know_keeps_its_own(
    database: ControlDatabase,
) -> None:
    unpriced = attempt(cost="unknown", reason="unpriced", cost_nano_usd=0, price="")
    await taken(database, record(1, attempts=[unpriced]), record(2, attempts=[attempt(model="other")]))
    done = await rerated(database, lambda row: DEAR if row.upstream_model == "gpt" else None)
    assert (done.changed, done.unpriced) == (1, 1)
    (line,) = await stated(database)
    assert (line.settled_nano_usd, line.unknown_attempts, line.highest_nano_usd) == (NEW_COST + 345,) * 1 + (
        0,
        NEW_COST + 345,
    )


async def test_a_span_of_time_is_rerated_and_nothing_else(database: ControlDatabase) -> None:
    await taken(database, *(record(number) for number in range(5)))
    assert (await rerated(database, dear, from_ns=NOON_NS + 1, to_ns=NOON_NS + 3)).changed == 2


async def test_after_a_run_rows_adjustments_and_totals_agree(database: ControlDatabase) -> None:
    await taken(database, *(record(number) for number in range(5)))
    await rerated(database, dear)
    async with database.read() as connection:
        proof = await prove_totals(connection, 0, 10**5)
        assert (await connection.execute(select(func.count()).select_from(ADJUSTMENTS))).scalar_one() == 5
    assert (proof.differing, proof.one_nano_usd, proof.compared) == (0, 5 * NEW_COST, 5)


def row(**changes: object) -> Row:
    (found,) = rows_of(record(attempts=[attempt(**changes)]))
    return found


def test_the_class_of_service_counts() -> None:
    assert rated(row(service="priority"), DEAR).cost_nano_usd == 2 * NEW_COST


def test_an_estimate_stays_one_between_new_bounds() -> None:
    estimate = {"cost": "estimated", "reason": "cancelled", "usage": Usage(input=10, output=2, estimated=True)}
    bounds = {"least": Usage(output=1), "most": Usage(input=20, output=30, estimated=True)}
    found = rated(row(**estimate, **bounds, service="default"), DEAR)
    assert (found.state, found.cost_nano_usd) == ("estimated", NEW_COST)
    assert (found.lowest_nano_usd, found.highest_nano_usd) == (10_000, 20 * 1000 + 30 * 10_000)
    anyhow = rated(row(**estimate, **bounds), DEAR)
    assert anyhow.highest_nano_usd == 2 * (20 * 1000 + 30 * 10_000)


def test_what_was_sent_and_never_answered_stays_unknown_between_new_bounds() -> None:
    most = Usage(input=20, output=30, estimated=True)
    lost = {"cost": "unknown", "reason": "unanswered", "cost_nano_usd": 0, "usage": None, "most": most}
    found = rated(row(**lost, service="default"), DEAR)
    assert (found.state, found.cost_nano_usd, found.lowest_nano_usd) == ("unknown", 0, 0)
    assert found.highest_nano_usd == 320_000
