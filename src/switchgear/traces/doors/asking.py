"""What the doors of other tracing tools have in common: what a body says, and how a request is refused."""

import json as standard_json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec import MsgspecError, Struct, json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest, SwitchgearError
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Database, TraceStore
from switchgear.kernel.query import Find, Found, SpanRow
from switchgear.kernel.span import Span
from switchgear.traces.doors.entrance import DOOR, READING, Entrance
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.intake import Intake, Origin
from switchgear.traces.scores.model import MaskText
from switchgear.traces.scores.store import Scores
from switchgear.wire.inflate import UnknownEncoding
from switchgear.wire.lone_surrogates import without_lone_surrogates

Handler = Callable[[Request, Origin], Awaitable[Response]]
Routes = tuple[tuple[str, str, Handler], ...]
"""Methods, paths and what answers there."""
Read = TypeVar("Read")
JSON_TYPE: Final = "application/json"
_READ_AT_ONCE: Final = 500
_GATEWAY_ORIGIN: Final = "x-switchgear-gateway-origin"


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the doors work with."""

    database: Database[AsyncConnection]
    intake: Intake
    store: TraceStore
    entrance: Entrance
    clock: Clock
    ids: Ids
    counts: IngestCounts
    mask: MaskText
    """For what scores say, and for what is kept of spans that are told in pieces."""

    def count_unreadable(self, door: str, number: int = 1) -> None:
        """Count spans that were refused before they could be handed over."""
        if number:
            self.counts.refused[door, "unreadable"] += number

    @property
    def scores(self) -> Scores:
        """Of all projects."""
        return Scores(self.database, self.clock, self.mask)

    def answering(self, door: str, handler: Handler, right: str = DOOR) -> Callable[[Request], Awaitable[Response]]:
        """``handler`` for who has the ``right``, with refusals told as SDKs read them.

        Taking something back takes the right to read at least, for it reaches what others sent, too.
        """

        async def answer(request: Request) -> Response:
            needed = READING if right == DOOR and request.method == "DELETE" else right
            try:
                return await handler(request, self.entrance.origin(request, door, needed))
            except SwitchgearError as error:
                return refusal(error)
            except OSError:
                return refusal(_Unavailable("what is kept about traces cannot be reached now", retry_after_seconds=1))

        return answer

    async def find(self, question: Find) -> Found:
        """A page of spans or traces. Raises BadRequest for a cursor that is none."""
        try:
            return await self.store.find(question)
        except ValueError:
            raise BadRequest("the cursor is none of this list", param="cursor") from None

    async def whole(self, project: str, rows: Sequence[SpanRow]) -> list[Span]:
        """The spans of ``rows`` with all they hold, in their order, without those that are gone meanwhile."""
        by_trace: dict[str, list[str]] = {}
        for row in rows:
            by_trace.setdefault(row.trace_id, []).append(row.span_id)
        found: dict[tuple[str, str], Span] = {}
        for trace, ids in by_trace.items():
            for start in range(0, len(ids), _READ_AT_ONCE):
                for span in await self.store.read(project, trace, ids[start : start + _READ_AT_ONCE]):
                    found[trace, span.span_id] = span
        places = [(row.trace_id, row.span_id) for row in rows]
        return [found[place] for place in places if place in found]

    async def body(self, request: Request, read: Callable[[bytes], Read]) -> Read:
        """What ``read`` makes of the body. Raises BadRequest, BodyTooLarge, Overloaded."""
        async with self.entrance.body(request) as raw:
            try:
                return await self.entrance.read(raw, request.headers.get("content-encoding", ""), read)
            except UnknownEncoding as error:
                raise BadRequest(str(error)) from None

    async def json(self, request: Request) -> object:
        """The body as JSON. Raises as :meth:`body` does."""
        return await self.body(request, read_json)


def add_routes(router: APIRouter, surroundings: Surroundings, door: str, routes: Routes, *, right: str = DOOR) -> None:
    """Have ``router`` answer them, for keys that have the ``right`` to send, to read or to delete."""
    for method, path, handler in routes:
        answering = surroundings.answering(door, handler, right)
        router.add_api_route(path, answering, methods=[method], include_in_schema=False)


class _Unavailable(SwitchgearError):
    """The database or the store does not answer."""

    status = 503
    code = "unavailable"


def read_json(raw: bytes) -> object:
    """JSON as SDKs write it: Python's NaN and infinity become null, half a character U+FFFD. Raises BadRequest."""
    try:
        return json.decode(raw)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        mended = without_lone_surrogates(raw)
        return json.decode(json.encode(standard_json.loads(mended, parse_constant=_nothing)))
    except (ValueError, RecursionError, MsgspecError, TypeError):
        raise BadRequest("the body is not JSON") from None


def _nothing(_: str) -> None:
    """What JSON has no word for."""


def answer(body: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(json.encode(body), status, media_type=JSON_TYPE)


def refusal(error: SwitchgearError) -> Response:
    """Why a request is refused: each SDK reads another member of it."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    told = {"message": error.message, "error": error.message, "detail": error.message, "code": error.code}
    return Response(json.encode(told), error.status, headers, JSON_TYPE)


def own_address(request: Request) -> str:
    """Where the client finds us, for links that it is to follow; a gateway's word counts on its socket alone."""
    if request.client is None or not request.client.host:
        return request.headers.get(_GATEWAY_ORIGIN, "http://localhost:4000")
    return str(request.base_url).rstrip("/")
