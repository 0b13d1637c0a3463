"""Routes of the management API: rows of the ledger, and statements.

Who may read the whole installation's ledger may ask for anything; who may read that of an organisation, a project or a
team asks for just that scope.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import date
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from switchgear.ledger.listing import Wanted, page, read_cursor
from switchgear.ledger.row import Row
from switchgear.ledger.statement import Asked as AskedStatement
from switchgear.ledger.statement import Line, Period, lines, moment_ns
from switchgear.rest.cursor import STORABLE, PageQuery, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.principal import EVERYWHERE, Place
from switchgear.rest.problem import Refused, forbidden
from switchgear.rest.route import Answer, Asked, Route

PERMISSION: Final = "ledger:read"
RowScope = Literal["key", "owner", "team", "project", "organisation", "end_user", "model", "provider", "tag"]
StatementScope = Literal[
    "all", "key", "owner", "team", "project", "organisation", "end_user", "model", "provider", "tag"
]
Day = Annotated[date | None, Meta(description="A day in UTC, as 2026-11-26.")]
Named = Annotated[str, Meta(max_length=1024, pattern=STORABLE, description="Whose, in the scope.")]
_PLACES: Final = ("organisation", "project", "team")


class LedgerQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of rows takes."""

    scope: RowScope | None = None
    name: Named = ""
    from_day: Day = field(default=None, name="from")
    to_day: Annotated[date | None, Meta(description="The first day no more.")] = field(default=None, name="to")
    call: Annotated[str, Meta(max_length=64, pattern=STORABLE, description="Only this call's rows, by its id.")] = ""


class StatementQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What statements take."""

    from_day: Annotated[date, Meta(description="The first day, in UTC, as 2026-11-26.")] = field(name="from")
    to_day: Annotated[date, Meta(description="The first day no more.")] = field(name="to")
    scope: StatementScope = "all"
    name: Annotated[Named | None, Meta(description="Whose; left out: all of the scope.")] = None
    period: Period = "month"
    by_model: Annotated[bool, Meta(description="A line for each model.")] = False


class Rows(Struct, frozen=True, kw_only=True):
    """Attempts, newest first, with what they cost now."""

    data: list[Row]
    next: str | None
    """The cursor of the next page; null at the end."""


class Statement(Struct, frozen=True, kw_only=True):
    """Lines by period, name and model."""

    data: list[Line]
    next: str | None
    """The cursor of the next page; null at the end."""


def ledger_routes() -> tuple[Route, ...]:
    """Both."""
    return (
        Route(
            method="GET",
            path="/ledger",
            permission=PERMISSION,
            summary="Attempts at models, newest first: tokens, cost, how sure it is, and for whom.",
            handler=_rows,
            query=LedgerQuery,
            answer=Rows,
            by_place=True,
            refuses=(400,),
        ),
        Route(
            method="GET",
            path="/statements",
            permission=PERMISSION,
            summary="What a scope used and what it cost, by day or month.",
            handler=_statement,
            query=StatementQuery,
            answer=Statement,
            by_place=True,
            refuses=(400,),
        ),
    )


async def _rows(asked: Asked) -> Answer:
    query = asked.query_as(LedgerQuery)
    _allow(asked, query.scope or "", query.name)
    if (query.scope is None) != (not query.name):
        raise Refused(400, "invalid_scope", "scope and name go together: scope=team&name=support")
    of = f"/ledger {query.scope} {query.name} {query.from_day} {query.to_day} {query.call}"
    after = cursor_after(of, query.cursor)
    wanted = Wanted(
        scope=query.scope or "",
        name=query.name,
        from_ns=None if query.from_day is None else moment_ns(query.from_day),
        to_ns=None if query.to_day is None else moment_ns(query.to_day),
        call_id=query.call.removeprefix("req_"),
    )
    try:
        place = read_cursor(after) if after else None
    except ValueError:
        raise unknown_cursor() from None
    found = await page(asked.connection, wanted, query.limit, place)
    following = None if found.next is None else cursor_text(of, found.next.written())
    return Answer(body=Rows(data=[entry.now() for entry in found.entries], next=following))


async def _statement(asked: Asked) -> Answer:
    query = asked.query_as(StatementQuery)
    _allow(asked, query.scope, query.name or "")
    of = f"/statements {query.scope} {query.name} {query.from_day} {query.to_day} {query.period} {query.by_model}"
    after = cursor_after(of, query.cursor)
    wanted = AskedStatement(
        scope=query.scope,
        name=query.name,
        period=query.period,
        from_day=query.from_day,
        to_day=query.to_day,
        by_model=query.by_model,
    )
    try:
        async with aclosing(lines(asked.connection, wanted)) as told:
            found = await _some(told, after, query.limit + 1)
    except ValueError as error:
        raise Refused(400, "invalid_span", str(error)) from None
    more = len(found) > query.limit
    found = found[: query.limit]
    return Answer(body=Statement(data=found, next=cursor_text(of, _place(found[-1])) if more else None))


async def _some(told: AsyncIterator[Line], after: str, limit: int) -> list[Line]:
    """The first lines behind the place ``after``."""
    found: list[Line] = []
    behind = not after
    async for line in told:
        if behind:
            found.append(line)
        behind = behind or _place(line) == after
        if len(found) == limit:
            break
    return found


def _place(line: Line) -> str:
    return f"{line.period}\n{line.name}\n{line.model}"


def _allow(asked: Asked, scope: str, name: str) -> None:
    """Raises Refused unless the caller may read what the scope holds."""
    if asked.principal.may(PERMISSION, EVERYWHERE):
        return
    if scope not in _PLACES or not name:
        raise forbidden(PERMISSION, f" for everything; name one of your own with scope={' or '.join(_PLACES)}")
    of: Mapping[str, str] = {scope: name}
    asked.allow(Place(**of), f"{scope} {name!r}")
