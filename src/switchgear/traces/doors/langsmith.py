"""LangSmith's door: runs one by one, in batches and in forms, feedback, and what its SDK reads back."""

from functools import partial
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest, CallerError, NotFound
from switchgear.traces.doors.asking import Routes, Surroundings, add_routes, answer
from switchgear.traces.doors.entrance import READING
from switchgear.traces.doors.langsmith_feedback import merged, read_feedback, shown_feedback
from switchgear.traces.doors.langsmith_parts import Refused, Said, checked_run, read_batch, read_form
from switchgear.traces.doors.langsmith_query import Wanted, shown_run
from switchgear.traces.doors.langsmith_reads import LangSmithReads
from switchgear.traces.doors.langsmith_runs import STAYS, canonical, read_run, read_span
from switchgear.traces.doors.langsmith_sessions import LangSmithSessions, session_id
from switchgear.traces.doors.reading import an_object, text
from switchgear.traces.drafts import Drafts, Fields, Word
from switchgear.traces.intake import Origin
from switchgear.traces.masked_drafts import masking
from switchgear.traces.scores.model import Score
from switchgear.traces.scores.store import Sought

DOOR: Final = "langsmith"
VERSION: Final = "0.16.0"
"""The version of LangSmith that clients are told they talk to."""
_MAX_BATCH_BYTES: Final = 20 * 1024 * 1024
_MOST_LOOKED_AT: Final = 5_000
_MOST_FEEDBACK: Final = 100
_INFO: Final = {
    "version": VERSION,
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
        "size_limit": 100,
        "size_limit_bytes": _MAX_BATCH_BYTES,
    },
    "instance_flags": {"zstd_compression_enabled": True},
}


def router(surroundings: Surroundings) -> APIRouter:
    """The routes."""
    made = APIRouter()
    drafts = Drafts(surroundings.database, surroundings.clock, DOOR, masking(surroundings.mask, STAYS))
    sessions = LangSmithSessions(surroundings)
    door = _LangSmith(surroundings, drafts, sessions)
    add_routes(made, surroundings, DOOR, (*door.routes(), *sessions.routes()))
    readings = (*door.readings(), *LangSmithReads(surroundings, drafts, sessions).routes())
    add_routes(made, surroundings, DOOR, readings, right=READING)
    made.add_api_route("/info", _info, methods=["GET"], include_in_schema=False)
    return made


async def _info() -> Response:
    return answer(_INFO)


