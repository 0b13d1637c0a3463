"""The work of ``switchgear batch list``, ``show`` and ``cancel``, on the control database itself."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import typer
from msgspec import Raw, structs

from switchgear.app.batches import batch_service
from switchgear.app.database import ControlDatabase
from switchgear.app.migrations import newest, revision
from switchgear.batches import store
from switchgear.batches.model import Batch
from switchgear.batches.service import Batches
from switchgear.cli.batches import CancelBatchOptions, ListBatchesOptions, ShowBatchOptions
from switchgear.cli.database import in_database
from switchgear.cli.output import show_json, show_table
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.rest.written import moment

Answer = TypeVar("Answer")
_COLUMNS: Final = ("batch", "created", "key", "endpoint", "status", "lines", "done", "failed", "left")


def list_batches(given: ListBatchesOptions) -> None:
    """Everybody's."""
    found = _asked(given.config, lambda batches, _: batches.everybodys(given.limit, active=given.active))
    if given.as_json:
        show_json([_shown(batch) for batch in found])
        return
    show_table("Batches, newest first", _COLUMNS, [_cells(batch) for batch in found])


def show_batch(given: ShowBatchOptions) -> None:
    """One of them."""
    found = _asked(given.config, lambda _, database: _find(database, given.batch))
    if given.as_json:
        show_json(_shown(found))
        return
    rows = [(name, _text(value)) for name, value in _shown(found).items() if value not in ("", None)]
    show_table(found.id, ("what", "is"), rows)


def cancel_batch(given: CancelBatchOptions) -> None:
    """Stop one."""

    async def cancel(batches: Batches, database: ControlDatabase) -> Batch:
        found = await _find(database, given.batch)
        async with database.write() as connection:
            return await batches.stop(connection, found)

    typer.echo(f"{given.batch}: {_asked(given.config, cancel).status}")


async def _find(database: ControlDatabase, name: str) -> Batch:
    async with database.read() as connection:
        found = await store.find_batch(connection, name)
    if found is None:
        raise ConfigError(f"there is no batch {name[:100]!r}; `switchgear batch list` names those that there are")
    return found


def _asked(config: Path | None, ask: Callable[[Batches, ControlDatabase], Awaitable[Answer]]) -> Answer:
    declared = effective_config(config, read_environment())

    async def run(database: ControlDatabase) -> Answer:
        if await revision(database) != newest():
            raise ConfigError("the control database is not at this version; `switchgear database upgrade` brings it on")
        clock = SystemClock()
        batches = batch_service(database, lambda: declared, clock, Ids(clock, seeded_bits()))
        return await ask(batches, database)

    return in_database(declared, run)


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


def _shown(batch: Batch) -> dict[str, object]:
    """Its facts, times as moments, without what only its runner needs."""
    facts: dict[str, object] = structs.asdict(batch)
    for name in ("lease_until_ns", "results_keep_seconds"):
        del facts[name]
    times = [name for name in facts if name.endswith("_ns")]
    for name in times:
        value = facts.pop(name)
        facts[f"{name.removesuffix('_ns')}_at"] = moment(value) if isinstance(value, int) else None
    for name in ("metadata", "errors"):
        facts[name] = Raw((str(facts[name]) or "null").encode())
    return facts


def _text(value: object) -> str:
    return bytes(value).decode() if isinstance(value, Raw) else str(value)
