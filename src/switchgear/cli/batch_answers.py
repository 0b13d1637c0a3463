"""The work of ``switchgear batch list``, ``show`` and ``cancel``, on the control database itself."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import typer
from msgspec import json, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.database import ControlDatabase
from switchgear.app.migrations import require_newest
from switchgear.batches import store
from switchgear.batches.management import Sought, cancelled, shown_batch
from switchgear.batches.model import Batch
from switchgear.cli.batches import CancelBatchOptions, ListBatchesOptions, ShowBatchOptions
from switchgear.cli.database import in_database
from switchgear.cli.identity import author
from switchgear.cli.output import show_json, show_table
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.rest.written import moment

Answer = TypeVar("Answer")
_COLUMNS: Final = ("batch", "created", "key", "endpoint", "status", "lines", "done", "failed", "left")


def list_batches(given: ListBatchesOptions) -> None:
    """Everybody's."""
    if given.active and given.status is not None:
        raise ConfigError("--active and --status say the same; give one of them")
    sought = Sought(status="active" if given.active else given.status, project=given.project)

    async def find(database: ControlDatabase) -> list[Batch]:
        async with database.read() as connection:
            return await store.newest_batches(connection, sought.conditions, given.limit)

    found = _asked(given.config, find)
    if given.as_json:
        show_json([shown_batch(batch) for batch in found])
        return
    show_table("Batches, newest first", _COLUMNS, [_cells(batch) for batch in found])


def show_batch(given: ShowBatchOptions) -> None:
    """One of them."""

    async def find(database: ControlDatabase) -> Batch:
        async with database.read() as connection:
            return await _find(connection, given.batch)

    found = shown_batch(_asked(given.config, find))
    if given.as_json:
        show_json(found)
        return
    facts = structs.asdict(found).items()
    show_table(found.id, ("what", "is"), [(name, _text(value)) for name, value in facts if value not in ("", None)])


def cancel_batch(given: CancelBatchOptions) -> None:
    """Stop one."""

    async def cancel(database: ControlDatabase) -> Batch:
        async with database.write() as connection:
            found = await _find(connection, given.batch)
            return await cancelled(connection, found, author(), SystemClock().wall_ns())

    typer.echo(f"{given.batch}: {_asked(given.config, cancel).status}")


async def _find(connection: AsyncConnection, name: str) -> Batch:
    found = await store.find_batch(connection, name)
    if found is None:
        raise ConfigError(f"there is no batch {name[:100]!r}; `switchgear batch list` names those that there are")
    return found


def _asked(config: Path | None, ask: Callable[[ControlDatabase], Awaitable[Answer]]) -> Answer:
    async def run(database: ControlDatabase) -> Answer:
        await require_newest(database)
        return await ask(database)

    return in_database(effective_config(config, read_environment()), run)


def _cells(batch: Batch) -> tuple[str, ...]:
    left = batch.total - batch.succeeded - batch.errored - batch.unfinished
    numbers = (batch.total, batch.succeeded, batch.errored + batch.unfinished, max(left, 0))
    return (
        batch.id,
        moment(batch.created_ns),
        batch.key,
        batch.endpoint,
        batch.status,
        *map(str, numbers),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.encode(value).decode()
