"""What Langfuse's SDKs read back: observations in all their versions, traces and sessions in those before version 5."""

from collections.abc import Collection, Sequence
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest, NotFound
from switchgear.kernel.query import (
    MOST_ROWS,
    Aggregate,
    Compare,
    Every,
    Filter,
    Find,
    Measure,
    OneOf,
    SpanRow,
    TraceRow,
    Window,
)
from switchgear.kernel.span import Span
from switchgear.rest.written import moment
from switchgear.traces.doors import langfuse_asked as asked
from switchgear.traces.doors.asking import Routes, Surroundings, answer
from switchgear.traces.doors.langfuse_ids import span_id, trace_id
from switchgear.traces.doors.langfuse_scores import shown_score_v2
from switchgear.traces.doors.langfuse_shown import is_whole_trace, observation, observation_v2, trace
from switchgear.traces.intake import Origin
from switchgear.traces.scores.model import Score
from switchgear.traces.scores.store import Sought

_NAMES_AT_ONCE: Final = 50
_MOST_LISTED: Final = 50_000
"""Observations whose ids stand in one page of traces."""
_MOST_SHOWN: Final = 10_000
"""Observations that stand whole in one trace."""
_MOST_OF_SESSION: Final = 1000
"""Traces that stand in one session."""
_MOST_SCORES: Final = 10_000
_OF_ITS_OWN: Final = ("core", "io", "metrics")
"""What a trace has beside its observations and scores."""
_UNMEASURED: Final = {"latency": -1, "totalCost": -1}
"""How Langfuse tells of measures that were not asked for."""
_LAST_NS: Final = (1 << 63) - 1
_FIRST: Final = Compare(field="parent_id", value="")


