"""The trace store's hot tier: spans in one SQLite file."""

from switchgear.engines.sqlite_spans.store import SqliteSpans

__all__ = ["SqliteSpans"]
