"""Message batches as Anthropic's API has them, for the gateways of this installation."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from msgspec import Meta, Raw, Struct

from switchgear.batches.api import when
from switchgear.batches.asking import answer, answering, body_of, caller_of, limit_of, name_in, origin_of
from switchgear.batches.files import Wanted
from switchgear.batches.model import NANOSECONDS, Batch
from switchgear.batches.service import Batches, MessageRequest
from switchgear.kernel.errors import BadRequest

_PATH: Final = "/v1/messages/batches"
_ONE: Final = f"{_PATH}/{{batch}}"
_MOST: Final = 1000
_USUAL: Final = 20
_LINES: Final = "application/x-jsonl"
_MAX_BYTES: Final = 64 * 1024 * 1024
"""A body is held whole, and read at once."""
CustomId = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Asked(Struct):
    """One request."""

    custom_id: CustomId
    params: Raw


class Create(Struct):
    """A batch to be made."""

    requests: list[Asked]


class Counts(Struct):
    """How many requests are where."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int


class ShownBatch(Struct):
    """Anthropic's batch; a time is null while it has not come."""

    id: str
    processing_status: str
    request_counts: Counts
    created_at: str
    expires_at: str
    ended_at: str | None
    cancel_initiated_at: str | None
    results_url: str | None
    archived_at: str | None = None
    type: str = "message_batch"


class Listed(Struct):
    """A part of the list."""

    data: list[ShownBatch]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Deleted(Struct):
    """A batch that is no more."""

    id: str
    type: str = "message_batch_deleted"


def router(batches: Batches, is_on: Callable[[], bool], max_bytes: Callable[[], int]) -> APIRouter:
    """The routes; ``max_bytes`` is how much may be sent at once."""

    async def create(request: Request) -> Response:
        caller = caller_of(request)
        said = await body_of(request, Create, min(max_bytes(), _MAX_BYTES))
        requests = [MessageRequest(each.custom_id, each.params) for each in said.requests]
        return answer(shown(await batches.create_messages(caller, requests), request))

    async def listed(request: Request) -> Response:
        wanted = _page(request)
        found = await batches.page(caller_of(request), "anthropic", wanted)
        some = found[: wanted.limit]
        data = [shown(batch, request) for batch in (reversed(some) if wanted.oldest_first else some)]
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return answer(Listed(data=data, has_more=len(found) > wanted.limit, first_id=first, last_id=last))

    async def one(request: Request) -> Response:
        return answer(shown(await batches.get(caller_of(request), "anthropic", _name(request)), request))

    async def cancel(request: Request) -> Response:
        return answer(shown(await batches.cancel(caller_of(request), "anthropic", _name(request)), request))

    async def results(request: Request) -> Response:
        return StreamingResponse(await batches.results(caller_of(request), _name(request)), media_type=_LINES)

    async def delete(request: Request) -> Response:
        await batches.delete(caller_of(request), "anthropic", _name(request))
        return answer(Deleted(id=_name(request)))

    made = APIRouter()
    for method, path, handler in (
        ("POST", _PATH, create),
        ("GET", _PATH, listed),
        ("GET", _ONE, one),
        ("POST", f"{_ONE}/cancel", cancel),
        ("GET", f"{_ONE}/results", results),
        ("DELETE", _ONE, delete),
    ):
        made.add_api_route(path, answering(when(is_on, handler)), methods=[method], include_in_schema=False)
    return made


def _name(request: Request) -> str:
    return str(request.path_params["batch"])


def _page(request: Request) -> Wanted:
    """Raises BadRequest."""
    before, after = name_in(request, "before_id"), name_in(request, "after_id")
    if before and after:
        raise BadRequest("'before_id' and 'after_id' exclude each other", param="before_id")
    # Newest first: what stands before a batch in the list is newer.
    limit = limit_of(request, _USUAL, _MOST)
    return Wanted(limit=limit, after=before or after, oldest_first=bool(before))


def shown(batch: Batch, request: Request) -> ShownBatch:
    """A batch as Anthropic shows it."""
    over = not batch.is_active
    status = "ended" if over else "canceling" if batch.status == "cancelling" else "in_progress"
    done = batch.succeeded + batch.errored + batch.unfinished
    ended_ns = batch.completed_ns or batch.expired_ns or batch.cancelled_ns or batch.failed_ns
    cancelled = batch.status == "cancelled"
    return ShownBatch(
        id=batch.id,
        processing_status=status,
        request_counts=Counts(
            processing=max(batch.total - done, 0),
            succeeded=batch.succeeded,
            errored=batch.errored,
            canceled=batch.unfinished if cancelled else 0,
            expired=0 if cancelled else batch.unfinished,
        ),
        created_at=_moment(batch.created_ns),
        expires_at=_moment(batch.expires_ns),
        ended_at=None if ended_ns is None else _moment(ended_ns),
        cancel_initiated_at=None if batch.cancelling_ns is None else _moment(batch.cancelling_ns),
        results_url=f"{origin_of(request)}{_PATH}/{batch.id}/results" if over else None,
    )


def _moment(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
