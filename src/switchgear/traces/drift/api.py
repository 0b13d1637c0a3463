"""Routes of the management API: whether what users send has changed, for whoever may ask it of their project."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.rest.cursor import PageQuery, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.principal import Place
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import moment
from switchgear.traces.drift import store
from switchgear.traces.drift.report import Named, Question, Report
from switchgear.traces.drift.service import Drift

READ: Final = "drift:read"
RUN: Final = "drift:run"
_MAX_NS: Final = (1 << 63) - 1


class DriftQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of checks takes."""

    project: Annotated[Named, Meta(description="Whose; `default` holds what came without a project.")] = "default"
    drifted: Annotated[bool, Meta(description="Only checks that tell drift.")] = False


class ShownReport(Struct, frozen=True, kw_only=True):
    """A check, and what it found."""

    id: str
    at: str
    made_by: str
    report: Report


class ReportPage(Struct, frozen=True):
    """Checks, newest first."""

    data: list[ShownReport]
    next: str | None
    """The cursor of the next page; null at the end."""


def drift_routes(drift: Drift) -> tuple[Route, ...]:
    """Both."""

    async def check(asked: Asked) -> Answer:
        question = asked.body_as(Question)
        asked.allow(Place(project=question.project), f"project {question.project!r}")
        return Answer(body=shown(await drift.check(question, f"{asked.author.kind}:{asked.author.name}")))

    return (
        Route(
            method="GET",
            path="/drift",
            permission=READ,
            summary="What checks for drift found, newest first; those of 90 days are kept.",
            handler=_list,
            query=DriftQuery,
            answer=ReportPage,
            by_place=True,
        ),
        Route(
            method="POST",
            path="/drift",
            permission=RUN,
            summary="Check now whether what users send has changed: the last hours against the days before.",
            handler=check,
            body=Question,
            answer=ShownReport,
            by_place=True,
            refuses=(503,),
            # Its own transaction begins when the check is over: nobody waits for it to change anything.
            needs_database=False,
        ),
    )


async def _list(asked: Asked) -> Answer:
    query = asked.query_as(DriftQuery)
    asked.allow(Place(project=query.project), f"project {query.project!r}")
    of = f"/drift {query.project} {query.drifted}"
    before = _read_cursor(cursor_after(of, query.cursor))
    found = await store.find(asked.connection, query.project, query.limit + 1, before, drifted=query.drifted)
    page = found[: query.limit]
    following = cursor_text(of, f"{page[-1].at_ns} {page[-1].id}") if len(found) > query.limit else None
    return Answer(body=ReportPage([shown(kept) for kept in page], following))


def shown(kept: store.Kept) -> ShownReport:
    """A check as the API shows it."""
    return ShownReport(id=kept.id, at=moment(kept.at_ns), made_by=kept.made_by, report=kept.report)


def _read_cursor(after: str) -> tuple[int, str] | None:
    if not after:
        return None
    at_ns, _, name = after.partition(" ")
    if not (at_ns.isascii() and at_ns.isdigit() and int(at_ns) <= _MAX_NS):
        raise unknown_cursor()
    return int(at_ns), name
