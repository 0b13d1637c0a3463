"""Deletes traces with what hangs on them: scores, comments, and what was told of them in pieces.

What is about to go is noted in the audit log first, so that nothing vanishes unnoted. Spans go last, for some scores
name their span alone and are found by it: a call that was broken off is finished by the same call.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from msgspec import Struct, json, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Database, TraceStore
from switchgear.kernel.query import Compare, Doomed, Filter, Find, Window
from switchgear.rest import audit
from switchgear.rest.principal import Author
from switchgear.traces import drafts, media_uses
from switchgear.traces.comments import store as comments
from switchgear.traces.doors import langfuse_ids
from switchgear.traces.scores import store as scores
from switchgear.traces.whose import ALL_OF_TIME, unreachable

MOST_TRACES: Final = 100
"""At once, so that none holds up what others write."""
_SPANS_AT_ONCE: Final = 1_000


class Deleted(Struct, frozen=True, kw_only=True):
    """What one call deleted."""

    traces: int
    spans: int
    scores: int
    """Those on these traces and their spans, every version counted."""
    comments: int
    """Those on these traces and their spans."""
    more: bool
    """Whether more is left: ask again."""


class Deletion:
    """Of traces of all projects. All methods raise Overloaded when the store cannot be reached."""

    def __init__(self, store: TraceStore, database: Database[AsyncConnection], clock: Clock) -> None:
        self._store = store
        self._database = database
        self._clock = clock

    async def found(self, project: str, where: Filter) -> tuple[tuple[str, ...], bool]:
        """Ids of some traces, the oldest first, and whether there are more."""
        window = Window(project=project, since_ns=ALL_OF_TIME[0], until_ns=ALL_OF_TIME[1])
        question = Find(window=window, where=where, of="traces", newest_first=False, limit=MOST_TRACES)
        try:
            found = await self._store.find(question)
        except OSError as error:
            raise unreachable(error) from error
        return tuple(row.trace_id for row in found.traces), bool(found.after)

    async def of_ids(self, author: Author, project: str, ids: Sequence[str]) -> Deleted:
        """Delete these traces, at most ``MOST_TRACES``, each noted by itself; one that is gone is no error."""
        changes: list[audit.Change] = []
        known = 0
        for name in ids:
            # Scores may be left of a trace that is gone.
            there, _ = await self.found(project, Compare(field="trace_id", value=name))
            known += len(there)
            change = audit.Change(action="delete", kind="trace", name=name, project=project, after=count_of(there))
            changes.append(change)
        return structs.replace(await self.delete(author, changes, ids), traces=known)

    async def delete(
        self, author: Author, changes: Sequence[audit.Change], ids: Sequence[str], *, more: bool = False
    ) -> Deleted:
        """Note ``changes``, which are of one project, and delete its traces ``ids``."""
        project = changes[0].project
        async with self._database.write() as connection:
            for change in changes:
                await audit.record(connection, author, change, self._clock.wall_ns())
            gone = await scores.remove(connection, project, ids) if ids else 0
            unsaid = await comments.remove_of_traces(connection, project, ids) if ids else 0
            if ids:
                await media_uses.remove_of_traces(connection, project, ids)
            await drafts.remove_of_traces(connection, project, ids, langfuse_ids.trace_id)
        for trace_id in ids:
            async for span_ids in self._span_ids(project, trace_id):
                async with self._database.write() as connection:
                    gone += await scores.remove_of_spans(connection, project, span_ids)
        try:
            spans = await self._store.delete(Doomed(project=project, trace_ids=tuple(ids))) if ids else 0
        except OSError as error:
            raise unreachable(error) from error
        return Deleted(traces=len(ids) if spans else 0, spans=spans, scores=gone, comments=unsaid, more=more)

    async def _span_ids(self, project: str, trace_id: str) -> AsyncGenerator[list[str]]:
        """Ids of a trace's spans, some at a time."""
        window = Window(project=project, since_ns=ALL_OF_TIME[0], until_ns=ALL_OF_TIME[1])
        where = Compare(field="trace_id", value=trace_id)
        question = Find(window=window, where=where, newest_first=False, limit=_SPANS_AT_ONCE)
        while True:
            try:
                found = await self._store.find(question)
            except OSError as error:
                raise unreachable(error) from error
            if found.spans:
                yield [row.span_id for row in found.spans]
            if not found.after:
                return
            question = structs.replace(question, after=found.after)


def count_of(ids: Sequence[str]) -> str:
    """What the audit log tells of traces that go: how many."""
    return json.encode({"traces": len(ids)}).decode()
