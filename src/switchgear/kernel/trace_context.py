"""Where a call stands in its caller's trace: W3C Trace Context (level 1), as the headers of a request tell it.

A span's id is 16 lower-case hexadecimal digits. Those of a call come from the call's own id, so that nothing has to be
drawn, and whoever reads a record again finds the same ones.
"""

import re
from typing import Final

from msgspec import Struct

_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_VERSION: Final = b"00"
_NO_VERSION: Final = b"ff"
_SPAN_DIGITS: Final = slice(16, 32)
_ALL_BITS: Final = (1 << 64) - 1


class TraceContext(Struct, frozen=True, gc=False):
    """What the caller said."""

    trace_id: str
    """32 lower-case hexadecimal digits."""
    parent_span_id: str
    flags: str
    """Two digits; the last bit: the caller keeps its part of the trace."""
    state: str = ""
    """What tracing systems note for themselves; it goes on unchanged."""


def read_context(parent: bytes, state: bytes = b"") -> TraceContext | None:
    """What ``traceparent`` and ``tracestate`` say; None where the first is not valid, and the second means nothing.

    A later version is read as far as version 00 goes, which the standard asks for.
    """
    found = _PARENT.fullmatch(parent.strip(b" \t"))
    if found is None or found[1] == _NO_VERSION or (found[5] is not None and found[1] == _VERSION):
        return None
    trace_id, span_id = found[2].decode(), found[3].decode()
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, found[4].decode(), state.decode("latin-1"))


def onward(context: TraceContext, span_id: str) -> tuple[tuple[str, str], ...]:
    """The headers of a request that is made under the span ``span_id``."""
    parent = ("traceparent", f"00-{context.trace_id}-{span_id}-{context.flags}")
    return (parent, ("tracestate", context.state)) if context.state else (parent,)


def span_id_of(call_id: str, number: int = 0) -> str:
    """The id of a call's own span (number 0), or of one below it, told apart by ``number``.

    They are the random half of the call's UUID, counted on; an id of another form is read as its hexadecimal digits.
    """
    try:
        base = int(call_id[_SPAN_DIGITS], 16)
    except ValueError:
        base = int.from_bytes(call_id.encode()[:8], "big")
    # From 1 to the highest, and round again: nought is no id, and no two numbers of a call may share one.
    return f"{(base + number - 1) % _ALL_BITS + 1:016x}"
