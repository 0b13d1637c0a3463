"""What a call may come to use, before it is made: what it reads by its length, what it writes by what bounds it."""

from typing import Final

from msgspec import UNSET, DecodeError, Struct, json

from switchgear.kernel.call import Call, Head
from switchgear.kernel.estimate import BYTES_PER_TOKEN
from switchgear.kernel.pricing import PICO_PER_NANO
from switchgear.limits.learned import Learned
from switchgear.limits.model import Amounts, Reach, amounts_of

_MOST_ANSWERS: Final = 128
_SERVICE: Final = b'"service_tier"'
_PICTURES: Final = "images"
_SPEECH: Final = "audio_speech"


class _Answers(Struct):
    n: int | None = None


def bound_of(call: Call, reach: Reach) -> int | None:
    """The most output tokens of one answer, as the call or the model bounds them; None when neither does."""
    declared, cap = _declared(call.head), reach.output_tokens
    if declared is None or (cap is not None and cap < declared):
        return cap
    return declared


def estimate(call: Call, reach: Reach, learned: Learned) -> Amounts:
    """Input by the body's length, output by the smallest of its bounds and what was learned, at the highest rates."""
    body = call.body
    read = -(-len(body) // BYTES_PER_TOKEN)
    context = reach.context_tokens
    if context is not None and read > context:
        # A picture is many bytes and few tokens: no call reads more than fits.
        read = context
    written = _written(call, reach, learned) if call.dialect.family == "chat" else 0
    rates = reach.standard
    if reach.of_any_service is not rates and _SERVICE in body:
        rates = reach.of_any_service
    rate = rates.input
    if rates.cached_input > rate and b"cache_control" in body:
        rate = rates.cached_input
    pico = rates.call + read * rate + written * rates.output
    if rates.image and call.operation == _PICTURES:
        pico += rates.image * _answers(body)
    elif rates.character and call.operation == _SPEECH:
        pico += rates.character * len(body)
    legs = reach.legs
    if legs == 1:
        return (1, read + written, read, written, -(-pico // PICO_PER_NANO))
    return amounts_of(read * legs, written * legs, -(-pico * legs // PICO_PER_NANO))


def _declared(head: Head) -> int | None:
    declared = head.max_tokens if head.max_completion_tokens is None else head.max_completion_tokens
    return None if declared is None or declared < 0 else declared


def _written(call: Call, reach: Reach, learned: Learned) -> int:
    written = _declared(call.head)
    if written is None:
        written = learned.expected("" if call.caller is None else call.caller.key, call.head.model)
    cap = reach.output_tokens
    if cap is not None and cap < written:
        written = cap
    return written if call.head.n is UNSET else written * _answers(call.body)


def _answers(body: bytes) -> int:
    """How many answers are asked for; each is billed."""
    try:
        asked = json.decode(body, type=_Answers).n
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return 1
    return min(max(1, asked or 1), _MOST_ANSWERS)
