"""Files and batches as OpenAI's API has them, for the gateways of this installation.

Paths are those of the API; gateways bring requests here when their caller is known (see asking.py).
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from msgspec import Meta, Raw, Struct, json

from switchgear.batches.asking import Handler, answer, answering, body_of, caller_of, page_of
from switchgear.batches.model import NANOSECONDS, Batch, File
from switchgear.batches.service import WINDOW, Batches, Wish
from switchgear.kernel.errors import BadRequest

_MOST_FILES: Final = 10_000
_MOST_BATCHES: Final = 100
_USUAL_BATCHES: Final = 20
_BYTES: Final = "application/octet-stream"
_MAX_NOTES: Final = 16
Note = Annotated[str, Meta(max_length=512)]
NoteName = Annotated[str, Meta(max_length=64)]


class ExpiresAfter(Struct):
    """How long files of results are kept."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3600, le=2_592_000)]


class Create(Struct):
    """A batch to be made."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[NoteName, Note] | None = None
    output_expires_after: ExpiresAfter | None = None


class Counts(Struct):
    """How far a batch is."""

    total: int
    completed: int
    failed: int


class ShownFile(Struct):
    """OpenAI's file."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    expires_at: int
    object: str = "file"
    status: str = "processed"
    status_details: str | None = None


class ShownBatch(Struct):
    """OpenAI's batch; a time is null while it has not come."""

    id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    status: str
    created_at: int
    expires_at: int
    request_counts: Counts
    metadata: Raw | None
    errors: object | None
    output_file_id: str | None
    error_file_id: str | None
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    object: str = "batch"


class Listed(Struct):
    """A part of a list."""

    data: list[ShownFile] | list[ShownBatch]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: str = "list"


class Deleted(Struct):
    """A file that is no more."""

    id: str
    object: str = "file"
    deleted: bool = True


def router(batches: Batches, is_on: Callable[[], bool]) -> APIRouter:
    """The routes; while ``is_on`` says no they know nothing."""
    made = APIRouter()
    for method, path, handler in (*_file_routes(batches), *_batch_routes(batches)):
        methods = ["GET", "HEAD"] if method == "GET" else [method]
        made.add_api_route(path, answering(when(is_on, handler)), methods=methods, include_in_schema=False)
    return made


def when(is_on: Callable[[], bool], handler: Handler) -> Handler:
    """``handler``, where batches are run here at all."""

    async def run(request: Request) -> Response:
        if not is_on():
            raise BadRequest("batches are not run here any more; the configuration has no section 'batches'")
        return await handler(request)

    return run


Routes = tuple[tuple[str, str, Handler], ...]


def _file_routes(batches: Batches) -> Routes:
    files = batches.files

    async def upload(request: Request) -> Response:
        caller = caller_of(request)
        media = request.headers.get("content-type", "")
        return answer(shown_file(await files.take(caller, media, request.stream())))

    async def listed(request: Request) -> Response:
        wanted = page_of(request, _MOST_FILES, _MOST_FILES)
        found = await files.page(caller_of(request), wanted)
        return answer(_page([shown_file(file) for file in found[: wanted.limit]], len(found) > wanted.limit))

    async def one(request: Request) -> Response:
        return answer(shown_file(await files.get(caller_of(request), request.path_params["file"])))

    async def content(request: Request) -> Response:
        pieces = await files.content(caller_of(request), request.path_params["file"])
        return StreamingResponse(pieces, media_type=_BYTES)

    async def delete(request: Request) -> Response:
        name = request.path_params["file"]
        await files.delete(caller_of(request), name)
        return answer(Deleted(id=name))

    return (
        ("POST", "/v1/files", upload),
        ("GET", "/v1/files", listed),
        ("GET", "/v1/files/{file}", one),
        ("GET", "/v1/files/{file}/content", content),
        ("DELETE", "/v1/files/{file}", delete),
    )


def _batch_routes(batches: Batches) -> Routes:
    async def create(request: Request) -> Response:
        caller = caller_of(request)
        return answer(shown_batch(await batches.create(caller, _wish(await body_of(request, Create)))))

    async def listed(request: Request) -> Response:
        wanted = page_of(request, _USUAL_BATCHES, _MOST_BATCHES)
        found = await batches.page(caller_of(request), "openai", wanted)
        return answer(_page([shown_batch(batch) for batch in found[: wanted.limit]], len(found) > wanted.limit))

    async def one(request: Request) -> Response:
        return answer(shown_batch(await batches.get(caller_of(request), "openai", request.path_params["batch"])))

    async def cancel(request: Request) -> Response:
        return answer(shown_batch(await batches.cancel(caller_of(request), "openai", request.path_params["batch"])))

    return (
        ("POST", "/v1/batches", create),
        ("GET", "/v1/batches", listed),
        ("GET", "/v1/batches/{batch}", one),
        ("POST", "/v1/batches/{batch}/cancel", cancel),
    )


def _wish(said: Create) -> Wish:
    """Raises BadRequest."""
    if said.completion_window != WINDOW:
        raise BadRequest(f"the only completion_window is {WINDOW!r}", param="completion_window")
    notes: Mapping[str, str] = said.metadata or {}
    if len(notes) > _MAX_NOTES:
        raise BadRequest(f"metadata takes {_MAX_NOTES} entries", param="metadata")
    if any("\0" in text for entry in notes.items() for text in entry):
        raise BadRequest("metadata holds a NUL", param="metadata")
    after = said.output_expires_after
    return Wish(
        endpoint=said.endpoint,
        input_file=said.input_file_id.replace("\0", ""),
        metadata=notes,
        results_keep_seconds=0 if after is None else after.seconds,
    )


def _page(data: list[ShownFile] | list[ShownBatch], has_more: bool) -> Listed:
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return Listed(data=data, has_more=has_more, first_id=first, last_id=last)


def shown_file(file: File) -> ShownFile:
    """A file as OpenAI shows it."""
    return ShownFile(
        id=file.id,
        bytes=file.bytes,
        created_at=file.created_ns // NANOSECONDS,
        filename=file.filename,
        purpose=file.purpose,
        expires_at=file.expires_ns // NANOSECONDS,
    )


def shown_batch(batch: Batch) -> ShownBatch:
    """A batch as OpenAI shows it."""
    errors = {"object": "list", "data": Raw(batch.errors.encode())} if batch.errors else None
    return ShownBatch(
        id=batch.id,
        endpoint=batch.endpoint,
        input_file_id=batch.input_file,
        completion_window=batch.completion_window,
        status=batch.status,
        created_at=batch.created_ns // NANOSECONDS,
        expires_at=batch.expires_ns // NANOSECONDS,
        request_counts=Counts(total=batch.total, completed=batch.succeeded, failed=batch.errored + batch.unfinished),
        metadata=None if batch.metadata == json.encode({}).decode() else Raw(batch.metadata.encode()),
        errors=errors,
        output_file_id=batch.output_file or None,
        error_file_id=batch.error_file or None,
        in_progress_at=_seconds(batch.in_progress_ns),
        finalizing_at=_seconds(batch.finalizing_ns),
        completed_at=_seconds(batch.completed_ns),
        failed_at=_seconds(batch.failed_ns),
        expired_at=_seconds(batch.expired_ns),
        cancelling_at=_seconds(batch.cancelling_ns),
        cancelled_at=_seconds(batch.cancelled_ns),
    )


def _seconds(moment_ns: int | None) -> int | None:
    return None if moment_ns is None else moment_ns // NANOSECONDS
