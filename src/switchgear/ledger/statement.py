"""Statements: what a scope used and what it cost, by day or by month, made of totals alone."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.ledger.row import BUCKETS
from switchgear.ledger.tables import TOTALS
from switchgear.ledger.totals import ALL_SCOPES, AMOUNTS, EVERYTHING

Period = Literal["day", "month"]
EPOCH: Final = date(1970, 1, 1)
_DECEMBER: Final = 12
_LATEST_NS: Final = (1 << 63) - 1
MOST_PERIODS: Final = 400


class Asked(Struct, frozen=True, kw_only=True):
    """Which statements: of all names of a scope or of one, from a day on and before another, in UTC."""

    scope: str = EVERYTHING
    name: str | None = None
    period: Period = "month"
    from_day: date
    to_day: date
    by_model: bool = False


class Line(Struct, kw_only=True):
    """One line of a statement. Cost is what is settled and what is estimated; the bounds hold for the two together."""

    period: str
    """``2026-11-26``, or ``2026-11``."""
    scope: str
    name: str
    model: str
    """As clients named it; empty for all together, and for calls that reached none."""
    calls: int = 0
    attempts: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    audio_ms: int = 0
    characters: int = 0
    images: int = 0
    cost_nano_usd: int = 0
    settled_nano_usd: int = 0
    estimated_nano_usd: int = 0
    lowest_nano_usd: int = 0
    """Of all attempts, those of unknown cost as far as they have a bound."""
    highest_nano_usd: int | None = 0
    """None where an attempt has no upper bound."""
    estimated_attempts: int = 0
    unknown_attempts: int = 0
    void_attempts: int = 0


async def lines(connection: AsyncConnection, asked: Asked) -> AsyncGenerator[Line]:
    """Lines by period, name and model. Raises ValueError for a scope that there is not, or for too many periods."""
    if asked.scope not in ALL_SCOPES:
        raise ValueError(f"{asked.scope!r} is no scope; there are {', '.join(ALL_SCOPES)}")
    for number, (label, begin, end) in enumerate(_periods(asked)):
        if number >= MOST_PERIODS:
            raise ValueError(f"more than {MOST_PERIODS} periods in one statement; ask for fewer days, or for months")
        found = await connection.stream(_query(asked, begin, end))
        async for line in _joined(found.mappings(), label, asked.scope):
            if line.calls or line.attempts:
                yield line


def days_since_epoch(day: date) -> int:
    """As rows and totals number days."""
    return (day - EPOCH).days


def moment_ns(day: date) -> int:
    """The first nanosecond of a day."""
    found = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
    # No database holds the moments of other centuries, and there is nothing in them.
    return min(max(found, -_LATEST_NS), _LATEST_NS)


def _query(asked: Asked, begin: date, end: date) -> Select[Any]:
    model = TOTALS.c.model if asked.by_model else literal("").label("model")
    keys = [TOTALS.c.name, TOTALS.c.model] if asked.by_model else [TOTALS.c.name]
    sums = (func.sum(TOTALS.c[name]).label(name) for name in AMOUNTS)
    query = select(TOTALS.c.name, model, TOTALS.c.state, *sums).where(
        TOTALS.c.scope == asked.scope,
        TOTALS.c.day >= days_since_epoch(begin),
        TOTALS.c.day < days_since_epoch(end),
    )
    if asked.name is not None:
        query = query.where(TOTALS.c.name == asked.name)
    return query.group_by(*keys, TOTALS.c.state).order_by(*keys, TOTALS.c.state)


def _periods(asked: Asked) -> Iterator[tuple[str, date, date]]:
    days = (asked.from_day + timedelta(days=number) for number in range((asked.to_day - asked.from_day).days))
    if asked.period == "day":
        for day in days:
            yield day.isoformat(), day, day + timedelta(days=1)
        return
    for month, grouped in groupby(days, key=lambda day: day.isoformat()[:7]):
        of_month = list(grouped)
        yield month, of_month[0], of_month[-1] + timedelta(days=1)


async def _joined(found: AsyncIterator[Any], period: str, scope: str) -> AsyncIterator[Line]:
    """One line of those of all states."""
    line: Line | None = None
    async for values in found:
        place = (values["name"], values["model"])
        if line is not None and (line.name, line.model) != place:
            yield line
            line = None
        if line is None:
            line = Line(period=period, scope=scope, name=place[0], model=place[1])
        _add(line, values)
    if line is not None:
        yield line


def _add(line: Line, values: Any) -> None:
    state = values["state"]
    line.calls += int(values["calls"])
    attempts = int(values["attempts"])
    line.attempts += attempts
    for name in (*BUCKETS, "audio_ms", "characters", "images", "cost_nano_usd", "lowest_nano_usd"):
        setattr(line, name, getattr(line, name) + int(values[name]))
    if values["unbounded"] or line.highest_nano_usd is None:
        line.highest_nano_usd = None
    else:
        line.highest_nano_usd += int(values["highest_nano_usd"])
    if state in {"settled", "estimated"}:
        name = f"{state}_nano_usd"
        setattr(line, name, getattr(line, name) + int(values["cost_nano_usd"]))
    if state != "settled":
        name = f"{state}_attempts"
        setattr(line, name, getattr(line, name) + attempts)
