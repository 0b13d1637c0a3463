"""What an attempt's entry says: estimates, marked as such, and an outcome that is said once."""

from switchgear.kernel.chat import ChoiceStop, Delta, Usage, UsageReport
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import UpstreamTruncated
from switchgear.kernel.estimate import estimate_tokens
from switchgear.kernel.record import Attempt
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
