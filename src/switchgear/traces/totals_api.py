"""Routes of the management API: the sessions and the end users that spans name, with the totals of their spans.

An end user is whoever an application says that it asked for; the people who sign in to the console are others.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from msgspec import Meta, MsgspecError, Struct, convert, json

from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import MOST_ROWS, Aggregate, Compare, Every, Filter, Group, Measure, OneOf, Window
from switchgear.rest.cursor import STORABLE, PageQuery, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.problem import Refused, not_found
from switchgear.rest.route import Answer, Asked, Route
from switchgear.traces.whose import (
    ALL_OF_TIME,
    READ,
    Moment,
    ProjectText,
    moment_ns,
    readable_project,
    unreachable,
    visible_project,
)

_NAMES_AT_ONCE: Final = 50
_SUMMED: Final = (
    Measure(reduction="distinct", field="trace_id"),
    Measure(reduction="count"),
    Measure(reduction="errors"),
    Measure(reduction="sum", field="input_tokens"),
    Measure(reduction="sum", field="output_tokens"),
    Measure(reduction="sum", field="cost_nano_usd"),
    Measure(reduction="min", field="started_ns"),
    Measure(reduction="max", field="started_ns"),
)
_SUMS: Final = (
    *("traces", "spans", "errors", "input_tokens", "output_tokens", "cost_nano_usd"),
    *("first_seen_ns", "last_seen_ns"),
)


class EndUserQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of end users takes."""

    project: ProjectText = ""
    since: Moment = None
    until: Moment = None


