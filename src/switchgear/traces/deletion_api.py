"""Routes of the management API that delete traces: one by its id, or all of a user, with what hangs on them.

A user's name stands in the audit log as a digest, because the log can never be changed.
"""

import hashlib
import re
from typing import Annotated, Final

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Database, TraceStore
from switchgear.kernel.query import Compare
from switchgear.rest import audit
from switchgear.rest.cursor import STORABLE
from switchgear.rest.principal import Place
from switchgear.rest.problem import not_found
from switchgear.rest.route import Answer, Asked, Route
from switchgear.traces.deletion import MOST_TRACES, Deleted, Deletion, count_of
from switchgear.traces.whose import READ, ProjectText, project_of

DELETE: Final = "traces:delete"
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


def deletion_routes(store: TraceStore, database: Database[AsyncConnection], clock: Clock) -> tuple[Route, ...]:
    """Both."""
    shredder = _Shredder(Deletion(store, database, clock))
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
    def __init__(self, deletion: Deletion) -> None:
        self._deletion = deletion

    async def one(self, asked: Asked) -> Answer:
        trace_id = asked.path["id"].lower()
        what = f"trace {trace_id[:64]!r}"
        project = project_of(asked.principal, asked.query_as(OneTraceDeletion).project)
        asked.allow(Place(project=project), what, READ)
        if not _TRACE_ID.fullmatch(trace_id):
            raise not_found(what)
        return Answer(body=await self._deletion.of_ids(asked.author, project, (trace_id,)))

    async def of_user(self, asked: Asked) -> Answer:
        query = asked.query_as(UserDeletion)
        project = project_of(asked.principal, query.project)
        asked.allow(Place(project=project), f"traces of project {project!r}")
        ids, more = await self._deletion.found(project, Compare(field="user", value=query.user))
        name = digest_of(query.user)
        change = audit.Change(action="delete", kind="trace_user", name=name, project=project, after=count_of(ids))
        return Answer(body=await self._deletion.delete(asked.author, (change,), ids, more=more))


def digest_of(user: str) -> str:
    """What stands for a user's name in the audit log: its SHA-256."""
    return f"sha256:{hashlib.sha256(user.encode()).hexdigest()}"
