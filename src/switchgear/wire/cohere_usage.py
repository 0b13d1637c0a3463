"""What accounting reads of Cohere's answers: tokens, searches and finish reasons, both ways.

Cohere counts twice: ``tokens`` is all that the model read and wrote, ``billed_units`` what is charged, without what
Cohere itself puts around a prompt and the special tokens a model writes
(docs.cohere.com/docs/how-does-cohere-pricing-work). The canonical buckets are there for money, so what was billed is
the truth; ``tokens`` stands in for servers that bill nothing. Output includes thinking, which is not counted apart.

``cached_tokens`` is a part of ``tokens.input_tokens``. Where less was billed than read, nothing says how much of the
cached part was, so none is told apart.
"""

from typing import Final

from msgspec import Struct

from switchgear.kernel.chat import Finish, Usage
from switchgear.kernel.errors import UpstreamRefused

_FINISHES: Final[dict[str, Finish]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    # Of the API's first version, where servers in the field still say so.
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "context_length",
}
_REASONS: Final[dict[Finish, str]] = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "refusal": "COMPLETE",
    "pause": "COMPLETE",
    "context_length": "MAX_TOKENS",
}
_BROKEN: Final = {"ERROR": (500, "server_error"), "TIMEOUT": (504, "upstream_timeout")}
"""Finish reasons that mean that there is no answer, with the status and the code they stand for."""


class WireTokens(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class WireBilled(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None
    image_tokens: float | None = None
    search_units: float | None = None


class WireUsage(Struct):
    """``usage`` of a chat; ``meta`` of embeddings and of a ranking holds the same members."""

    billed_units: WireBilled | None = None
    tokens: WireTokens | None = None
    cached_tokens: float | None = None
    estimated: bool | None = None
    """This gateway's own mark for counts that no model reported."""


def read_usage(wire: WireUsage) -> Usage | None:
    """Disjoint buckets; None where no tokens are told, as for a search."""
    billed, told = wire.billed_units or WireBilled(), wire.tokens or WireTokens()
    asked = _first(billed.input_tokens, told.input_tokens)
    answered = _first(billed.output_tokens, told.output_tokens)
    seen = _count(billed.image_tokens)
    if asked is None and answered is None and billed.image_tokens is None:
        return None
    read = _count(asked)
    all_billed = told.input_tokens is None or _count(told.input_tokens) <= read
    cached = min(_count(wire.cached_tokens), read) if all_billed else 0
    return Usage(
        input=read - cached,
        cache_read=cached,
        output=_count(answered),
        image_input=seen,
        estimated=wire.estimated is True,
    )


def write_usage(usage: Usage, searches: int | None = None) -> dict[str, object]:
    """Cohere's counts; whatever else the model read or wrote is part of its input and output."""
    asked, answered = usage.total_input - usage.image_input, usage.total_output
    billed: dict[str, object] = {"input_tokens": asked, "output_tokens": answered}
    if usage.image_input:
        billed["image_tokens"] = usage.image_input
    if searches is not None:
        billed["search_units"] = searches
    written: dict[str, object] = {
        "billed_units": billed,
        "tokens": {"input_tokens": asked, "output_tokens": answered},
    }
    if usage.cache_read:
        written["cached_tokens"] = usage.cache_read
    if usage.estimated:
        written["estimated"] = True
    return written


def read_finish(reason: str | None, message: str | None = None) -> Finish:
    """The canonical finish; a reason nobody knows is a stop.

    Raises UpstreamRefused for those that mean that the answer broke off; ``message`` says why.
    """
    broken = _BROKEN.get(reason or "")
    if broken is not None:
        status, code = broken
        why = message or f"the upstream's answer broke off: its finish reason is {reason}"
        raise UpstreamRefused(why, status=status, code=code, kind=reason)
    return _FINISHES.get(reason or "", "stop")


def write_finish(finish: Finish) -> str:
    return _REASONS[finish]


def failure_reason(status: int) -> str:
    """The finish reason of an answer that broke off with an error of this status."""
    return "TIMEOUT" if status in (408, 504) else "ERROR"


def _first(*counts: float | None) -> float | None:
    return next((count for count in counts if count is not None), None)


def _count(value: float | None) -> int:
    """Cohere types its counts as floats."""
    return max(int(value or 0), 0)