class SessionQuery(EndUserQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of sessions takes."""

    user: Annotated[
        str, Meta(max_length=1024, pattern=STORABLE, description="Only sessions in which a span names this user.")
    ] = ""


class OneQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one of them takes."""

    project: ProjectText = ""


class _Totals(Struct, frozen=True, kw_only=True):
    id: str
    traces: int
    """How many have a span of it."""
    spans: int
    errors: int
    """Spans that failed."""
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int
    unpriced: int
    """Counted spans whose cost is not known: the cost is then a lower bound."""
    first_seen_ns: int
    last_seen_ns: int
    """Starts of its first and its last span."""


class SessionTotals(_Totals, frozen=True, kw_only=True):
    """A session, with the totals of its spans."""

    users: int
    """How many its spans name."""


class EndUserTotals(_Totals, frozen=True, kw_only=True):
    """An end user, with the totals of their spans."""

    sessions: int
    """How many their spans name."""


class Sessions(Struct, frozen=True, kw_only=True):
    """Sessions, those seen last first."""

    data: list[SessionTotals]
    next: str | None
    """The cursor of the next page; null at the end."""


class EndUsers(Struct, frozen=True, kw_only=True):
    """End users, those seen last first."""

    data: list[EndUserTotals]
    next: str | None
    """The cursor of the next page; null at the end."""


def total_routes(store: TraceStore, most_listed: int = MOST_ROWS) -> tuple[Route, ...]:
    """All of them; lists go on to the ``most_listed``-th of a window."""
    sums = _Sums(store, most_listed)

    async def sessions(asked: Asked) -> Answer:
        found, following = await _listed(sums, asked, "session", asked.query_as(SessionQuery).user)
        return Answer(body=Sessions(data=convert(found, list[SessionTotals]), next=following))

    async def end_users(asked: Asked) -> Answer:
        found, following = await _listed(sums, asked, "user")
        return Answer(body=EndUsers(data=convert(found, list[EndUserTotals]), next=following))

    async def session(asked: Asked) -> Answer:
        return Answer(body=convert(await _one(sums, asked, "session"), SessionTotals))

    async def end_user(asked: Asked) -> Answer:
        return Answer(body=convert(await _one(sums, asked, "user"), EndUserTotals))

    routes = (
        ("/sessions", "List sessions, those seen last first, with totals.", sessions, SessionQuery, Sessions),
        ("/sessions/{name:path}", "One session, with its totals.", session, OneQuery, SessionTotals),
        ("/end-users", "List the users that spans name, those seen last first.", end_users, EndUserQuery, EndUsers),
        ("/end-users/{name:path}", "One user that spans name, with totals.", end_user, OneQuery, EndUserTotals),
    )
    return tuple(
        Route(
            method="GET",
            path=path,
            permission=READ,
            summary=summary,
            handler=handler,
            query=query,
            answer=answer,
            by_place=True,
            refuses=(400, 404, 503) if query is OneQuery else (400, 503),
            needs_database=False,
        )
        for path, summary, handler, query, answer in routes
    )


async def _listed(
    sums: "_Sums", asked: Asked, field: str, user: str = ""
) -> tuple[list[dict[str, object]], str | None]:
    query = asked.query
    assert isinstance(query, EndUserQuery)
    window = Window(
        project=readable_project(asked, query.project),
        since_ns=ALL_OF_TIME[0] if query.since is None else moment_ns(query.since),
        until_ns=ALL_OF_TIME[1] if query.until is None else moment_ns(query.until),
    )
    list_name = f"/{field}s {window} {user}"
    after = cursor_after(list_name, query.cursor)
    places = await sums.places(window, field, user)
    left = places if not after else [place for place in places if _key(*place) > _key_after(after)]
    is_cut = len(places) == sums.most_listed
    if is_cut and not left:
        raise Refused(
            400,
            "invalid_request",
            f"the list ends behind its first {sums.most_listed}: ask for a shorter time by since and until",
        )
    page = left[: query.limit]
    following = cursor_text(list_name, json.encode(_key(*page[-1])).decode()) if len(page) < len(left) or is_cut else ""
    return await sums.of(window, field, [name for _, name in page]), following or None


async def _one(sums: "_Sums", asked: Asked, field: str) -> dict[str, object]:
    name = asked.path["name"]
    what = f"{field} {name[:64]!r}"
    project = visible_project(asked, asked.query_as(OneQuery).project, what)
    window = Window(project=project, since_ns=ALL_OF_TIME[0], until_ns=ALL_OF_TIME[1])
    found = await sums.of(window, field, [name]) if name else []
    if not found:
        raise not_found(what)
    return found[0]


class _Sums:
    """Asks one store."""

    def __init__(self, store: TraceStore, most_listed: int) -> None:
        self.most_listed = most_listed
        self._store = store

    async def places(self, window: Window, field: str, user: str) -> list[tuple[int, str]]:
        """When each was seen last, and its name; the last first. Raises Overloaded."""
        where: Filter = Compare(field=field, op="!=", value="")
        if user:
            where = Every(filters=(where, Compare(field="user", value=user)))
        measures = (Measure(reduction="max", field="started_ns"),)
        groups = await self._groups(window, where, field, measures, self.most_listed)
        return sorted(
            ((int(group.measures[0] or 0), str(group.values[0])) for group in groups), key=lambda at: _key(*at)
        )

    async def of(self, window: Window, field: str, names: Sequence[str]) -> list[dict[str, object]]:
        """Totals of each that has a span, in their order. Raises Overloaded."""
        other = "user" if field == "session" else "session"
        others = (Measure(reduction="distinct", field=other),)
        count = (Measure(reduction="count"),)
        found: dict[str, dict[str, object]] = {}
        for at in range(0, len(names), _NAMES_AT_ONCE):
            some = OneOf(field=field, values=tuple(names[at : at + _NAMES_AT_ONCE]))
            named = Every(filters=(some, Compare(field=other, op="!=", value="")))
            priceless = (Compare(field="counted", value=True), Compare(field="cost_source", value="unknown"))
            unpriced = Every(filters=(some, *priceless))
            totals = await self._groups(window, some, field, _SUMMED)
            known = dict(_first_of(await self._groups(window, named, field, others)))
            missing = dict(_first_of(await self._groups(window, unpriced, field, count)))
            for group in totals:
                name = str(group.values[0])
                told = dict(zip(_SUMS, (each or 0 for each in group.measures), strict=True))
                found[name] = {"id": name, **told, f"{other}s": known.get(name, 0), "unpriced": missing.get(name, 0)}
        return [found[name] for name in names if name in found]

    async def _groups(
        self, window: Window, where: Filter, by: str, measures: tuple[Measure, ...], limit: int = _NAMES_AT_ONCE
    ) -> list[Group]:
        try:
            return await self._store.aggregate(
                Aggregate(window=window, where=where, by=(by,), measures=measures, limit=limit)
            )
        except OSError as error:
            raise unreachable(error) from error


def _first_of(groups: Sequence[Group]) -> Iterator[tuple[str, int]]:
    for group in groups:
        yield str(group.values[0]), int(group.measures[0] or 0)


def _key(last_seen_ns: int, name: str) -> tuple[int, str]:
    """Where it stands in a list; names have no bounds, and cursors do."""
    return -last_seen_ns, hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]


def _key_after(after: str) -> tuple[int, str]:
    """Raises Refused."""
    try:
        return json.decode(after, type=tuple[int, str])
    except MsgspecError:
        raise unknown_cursor() from None
