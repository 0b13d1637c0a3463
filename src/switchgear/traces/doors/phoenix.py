"""Phoenix' door: its version gate, spans by REST, annotations and notes. What is OTLP goes by that door."""

import base64
import binascii
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from msgspec import json, structs

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import Compare, Every, Filter, Find, OneOf, Window
from switchgear.kernel.span import ToldSpan
from switchgear.traces.doors.asking import Handler, Routes, Surroundings, add_routes, answer
from switchgear.traces.doors.entrance import READING
from switchgear.traces.doors.phoenix_annotations import Of, read_annotation, read_note, shown_annotation
from switchgear.traces.doors.phoenix_spans import read_span, shown_span
from switchgear.traces.doors.reading import a_list, an_object, members, moment_ns, read_cursor, text
from switchgear.traces.drafts import object_in
from switchgear.traces.intake import Origin
from switchgear.traces.scores.model import Score
from switchgear.traces.scores.store import Sought

DOOR: Final = "phoenix"
VERSION: Final = "19.6.0"
"""The version of Phoenix that clients are told they talk to: its client asks before it calls what is newer."""
_MOST_SPANS: Final = 1000
_MOST_ANNOTATIONS: Final = 1000
_LAST_NS: Final = (1 << 63) - 1


def router(surroundings: Surroundings) -> APIRouter:
    """The routes."""
    made = APIRouter()
    door = _Phoenix(surroundings)
    add_routes(made, surroundings, DOOR, door.routes())
    add_routes(made, surroundings, DOOR, door.readings(), right=READING)
    made.add_api_route("/arize_phoenix_version", _version, methods=["GET"], include_in_schema=False)
    return made


async def _version() -> Response:
    return PlainTextResponse(VERSION, headers={"x-phoenix-server-version": VERSION})


