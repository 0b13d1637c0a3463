"""What a call may come to use, before it is made: what it reads by its length, what it writes by what bounds it."""

from collections.abc import Callable
from typing import Final

from msgspec import DecodeError, Struct, json

from switchgear.kernel.call import Call
from switchgear.kernel.estimate import estimate_tokens
from switchgear.kernel.pricing import PICO_PER_NANO
from switchgear.limits.learned import Learned
from switchgear.limits.plan import Estimate

_MOST_ANSWERS: Final = 128


class Reach(Struct, frozen=True, kw_only=True):
    """What holds at most for any deployment that a model's calls can reach; rates in pico-dollars a token."""

    input_pico: int = 0
    cached_input_pico: int = 0
    """Of what is written into a cache."""
    output_pico: int = 0
    call_pico: int = 0
    output_tokens: int | None = None
    """The most that an answer can have."""
    context_tokens: int | None = None
    providers: tuple[str, ...] = ()
    """Where calls of the model may go."""


class Reached(Struct, frozen=True):
    """What a snapshot says of the models that can be called."""

    find: Callable[[str], Reach]


class _Answers(Struct):
    n: int | None = None


def bound_of(call: Call, reach: Reach) -> int | None:
    """The most output tokens of one answer, as the call or the model bounds them; None when neither does."""
    head = call.head
    declared = head.max_tokens if head.max_completion_tokens is None else head.max_completion_tokens
    if declared is None or declared < 0:
        return reach.output_tokens
    return declared if reach.output_tokens is None else min(declared, reach.output_tokens)


def estimate(call: Call, reach: Reach, learned: Learned) -> Estimate:
    """Input by the body's length, output by the smallest of its bounds and what was learned, at the highest rates."""
    body = call.body
    read = estimate_tokens(len(body)) if body else 0
    if reach.context_tokens is not None:
        # A picture is many bytes and few tokens: no call reads more than fits.
        read = min(read, reach.context_tokens)
    written = _written(call, reach, learned) if call.dialect.family == "chat" else 0
    rate = reach.cached_input_pico if b"cache_control" in body else reach.input_pico
    pico = reach.call_pico + read * rate + written * reach.output_pico
    return Estimate(read, written, -(-pico // PICO_PER_NANO))


def _written(call: Call, reach: Reach, learned: Learned) -> int:
    declared = call.head.max_tokens if call.head.max_completion_tokens is None else call.head.max_completion_tokens
    bound = bound_of(call, reach)
    if declared is not None and bound is not None:
        written = bound
    else:
        expected = learned.expected("" if call.caller is None else call.caller.key, call.head.model)
        written = expected if bound is None else min(expected, bound)
    return written * _answers(call.body)


def _answers(body: bytes) -> int:
    """How many answers are asked for; each is billed."""
    if b'"n"' not in body:
        return 1
    try:
        asked = json.decode(body, type=_Answers).n
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return 1
    return min(max(1, asked or 1), _MOST_ANSWERS)
