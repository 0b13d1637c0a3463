"""Routes of the management API that delete traces: one by its id, or all of a user, with what hangs on them.

What is about to go is noted in the audit log first, so that nothing vanishes unnoted; a call that was broken off is
finished by the same call. A user's name stands in the log as a digest, because the log can never be changed.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct, json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Database, TraceStore
from switchgear.kernel.query import Compare, Doomed, Find, Window
from switchgear.rest import audit
from switchgear.rest.cursor import STORABLE
from switchgear.rest.principal import Author, Place
from switchgear.rest.problem import not_found
from switchgear.rest.route import Answer, Asked, Route
from switchgear.traces import drafts, media_uses
from switchgear.traces.comments import store as comments
from switchgear.traces.doors import langfuse_ids
from switchgear.traces.scores import store as scores
from switchgear.traces.whose import ALL_OF_TIME, READ, ProjectText, project_of, unreachable

DELETE: Final = "traces:delete"
MOST_TRACES: Final = 100
"""In one call, so that none holds up what others write."""
_TRACE_ID: Final = re.compile("[0-9a-f]{32}")


class OneTraceDeletion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the deletion of one trace takes."""

    project: ProjectText = ""


class UserDeletion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the deletion of a user's traces takes."""

    user: Annotated[
        str,
        Meta(min_length=1, max_length=1024, pattern=STORABLE, description="Whose: every trace with a span of theirs."),
    ]
    project: ProjectText = ""


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


def deletion_routes(store: TraceStore, database: Database[AsyncConnection], clock: Clock) -> tuple[Route, ...]:
    """Both."""
    shredder = _Shredder(store, database, clock)
    return (
        Route(
            method="DELETE",
            path="/traces/{id}",
            permission=DELETE,
            summary="Delete a trace, and the scores and comments on it; one that is gone is no error.",
            handler=shredder.one,
            query=OneTraceDeletion,
            answer=Deleted,
            by_place=True,
            refuses=(404, 503),
            needs_database=False,
        ),
        Route(
            method="DELETE",
            path="/traces",
            permission=DELETE,
            summary=f"Delete up to {MOST_TRACES} traces of a user, with what hangs on them; ask again while `more`.",
            handler=shredder.of_user,
            query=UserDeletion,
            answer=Deleted,
            by_place=True,
            refuses=(503,),
            needs_database=False,
        ),
    )


class _Shredder:
    def __init__(self, store: TraceStore, database: Database[AsyncConnection], clock: Clock) -> None:
        self._store = store
        self._database = database
        self._clock = clock

    async def one(self, asked: Asked) -> Answer:
        trace_id = asked.path["id"].lower()
        what = f"trace {trace_id[:64]!r}"
        project = project_of(asked.principal, asked.query_as(OneTraceDeletion).project)
        asked.allow(Place(project=project), what, READ)
        if not _TRACE_ID.fullmatch(trace_id):
            raise not_found(what)
        ids, _ = await self._found(project, Compare(field="trace_id", value=trace_id))
        # Scores may be left of a trace that is gone.
        change = audit.Change(action="delete", kind="trace", name=trace_id, project=project, after=_count(ids))
        return Answer(body=await self._delete(asked.author, change, (trace_id,), more=False))

    async def of_user(self, asked: Asked) -> Answer:
        query = asked.query_as(UserDeletion)
        project = project_of(asked.principal, query.project)
        asked.allow(Place(project=project), f"traces of project {project!r}")
        ids, more = await self._found(project, Compare(field="user", value=query.user))
        name = digest_of(query.user)
        change = audit.Change(action="delete", kind="trace_user", name=name, project=project, after=_count(ids))
        return Answer(body=await self._delete(asked.author, change, ids, more=more))

    async def _found(self, project: str, where: Compare) -> tuple[tuple[str, ...], bool]:
        """Ids of some traces, and whether there are more."""
        window = Window(project=project, since_ns=ALL_OF_TIME[0], until_ns=ALL_OF_TIME[1])
        question = Find(window=window, where=where, of="traces", newest_first=False, limit=MOST_TRACES)
        try:
            found = await self._store.find(question)
        except OSError as error:
            raise unreachable(error) from error
        return tuple(row.trace_id for row in found.traces), bool(found.after)

    async def _delete(self, author: Author, change: audit.Change, ids: Sequence[str], *, more: bool) -> Deleted:
        async with self._database.write() as connection:
            await audit.record(connection, author, change, self._clock.wall_ns())
            gone = await scores.remove(connection, change.project, ids) if ids else 0
            unsaid = await comments.remove_of_traces(connection, change.project, ids) if ids else 0
            if ids:
                await media_uses.remove_of_traces(connection, change.project, ids)
            await drafts.remove_of_traces(connection, change.project, ids, langfuse_ids.trace_id)
        try:
            spans = await self._store.delete(Doomed(project=change.project, trace_ids=tuple(ids))) if ids else 0
        except OSError as error:
            raise unreachable(error) from error
        return Deleted(traces=len(ids) if spans else 0, spans=spans, scores=gone, comments=unsaid, more=more)


def digest_of(user: str) -> str:
    """What stands for a user's name in the audit log: its SHA-256."""
    return f"sha256:{hashlib.sha256(user.encode()).hexdigest()}"


def _count(ids: Sequence[str]) -> str:
    return json.encode({"traces": len(ids)}).decode()
