"""``GET /api/public/v2/metrics`` and the older ``/metrics``: Langfuse's questions, answered by the store's own sums."""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import add
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import Aggregate, Group, checked
from switchgear.rest.written import moment
from switchgear.traces.doors.asking import Routes, Surroundings, answer, read_json
from switchgear.traces.doors.langfuse_measures import TIME, Question, read_question, together
from switchgear.traces.doors.reading import an_object
from switchgear.traces.intake import Origin

Line = dict[str, object]
Label = tuple[str | None, ...]
_ADDED: Final[Mapping[str, Callable[[float, float], float]]] = {"count": add, "sum": add, "min": min, "max": max}
"""How measures of two groups make that of both; of others only the spans themselves know."""
_MOST_ASKED_AGAIN: Final = 20
_NEWER: Final = ("observations",)
_OLDER: Final = ("traces", "observations")


class LangfuseMetrics:
    """The routes."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings

    def routes(self) -> Routes:
        """Both."""
        return (("GET", "/api/public/v2/metrics", self.newer), ("GET", "/api/public/metrics", self.older))

    async def newer(self, request: Request, origin: Origin) -> Response:
        """Metrics of observations."""
        return await self._answer(request, origin, _NEWER)

    async def older(self, request: Request, origin: Origin) -> Response:
        """Of traces, too."""
        return await self._answer(request, origin, _OLDER)

    async def _answer(self, request: Request, origin: Origin, views: Collection[str]) -> Response:
        said = an_object(read_json(request.query_params.get("query", "").encode()), "'query'")
        question = read_question(said, origin.project, views)
        lines: list[Line] = []
        for begins_ns, asked in question.pieces():
            lines += await self._lines(question, asked, begins_ns)
        for name, descending in reversed(question.order):
            lines.sort(key=lambda line, name=name: _rank(line[name]), reverse=descending)
            # What is not known stands last, either way.
            lines.sort(key=lambda line, name=name: line[name] is None)
        return answer({"data": lines[: question.rows]})

    async def _lines(self, question: Question, asked: Aggregate, begins_ns: int | None) -> list[Line]:
        groups = await self._with.store.aggregate(checked(asked))
        by_label: dict[Label, list[Group]] = {}
        for group in groups:
            by_label.setdefault(question.label(group), []).append(group)
        shared = {label: some for label, some in by_label.items() if len({group.values for group in some}) > 1}
        if len({group.values for group in groups}) >= asked.limit and (shared or not question.by_largest):
            why = f"there are more than {asked.limit} groups"
            raise BadRequest(f"{why}: filter, group by less, or let lines stand by the first metric", param="query")
        if not all(measure.reduction in _ADDED for measure in asked.measures):
            if len(shared) > _MOST_ASKED_AGAIN:
                raise BadRequest("too many groups have one name here: filter, or group by less", param="query")
            for label, some in shared.items():
                by_label[label] = await self._with.store.aggregate(checked(together(asked, some)))
        made: list[Line] = []
        for label, some in by_label.items():
            by_bucket: dict[int | None, list[Group]] = {}
            for group in some:
                by_bucket.setdefault(group.bucket_ns, []).append(group)
            for bucket_ns, here in by_bucket.items():
                began_ns = begins_ns if bucket_ns is None else bucket_ns
                made.append(_line(question, label, began_ns, _merged(asked, here)))
        return made


def _merged(asked: Aggregate, groups: Sequence[Group]) -> list[float | None]:
    """Measures of all of them."""
    found: list[float | None] = list(groups[0].measures)
    for group in groups[1:]:
        for place, value in enumerate(group.measures):
            known = found[place]
            both = _ADDED[asked.measures[place].reduction]
            found[place] = known if value is None else value if known is None else both(known, value)
    return found


def _line(question: Question, label: Label, began_ns: int | None, values: Sequence[float | None]) -> Line:
    made: Line = dict(zip(question.dimensions, label, strict=True))
    if question.granularity is not None:
        made[TIME] = None if began_ns is None else moment(began_ns)
    start = 0
    for metric in question.metrics:
        ends = start + len(metric.measures)
        made[metric.alias] = metric.of(values[start:ends])
        start = ends
    return made


def _rank(value: object) -> tuple[bool, float, str]:
    """Numbers before texts."""
    return (False, value, "") if isinstance(value, int | float) else (True, 0.0, str(value))
