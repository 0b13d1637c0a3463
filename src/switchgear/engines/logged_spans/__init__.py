"""A log in front of a trace store: spans are on the disk at once, and in the store soon after."""

from switchgear.engines.logged_spans.log import SpanLog
from switchgear.engines.logged_spans.store import LoggedSpans

__all__ = ["LoggedSpans", "SpanLog"]
