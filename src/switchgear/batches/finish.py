"""The end of a batch: what is left is given up, its files of results get their names and sizes, its status is told.

Each step can be done again: a process that takes over an end that was begun goes on with it.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.batches import store
from switchgear.batches.files import ERROR_STATES, OUTPUT_STATES
from switchgear.batches.model import NANOSECONDS, Batch, File, FileKind, LineState, Status
from switchgear.batches.results import openai_line
from switchgear.batches.shop import Shop

_STATES: Final[dict[FileKind, tuple[LineState, ...]]] = {"output": OUTPUT_STATES, "error": ERROR_STATES}


async def finish(shop: Shop, batch: str) -> None:
    """Bring a batch of which no line is under way to its end, if that has come. Raises OSError."""
    async with shop.database.write() as connection:
        found = await store.find_batch(connection, batch)
        if found is None or not found.is_active:
            return
        has_time = found.status == "in_progress" and shop.now_ns() < found.expires_ns
        if has_time and await store.has_waiting_lines(connection, batch):
            return
        if found.status == "cancelling":
            await store.give_up_lines(connection, batch, "cancelled")
        else:
            await store.give_up_lines(connection, batch, "expired")
            values = {"status": "finalizing", "finalizing_ns": found.finalizing_ns or shop.now_ns()}
            await store.change_batch(connection, batch, values, only_in=("in_progress", "finalizing"))
        found = await store.find_batch(connection, batch)
    if found is None:
        return
    sizes: dict[FileKind, tuple[int, int]] = {
        kind: await _size(shop, found, states) for kind, states in _STATES.items()
    }
    async with shop.database.write() as connection:
        await _end(connection, shop, found, sizes)


async def _end(connection: AsyncConnection, shop: Shop, batch: Batch, sizes: dict[FileKind, tuple[int, int]]) -> None:
    current = await store.find_batch(connection, batch.id)
    if current is None or not current.is_active:
        return
    now_ns = shop.now_ns()
    status: Status = "completed"
    if current.status == "cancelling":
        status = "cancelled"
    elif current.unfinished:
        status = "expired"
    values: dict[str, object] = {"status": status, f"{status}_ns": now_ns, "owner": "", "lease_until_ns": 0}
    values["total"] = max(current.total, current.succeeded + current.errored + current.unfinished)
    if batch.door == "openai":
        for kind, (lines, size_bytes) in sizes.items():
            if lines:
                file = _results(shop, batch, kind, size_bytes, lines)
                await store.add_file(connection, file)
                values[f"{kind}_file"] = file.id
    await store.change_batch(connection, batch.id, values)


def _results(shop: Shop, batch: Batch, kind: FileKind, size_bytes: int, lines: int) -> File:
    now_ns = shop.now_ns()
    keep_seconds = shop.rules().keep_seconds
    return File(
        id=f"file-{shop.ids.new()}",
        scope=batch.scope,
        purpose="batch_output",
        filename=f"{batch.id}_{kind}.jsonl",
        state="ready",
        kind=kind,
        batch=batch.id,
        bytes=size_bytes,
        lines=lines,
        created_ns=now_ns,
        expires_ns=now_ns + min(batch.results_keep_seconds or keep_seconds, keep_seconds) * NANOSECONDS,
    )


async def _size(shop: Shop, batch: Batch, states: tuple[LineState, ...]) -> tuple[int, int]:
    """How many lines, and bytes, a file of results has."""
    lines = size_bytes = after = 0
    if batch.door != "openai":
        return 0, 0
    while True:
        async with shop.database.read() as connection:
            done = await store.done_lines(connection, batch.id, states, after)
        if not done:
            return lines, size_bytes
        after = done[-1].number
        lines += len(done)
        size_bytes += sum(len(openai_line(batch.id, line)) for line in done)
