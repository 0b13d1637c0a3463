"""Routes of the management API: everybody's batches, as far as the caller may see their projects.

A batch of a key without a project belongs to the installation: only who may see all of that sees it.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, json
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.batches import store
from switchgear.batches.model import ACTIVE, PROJECT_SCOPE, Batch, Door, Status
from switchgear.batches.service import stop
from switchgear.batches.tables import BATCHES, MOMENTS
from switchgear.kernel.errors import BadRequest
from switchgear.rest import audit
from switchgear.rest.cursor import STORABLE, CursorText, Limit, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.etag import digest_etag
from switchgear.rest.principal import EVERYWHERE, Author, Place, Principal
from switchgear.rest.problem import Refused, forbidden, not_found
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import encoded, moment

KIND: Final = "batch"
READ: Final = "batch:read"
_MAX_CREATED_NS: Final = (1 << 63) - 1
StatusFilter = Status | Literal["active"]


class BatchQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of batches takes."""

    limit: Limit = 50
    cursor: CursorText = ""
    status: Annotated[
        StatusFilter | None, Meta(description="Only those that stand so; `active`: those that are not over.")
    ] = None
    project: Annotated[str, Meta(max_length=64, pattern=STORABLE, description="Only this project's.")] = ""


class BatchObject(Struct, frozen=True, kw_only=True):
    """One batch: whose it is, how far it is, and what was wrong with it."""

    id: str
    scope: str
    """`project:NAME`, or `key:NAME` where the key has no project."""
    project: str | None
    key: str
    """The virtual key that made it, under which its lines run."""
    door: Door
    endpoint: str
    completion_window: str
    status: Status
    metadata: dict[str, str] | None
    errors: list[dict[str, object]] | None
    """What was wrong with its file; null when nothing was."""
    input_file: str
    output_file: str
    error_file: str
    owner: str
    """Which control process runs it."""
    total: int
    succeeded: int
    errored: int
    unfinished: int
    """Lines that were given up because it expired or was cancelled."""
    created_at: str
    expires_at: str
    in_progress_at: str | None
    finalizing_at: str | None
    completed_at: str | None
    failed_at: str | None
    expired_at: str | None
    cancelling_at: str | None
    cancelled_at: str | None


class BatchPage(Struct, frozen=True):
    """Batches, newest first."""

    data: list[BatchObject]
    next: str | None
    """The cursor of the next page; null at the end."""