class LangfuseReads:
    """The routes of reading."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings

    def routes(self) -> Routes:
        """All of them."""
        return (
            ("GET", "/api/public/traces", self.list_traces),
            ("GET", "/api/public/traces/{id}", self.get_trace),
            ("GET", "/api/public/sessions", self.list_sessions),
            ("GET", "/api/public/sessions/{id:path}", self.get_session),
            ("GET", "/api/public/observations", self.list_observations),
            ("GET", "/api/public/observations/{id}", self.get_observation),
            ("GET", "/api/public/v2/observations", self.list_observations_v2),
        )

    # --------------------------------------------------------------------------------------------------------- traces

    async def list_traces(self, request: Request, origin: Origin) -> Response:
        """Traces of the key's project, by page."""
        page, parts = asked.page(request), asked.parts_of_trace(request)
        question = Find(
            window=asked.window(request, origin.project),
            where=asked.traces_where(request),
            of="traces",
            newest_first=asked.is_newest_first(request),
            limit=page.asked,
        )
        found = (await self._with.find(question)).traces
        shown = await self._traces(origin.project, found[page.its_own], parts)
        return answer({"data": shown, "meta": page.meta(len(found))})

    async def get_trace(self, request: Request, origin: Origin) -> Response:
        """One trace, with its observations and scores whole."""
        name, parts = trace_id(request.path_params["id"]), asked.parts_of_trace(request)
        where = Compare(field="trace_id", value=name)
        window = _everything(origin.project)
        rows = (await self._with.find(Find(window=window, where=where, of="traces", limit=1))).traces
        if not rows:
            raise NotFound("there is no such trace")
        (shown,) = await self._traces(origin.project, rows, [part for part in parts if part in _OF_ITS_OWN])
        observations: list[dict[str, object]] = []
        if "observations" in parts:
            advice = "read it by api/public/v2/observations?traceId=..., or without them (fields=core,io,scores)"
            spans = await self._with.whole(origin.project, await self._rows(window, where, _MOST_SHOWN, advice))
            observations = _observations(spans)
        scores = await self._scores(origin.project, [name]) if "scores" in parts else []
        return answer({**shown, "observations": observations, "scores": [shown_score_v2(score) for score in scores]})

    async def _traces(self, project: str, rows: Sequence[TraceRow], parts: Collection[str]) -> list[dict[str, object]]:
        names = [row.trace_id for row in rows]
        firsts = await self._firsts(project, names) if "io" in parts else {}
        spans = await self._ids(project, names) if "observations" in parts else {}
        scores: dict[str, list[str]] = {}
        for score in await self._scores(project, names) if "scores" in parts else []:
            scores.setdefault(score.trace_id, []).append(score.id)
        return [
            {
                **trace(row, project, firsts.get(row.trace_id)),
                **({} if "metrics" in parts else _UNMEASURED),
                "observations": spans.get(row.trace_id, []),
                "scores": scores.get(row.trace_id, []),
            }
            for row in rows
        ]

    async def _firsts(self, project: str, names: Sequence[str]) -> dict[str, Span]:
        """The span at the top of each trace that has one, whole."""
        found: dict[str, Span] = {}
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = OneOf(field="trace_id", values=tuple(names[start : start + _NAMES_AT_ONCE]))
            where = Every(filters=(some, _FIRST))
            question = Find(window=_everything(project), where=where, newest_first=False, limit=MOST_ROWS)
            rows: dict[str, SpanRow] = {}
            for row in (await self._with.find(question)).spans:
                rows.setdefault(row.trace_id, row)
            for span in await self._with.whole(project, list(rows.values())):
                found[span.trace_id] = span
        return found

    async def _ids(self, project: str, names: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        advice = "ask for fewer traces at once (limit), or without them (fields=core,io,scores,metrics)"
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = OneOf(field="trace_id", values=tuple(names[start : start + _NAMES_AT_ONCE]))
            for row in await self._rows(_everything(project), some, _MOST_LISTED, advice):
                found.setdefault(row.trace_id, []).append(row.span_id)
        return found

    async def _rows(self, window: Window, where: Filter, most: int, advice: str) -> list[SpanRow]:
        """All spans, the oldest first. Raises BadRequest where there are more than ``most``."""
        found: list[SpanRow] = []
        after = ""
        while True:
            question = Find(window=window, where=where, newest_first=False, limit=MOST_ROWS, after=after)
            page = await self._with.find(question)
            found += page.spans
            after = page.after
            if len(found) > most:
                raise BadRequest(f"there are more than {most} observations: {advice}")
            if not after:
                return found

    async def _scores(self, project: str, names: Sequence[str]) -> list[Score]:
        if not names:
            return []
        return await self._with.scores.find(Sought(project=project, trace_ids=names, limit=_MOST_SCORES))

    # ------------------------------------------------------------------------------------------------------- sessions

    async def list_sessions(self, request: Request, origin: Origin) -> Response:
        """Sessions of the key's project, those that began last first, by page."""
        page = asked.page(request)
        groups = await self._with.store.aggregate(
            Aggregate(
                window=asked.window(request, origin.project),
                where=asked.sessions_where(request),
                by=("session", "environment"),
                measures=(Measure(reduction="min", field="started_ns"),),
                limit=MOST_ROWS,
            )
        )
        began: dict[str, tuple[int, str]] = {}
        for group in groups:
            name, environment = str(group.values[0]), str(group.values[1] or "")
            here = (int(group.measures[0] or 0), environment)
            began[name] = min(here, began.get(name, here))
        names = sorted(began, key=lambda name: (-began[name][0], name))
        shown = [_session(name, *began[name], origin.project) for name in names[page.its_own]]
        return answer({"data": shown, "meta": page.meta(len(names))})

    async def get_session(self, request: Request, origin: Origin) -> Response:
        """One session with its traces, the oldest first."""
        name = request.path_params["id"]
        where = Compare(field="session", value=name)
        window = _everything(origin.project)
        question = Find(window=window, where=where, of="traces", newest_first=False, limit=_MOST_OF_SESSION)
        rows = (await self._with.find(question)).traces if name else ()
        if not rows:
            raise NotFound("there is no such session")
        firsts = await self._firsts(origin.project, [row.trace_id for row in rows])
        traces = [trace(row, origin.project, firsts.get(row.trace_id)) for row in rows]
        return answer({**_session(name, rows[0].started_ns, rows[0].environment, origin.project), "traces": traces})

    # --------------------------------------------------------------------------------------------------- observations

    async def list_observations(self, request: Request, origin: Origin) -> Response:
        """Version 1: by page."""
        page = asked.page(request)
        question = Find(
            window=asked.window(request, origin.project, "fromStartTime", "toStartTime"),
            where=asked.observations_where(request),
            limit=page.asked,
        )
        rows = (await self._with.find(question)).spans
        shown = [observation(span) for span in await self._with.whole(origin.project, rows[page.its_own])]
        return answer({"data": shown, "meta": page.meta(len(rows))})

    async def list_observations_v2(self, request: Request, origin: Origin) -> Response:
        """Version 2: by cursor, and only the fields that are asked for."""
        groups = asked.groups_v2(request)
        question = Find(
            window=asked.window(request, origin.project, "fromStartTime", "toStartTime"),
            where=asked.observations_where(request),
            limit=asked.limit_v2(request),
            after=request.query_params.get("cursor", ""),
        )
        found = await self._with.find(question)
        shown = [observation_v2(span, groups) for span in await self._with.whole(origin.project, found.spans)]
        return answer({"data": shown, "meta": {"cursor": found.after} if found.after else {}})

    async def get_observation(self, request: Request, origin: Origin) -> Response:
        """One, by its own id alone."""
        where = Compare(field="span_id", value=span_id(request.path_params["id"]))
        found = await self._with.find(Find(window=_everything(origin.project), where=where, limit=1))
        spans = await self._with.whole(origin.project, found.spans)
        if not spans:
            raise NotFound("there is no such observation")
        return answer(observation(spans[0]))


def _observations(spans: Sequence[Span]) -> list[dict[str, object]]:
    """Those of a trace, without the span that stands for it where an older SDK told of it."""
    tops = {span.span_id for span in spans if is_whole_trace(span)}
    shown = [observation(span) for span in spans if span.span_id not in tops]
    for one in shown:
        if one["parentObservationId"] in tops:
            one["parentObservationId"] = None
    return shown


def _session(name: str, began_ns: int, environment: str, project: str) -> dict[str, object]:
    return {
        "id": name,
        "createdAt": moment(began_ns),
        "projectId": project,
        "environment": environment or "default",
    }


def _everything(project: str) -> Window:
    return Window(project=project, since_ns=0, until_ns=_LAST_NS)
