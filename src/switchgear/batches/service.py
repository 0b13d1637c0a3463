"""Batches: created, shown, cancelled and deleted, each by those in whose scope they are; jobs.py runs them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from msgspec import Raw, Struct, json, structs
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.batches import store
from switchgear.batches.files import ERROR_STATES, OUTPUT_STATES, Files, Wanted
from switchgear.batches.model import (
    ENDPOINTS,
    MAX_LINE_BYTES,
    MAX_LINES,
    MESSAGES,
    NANOSECONDS,
    Batch,
    Caller,
    Door,
    Progress,
    Rules,
)
from switchgear.batches.requests import RequestReader, request_line
from switchgear.batches.results import anthropic_line
from switchgear.batches.tables import BATCHES
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest, BodyTooLarge, NotFound, RateLimited
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Database

WINDOW: Final = "24h"
WINDOW_SECONDS: Final = 86_400
_PREFIXES: Final[Mapping[Door, str]] = {"openai": "batch", "anthropic": "msgbatch"}
_STOPPABLE: Final = ("validating", "in_progress")
_LINES_AT_ONCE: Final = 500


class Wish(Struct, frozen=True, kw_only=True):
    """What somebody asks a batch to be."""

    endpoint: str
    input_file: str
    metadata: Mapping[str, str] = {}
    results_keep_seconds: int = 0


class MessageRequest(Struct, frozen=True):
    """One request of a message batch."""

    custom_id: str
    params: Raw


class Batches:
    """All methods raise OSError when the database does not answer, and NotFound for what is not in the scope."""

    def __init__(self, database: Database[AsyncConnection], rules: Callable[[], Rules], clock: Clock, ids: Ids) -> None:
        self.files = Files(database, rules, clock, ids)
        self.on_change: Callable[[], None] = _nothing
        """Called when there is something new to run."""
        self._database = database
        self._rules = rules
        self._clock = clock
        self._ids = ids

    async def create(self, caller: Caller, wish: Wish) -> Batch:
        """A batch of a file's requests. Raises BadRequest, or RateLimited when too many are not over."""
        if wish.endpoint not in ENDPOINTS:
            known = ", ".join(ENDPOINTS)
            raise BadRequest(f"batches of {wish.endpoint[:100]!r} are not run here; {known} are", param="endpoint")
        batch = self._fresh(caller, "openai", wish)
        async with self._database.write() as connection:
            file = await store.find_file(connection, wish.input_file, caller.scope)
            if file is None or file.state != "ready" or file.kind != "upload":
                name = wish.input_file[:100]
                raise NotFound(f"there is no file {name!r} of the purpose 'batch'", param="input_file_id")
            await self._admit(connection, caller)
            await store.add_batch(connection, batch)
        self.on_change()
        return batch

    async def create_messages(self, caller: Caller, requests: Sequence[MessageRequest]) -> Batch:
        """A batch of Anthropic's messages. Raises BadRequest or BodyTooLarge, or RateLimited as for others."""
        lines = await asyncio.to_thread(_sound_lines, requests)
        file = self.files.fresh(caller.scope, "requests")
        wish = Wish(endpoint=MESSAGES, input_file=file.id)
        batch = structs.replace(self._fresh(caller, "anthropic", wish), total=len(lines))
        async with self._database.write() as connection:
            await self._admit(connection, caller)
            await store.add_file(connection, file)
        for at in range(0, len(lines), _LINES_AT_ONCE):
            async with self._database.write() as connection:
                await store.add_file_lines(connection, file.id, at + 1, lines[at : at + _LINES_AT_ONCE])
        facts = {"state": "ready", "bytes": sum(map(len, lines)), "lines": len(lines), "batch": batch.id}
        async with self._database.write() as connection:
            await store.change_file(connection, file.id, **facts)
            await store.add_batch(connection, batch)
        self.on_change()
        return batch

    async def _admit(self, connection: AsyncConnection, caller: Caller) -> None:
        most = self._rules().max_batches
        if await store.count_active(connection, caller.scope) >= most:
            raise RateLimited(f"{most} of your batches are not over, and no more may be (batches.max_batches)")

    def _fresh(self, caller: Caller, door: Door, wish: Wish) -> Batch:
        now_ns = self._clock.wall_ns()
        return Batch(
            id=f"{_PREFIXES[door]}_{self._ids.new()}",
            scope=caller.scope,
            key=caller.key,
            door=door,
            endpoint=wish.endpoint,
            completion_window=WINDOW,
            status="validating",
            metadata=json.encode(wish.metadata).decode(),
            errors="",
            input_file=wish.input_file,
            output_file="",
            error_file="",
            owner="",
            created_ns=now_ns,
            expires_ns=now_ns + WINDOW_SECONDS * NANOSECONDS,
            lease_until_ns=0,
            results_keep_seconds=wish.results_keep_seconds,
            in_progress_ns=None,
            finalizing_ns=None,
            completed_ns=None,
            failed_ns=None,
            expired_ns=None,
            cancelling_ns=None,
            cancelled_ns=None,
            total=0,
            succeeded=0,
            errored=0,
            unfinished=0,
        )

    async def get(self, caller: Caller, door: Door, batch: str) -> Batch:
        """A batch."""
        async with self._database.read() as connection:
            return await _find(connection, caller, door, batch)

    async def page(self, caller: Caller, door: Door, wanted: Wanted) -> list[Batch]:
        """Batches of the scope, one more than wanted where there are more."""
        conditions: list[ColumnElement[bool]] = [BATCHES.c.scope == caller.scope, BATCHES.c.door == door]
        if wanted.after:
            conditions.append(BATCHES.c.id > wanted.after if wanted.oldest_first else BATCHES.c.id < wanted.after)
        async with self._database.read() as connection:
            return await store.list_batches(connection, conditions, wanted.limit + 1, oldest_first=wanted.oldest_first)

    async def cancel(self, caller: Caller, door: Door, batch: str) -> Batch:
        """Begin no more lines of a batch; those under way end. Raises BadRequest for one that is over."""
        async with self._database.write() as connection:
            found = await _find(connection, caller, door, batch)
            changed = await stop(connection, found, self._clock.wall_ns())
        self.on_change()
        return changed

    async def delete(self, caller: Caller, door: Door, batch: str) -> None:
        """Forget a batch with its results. Raises BadRequest for one that is not over."""
        async with self._database.write() as connection:
            found = await _find(connection, caller, door, batch)
            if found.is_active:
                raise BadRequest(f"the batch {batch!r} is not over; cancel it first")
            await store.forget_batch(connection, found)

    async def results(self, caller: Caller, batch: str) -> AsyncIterator[bytes]:
        """The results of a message batch, line by line. Raises BadRequest for one that is not over."""
        found = await self.get(caller, "anthropic", batch)
        if found.is_active:
            raise BadRequest(f"the batch {batch!r} has no results yet: it is not over")
        return self._result_lines(found)

    async def _result_lines(self, batch: Batch) -> AsyncIterator[bytes]:
        after = 0
        while True:
            async with self._database.read() as connection:
                states = (*OUTPUT_STATES, *ERROR_STATES)
                lines = await store.done_lines(connection, batch.id, states, after)
            if not lines:
                return
            after = lines[-1].number
            yield b"".join(map(anthropic_line, lines))

    async def progress(self) -> Progress:
        """How everybody's batches stand."""
        async with self._database.read() as connection:
            return await store.progress(connection)