class Sought(Struct, frozen=True, kw_only=True):
    """Which batches are wanted."""

    status: StatusFilter | None = None
    project: str = ""

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for the database."""
        found: list[ColumnElement[bool]] = []
        if self.status is not None:
            found.append(BATCHES.c.status.in_(ACTIVE if self.status == "active" else (self.status,)))
        if self.project:
            found.append(BATCHES.c.scope == PROJECT_SCOPE + self.project)
        return found


def batch_routes(now_ns: Callable[[], int]) -> tuple[Route, ...]:
    """All of them."""

    async def cancel(asked: Asked) -> Answer:
        batch = await _found(asked)
        changed = await cancelled(asked.connection, batch, asked.author, now_ns())
        return _answer(changed)

    return (
        Route(
            method="GET",
            path="/batches",
            permission=READ,
            summary="List batches, newest first, and how far they are.",
            handler=_list,
            query=BatchQuery,
            answer=BatchPage,
            by_place=True,
        ),
        Route(
            method="GET",
            path="/batches/{id}",
            permission=READ,
            summary="One batch: whose it is, how far it is, and what was wrong with it.",
            handler=_get,
            answer=BatchObject,
            by_place=True,
            tells_etag=True,
        ),
        Route(
            method="POST",
            path="/batches/{id}/cancel",
            permission="batch:write",
            summary="Begin no more lines of a batch; those under way end, and their answers are kept.",
            handler=cancel,
            answer=BatchObject,
            by_place=True,
            tells_etag=True,
            refuses=(409,),
        ),
    )


async def cancelled(connection: AsyncConnection, batch: Batch, author: Author, now_ns: int) -> Batch:
    """A batch that was stopped, and who did it is in the audit log. Raises Refused for one that is over."""
    try:
        changed = await stop(connection, batch, now_ns)
    except BadRequest as error:
        raise Refused(409, "batch_over", error.message) from None
    if changed.status != batch.status:
        change = audit.Change(
            action="cancel",
            kind=KIND,
            name=batch.id,
            project=batch.project,
            before=_standing(batch),
            after=_standing(changed),
        )
        await audit.record(connection, author, change, now_ns)
    return changed


def shown_batch(batch: Batch) -> BatchObject:
    """A batch as the API and the command line show it."""
    moments = {f"{name}_at": _moment(getattr(batch, f"{name}_ns")) for name in MOMENTS}
    return BatchObject(
        id=batch.id,
        scope=batch.scope,
        project=batch.project or None,
        key=batch.key,
        door=batch.door,
        endpoint=batch.endpoint,
        completion_window=batch.completion_window,
        status=batch.status,
        metadata=json.decode(batch.metadata or "null", type=dict[str, str] | None),
        errors=json.decode(batch.errors or "null", type=list[dict[str, object]] | None),
        input_file=batch.input_file,
        output_file=batch.output_file,
        error_file=batch.error_file,
        owner=batch.owner,
        total=batch.total,
        succeeded=batch.succeeded,
        errored=batch.errored,
        unfinished=batch.unfinished,
        created_at=moment(batch.created_ns),
        expires_at=moment(batch.expires_ns),
        **moments,
    )


async def _list(asked: Asked) -> Answer:
    query = asked.query_as(BatchQuery)
    if query.project and not asked.principal.may(READ, Place(project=query.project)):
        raise forbidden(READ, f" in project {query.project!r}")
    of = f"/batches?status={query.status}&project={query.project}"
    sought = Sought(status=query.status, project=query.project)
    found = await _visible(asked, sought, _read_cursor(cursor_after(of, query.cursor)), query.limit + 1)
    page = found[: query.limit]
    more = cursor_text(of, f"{page[-1].created_ns} {page[-1].id}") if len(found) > query.limit else None
    return Answer(body=BatchPage([shown_batch(batch) for batch in page], more))


async def _visible(asked: Asked, sought: Sought, before: tuple[int, str] | None, wanted: int) -> list[Batch]:
    """The next batches that the caller may see; one of another place may lie between them."""
    conditions = [*sought.conditions, *_of_places(asked.principal)]
    found: list[Batch] = []
    while True:
        rows = await store.newest_batches(asked.connection, conditions, wanted, before)
        found += [row for row in rows if asked.principal.may(READ, place_of(row))]
        if len(found) >= wanted or len(rows) < wanted:
            return found[:wanted]
        before = (rows[-1].created_ns, rows[-1].id)


def _of_places(principal: Principal) -> Sequence[ColumnElement[bool]]:
    places = principal.places(READ)
    if EVERYWHERE in places:
        return ()
    return (BATCHES.c.scope.in_([PROJECT_SCOPE + place.project for place in places if place.project]),)


async def _get(asked: Asked) -> Answer:
    return _answer(await _found(asked))


async def _found(asked: Asked) -> Batch:
    """Raises Refused when it is not there, or not for the caller."""
    name = asked.path["id"]
    what = f"batch {name[:200]!r}"
    batch = await store.find_batch(asked.connection, name)
    if batch is None:
        raise not_found(what)
    asked.allow(place_of(batch), what, READ)
    return batch


def place_of(batch: Batch) -> Place:
    """Whose a batch is."""
    return Place(project=batch.project)


def _answer(batch: Batch) -> Answer:
    body = encoded(shown_batch(batch))
    return Answer(body=body, etag=digest_etag(body))


def _read_cursor(after: str) -> tuple[int, str] | None:
    if not after:
        return None
    created, _, name = after.partition(" ")
    if not (created.isascii() and created.isdigit() and int(created) <= _MAX_CREATED_NS):
        raise unknown_cursor()
    return int(created), name


def _standing(batch: Batch) -> str:
    facts = {"status": batch.status, "key": batch.key, "total": batch.total, "succeeded": batch.succeeded}
    return json.encode(facts).decode()


def _moment(wall_ns: int | None) -> str | None:
    return None if wall_ns is None else moment(wall_ns)
