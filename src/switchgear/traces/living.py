"""Which traces are still in the store."""

from collections.abc import Collection
from typing import Final

from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Find, OneOf, Window
from switchgear.traces.whose import ALL_OF_TIME

_AT_ONCE: Final = 90
"""A question has no more than a hundred parts."""


async def living_traces(store: TraceStore, project: str, trace_ids: Collection[str]) -> frozenset[str]:
    """Those of these that are there, sealed or not. Raises OSError."""
    window = Window(project=project, since_ns=ALL_OF_TIME[0], until_ns=ALL_OF_TIME[1])
    wanted = sorted(trace_ids)
    there: set[str] = set()
    for at in range(0, len(wanted), _AT_ONCE):
        some = tuple(wanted[at : at + _AT_ONCE])
        question = Find(window=window, where=OneOf(field="trace_id", values=some), of="traces", limit=len(some))
        there |= {row.trace_id for row in (await store.find(question)).traces}
    return frozenset(there)
