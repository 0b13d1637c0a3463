"""Langfuse's door: what its SDKs post beside OTLP, in their versions 2 to 5, and what they read back."""

import math
from collections.abc import Mapping
from typing import Final, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest, NotFound
from switchgear.traces.doors.asking import Routes, Surroundings, add_routes, answer
from switchgear.traces.doors.entrance import DELETING, READING
from switchgear.traces.doors.langfuse_deletes import LangfuseDeletes
from switchgear.traces.doors.langfuse_events import EVENTS, STAYS, read_event, read_spans
from switchgear.traces.doors.langfuse_ids import span_id, trace_id
from switchgear.traces.doors.langfuse_media import PATH as MEDIA_PATH
from switchgear.traces.doors.langfuse_media import LangfuseMedia
from switchgear.traces.doors.langfuse_metrics import LangfuseMetrics
from switchgear.traces.doors.langfuse_reads import LangfuseReads
from switchgear.traces.doors.langfuse_scores import read_score, shown_score, shown_score_v2
from switchgear.traces.doors.reading import a_list, an_object, members, moment_ns, read_cursor, text
from switchgear.traces.drafts import Drafts, Word
from switchgear.traces.intake import Origin
from switchgear.traces.masked_drafts import masking
from switchgear.traces.media import Media
from switchgear.traces.scores.model import Score
from switchgear.traces.scores.store import Sought

DOOR: Final = "langfuse"
VERSION: Final = "3.200.0"
"""The version of Langfuse that clients are told they talk to."""
_MOST: Final = 100
_MAX_EVENTS: Final = 20_000
_SOURCES: Final[Mapping[str, str]] = {"API": "code", "ANNOTATION": "human", "EVAL": "judge"}


def router(surroundings: Surroundings, media: Media) -> APIRouter:
    """The routes."""
    made = APIRouter()
    door = _Langfuse(surroundings)
    files = LangfuseMedia(surroundings, media)
    add_routes(made, surroundings, DOOR, (*door.routes(), *files.routes()))
    reads = (*LangfuseReads(surroundings).routes(), *LangfuseMetrics(surroundings).routes())
    readings = (*door.readings(), *files.readings(), *reads)
    add_routes(made, surroundings, DOOR, readings, right=READING)
    add_routes(made, surroundings, DOOR, LangfuseDeletes(surroundings).routes(), right=DELETING)
    content = f"{MEDIA_PATH}/{{id}}/content"
    made.add_api_route(content, files.bring, methods=["PUT"], include_in_schema=False)
    made.add_api_route(content, files.show, methods=["GET"], include_in_schema=False)
    made.add_api_route("/api/public/health", _health, methods=["GET"], include_in_schema=False)
    return made


async def _health() -> Response:
    return answer({"version": VERSION, "status": "OK"})


