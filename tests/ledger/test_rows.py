"""What a record leaves in the ledger."""

from msgspec import json

from switchgear.kernel.chat import Usage
from switchgear.ledger.adjustments import Adjustment
from switchgear.ledger.row import BUCKETS, MOST_NANO_USD, MOST_TOKENS, Bounds, Row, rows_of
from switchgear.ledger.tables import ADJUSTMENTS, ROWS, TOTALS
from switchgear.ledger.totals import AMOUNTS
from tests.ledger.samples import NOON_NS, TODAY, attempt, record


def test_a_row_has_the_tables_columns_in_their_order() -> None:
    assert tuple(column.name for column in ROWS.columns) == Row.__struct_fields__
    assert tuple(column.name for column in TOTALS.columns)[5:] == AMOUNTS
    assert {column.name for column in ADJUSTMENTS.columns} == set(Adjustment.__struct_fields__)


def test_each_attempt_is_a_row_of_its_own_paid_as_what_it_was() -> None:
    retried = record(
        attempts=[
            attempt(status=429, outcome="failed", usage=None, cost="void", reason="refused", cost_nano_usd=0, price=""),
            attempt(why="retry"),
            attempt(why="hedge", outcome="cancelled", usage=None, cost="unknown", reason="cancelled", cost_nano_usd=0),
        ]
    )
    found = [(row.attempt, row.why, row.state, row.reason, row.cost_nano_usd) for row in rows_of(retried)]
    assert found == [
        (1, "", "void", "refused", 0),
        (2, "retry", "settled", "", 345),
        (3, "hedge", "unknown", "cancelled", 0),
    ]


def test_a_call_that_made_no_attempt_leaves_one_row_that_says_why() -> None:
    (refused,) = rows_of(record(status=429, outcome="refused", error="over_limit: too many", attempts=[]))
    assert (refused.attempt, refused.state, refused.reason, refused.status) == (0, "void", "refused", 429)
    assert (refused.error, refused.at_ns) == ("over_limit", NOON_NS)
    (cached,) = rows_of(record(attempts=[]))
    assert (cached.state, cached.reason, cached.cost_nano_usd) == ("void", "cached", 0)


def test_the_day_is_that_of_the_attempt_in_utc() -> None:
    (row,) = rows_of(record())
    assert row.day == (TODAY.toordinal() - 719_163)


def test_what_a_copy_cost_is_nobodys() -> None:
    (row,) = rows_of(record(shadow_of="f" * 32, user="u", tags=("a",)))
    assert (row.key, row.owner, row.team, row.project, row.organisation, row.end_user, row.tags) == (*[""] * 6, "[]")
    assert (row.shadow_of, row.cost_nano_usd, row.provider) == ("f" * 32, 345, "openai")


def test_an_estimate_has_its_bounds() -> None:
    least, most = Usage(output=1), Usage(input=90, output=100, estimated=True)
    unsure = attempt(
        cost="estimated", reason="cancelled", least=least, most=most, lowest_nano_usd=10, highest_nano_usd=900
    )
    (row,) = rows_of(record(attempts=[unsure]))
    assert (row.lowest_nano_usd, row.cost_nano_usd, row.highest_nano_usd) == (10, 345, 900)
    assert json.decode(row.bounds or "", type=Bounds) == Bounds(least=least, most=most)


def test_what_is_settled_is_its_own_bounds() -> None:
    (row,) = rows_of(record())
    assert (row.lowest_nano_usd, row.highest_nano_usd, row.bounds) == (345, 345, None)


def test_a_cost_of_which_nothing_was_said_is_unknown_and_not_free() -> None:
    (row,) = rows_of(record(attempts=[attempt(cost="", cost_nano_usd=0)]))
    assert (row.state, row.reason) == ("unknown", "unpriced")


def test_counts_that_no_model_can_have_are_kept_within_what_can_be_summed_and_cost_nobody_knows_what() -> None:
    wild = Usage(**dict.fromkeys(BUCKETS, 2**62))
    (row,) = rows_of(record(attempts=[attempt(usage=wild, cost_nano_usd=2**63)]))
    assert row.usage() == Usage(**dict.fromkeys(BUCKETS, MOST_TOKENS))
    assert (row.state, row.reason, row.cost_nano_usd) == ("unknown", "implausible", 0)
    (row,) = rows_of(record(attempts=[attempt(usage=Usage(input=-5, output=6))]))
    assert (row.input, row.state) == (0, "unknown")
    assert MOST_NANO_USD * 9000 < 2**63


def test_text_that_postgres_cannot_hold_is_replaced() -> None:
    (row,) = rows_of(record(user="a\x00b", tags=("x\x00",), model="m\x00", attempts=[attempt(upstream_id="\x00")]))
    assert (row.end_user, row.model, row.upstream_id) == ("a\ufffdb", "m\ufffd", "\ufffd")
    assert json.decode(row.tags) == ["x\ufffd"]
