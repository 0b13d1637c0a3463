"""``POST /api/v1/metrics/query``: counts, sums, means and quantiles of a project's spans, by group and time."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Aggregate, Bucket, Filter, Group, Measure, Window, checked
from switchgear.rest.problem import Refused
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import moment
from switchgear.traces.whose import READ, Moment, ProjectText, moment_ns, readable_project, unreachable

_NANOSECONDS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NANOSECONDS
_SECONDS: Final[dict[Bucket, int]] = {"minute": 60, "hour": 3600, "day": 86_400}
_MOST_LINES: Final = 50_000
Scalar = str | int | bool | None


class MetricsQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is measured of which spans."""

    measures: Annotated[tuple[Measure, ...], Meta(min_length=1, max_length=20, description="What is worked out.")]
    project: ProjectText = ""
    since: Annotated[Moment, Meta(description="Spans that began then or later; left out: a day before `until`.")] = None
    until: Annotated[Moment, Meta(description="Spans that began before; left out: now.")] = None
    where: Annotated[Filter | None, Meta(description="Only spans that pass this filter.")] = None
    by: Annotated[tuple[str, ...], Meta(max_length=8, description="Fields: a line for each value of them.")] = ()
    bucket: Annotated[Bucket | None, Meta(description="A line for each of these, in UTC.")] = None
    limit: Annotated[
        int, Meta(ge=1, le=1000, description="Groups at most, those with the largest first measure first.")
    ] = 100


class MetricsLine(Struct, frozen=True, kw_only=True):
    """One group, in one bucket of time."""

    by: dict[str, Scalar]
    bucket: str | None
    """When it begins; null without buckets."""
    measures: list[int | float | None]
    """In the order of the question; null where there is nothing to measure."""


class MetricsLines(Struct, frozen=True, kw_only=True):
    """Lines, and the time that they are about."""

    since: str
    until: str
    data: list[MetricsLine]


def metrics_routes(store: TraceStore, clock: Clock) -> tuple[Route, ...]:
    """The one."""

    async def ask(asked: Asked) -> Answer:
        question = _question(asked, asked.body_as(MetricsQuestion), clock.wall_ns())
        try:
            groups = await store.aggregate(question)
        except OSError as error:
            raise unreachable(error) from error
        window = question.window
        lines = [_line(question, group) for group in groups]
        return Answer(body=MetricsLines(since=moment(window.since_ns), until=moment(window.until_ns), data=lines))

    return (
        Route(
            method="POST",
            path="/metrics/query",
            permission=READ,
            summary="Measure spans: counts, sums, means, quantiles, by group and time.",
            handler=ask,
            body=MetricsQuestion,
            answer=MetricsLines,
            by_place=True,
            refuses=(400, 503),
            needs_database=False,
        ),
    )


def _question(asked: Asked, said: MetricsQuestion, now_ns: int) -> Aggregate:
    """The same for a store. Raises Refused and BadRequest."""
    until_ns = now_ns if said.until is None else moment_ns(said.until)
    since_ns = max(until_ns - _DAY_NS, 0) if said.since is None else moment_ns(said.since)
    if said.bucket is not None:
        buckets = max(until_ns - since_ns, 0) // (_SECONDS[said.bucket] * _NANOSECONDS) + 2
        lines = buckets * (said.limit if said.by else 1)
        if lines > _MOST_LINES:
            raise Refused(
                400,
                "invalid_request",
                f"the answer could have {lines} lines, at most {_MOST_LINES}: ask for a shorter time, "
                "larger buckets or fewer groups (limit)",
            )
    return checked(
        Aggregate(
            window=Window(project=readable_project(asked, said.project), since_ns=since_ns, until_ns=until_ns),
            where=said.where,
            by=said.by,
            bucket=said.bucket,
            measures=said.measures,
            limit=said.limit,
        )
    )


def _line(question: Aggregate, group: Group) -> MetricsLine:
    return MetricsLine(
        by=dict(zip(question.by, group.values, strict=True)),
        bucket=None if group.bucket_ns is None else moment(group.bucket_ns),
        measures=list(group.measures),
    )
