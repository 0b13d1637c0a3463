"""Routes of the management API: how alerts stand, what they went through, who was told, silences.

An alert belongs to its rule's project, or to the installation; who may not see that sees none of it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, Protocol, TypeVar

from msgspec import Meta, Struct
from sqlalchemy import ColumnElement, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.rest.cursor import STORABLE, PageQuery, cursor_after, cursor_text
from switchgear.rest.principal import EVERYWHERE, Place
from switchgear.rest.problem import Refused, forbidden, not_found
from switchgear.rest.route import Answer, Asked, Route
from switchgear.traces.alerts import store
from switchgear.traces.alerts.machine import State
from switchgear.traces.alerts.rule import NANOSECONDS
from switchgear.traces.alerts.service import Alerts, Wish
from switchgear.traces.alerts.shown import (
    AlertObject,
    ChangeObject,
    NoticeObject,
    SilenceObject,
    shown_alert,
    shown_change,
    shown_notice,
    shown_silence,
)
from switchgear.traces.alerts.store import KeptNotice, NoticeState, Silence
from switchgear.traces.alerts.tables import CHANGES, NOTICES, SILENCES

READ: Final = "alert:read"
WRITE: Final = "alert:write"
_LONGEST_SECONDS: Final = 366 * 86_400
Named = Annotated[str, Meta(max_length=256, pattern=STORABLE)]


class AlertQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of alerts takes."""

    rule: Annotated[Named, Meta(description="Only this rule's.")] = ""
    state: Annotated[State | None, Meta(description="Only those that stand so.")] = None


class HistoryQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the history takes."""

    rule: Annotated[Named, Meta(description="Only this rule's.")] = ""


class NoticeQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of notices takes."""

    rule: Annotated[Named, Meta(description="Only this rule's.")] = ""
    receiver: Annotated[Named, Meta(description="Only to this receiver.")] = ""
    state: Annotated[NoticeState | None, Meta(description="Only those that stand so.")] = None


class NewSilence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be quiet, and for how long: `until` or `for_seconds`."""

    why: Annotated[str, Meta(min_length=1, max_length=1000, pattern=STORABLE, description="For whoever wonders.")]
    rule: Annotated[Named, Meta(description="Only this rule; empty: all.")] = ""
    labels: Annotated[Named, Meta(description="Only these labels, `model=small`; a `*` at the end: any such.")] = ""
    project: Annotated[Named, Meta(description="Only this project's; empty: all of the installation.")] = ""
    until: Annotated[
        Annotated[str, Meta(max_length=64)] | None, Meta(description="A moment, as 2026-11-26T18:00:00Z.")
    ] = None
    for_seconds: Annotated[int, Meta(ge=1, le=_LONGEST_SECONDS)] | None = None

    def wish(self, now_ns: int) -> Wish:
        """The same with its end worked out. Raises Refused."""
        if (self.until is None) == (self.for_seconds is None):
            raise Refused(422, "invalid_silence", "say either until or for_seconds")
        until_ns = now_ns + (self.for_seconds or 0) * NANOSECONDS if self.until is None else moment_ns(self.until)
        return Wish(until_ns=until_ns, why=self.why, rule=self.rule, labels=self.labels, project=self.project)


class AlertPage(Struct, frozen=True):
    """Alerts, by rule and labels."""

    data: list[AlertObject]
    next: str | None
    """The cursor of the next page; null at the end."""


class ChangePage(Struct, frozen=True):
    """What alerts went through, newest first."""

    data: list[ChangeObject]
    next: str | None


class NoticePage(Struct, frozen=True):
    """What receivers were told or are to be, newest first."""

    data: list[NoticeObject]
    next: str | None


class SilencePage(Struct, frozen=True):
    """Silences, newest first, those that are over too."""

    data: list[SilenceObject]
    next: str | None


class _Kept(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def project(self) -> str: ...


Kept = TypeVar("Kept", bound=_Kept)
Read = Callable[[AsyncConnection, Sequence[ColumnElement[bool]], int, str], Awaitable[list[Kept]]]


def moment_ns(text: str) -> int:
    """Nanoseconds since the epoch of an ISO 8601 moment with an offset. Raises Refused."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError(text)
        seconds = int(found.timestamp())
    except (ValueError, OverflowError):
        raise Refused(422, "invalid_silence", "until is no moment such as 2026-11-26T18:00:00Z") from None
    # No farther than a column holds.
    return min(max(seconds, 0), (1 << 33)) * NANOSECONDS