class _Phoenix:
    """What the routes do."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        self._scores = surroundings.scores

    def routes(self) -> Routes:
        """Those that take something."""
        targets: tuple[Of, ...] = ("span", "trace", "session")
        return (
            ("POST", "/v1/projects/{name}/spans", self.take_spans),
            *(("POST", f"/v1/{of}_annotations", self._annotating(of)) for of in targets),
            *(("POST", f"/v1/{of}_notes", self._noting(of)) for of in targets),
        )

    def readings(self) -> Routes:
        """Those that tell what was sent."""
        targets: tuple[Of, ...] = ("span", "trace", "session")
        return (
            ("GET", "/v1/projects/{name}/spans", self.list_spans),
            *(("GET", f"/v1/projects/{{name}}/{of}_annotations", self._listing(of)) for of in targets),
        )

    async def take_spans(self, request: Request, origin: Origin) -> Response:
        """Take spans; where some are refused the others are kept, and the client is told which were."""
        name = project_name(request.path_params["name"])
        body = an_object(await self._with.json(request), "the body")
        items = a_list(body.get("data"), "the body's member 'data'")
        spans: list[ToldSpan] = []
        invalid: list[dict[str, object]] = []
        for place, item in enumerate(items):
            try:
                spans.append(read_span(item, name))
            except BadRequest as error:
                invalid.append({"span_id": _span_id(item), "trace_id": "", "error": error.message, "index": place})
        self._with.count_unreadable(DOOR, len(invalid))
        taken = await self._with.intake.take(structs.replace(origin, sender_project=name), spans)
        for refusal in taken.refused:
            span = spans[refusal.place]
            invalid.append({"span_id": span.span_id, "trace_id": span.trace_id, "error": refusal.message})
        counts = {"total_received": len(items), "total_queued": len(items) - len(invalid)}
        if not invalid:
            return answer(counts, 202)
        told = {
            "error": f"{len(invalid)} of {len(items)} spans were refused; the others are kept",
            **counts,
            "total_duplicates": 0,
            "total_invalid": len(invalid),
            "duplicate_spans": [],
            "invalid_spans": invalid,
        }
        return answer({"detail": json.encode(told).decode()}, 400)

    async def list_spans(self, request: Request, origin: Origin) -> Response:
        """Spans of the key's project, the newest first."""
        query = request.query_params
        limit = query.get("limit", "")
        window = Window(
            project=origin.project,
            since_ns=moment_ns(query.get("start_time")) or 0,
            until_ns=moment_ns(query.get("end_time")) or _LAST_NS,
        )
        question = Find(
            window=window,
            where=_where(request),
            limit=min(int(limit), _MOST_SPANS) if limit.isascii() and limit.isdigit() and len(limit) < 9 else 100,
            after=query.get("cursor", ""),
        )
        found = await self._with.find(question)
        shown = [shown_span(span) for span in await self._with.whole(origin.project, found.spans)]
        return answer({"data": shown, "next_cursor": found.after or None})

    def _annotating(self, of: Of) -> Handler:
        async def annotate(request: Request, origin: Origin) -> Response:
            body = an_object(await self._with.json(request), "the body")
            items = a_list(body.get("data"), "the body's member 'data'")
            now_ns = self._with.clock.wall_ns()
            scores: list[Score] = []
            refused: list[str] = []
            for place, item in enumerate(items):
                try:
                    scores.append(read_annotation(an_object(item, "the annotation"), of, origin, now_ns))
                except BadRequest as error:
                    refused.append(f"annotation {place}: {error.message}")
            await self._scores.add(scores)
            if refused:
                kept = f"{len(scores)} of {len(items)} were kept"
                raise BadRequest(f"{'; '.join(refused[:20])}; {kept}")
            return answer({"data": [{"id": score.id} for score in scores]})

        return annotate

    def _noting(self, of: Of) -> Handler:
        async def note(request: Request, origin: Origin) -> Response:
            body = an_object(await self._with.json(request), "the body")
            said = an_object(body.get("data"), "the body's member 'data'")
            score = read_note(said, of, origin, self._with.clock.wall_ns(), self._with.ids.new())
            await self._scores.add([score])
            return answer({"data": {"id": score.id}})

        return note

    def _listing(self, of: Of) -> Handler:
        async def listed(request: Request, origin: Origin) -> Response:
            query = request.query_params
            targets = [target.lower() if of != "session" else target for target in query.getlist(f"{of}_ids")]
            hidden = {*query.getlist("exclude_annotation_names")}
            sought = Sought(
                project=origin.project,
                target=of,
                span_ids=targets if of == "span" else (),
                trace_ids=targets if of == "trace" else (),
                sessions=targets if of == "session" else (),
                names=query.getlist("include_annotation_names"),
                limit=_MOST_ANNOTATIONS + 1,
                before=read_cursor(cursor) if (cursor := query.get("cursor", "")) else None,
            )
            found = await self._scores.find(sought)
            page = found[:_MOST_ANNOTATIONS]
            more = f"{page[-1].at_ns}:{page[-1].id}" if len(found) > _MOST_ANNOTATIONS else None
            shown = [shown_annotation(score) for score in page if score.name not in hidden]
            return answer({"data": shown, "next_cursor": more})

        return listed


def project_name(said: str) -> str:
    """Phoenix' project by its name, or by its global id, which is made of that."""
    try:
        kind, _, name = base64.b64decode(said, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return said
    return name if kind == "Project" and name else said


def _where(request: Request) -> Filter | None:
    query = request.query_params
    found: list[Filter] = []
    for name, field in (("trace_id", "trace_id"), ("span_id", "span_id"), ("name", "name")):
        if values := query.getlist(name):
            found.append(OneOf(field=field, values=tuple(values)))
    if statuses := query.getlist("status_code"):
        found.append(OneOf(field="status", values=tuple(status.lower() for status in statuses)))
    if (parent := query.get("parent_id")) is not None:
        found.append(Compare(field="parent_id", value="" if parent in ("null", "None") else parent.lower()))
    if kinds := query.getlist("span_kind"):
        ours = {"RERANKER": "rerank", "RETRIEVER": "retrieval", "UNKNOWN": "span"}
        found.append(OneOf(field="kind", values=tuple(ours.get(kind, kind.lower()) for kind in kinds)))
    if query.getlist("attribute"):
        raise BadRequest("spans are not found by 'attribute' here; ask /api/v1/spans", param="attribute")
    return Every(filters=tuple(found)) if found else None


def _span_id(item: object) -> str:
    fields = members(item)
    return text(object_in(fields, "context"), "span_id")
