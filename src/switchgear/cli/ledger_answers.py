"""The work of ``switchgear ledger list``, ``statement`` and ``export``: what was spent, row by row and in sum."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from switchgear.app.database import ControlDatabase
from switchgear.app.migrations import require_newest
from switchgear.cli.database import in_database
from switchgear.cli.ledger import ExportOptions, ListOptions, StatementOptions
from switchgear.cli.output import note, show_json, show_table
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.ledger.export import write_csv, write_jsonl, write_parquet
from switchgear.ledger.listing import Page, Wanted, read_cursor
from switchgear.ledger.row import DAY_NS, Row
from switchgear.ledger.service import Ledger
from switchgear.ledger.statement import EPOCH, Asked, Line, Period, moment_ns
from switchgear.ledger.totals import EVERYTHING

_COLUMNS: Final = ("time", "call", "key", "model", "deployment", "why", "status", "in", "out", "cost", "state")
_MARKS: Final = {"estimated": "~", "unknown": "?"}


class Listed(Struct):
    """A page of rows, for programs."""

    rows: list[Row]
    next: str | None


def list_rows(given: ListOptions) -> None:
    wanted = span(given.scope, given.name, given.from_day, given.to_day)
    wanted = structs.replace(wanted, call_id=given.call.removeprefix("req_"))

    async def ask(database: ControlDatabase) -> Page:
        try:
            cursor = None if given.after is None else read_cursor(given.after)
            return await (await opened(database)).page(wanted, given.limit, cursor)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    found = in_database(effective_config(given.config, read_environment()), ask)
    rows = [entry.now() for entry in found.entries]
    following = None if found.next is None else found.next.written()
    if given.as_json:
        show_json(Listed(rows, following))
        return
    show_table("Attempts, newest first", _COLUMNS, [_cells(row) for row in rows])
    if following is not None:
        note(f"more: --after {following}")


def statement(given: StatementOptions) -> None:
    asked = _asked(given.scope, given.name, given.period, given.from_day, given.to_day)
    asked = structs.replace(asked, by_model=given.by_model)

    async def ask(database: ControlDatabase) -> list[Line]:
        found = (await opened(database)).statement(asked)
        try:
            if given.output is None:
                return [line async for line in found]
            note(f"{given.output}: {await write_file(Line, _one_by_one(found), given.output)} lines")
        except ValueError as error:
            raise ConfigError(str(error)) from None
        return []

    lines = in_database(effective_config(given.config, read_environment()), ask)
    if given.output is not None:
        return
    if given.as_json:
        show_json(lines)
        return
    headings = ("period", asked.scope, "model", "calls", "attempts", "in", "out", "cost", "between", "not sure")
    show_table(f"Statement, {asked.from_day} to {asked.to_day}", headings, [_stated(line) for line in lines])


def export(given: ExportOptions) -> None:
    wanted = span(given.scope, given.name, given.from_day, given.to_day)

    async def ask(database: ControlDatabase) -> int:
        try:
            return await write_file(Row, (await opened(database)).every_row(wanted), given.output)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    count = in_database(effective_config(given.config, read_environment()), ask)
    note(f"{given.output}: {count} rows")


async def opened(database: ControlDatabase) -> Ledger:
    """The ledger in a database that has its tables. Raises ConfigError for another, and OSError."""
    await require_newest(database)
    return Ledger(database, SystemClock())


async def write_file(kind: type[Struct], pieces: AsyncIterator[Sequence[Struct]], output: Path) -> int:
    """Write pieces in the form that the file's name asks for. Raises ConfigError."""
    form = output.suffix.removeprefix(".")
    if form not in {"csv", "jsonl", "parquet"}:
        raise ConfigError(f"{output}: the name must end in .csv, .jsonl or .parquet")
    try:
        if form == "parquet":
            return await write_parquet(kind, pieces, output)
        with output.open("wb") as file:
            if form == "csv":
                return await write_csv(kind, pieces, file.write)
            return await write_jsonl(pieces, file.write)
    except FileNotFoundError as error:
        raise ConfigError(f"{output}: cannot be written: {error.strerror}") from None


async def _one_by_one(found: AsyncIterator[Line]) -> AsyncIterator[list[Line]]:
    async for line in found:
        yield [line]


def span(scope: str | None, name: str | None, from_day: str | None, to_day: str | None) -> Wanted:
    """The rows that options ask for. Raises ConfigError."""
    if (scope is None) != (name is None):
        raise ConfigError("--scope and --name go together: --scope team --name support")
    return Wanted(
        scope=scope or "",
        name=name or "",
        from_ns=None if from_day is None else moment_ns(read_day(from_day)),
        to_ns=None if to_day is None else moment_ns(read_day(to_day)),
    )


def read_day(written: str) -> date:
    """Raises ConfigError."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise ConfigError(f"{written!r} is no day; write one as 2026-11-26") from None


def today() -> date:
    """In UTC."""
    return EPOCH + timedelta(days=SystemClock().wall_ns() // DAY_NS)


def _asked(scope: str | None, name: str | None, period: Period, from_day: str | None, to_day: str | None) -> Asked:
    now = today()
    return Asked(
        scope=scope or EVERYTHING,
        name=name,
        period=period,
        from_day=now.replace(day=1) if from_day is None else read_day(from_day),
        to_day=now + timedelta(days=1) if to_day is None else read_day(to_day),
    )


def _cells(row: Row) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(row.at_ns / 1e9, tz=UTC)
    usage = row.usage()
    return (
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        f"{row.call_id} {row.attempt}",
        row.key,
        row.model,
        row.deployment,
        row.why,
        str(row.status),
        str(usage.total_input),
        str(usage.total_output),
        f"{_MARKS.get(row.state, '')}{usd(row.cost_nano_usd)}",
        f"{row.state} {row.reason}".strip(),
    )


def _stated(line: Line) -> tuple[str, ...]:
    read = line.input + line.cache_read + line.cache_write_5m + line.cache_write_1h + line.audio_input
    sure = line.lowest_nano_usd == line.cost_nano_usd == line.highest_nano_usd
    highest = "?" if line.highest_nano_usd is None else usd(line.highest_nano_usd)
    unsure = {"estimated": line.estimated_attempts, "unknown": line.unknown_attempts}
    return (
        line.period,
        line.name,
        line.model,
        str(line.calls),
        str(line.attempts),
        str(read + line.image_input),
        str(line.output + line.reasoning + line.audio_output),
        usd(line.cost_nano_usd),
        "" if sure else f"{usd(line.lowest_nano_usd)} – {highest}",
        ", ".join(f"{count} {state}" for state, count in unsure.items() if count),
    )


def usd(nano: int) -> str:
    """An amount, for people."""
    return format_usd(NanoUsd(nano))