class _LangSmith:
    """What the routes do."""

    def __init__(self, surroundings: Surroundings, drafts: Drafts, sessions: LangSmithSessions) -> None:
        self._with = surroundings
        self._drafts = drafts
        self._sessions = sessions
        self._scores = surroundings.scores

    def routes(self) -> Routes:
        """Those that take something."""
        return (
            ("POST", "/runs", self.post_run),
            ("PATCH", "/runs/{id}", self.patch_run),
            ("POST", "/runs/batch", self.batch),
            ("POST", "/runs/multipart", self.form),
            ("POST", "/feedback", self.give_feedback),
            ("PATCH", "/feedback/{id}", self.change_feedback),
            ("DELETE", "/feedback/{id}", self.withdraw_feedback),
        )

    def readings(self) -> Routes:
        """Those that tell what was sent."""
        return (
            ("POST", "/runs/query", self.query),
            ("GET", "/runs/{id}", self.get_run),
            ("GET", "/feedback", self.list_feedback),
            ("GET", "/feedback/{id}", self.get_feedback),
        )

    async def post_run(self, request: Request, origin: Origin) -> Response:
        """Take one run."""
        run = checked_run(an_object(await self._with.json(request), "the body"))
        return await self._one(origin, "post", run)

    async def patch_run(self, request: Request, origin: Origin) -> Response:
        """Take what is new of a run."""
        run = an_object(await self._with.json(request), "the body")
        return await self._one(origin, "patch", checked_run({**run, "id": request.path_params["id"]}))

    async def _one(self, origin: Origin, act: str, run: Fields) -> Response:
        refused = await self._take(origin, Said(runs=[(act, run)]))
        if refused:
            raise BadRequest(refused[0].message)
        return answer({"message": "Run taken"}, 202)

    async def batch(self, request: Request, origin: Origin) -> Response:
        """Take runs in JSON."""
        return self._told(await self._take(origin, await self._with.body(request, read_batch)))

    async def form(self, request: Request, origin: Origin) -> Response:
        """Take runs and feedback in a form."""
        media = request.headers.get("content-type", "")
        said = await self._with.body(request, lambda raw: read_form(media, raw))
        return self._told(await self._take(origin, said), is_whole=said.is_whole)

    def _told(self, refused: list[Refused], *, is_whole: bool = True) -> Response:
        told = [{"name": one.name, "message": one.message} for one in refused]
        if not is_whole:
            words = "the form breaks off; what came whole before is kept, the rest was not taken"
            return answer({"detail": words, "error": words, "refused": told}, 422)
        return answer({"message": "Runs taken", "refused": told}, 202)

    async def _take(self, origin: Origin, said: Said) -> list[Refused]:
        """Keep what was said, and hand over every span that it changes; what was refused, and why."""
        words: list[Word] = []
        for act, run in said.runs:
            try:
                words.append(read_run(act, run))
            except BadRequest as error:
                said.refused.append(Refused(name=f"{act}.{run['id']}", message=error.message))
        runs = [one for one in said.refused if one.name.startswith(("post.", "patch."))]
        self._with.count_unreadable(DOOR, len(runs))
        drafts = await self._drafts.take(origin.project, words)
        spans = [(draft, span) for draft in drafts if (span := read_span(draft)) is not None]
        by_session: dict[str, list[int]] = {}
        for place, (draft, _) in enumerate(spans):
            by_session.setdefault(text(draft.fields, "session_name") or origin.sender_project, []).append(place)
        for session, places in by_session.items():
            mine = Origin(project=origin.project, door=DOOR, key=origin.key, sender_project=session)
            taken = await self._with.intake.take(mine, [spans[place][1] for place in places], replace=True)
            for refusal in taken.refused:
                name = spans[places[refusal.place]][0].id
                said.refused.append(Refused(name=name, message=refusal.message))
        await self._sessions.know(origin.project, by_session)
        await self._take_feedback(origin, said)
        return said.refused

    async def _take_feedback(self, origin: Origin, said: Said) -> None:
        scores: list[Score] = []
        for fields in said.feedback:
            try:
                scores.append(await self._score(fields, origin))
            except CallerError as error:
                said.refused.append(Refused(name=f"feedback.{text(fields, 'id')}", message=error.message))
        await self._scores.add(scores)

    async def _score(self, fields: Fields, origin: Origin) -> Score:
        """A score; where feedback names no trace, the one in which its run is known. Raises BadRequest."""
        trace = ""
        if text(fields, "run_id") and not text(fields, "trace_id"):
            found = await self._drafts.read(origin.project, [canonical(text(fields, "run_id"))])
            trace = found[0].trace if found else ""
        fields["id"] = text(fields, "id") or str(UUID(self._with.ids.new()))
        return read_feedback(fields, origin, trace, self._with.clock.wall_ns())

    async def get_run(self, request: Request, origin: Origin) -> Response:
        """One run, as it was told."""
        found = await self._drafts.read(origin.project, [canonical(request.path_params["id"])])
        if not found:
            raise NotFound("there is no such run here, or nothing was said of it for a week; its span is in its trace")
        return answer(shown_run(found[0], partial(session_id, origin.project)))

    async def query(self, request: Request, origin: Origin) -> Response:
        """Runs of which something was said in the last days, the newest first."""
        wanted = Wanted.read(an_object(await self._with.json(request), "the body"))
        if wanted.ids:
            found = await self._drafts.read(origin.project, [canonical(run) for run in wanted.ids])
        elif wanted.trace:
            found = await self._drafts.of_trace(origin.project, canonical(wanted.trace))
        else:
            found = await self._drafts.newest(origin.project, _MOST_LOOKED_AT)
        named = partial(session_id, origin.project)
        fitting = [draft for draft in found if wanted.fits(draft, named)]
        fitting.sort(key=lambda draft: text(draft.fields, "start_time"), reverse=True)
        page = fitting[wanted.offset : wanted.offset + wanted.limit]
        more = wanted.offset + wanted.limit
        cursors = {"next": str(more) if len(fitting) > more else None}
        return answer({"runs": [shown_run(draft, named) for draft in page], "cursors": cursors})

    async def give_feedback(self, request: Request, origin: Origin) -> Response:
        """Take one feedback."""
        score = await self._score(an_object(await self._with.json(request), "the body"), origin)
        await self._scores.add([score])
        return answer(shown_feedback(score))

    async def list_feedback(self, request: Request, origin: Origin) -> Response:
        """Feedback on runs, by page."""
        query = request.query_params
        runs = [canonical(run) for said in query.getlist("run") for run in said.split(",") if run]
        offset = query.get("offset", "")
        start = int(offset) if offset.isascii() and offset.isdigit() and len(offset) < 7 else 0
        sought = Sought(project=origin.project, names=query.getlist("key"), door=DOOR, limit=start + _MOST_LOOKED_AT)
        found = [shown_feedback(score) for score in await self._scores.find(sought)]
        mine = [feedback for feedback in found if not runs or feedback["run_id"] in runs]
        return answer(mine[start : start + _MOST_FEEDBACK])

    async def get_feedback(self, request: Request, origin: Origin) -> Response:
        """One."""
        return answer(shown_feedback(await self._feedback(request, origin)))

    async def change_feedback(self, request: Request, origin: Origin) -> Response:
        """Say one anew."""
        known = await self._feedback(request, origin)
        fields = merged(known, an_object(await self._with.json(request), "the body"))
        changed = read_feedback(fields, origin, "", self._with.clock.wall_ns())
        await self._scores.add([changed])
        return answer(shown_feedback(changed))

    async def withdraw_feedback(self, request: Request, origin: Origin) -> Response:
        """Say that one does not count any more."""
        known = await self._feedback(request, origin)
        await self._scores.change(origin.project, known.id, withdrawn=1)
        return answer({"message": "the feedback was withdrawn"})

    async def _feedback(self, request: Request, origin: Origin) -> Score:
        name = canonical(request.path_params["id"])
        found = await self._scores.find(Sought(project=origin.project, ids=(name,), door=DOOR, limit=1))
        if not found:
            raise NotFound("there is no such feedback")
        return found[0]
