"""What may be sealed of a store of spans: nothing that a collector is still to have."""

from pathlib import Path

from msgspec import Struct

from switchgear.app.span_export import folder_of
from switchgear.config.traces import Traces
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.making import Maker
from switchgear.traces.export.positions import KeptPosition


class SealedNow(Struct, frozen=True, kw_only=True):
    """What became of a turn."""

    spans: int
    """So many were sealed."""
    held: dict[str, int]
    """How many that are old enough each collector is still to have, by its name."""


async def seal_closed(
    store: SqliteSpans, traces: Traces, now_ns: int, before_ns: int, fewest: int = 0, maker: Maker | None = None
) -> SealedNow:
    """Seal the traces to which nothing was written since ``before_ns``, as far as all collectors have them.

    ``fewest``: a day of a project that was not over then waits until it has so many spans. ``maker`` makes the files;
    None: this process. Raises OSError.
    """
    positions = {name: _position(folder_of(traces.path), name) for name in traces.export}
    known = {name: position for name, position in positions.items() if position is not None}
    count = await store.seal(now_ns, before_ns, min(known.values(), default=None), fewest, maker)
    closed = await store.last_closed(before_ns)
    held = {name: closed - position for name, position in known.items() if position < closed}
    return SealedNow(spans=count, held=held)


def _position(folder: Path, name: str) -> int | None:
    try:
        return KeptPosition(folder, name).load()
    except ValueError:
        # Nobody knows what it has: its exporter says so.
        return 0
