"""What an attempt's entry in the record says, kept while the answer passes by; and what it cost.

What the upstream did not tell is estimated, between bounds. The lower one is what was done for certain: the input that
a stream told as it began, the tokens that what came cannot have been made of fewer than. The upper one is all that the
request allowed: a token for each byte of it, as vocabularies of bytes have it at worst, and its own limit of output.
Pictures and files that a request only refers to are outside of it, and so of the bound.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import structs

from switchgear.kernel.call import Call
from switchgear.kernel.chat import Chat, ChoiceStop, Delta, Event, Failure, Start, Usage, UsageReport
from switchgear.kernel.dialect import Tally
from switchgear.kernel.estimate import (
    estimate_output_tokens,
    estimate_tokens,
    estimated_usage,
    fewest_output_tokens,
)
from switchgear.kernel.pricing import CostReason, Price
from switchgear.kernel.record import Attempt
from switchgear.routing.causes import UNSENT

_FIRST_OTHER_STATUS: Final = 300
_CHOICES: Final = b'"n"'
_SERVICE: Final = b'"service_tier"'
_NOTHING: Final = Tally()


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


def settle_unsure(call: Call, entry: Attempt, price: Price | None, tally: Tally | None) -> None:
    """Say what an attempt cost whose usage nobody told: an answer that broke off is paid as far as it came."""
    usage = entry.usage
    if call.dialect.family == "count_tokens":
        entry.cost, entry.reason = "void", "free"
    elif usage is None:
        _settle_silence(call, entry, price)
    elif price is None:
        entry.cost, entry.reason = "unknown", "unpriced"
        _bound(call, entry, price, tally or _NOTHING)
    elif not usage.total_input:
        # Nothing is read by no model: such a usage stands for one that is still to come.
        entry.cost, entry.reason = "unknown", "unanswered"
    else:
        entry.cost, entry.price, entry.reason = "estimated", price.version, _why(entry)
        entry.cost_nano_usd = price.cost(usage, entry.service)
        _bound(call, entry, price, tally or _NOTHING)


def _settle_silence(call: Call, entry: Attempt, price: Price | None) -> None:
    if entry.status >= _FIRST_OTHER_STATUS:
        entry.cost, entry.reason = "void", "refused"
    elif entry.cause in UNSENT:
        entry.cost, entry.reason = "void", "unsent"
    else:
        # Sent, and not refused: the upstream may have worked on it, and may send a bill.
        entry.cost = "unknown"
        entry.reason = "cancelled" if entry.outcome == "cancelled" else "unanswered"
        _bound(call, entry, price, _NOTHING)


def _why(entry: Attempt) -> CostReason:
    if entry.outcome == "cancelled":
        return "cancelled"
    return "broken_off" if entry.outcome == "failed" else "untold"


def _bound(call: Call, entry: Attempt, price: Price | None, tally: Tally) -> None:
    """The bounds of what is not settled; the estimate itself is never outside of them."""
    told, limit = tally.usage_at_start, _output_limit(call)
    fewest = fewest_output_tokens(tally.content_bytes)
    if told is not None:
        entry.least = structs.replace(told, output=max(told.output, fewest), reasoning=0, audio_output=0)
    else:
        entry.least = Usage(output=fewest)
    if limit is not None:
        most = told or Usage(input=len(call.body), estimated=True)
        entry.most = structs.replace(most, output=max(limit, fewest), reasoning=0, audio_output=0)
    if price is None:
        return
    services = _services(call, entry, price)
    entry.lowest_nano_usd = min(price.least(entry.least, services), entry.cost_nano_usd)
    if entry.most is not None:
        entry.highest_nano_usd = max(price.most(entry.most, services), entry.cost_nano_usd)


def _services(call: Call, entry: Attempt, price: Price) -> Sequence[str]:
    """Classes of service that may have answered: the one that was told, or any, where the request chose among them."""
    if entry.service or _SERVICE not in call.body:
        return (entry.service,)
    return ("", *price.services)


def _output_limit(call: Call) -> int | None:
    """Tokens that an answer cannot be longer than, as far as the request says; nothing is decoded for it."""
    if call.dialect.family != "chat":
        return 0
    decoded = call.decoded
    if isinstance(decoded, Chat):
        limit, choices = decoded.max_output_tokens, decoded.choices or 1
        return None if limit is None else limit * choices
    head = call.head
    limit = head.max_completion_tokens or head.max_tokens
    return None if _CHOICES in call.body else limit
