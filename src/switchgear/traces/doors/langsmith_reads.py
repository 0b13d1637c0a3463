"""What LangSmith's SDK reads by the second version of its API: ``client.runs`` and ``client.traces``.

Runs are those that were told by LangSmith's clients in the last days; what they cost is their spans' to say.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from msgspec import Struct, json

from switchgear.kernel.errors import BadRequest, NotFound
from switchgear.kernel.query import Find, OneOf, TraceRow, Window
from switchgear.rest.written import moment
from switchgear.traces.doors.asking import Routes, Surroundings, answer, own_address
from switchgear.traces.doors.langsmith_asked import (
    Wanted,
    place_of,
    run_wanted,
    runs_of_trace_wanted,
    runs_wanted,
    traces_wanted,
)
from switchgear.traces.doors.langsmith_runs import canonical, span_id_of
from switchgear.traces.doors.langsmith_sessions import LangSmithSessions, session_id
from switchgear.traces.doors.langsmith_shown import Beside, first_token_ns_of, shown_fields
from switchgear.traces.doors.reading import an_object, text
from switchgear.traces.drafts import Draft, Drafts
from switchgear.traces.intake import Origin
from switchgear.traces.scores.model import Score
from switchgear.traces.scores.store import Sought

MOST_LOOKED_AT: Final = 5_000
"""Runs, those of which something was said last."""
_MOST_SCORES: Final = 10_000
_AT_ONCE: Final = 90
"""Ids in one question for a store."""
_LAST_NS: Final = (1 << 63) - 1
_OF_TRACE: Final = ("TOTAL_TOKENS", "TOTAL_COST", "FIRST_TOKEN_TIME")
"""Fields that are told of a whole trace where traces are asked for."""
_GONE: Final = "there is no such run in that project, or nothing was said of it for a week; its span is in its trace"


class LangSmithReads:
    """The routes."""

    def __init__(self, surroundings: Surroundings, drafts: Drafts, sessions: LangSmithSessions) -> None:
        self._with = surroundings
        self._drafts = drafts
        self._sessions = sessions

    def routes(self) -> Routes:
        """All of them; runs are not shared with those who have no key."""
        return (
            ("POST", "/api/v2/runs/query", self.query_runs),
            ("GET", "/api/v2/runs/{id}", self.get_run),
            ("GET", "/api/v2/runs/{id}/url", self.get_url),
            ("POST", "/api/v2/runs/{id}/share", self.share),
            ("DELETE", "/api/v2/runs/{id}/share", self.unshare),
            ("POST", "/api/v2/traces/query", self.query_traces),
            ("GET", "/api/v2/traces/{id}/runs", self.list_runs_of_trace),
        )

    async def query_runs(self, request: Request, origin: Origin) -> Response:
        """A page of runs, those that began last first."""
        body = an_object(await self._with.json(request), "the body")
        wanted = runs_wanted(body, self._with.clock.wall_ns())
        projects = await self._projects(origin.project, wanted)
        if wanted.ids:
            found = await self._drafts.read(origin.project, wanted.ids)
        elif wanted.trace:
            found = await self._drafts.of_trace(origin.project, wanted.trace)
        else:
            found = await self._drafts.newest(origin.project, MOST_LOOKED_AT)
        fitting = [draft for draft in found if projects.have(draft) and wanted.fits(draft)]
        if wanted.root_passes is not None:
            fitting = await self._with_roots(origin.project, wanted, fitting)
        page, cursor = _page(fitting, wanted)
        items = await self._shown(origin.project, page, wanted.selects, projects)
        return _listed(request, {"items": items, "next_cursor": cursor})

    async def get_run(self, request: Request, origin: Origin) -> Response:
        """One run."""
        wanted = run_wanted(request)
        draft, projects = await self._one(request, origin, wanted)
        (shown,) = await self._shown(origin.project, [draft], wanted.selects, projects)
        return answer(shown)

    async def get_url(self, request: Request, origin: Origin) -> Response:
        """Where a run's span is read."""
        wanted = run_wanted(request, ("trace_id",))
        draft, _ = await self._one(request, origin, wanted)
        trace = (draft.trace or draft.id).replace("-", "")
        place = f"/api/v1/traces/{trace}/spans/{span_id_of(draft.id)}?project={origin.project}"
        return answer({"url": own_address(request) + place})

    async def share(self, request: Request, origin: Origin) -> Response:
        """Refuse."""
        raise BadRequest("runs are not shared with people who have no key: give them one that may read the project")

    async def unshare(self, request: Request, origin: Origin) -> Response:
        """Nothing is shared."""
        return Response(status_code=204)

    async def query_traces(self, request: Request, origin: Origin) -> Response:
        """A page of traces, each by its first run and its sums, those that began last first."""
        body = an_object(await self._with.json(request), "the body")
        wanted = traces_wanted(body, self._with.clock.wall_ns())
        projects = await self._projects(origin.project, wanted)
        found = (
            await self._drafts.read(origin.project, wanted.ids)
            if wanted.ids
            else await self._drafts.newest(origin.project, MOST_LOOKED_AT)
        )
        page, cursor = _page([draft for draft in found if projects.have(draft) and wanted.fits(draft)], wanted)
        own = [name for name in wanted.selects if name not in _OF_TRACE]
        shown = await self._shown(origin.project, page, own, projects)
        sums = await self._sums(origin.project, page, wanted.selects)
        items = [{"root_run": run, **told} for run, told in zip(shown, sums, strict=True)]
        return _listed(request, {"items": items, "next_cursor": cursor})

    async def list_runs_of_trace(self, request: Request, origin: Origin) -> Response:
        """The runs of a trace, the oldest first."""
        trace = canonical(request.path_params["id"])
        wanted = runs_of_trace_wanted(request, trace)
        projects = await self._projects(origin.project, wanted)
        found = await self._drafts.of_trace(origin.project, trace)
        fitting = sorted((draft for draft in found if projects.have(draft) and wanted.fits(draft)), key=place_of)
        return answer({"items": await self._shown(origin.project, fitting, wanted.selects, projects)})

    async def _one(self, request: Request, origin: Origin, wanted: Wanted) -> tuple[Draft, "_Projects"]:
        projects = await self._projects(origin.project, wanted)
        found = await self._drafts.read(origin.project, [canonical(request.path_params["id"])])
        if not found or not projects.have(found[0]):
            raise NotFound(_GONE)
        return found[0], projects

    async def _projects(self, project: str, wanted: Wanted) -> "_Projects":
        sessions = {draft.id: draft.fields for draft in await self._sessions.of(project)}
        datasets = {place: text(fields, "reference_dataset_id") for place, fields in sessions.items()}
        asked = wanted.projects or tuple(place for place, dataset in datasets.items() if dataset == wanted.dataset)
        names = {text(fields, "name"): place for place, fields in sessions.items()}
        # Where two have one name, the one that is asked for is meant.
        names |= {text(sessions[place], "name"): place for place in asked if place in sessions}
        return _Projects(project=project, asked=frozenset(asked), names=names, datasets=datasets)

    async def _with_roots(self, project: str, wanted: Wanted, drafts: Sequence[Draft]) -> list[Draft]:
        """Those whose trace's first run passes."""
        names = list({draft.trace or draft.id for draft in drafts})
        roots = await self._drafts.read(project, names)
        passing = {root.id for root in roots if wanted.root_passes is not None and wanted.root_passes(root)}
        return [draft for draft in drafts if (draft.trace or draft.id) in passing]

    async def _shown(
        self, project: str, drafts: Sequence[Draft], selects: Sequence[str], projects: "_Projects"
    ) -> list[dict[str, object]]:
        costs = await self._costs(project, drafts) if "TOTAL_COST" in selects else {}
        scores = await self._scores(project, drafts) if "FEEDBACK_STATS" in selects else {}
        shown: list[dict[str, object]] = []
        for draft in drafts:
            place = projects.of(draft)
            span = span_id_of(draft.id)
            beside = Beside(
                project_id=place,
                dataset_id=projects.datasets.get(place, ""),
                cost_nano_usd=costs.get(span),
                feedback=scores.get(span, ()),
            )
            shown.append(shown_fields(draft, selects, beside))
        return shown

    async def _costs(self, project: str, drafts: Sequence[Draft]) -> dict[str, int]:
        """What runs cost, by the ids of their spans."""
        found: dict[str, int] = {}
        spans = [span_id_of(draft.id) for draft in drafts]
        for start in range(0, len(spans), _AT_ONCE):
            where = OneOf(field="span_id", values=tuple(spans[start : start + _AT_ONCE]))
            question = Find(window=_everything(project), where=where, limit=_AT_ONCE)
            for row in (await self._with.find(question)).spans:
                if row.cost_nano_usd is not None:
                    found[row.span_id] = row.cost_nano_usd
        return found

    async def _scores(self, project: str, drafts: Sequence[Draft]) -> dict[str, list[Score]]:
        spans = [span_id_of(draft.id) for draft in drafts]
        found: dict[str, list[Score]] = {}
        for score in await self._with.scores.find(Sought(project=project, span_ids=spans, limit=_MOST_SCORES)):
            found.setdefault(score.span_id, []).append(score)
        return found

    async def _sums(self, project: str, roots: Sequence[Draft], selects: Sequence[str]) -> list[dict[str, object]]:
        """What is told of each trace as a whole, as far as it is asked for."""
        asked = [name for name in _OF_TRACE if name in selects]
        if not asked:
            return [{} for _ in roots]
        rows: dict[str, TraceRow] = {}
        names = [(draft.trace or draft.id).replace("-", "") for draft in roots]
        for start in range(0, len(names), _AT_ONCE):
            where = OneOf(field="trace_id", values=tuple(names[start : start + _AT_ONCE]))
            question = Find(window=_everything(project), where=where, of="traces", limit=_AT_ONCE)
            rows |= {row.trace_id: row for row in (await self._with.find(question)).traces}
        told: list[dict[str, object]] = []
        for draft, name in zip(roots, names, strict=True):
            row = rows.get(name)
            sums: Mapping[str, object] = {
                "TOTAL_TOKENS": row.input_tokens + row.output_tokens if row else None,
                "TOTAL_COST": row.cost_nano_usd / 1e9 if row else None,
                "FIRST_TOKEN_TIME": await self._first_token(project, draft) if "FIRST_TOKEN_TIME" in asked else None,
            }
            told.append({"trace_aggregates": {field.lower(): sums[field] for field in asked}})
        return told

    async def _first_token(self, project: str, root: Draft) -> str | None:
        runs = await self._drafts.of_trace(project, root.trace or root.id)
        first = min((at_ns for run in runs if (at_ns := first_token_ns_of(run)) is not None), default=None)
        return None if first is None else moment(first)


