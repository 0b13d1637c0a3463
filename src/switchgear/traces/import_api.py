"""``POST /api/v1/traces/import``: spans that were kept elsewhere, as they were exported or as OTLP tells them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Protocol

from msgspec import Meta, Raw, Struct, field

from switchgear.kernel.errors import BadRequest, BodyTooLarge
from switchgear.kernel.span import Span, ToldSpan
from switchgear.rest.principal import Place
from switchgear.rest.problem import Refused
from switchgear.rest.route import Answer, Asked, Route
from switchgear.traces.intake import Brought, Origin, Reason, Refusal
from switchgear.traces.restored import read_span
from switchgear.traces.whose import ProjectText, project_of
from switchgear.wire import otlp_json
from switchgear.wire.otlp import MAX_SPAN_BYTES, checked

WRITE: Final = "traces:write"
PATH: Final = "/traces/import"
MOST_SPANS: Final = 1_000
"""In one call."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one call: more than a span may hold."""
_DOOR: Final = "import"


class Importing(Protocol):
    """Takes spans in whose senders are gone. On return they are on the disk. All methods raise Overloaded."""

    async def bring(self, origin: Origin, told: Sequence[ToldSpan]) -> Brought:
        """Spans as their senders told them: understood and priced as if they came from there."""
        ...

    async def restore(self, origin: Origin, spans: Sequence[Span]) -> Brought:
        """Spans as they were kept: neither understood nor priced again."""
        ...


def as_it_is(span: Span) -> Span:
    """Mask nothing."""
    return span


class Imports(Struct, frozen=True, kw_only=True):
    """The way in for spans that were kept elsewhere."""

    importing: Importing
    mask: Callable[[Span], Span] = as_it_is
    """Makes of a span as it was kept what may be kept here."""


class ImportQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an import takes."""

    project: ProjectText = ""


class ToImport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spans, in one of two forms."""

    spans: Annotated[
        list[Raw],
        Meta(max_length=MOST_SPANS, description="As `GET /api/v1/traces/export` has them, with what they cost."),
    ] = []
    otlp: Annotated[
        Raw, Meta(description=f"As OTLP's JSON has them: an object with `resourceSpans`, of up to {MOST_SPANS} spans.")
    ] = field(default_factory=Raw)  # a schema can tell no default of this kind


class RefusedSpan(Struct, frozen=True, kw_only=True):
    """One that was not taken; all others were."""

    place: int
    """Its number among those of the call, from 0; -1: of one that cannot be read this is not known."""
    reason: Reason
    message: str


class Imported(Struct, frozen=True, kw_only=True):
    """What became of the spans of one call."""

    new: int
    known: int
    """Those that were there already, and were left as they are."""
    refused: list[RefusedSpan]


def import_routes(imports: Imports) -> tuple[Route, ...]:
    """The one."""
    return (
        Route(
            method="POST",
            path=PATH,
            permission=WRITE,
            summary=f"Take in up to {MOST_SPANS} spans that were exported, or as OTLP has them; known ones stay.",
            handler=_Importer(imports).take,
            query=ImportQuery,
            body=ToImport,
            answer=Imported,
            by_place=True,
            refuses=(400, 503),
            needs_database=False,
            max_body_bytes=MOST_BYTES,
        ),
    )


class _Importer:
    def __init__(self, imports: Imports) -> None:
        self._importing = imports.importing
        self._mask = imports.mask

    async def take(self, asked: Asked) -> Answer:
        project = project_of(asked.principal, asked.query_as(ImportQuery).project)
        asked.allow(Place(project=project), f"traces of project {project!r}")
        origin = Origin(project=project, door=_DOOR)
        body = asked.body_as(ToImport)
        otlp = bytes(body.otlp)
        if bool(body.spans) == bool(otlp):
            raise Refused(422, "invalid_body", "the body holds either `spans` or `otlp`")
        if otlp:
            return Answer(body=await self._brought(origin, otlp))
        return Answer(body=await self._restored(origin, body.spans))

    async def _restored(self, origin: Origin, lines: Sequence[Raw]) -> Imported:
        spans, places, refused = await asyncio.to_thread(self._read, origin.project, lines)
        done = await self._importing.restore(origin, spans)
        refused += [_refused(each, places[each.place]) for each in done.refused]
        return Imported(new=done.new, known=done.known, refused=sorted(refused, key=lambda each: each.place))

    def _read(self, project: str, lines: Sequence[Raw]) -> tuple[list[Span], list[int], list[RefusedSpan]]:
        """The spans that can be read, their places, and the others."""
        spans: list[Span] = []
        places: list[int] = []
        refused: list[RefusedSpan] = []
        for place, line in enumerate(lines):
            try:
                spans.append(self._mask(read_span(bytes(line), project)))
                places.append(place)
            except ValueError as error:
                refused.append(RefusedSpan(place=place, reason="unreadable", message=str(error)))
        return spans, places, refused

    async def _brought(self, origin: Origin, body: bytes) -> Imported:
        """Raises Refused for what is no export of traces."""
        try:
            told = checked(await asyncio.to_thread(otlp_json.read, body))
        except (BadRequest, BodyTooLarge) as error:
            raise Refused(400, "invalid_otlp", f"otlp: {error.message}") from None
        if len(told.spans) > MOST_SPANS:
            raise Refused(400, "invalid_otlp", f"otlp: more than {MOST_SPANS} spans; send them in several calls")
        done = await self._importing.bring(origin, told.spans)
        refused = [_refused(each, each.place) for each in done.refused]
        refused += [_unread("unreadable", "the span is broken")] * told.unreadable
        refused += [_unread("too_large", f"the span is over {MAX_SPAN_BYTES} bytes")] * told.too_large
        return Imported(new=done.new, known=done.known, refused=refused)


def _refused(told: Refusal, place: int) -> RefusedSpan:
    return RefusedSpan(place=place, reason=told.reason, message=told.message)


def _unread(reason: Reason, message: str) -> RefusedSpan:
    return RefusedSpan(place=-1, reason=reason, message=message)