def alert_routes(alerts: Alerts) -> tuple[Route, ...]:
    """All of them."""
    handlers = _Handlers(alerts)
    return (*_reading(handlers), *_changing(handlers))


def _reading(handlers: "_Handlers") -> tuple[Route, ...]:
    return (
        Route(
            method="GET",
            path="/alerts",
            permission=READ,
            summary="How alerts stand, by rule and labels.",
            handler=handlers.alerts,
            query=AlertQuery,
            answer=AlertPage,
            by_place=True,
        ),
        Route(
            method="GET",
            path="/alerts/history",
            permission=READ,
            summary="What alerts went through, newest first.",
            handler=handlers.history,
            query=HistoryQuery,
            answer=ChangePage,
            by_place=True,
        ),
        Route(
            method="GET",
            path="/alerts/notices",
            permission=READ,
            summary="What receivers were told or are to be, with every attempt, newest first.",
            handler=handlers.notices,
            query=NoticeQuery,
            answer=NoticePage,
            by_place=True,
        ),
        Route(
            method="GET",
            path="/alerts/silences",
            permission=READ,
            summary="Silences, newest first, those that are over too.",
            handler=handlers.silences,
            query=PageQuery,
            answer=SilencePage,
            by_place=True,
        ),
    )


def _changing(handlers: "_Handlers") -> tuple[Route, ...]:
    return (
        Route(
            method="POST",
            path="/alerts/silences",
            permission=WRITE,
            summary="Keep alerts quiet for a time; they go their way, and nobody is told.",
            handler=handlers.silence,
            body=NewSilence,
            answer=SilenceObject,
            status=201,
            by_place=True,
        ),
        Route(
            method="POST",
            path="/alerts/silences/{id}/end",
            permission=WRITE,
            summary="Let alerts be heard again before the time.",
            handler=handlers.end_silence,
            answer=SilenceObject,
            by_place=True,
            refuses=(409,),
        ),
        Route(
            method="POST",
            path="/alerts/notices/{id}/replay",
            permission=WRITE,
            summary="Have a receiver told something once more, under the same id.",
            handler=handlers.replay,
            answer=NoticeObject,
            by_place=True,
            refuses=(409,),
        ),
        Route(
            method="POST",
            path="/alerts/receivers/{name}/test",
            permission=WRITE,
            summary="Have a receiver told that nothing is wrong; what became of it is among the notices.",
            handler=handlers.test,
            answer=NoticeObject,
            status=202,
            refuses=(404,),
        ),
    )