async def stop(connection: AsyncConnection, batch: Batch, now_ns: int) -> Batch:
    """Begin no more lines of a batch that was found already. Raises BadRequest for one that is over."""
    values = {"status": "cancelling", "cancelling_ns": now_ns}
    await store.change_batch(connection, batch.id, values, only_in=_STOPPABLE)
    found = await store.find_batch(connection, batch.id)
    if found is None or found.status not in ("cancelling", "cancelled"):
        raise BadRequest(f"the batch {batch.id!r} is {batch.status} and cannot be cancelled any more")
    return found


def _nothing() -> None:
    """Nobody needs to know."""


def _sound_lines(requests: Sequence[MessageRequest]) -> list[bytes]:
    """The requests as lines of a file. Raises BadRequest or BodyTooLarge."""
    if not requests:
        raise BadRequest("a batch needs at least one request", param="requests")
    if len(requests) > MAX_LINES:
        raise BadRequest(f"a batch takes {MAX_LINES} requests; make several", param="requests")
    reader = RequestReader(MESSAGES)
    lines = [request_line(each.custom_id, each.params) for each in requests]
    for number, line in enumerate(lines):
        if len(line) > MAX_LINE_BYTES:
            raise BodyTooLarge(f"request {number} is over {MAX_LINE_BYTES} bytes", param=f"requests.{number}")
        reader.read(number, line)
        if reader.errors:
            raise BadRequest(f"request {number}: {reader.errors[0].message}", param=f"requests.{number}")
    return lines


async def _find(connection: AsyncConnection, caller: Caller, door: Door, batch: str) -> Batch:
    found = await store.find_batch(connection, batch, caller.scope)
    if found is None or found.door != door:
        raise NotFound(f"there is no batch {batch[:100]!r}", param="batch_id")
    return found