class _Projects(Struct, frozen=True, kw_only=True):
    """LangSmith's projects that are asked for, among all of ours."""

    project: str
    asked: frozenset[str]
    """Their UUIDs."""
    names: Mapping[str, str]
    """UUIDs by names."""
    datasets: Mapping[str, str]
    """What each goes through, by its UUID."""

    def of(self, draft: Draft) -> str:
        """The UUID of the one that a run is in; empty where it names none."""
        name = text(draft.fields, "session_name")
        known = self.names.get(name) or session_id(self.project, name) if name else ""
        return text(draft.fields, "session_id") or known

    def have(self, draft: Draft) -> bool:
        """Whether a run is in one that is asked for."""
        return self.of(draft) in self.asked


def _page(drafts: Sequence[Draft], wanted: Wanted) -> tuple[Sequence[Draft], str | None]:
    """Those of the page, the newest first, and the cursor behind them."""
    found = sorted(drafts, key=place_of, reverse=True)
    page = found[: wanted.limit]
    if len(found) == len(page):
        return page, None
    at_ns, name = place_of(page[-1])
    return page, f"{at_ns}:{name}"


def _listed(request: Request, page: Mapping[str, object]) -> Response:
    """A page as JSON, or as a stream that tells it in one event, which clients read as patches of a document."""
    if "text/event-stream" not in request.headers.get("accept", ""):
        return answer(page)
    patch = json.encode([{"op": "add", "path": "", "value": page}])
    return Response(b"event: data\ndata: " + patch + b"\n\nevent: end\ndata: {}\n\n", media_type="text/event-stream")


def _everything(project: str) -> Window:
    return Window(project=project, since_ns=0, until_ns=_LAST_NS)