class _Handlers:
    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    async def alerts(self, asked: Asked) -> Answer:
        query = asked.query_as(AlertQuery)
        of = f"/alerts?rule={query.rule}&state={query.state}"
        after = cursor_after(of, query.cursor)
        behind = tuple(after.split("\n", 1)) if after else ()
        found = await store.standings(asked.connection, query.rule or None)
        seen = [
            one
            for one in found
            if (not behind or (one.rule, one.labels) > behind)
            and query.state in (None, one.state)
            and asked.principal.may(READ, Place(project=one.project))
        ]
        page = seen[: query.limit]
        silences = await store.silences_in_force(asked.connection, self._alerts.now_ns())
        following = cursor_text(of, f"{page[-1].rule}\n{page[-1].labels}") if len(seen) > query.limit else None
        return Answer(body=AlertPage([shown_alert(one, silences) for one in page], following))

    async def history(self, asked: Asked) -> Answer:
        query = asked.query_as(HistoryQuery)
        of = f"/alerts/history?rule={query.rule}"
        wanted = [CHANGES.c.rule == query.rule] if query.rule else []
        found, following = await _page(asked, of, query, store.changes, (CHANGES, wanted))
        return Answer(body=ChangePage([shown_change(one) for one in found], following))

    async def notices(self, asked: Asked) -> Answer:
        query = asked.query_as(NoticeQuery)
        of = f"/alerts/notices?rule={query.rule}&receiver={query.receiver}&state={query.state}"
        said = {"rule": query.rule, "receiver": query.receiver, "state": query.state}
        wanted = [NOTICES.c[name] == value for name, value in said.items() if value]
        found, following = await _page(asked, of, query, store.notices, (NOTICES, wanted))
        tries = await store.tries(asked.connection, [one.id for one in found])
        return Answer(body=NoticePage([shown_notice(one, tries) for one in found], following))

    async def silences(self, asked: Asked) -> Answer:
        query = asked.query_as(PageQuery)
        found, following = await _page(asked, "/alerts/silences", query, store.silences, (SILENCES, []))
        now_ns = self._alerts.now_ns()
        return Answer(body=SilencePage([shown_silence(one, now_ns) for one in found], following))

    async def silence(self, asked: Asked) -> Answer:
        body = asked.body_as(NewSilence)
        if not asked.principal.may(WRITE, Place(project=body.project)):
            where = f" in project {body.project!r}" if body.project else " everywhere; name a project of yours"
            raise forbidden(WRITE, where)
        made = await self._alerts.silence(asked.connection, body.wish(self._alerts.now_ns()), asked.author)
        return Answer(body=shown_silence(made, self._alerts.now_ns()))

    async def end_silence(self, asked: Asked) -> Answer:
        name = asked.path["id"]
        found: Silence | None = await store.find_silence(asked.connection, name)
        if found is None:
            raise not_found(f"silence {name[:100]!r}")
        asked.allow(Place(project=found.project), f"silence {name[:100]!r}", READ)
        ended = await self._alerts.end_silence(asked.connection, found, asked.author)
        return Answer(body=shown_silence(ended, self._alerts.now_ns()))

    async def replay(self, asked: Asked) -> Answer:
        name = asked.path["id"]
        found: KeptNotice | None = await store.find_notice(asked.connection, name)
        if found is None:
            raise not_found(f"notice {name[:100]!r}")
        asked.allow(Place(project=found.project), f"notice {name[:100]!r}", READ)
        return await self._shown(asked, await self._alerts.replay(asked.connection, found, asked.author))

    async def test(self, asked: Asked) -> Answer:
        return await self._shown(asked, await self._alerts.test(asked.connection, asked.path["name"], asked.author))

    @staticmethod
    async def _shown(asked: Asked, kept: KeptNotice) -> Answer:
        return Answer(body=shown_notice(kept, await store.tries(asked.connection, [kept.id])))


async def _page(
    asked: Asked, of: str, query: PageQuery, read: Read[Kept], which: tuple[Table, Sequence[ColumnElement[bool]]]
) -> tuple[list[Kept], str | None]:
    """A page of what the caller may see; something of another place may lie between."""
    table, wanted = which
    places = asked.principal.places(READ)
    mine = [] if EVERYWHERE in places else [table.c.project.in_([one.project for one in places if one.project])]
    before, found = cursor_after(of, query.cursor), list[Kept]()
    while len(found) <= query.limit:
        rows = await read(asked.connection, [*wanted, *mine], query.limit + 1, before)
        found += [row for row in rows if asked.principal.may(READ, Place(project=row.project))]
        if len(rows) <= query.limit:
            break
        before = rows[-1].id
    page = found[: query.limit]
    return page, cursor_text(of, page[-1].id) if len(found) > query.limit else None
