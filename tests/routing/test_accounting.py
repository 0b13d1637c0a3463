"""What an attempt's entry says: estimates, marked as such, and an outcome that is said once."""

import pytest

from switchgear.kernel.chat import ChoiceStop, Delta, Usage, UsageReport
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import (
    SwitchgearError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from switchgear.kernel.estimate import estimate_tokens
from switchgear.kernel.record import Attempt
from switchgear.models.rate_card import PriceCard
from switchgear.routing.accounting import see, untold_usage
from switchgear.routing.attempt import AttemptLog
from tests.routing.scripted import a_call, healthy


def test_an_estimate_is_marked_and_takes_the_larger_of_frames_and_bytes() -> None:
    call = a_call()
    assert untold_usage(call, Tally(content_frames=9, content_bytes=8)).output == 9
    usage = untold_usage(call, Tally(content_frames=1, content_bytes=80))
    assert usage.output == 20
    assert usage.estimated
    assert usage.input == estimate_tokens(len(call.body))


def test_events_are_tallied() -> None:
    tally = Tally()
    see(tally, Delta(kind="text", text="héé", part=0))
    see(tally, ChoiceStop(finish="length"))
    see(tally, UsageReport(usage=Usage(input=1, output=2)))
    assert (tally.content_frames, tally.finish) == (1, "length")
    assert tally.usage == Usage(input=1, output=2)


def log_of() -> tuple[AttemptLog, Attempt, FrozenClock]:
    clock = FrozenClock()
    entry = Attempt(deployment="a/m", provider="a", model="m", started_ns=0)
    return AttemptLog(a_call(), clock, entry, healthy("a/m")), entry, clock


def test_only_the_first_outcome_counts() -> None:
    log, entry, clock = log_of()
    clock.advance(2)
    log.close(None, UpstreamTruncated("cut"))
    clock.advance(2)
    log.close(Tally(), cancelled=True)
    assert (entry.outcome, entry.error) == ("failed", "upstream_truncated: cut")
    assert entry.duration_ns == 2_000_000_000


def test_a_failure_that_did_no_work_costs_nothing_and_one_that_did_is_estimated() -> None:
    log, entry, _ = log_of()
    log.close(Tally(), UpstreamTruncated("cut"))
    assert entry.usage is None
    log, entry, _ = log_of()
    log.close(Tally(content_frames=3, content_bytes=3), UpstreamTruncated("cut"))
    assert entry.usage is not None
    assert entry.usage.estimated


def test_the_first_byte_is_timed_from_the_start() -> None:
    log, entry, clock = log_of()
    clock.advance(0.5)
    log.first_byte()
    assert entry.first_byte_ns == 500_000_000


PRICE = PriceCard(input="1", output="10", services={"priority": "2"}).price("2026-01")


@pytest.mark.parametrize(
    ("tally", "error", "cost"),
    [
        (Tally(usage=Usage(input=7, output=1)), None, ("settled", 17_000)),
        (Tally(usage=Usage(input=7, output=1), service="priority"), None, ("settled", 34_000)),
        (Tally(usage=Usage(input=7, output=1, estimated=True)), None, ("estimated", 17_000)),
        (Tally(usage=Usage(estimated=True)), None, ("unknown", 0)),
        (Tally(usage=Usage(input=7, output=1)), UpstreamTruncated("cut"), ("settled", 17_000)),
        (None, UpstreamUnreachable("no"), ("void", 0)),
        (None, UpstreamTimeout("late", phase="first_byte"), ("unknown", 0)),
    ],
    ids=["told", "told, of a dearer service", "estimated", "still to come", "told and cut", "never sent", "unanswered"],
)
def test_an_attempt_is_paid_for_by_what_is_known_of_it(
    tally: Tally | None, error: SwitchgearError | None, cost: tuple[str, int]
) -> None:
    log, entry, _ = log_of()
    log.price = PRICE
    log.close(tally, error)
    assert (entry.cost, entry.cost_nano_usd) == cost


def test_what_the_upstream_refused_costs_nothing() -> None:
    log, entry, _ = log_of()
    log.price = PRICE
    entry.status = 429
    log.close(None, UpstreamRefused("slow down", status=429))
    assert entry.cost == "void"


def test_a_client_that_left_before_the_answer_leaves_a_cost_that_nobody_knows() -> None:
    log, entry, _ = log_of()
    log.price = PRICE
    log.close(None, cancelled=True)
    assert entry.cost == "unknown"


def test_an_unknown_price_is_never_nothing() -> None:
    log, entry, _ = log_of()
    log.close(Tally(usage=Usage(input=7)))
    assert (entry.cost, entry.price) == ("unknown", "")


def test_the_price_that_was_paid_by_is_on_the_record() -> None:
    log, entry, _ = log_of()
    log.price = PRICE
    log.close(Tally(usage=Usage(input=7)))
    assert entry.price == "2026-01"


def test_a_price_that_nobody_knows_says_so() -> None:
    log, entry, _ = log_of()
    log.close(Tally(usage=Usage(input=7)))
    assert (entry.cost, entry.reason, entry.least, entry.highest_nano_usd) == ("unknown", "unpriced", None, None)


def test_what_was_cut_off_is_estimated_between_what_came_and_what_was_allowed() -> None:
    log, entry, _ = log_of()
    log._call.head.max_tokens = 100
    log.price = PRICE
    log.close(Tally(content_frames=8, content_bytes=32), UpstreamTruncated("cut"))
    assert (entry.cost, entry.reason) == ("estimated", "broken_off")
    assert entry.least == Usage(output=2)
    assert entry.most == Usage(input=len(log._call.body), output=100, estimated=True)
    assert entry.lowest_nano_usd == 2 * 10_000
    assert entry.highest_nano_usd == 100 * 10_000 + len(log._call.body) * 1000
    assert entry.lowest_nano_usd < entry.cost_nano_usd < (entry.highest_nano_usd or 0)


def test_input_that_the_stream_told_as_it_began_is_certain() -> None:
    log, entry, _ = log_of()
    log._call.head.max_tokens = 100
    log.price = PRICE
    told = Usage(input=50, cache_read=200, output=1)
    log.close(Tally(usage_at_start=told, content_frames=4, content_bytes=16), cancelled=True)
    assert (entry.cost, entry.reason) == ("estimated", "cancelled")
    assert entry.least == told
    assert entry.most == Usage(input=50, cache_read=200, output=100)


def test_an_answer_without_a_limit_has_no_upper_bound() -> None:
    log, entry, _ = log_of()
    log.price = PRICE
    log.close(Tally(content_frames=4, content_bytes=16))
    assert (entry.cost, entry.reason) == ("estimated", "untold")
    assert (entry.most, entry.highest_nano_usd) == (None, None)


def test_several_choices_are_not_bounded_by_the_limit_of_one() -> None:
    log, entry, _ = log_of()
    log._call.rewrite(b'{"model": "m", "n": 3, "max_tokens": 5}')
    log._call.head.max_tokens = 5
    log.price = PRICE
    log.close(None, UpstreamTimeout("late", phase="first_byte"))
    assert (entry.cost, entry.reason, entry.lowest_nano_usd) == ("unknown", "unanswered", 0)
    assert entry.highest_nano_usd is None


def test_what_was_sent_and_not_answered_may_cost_nothing_or_all_that_was_allowed() -> None:
    log, entry, _ = log_of()
    log._call.head.max_tokens = 10
    log.price = PRICE
    log.close(None, UpstreamTimeout("late", phase="first_byte"))
    assert (entry.cost, entry.lowest_nano_usd) == ("unknown", 0)
    assert entry.highest_nano_usd == 10 * 10_000 + len(log._call.body) * 1000


def test_a_class_of_service_that_was_asked_for_and_not_told_widens_the_bounds() -> None:
    log, entry, _ = log_of()
    log._call.rewrite(b'{"model": "m", "service_tier": "priority", "max_tokens": 5}')
    log._call.head.max_tokens = 5
    log.price = PRICE
    log.close(Tally(content_frames=1, content_bytes=4), cancelled=True)
    assert entry.highest_nano_usd == 2 * (5 * 10_000 + len(log._call.body) * 1000)


def test_an_answer_that_counts_no_tokens_is_not_free_where_nothing_else_has_a_rate() -> None:
    log, entry, _ = log_of()
    log.price = PRICE
    log.close(Tally(usage=Usage()))
    assert (entry.cost, entry.reason, entry.cost_nano_usd) == ("unknown", "untold", 0)
    log, entry, _ = log_of()
    log.price = PriceCard(input="0", output="0", call="0.002").price("x")
    log.close(Tally(usage=Usage()))
    assert (entry.cost, entry.cost_nano_usd) == ("settled", 2_000_000)