class _Langfuse:
    """What the routes do."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        self._drafts = Drafts(surroundings.database, surroundings.clock, DOOR, masking(surroundings.mask, STAYS))
        self._scores = surroundings.scores

    def routes(self) -> Routes:
        """Those that take something, and what a sender asks before."""
        return (
            ("POST", "/api/public/ingestion", self.ingest),
            ("GET", "/api/public/projects", self.projects),
            ("POST", "/api/public/scores", self.give_scores),
            ("DELETE", "/api/public/scores/{id}", self.withdraw_score),
        )

    def readings(self) -> Routes:
        """Those that tell what was sent."""
        return (
            ("GET", "/api/public/scores", self.list_scores_v2),
            ("GET", "/api/public/v2/scores", self.list_scores_v2),
            ("GET", "/api/public/v3/scores", self.list_scores),
            ("GET", "/api/public/scores/{id}", self.get_score),
            ("GET", "/api/public/v2/scores/{id}", self.get_score),
        )

    async def projects(self, request: Request, origin: Origin) -> Response:
        """The one project of the key."""
        project: dict[str, object] = {"id": origin.project, "name": origin.project, "metadata": {}}
        return answer({"data": [{**project, "organization": {"id": "switchgear", "name": "Switchgear"}}]})

    async def ingest(self, request: Request, origin: Origin) -> Response:
        """Take a batch of events: each is answered for by itself."""
        said = an_object(await self._with.json(request), "the body")
        batch = a_list(said.get("batch"), "the body's member 'batch'")
        if len(batch) > _MAX_EVENTS:
            raise BadRequest(f"a batch may hold {_MAX_EVENTS} events, and this one holds {len(batch)}")
        told = _Told()
        scores: list[Score] = []
        words: list[Word] = []
        for place, event in enumerate(batch):
            try:
                self._read(event, place, origin, (scores, words))
                told.took(event)
            except BadRequest as error:
                told.refuses(event, place, error)
                self._with.count_unreadable(DOOR, text(members(event), "type") in EVENTS)
        await self._scores.add(scores)
        told.refuse_spans(await self._tell(origin, words))
        return answer({"successes": told.successes, "errors": told.errors}, 207)

    def _read(self, event: object, place: int, origin: Origin, into: tuple[list[Score], list[Word]]) -> None:
        fields = an_object(event, f"event {place}")
        kind = text(fields, "type")
        body = an_object(fields.get("body"), f"the body of event {place}")
        now_ns = self._with.clock.wall_ns()
        if kind == "sdk-log":
            return
        if kind == "score-create":
            into[0].append(read_score(body, origin, text(fields, "id") or self._with.ids.new(), now_ns))
        elif kind in EVENTS:
            into[1].append(read_event(kind, body, moment_ns(fields.get("timestamp")) or now_ns))
        else:
            raise BadRequest(f"events of type {kind[:60]!r} are not known here")

    async def _tell(self, origin: Origin, words: list[Word]) -> Mapping[str, str]:
        """Put words to what is known of their spans, and hand over every span that they change.

        What a trace says stands on all its spans, so they all come anew. Why spans were refused, by their ids.
        """
        drafts = await self._drafts.take(origin.project, words, with_traces=True)
        spans = read_spans(drafts)
        if not spans:
            return {}
        taken = await self._with.intake.take(origin, spans, replace=True)
        return {spans[refusal.place].span_id: refusal.message for refusal in taken.refused}

    async def give_scores(self, request: Request, origin: Origin) -> Response:
        """Take one score (versions 2 to 4) or a list (version 5)."""
        said = await self._with.json(request)
        many = isinstance(said, list)
        items: list[object] = a_list(cast("object", said), "the body") if many else [an_object(said, "the body")]
        scores: list[Score] = []
        errors: list[dict[str, object]] = []
        for place, item in enumerate(items):
            try:
                fields = an_object(item, f"score {place}")
                scores.append(read_score(fields, origin, self._with.ids.new(), self._with.clock.wall_ns()))
            except BadRequest as error:
                if not many:
                    raise
                errors.append({"index": place, "message": f"score {place}: {error.message}"})
        await self._scores.add(scores)
        if not many:
            return answer({"id": scores[0].id})
        if errors:
            return answer({"accepted": len(scores), "rejected": len(errors), "errors": errors}, 207)
        return answer({"message": "Accepted"}, 202)

    async def list_scores(self, request: Request, origin: Origin) -> Response:
        """Version 3: by cursor."""
        limit = _limit(request, _MOST)
        cursor = request.query_params.get("cursor", "")
        before = read_cursor(cursor) if cursor else None
        found = await self._scores.find(_sought(request, origin.project, limit + 1, before))
        page = found[:limit]
        more = f"{page[-1].at_ns}:{page[-1].id}" if len(found) > limit else None
        meta = {"limit": limit, **({"cursor": more} if more else {})}
        return answer({"data": [shown_score(score) for score in page], "meta": meta})

    async def list_scores_v2(self, request: Request, origin: Origin) -> Response:
        """Versions 1 and 2: by page; the total is a lower bound where there are more pages than are counted."""
        limit, page = _limit(request, _MOST), max(1, _number(request, "page", 1, 1000))
        found = await self._scores.find(_sought(request, origin.project, limit * page + 1, None))
        shown = found[limit * (page - 1) : limit * page]
        meta = {"page": page, "limit": limit, "totalItems": len(found), "totalPages": math.ceil(len(found) / limit)}
        return answer({"data": [shown_score_v2(score) for score in shown], "meta": meta})

    async def get_score(self, request: Request, origin: Origin) -> Response:
        """One."""
        found = await self._scores.find(Sought(project=origin.project, ids=(request.path_params["id"],), limit=1))
        if not found:
            raise NotFound("there is no such score")
        return answer(shown_score_v2(found[0]))

    async def withdraw_score(self, request: Request, origin: Origin) -> Response:
        """Say that it does not count any more; that it was given is kept."""
        if await self._scores.change(origin.project, request.path_params["id"], withdrawn=1) is None:
            raise NotFound("there is no such score")
        return answer({"message": "the score was withdrawn"}, 202)


class _Told:
    """What became of each event of a batch."""

    def __init__(self) -> None:
        self.successes: list[dict[str, object]] = []
        self.errors: list[dict[str, object]] = []
        self._spans: dict[str, str] = {}
        """Events by the spans that they tell of."""

    def took(self, event: object) -> None:
        """It is kept."""
        fields = an_object(event, "the event")
        name = text(fields, "id")
        self.successes.append({"id": name, "status": 201})
        body = an_object(fields.get("body"), "the body")
        self._spans[span_id(text(body, "id"))] = name

    def refuses(self, event: object, place: int, error: BadRequest) -> None:
        """It is not."""
        fields = members(event)
        self._refuse(text(fields, "id") or str(place), error.message)

    def refuse_spans(self, reasons: Mapping[str, str]) -> None:
        """Spans were not kept that events tell of."""
        for span, reason in reasons.items():
            if (name := self._spans.get(span)) is not None:
                self.successes = [told for told in self.successes if told["id"] != name]
                self._refuse(name, reason)

    def _refuse(self, name: str, reason: str) -> None:
        self.errors.append({"id": name, "status": 400, "message": reason, "error": "InvalidRequestError"})


def _sought(request: Request, project: str, limit: int, before: tuple[int, str] | None) -> Sought:
    def listed(name: str) -> list[str]:
        return [one for said in request.query_params.getlist(name) for one in said.split(",") if one]

    return Sought(
        project=project,
        ids=[*listed("id"), *listed("scoreIds")],
        names=listed("name"),
        trace_ids=[trace_id(name) for name in listed("traceId")],
        span_ids=[span_id(name) for name in listed("observationId")],
        sessions=listed("sessionId"),
        source=_SOURCES.get(request.query_params.get("source", ""), ""),
        data_type=request.query_params.get("dataType", "").lower(),
        since_ns=moment_ns(request.query_params.get("fromTimestamp")),
        until_ns=moment_ns(request.query_params.get("toTimestamp")),
        limit=limit,
        before=before,
    )


def _limit(request: Request, most: int) -> int:
    return max(1, _number(request, "limit", 50, most))


def _number(request: Request, name: str, usual: int, most: int) -> int:
    said = request.query_params.get(name, "")
    return min(int(said), most) if said.isascii() and said.isdigit() and len(said) < 10 else usual
