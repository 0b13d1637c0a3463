"""What Langfuse's older SDKs call traces and observations, as ids of W3C's: theirs may be any text."""

import hashlib
import re
from typing import Final
from uuid import UUID

_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}").fullmatch
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}").fullmatch


def trace_id(name: str) -> str:
    """An id as it is, a UUID's digits, else the beginning of a hash; empty for the empty name."""
    if not name or _TRACE_ID(name):
        return name
    try:
        return UUID(name).hex
    except ValueError:
        return hashlib.sha256(name.encode()).hexdigest()[:32]


def span_id(name: str) -> str:
    """The same of an observation."""
    if not name or _SPAN_ID(name):
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def first_span_id(trace: str) -> str:
    """Of the span that stands for the trace ``trace`` as a whole."""
    return span_id(f"trace {trace}")
