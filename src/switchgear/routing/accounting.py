"""What an attempt's entry in the record says, kept while the answer passes by."""

from msgspec import structs

from switchgear.kernel.call import Call
from switchgear.kernel.chat import ChoiceStop, Delta, Event, Failure, Start, Usage, UsageReport
from switchgear.kernel.dialect import Tally
from switchgear.kernel.estimate import estimate_output_tokens, estimate_tokens, estimated_usage


def see(tally: Tally, event: Event) -> None:
    """Take from a canonical event what accounting needs of it."""
    if isinstance(event, Delta):
        tally.content_bytes += len(event.text)
        tally.content_frames += bool(event.text)
    elif isinstance(event, UsageReport):
        tally.usage = event.usage
    elif isinstance(event, ChoiceStop):
        tally.finish = event.finish
    elif isinstance(event, Start):
        tally.usage_at_start = event.usage
        tally.service = event.service_tier
    elif isinstance(event, Failure):
        tally.error = event.error


def untold_usage(call: Call, tally: Tally) -> Usage:
    """The usage when the upstream told none, or not yet all: an estimate from what went both ways."""
    known = tally.usage_at_start
    if known is not None:
        output = max(known.output, estimate_output_tokens(tally.content_frames, tally.content_bytes))
        return structs.replace(known, output=output, estimated=True)
    return estimated_usage(estimate_tokens(len(call.body)), tally.content_frames, tally.content_bytes)
