"""Files: taken in while they arrive, listed, read and deleted, each by those in whose scope they are."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.batches import store
from switchgear.batches.model import NANOSECONDS, Caller, File, LineState, Rules
from switchgear.batches.results import openai_line
from switchgear.batches.tables import FILES
from switchgear.batches.uploads import ArrivingFile
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest, NotFound, RateLimited
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import Database

OUTPUT_STATES: Final[tuple[LineState, ...]] = ("succeeded",)
ERROR_STATES: Final[tuple[LineState, ...]] = ("errored", "expired", "cancelled")
LINES_AT_ONCE: Final = 200
_SEEN: Final = ("upload", "output", "error")
"""Kinds of files that clients are shown."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    limit: int
    after: str = ""
    """Those that come behind this one in the list; empty: from its beginning."""
    oldest_first: bool = False
    purpose: str = ""


class Files:
    """All methods raise OSError when the database does not answer, and NotFound for what is not in the scope."""

    def __init__(self, database: Database[AsyncConnection], rules: Callable[[], Rules], clock: Clock, ids: Ids) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self._ids = ids

    async def take(self, caller: Caller, content_type: str, pieces: AsyncIterator[bytes]) -> File:
        """Keep the file of a form. Raises BadRequest, BodyTooLarge, or RateLimited when there are too many."""
        rules = self._rules()
        async with self._database.read() as connection:
            kept = await store.count_files(connection, caller.scope)
        if kept >= rules.max_files:
            raise RateLimited(f"{kept} files are kept for you, and no more may be (batches.max_files); delete some")
        arriving = ArrivingFile(content_type, pieces, rules.max_file_bytes)
        file = self.fresh(caller.scope, "upload")
        async with self._database.write() as connection:
            await store.add_file(connection, file)
        try:
            return await self._fill(file, arriving)
        except BaseException:
            # Whatever is left behind here goes with the files that never became whole.
            with suppress(OSError):
                async with self._database.write() as connection:
                    await store.forget_file(connection, file)
            raise

    def fresh(self, scope: str, kind: str) -> File:
        """A file of which nothing is there yet."""
        now_ns = self._clock.wall_ns()
        return File(
            id=f"file-{self._ids.new()}",
            scope=scope,
            purpose="batch",
            filename="",
            state="arriving",
            kind="requests" if kind == "requests" else "upload",
            batch="",
            bytes=0,
            lines=0,
            created_ns=now_ns,
            expires_ns=now_ns + self._rules().keep_seconds * NANOSECONDS,
        )

    async def _fill(self, file: File, arriving: ArrivingFile) -> File:
        number = 1
        async for lines in arriving.read():
            if lines:
                async with self._database.write() as connection:
                    await store.add_file_lines(connection, file.id, number, lines)
                number += len(lines)
        facts = {"filename": arriving.filename, "bytes": arriving.size_bytes, "lines": arriving.lines, "state": "ready"}
        async with self._database.write() as connection:
            await store.change_file(connection, file.id, **facts)
        return await self._found(file.id)

    async def _found(self, file: str, scope: str | None = None) -> File:
        async with self._database.read() as connection:
            found = await store.find_file(connection, file, scope)
        return _required(found, file)

    async def get(self, caller: Caller, file: str) -> File:
        """A file."""
        return await self._found(file, caller.scope)

    async def page(self, caller: Caller, wanted: Wanted) -> list[File]:
        """Files of the scope, one more than wanted where there are more."""
        conditions: list[ColumnElement[bool]] = [
            FILES.c.scope == caller.scope,
            FILES.c.state == "ready",
            FILES.c.kind.in_(_SEEN),
        ]
        if wanted.after:
            conditions.append(FILES.c.id > wanted.after if wanted.oldest_first else FILES.c.id < wanted.after)
        if wanted.purpose:
            conditions.append(FILES.c.purpose == wanted.purpose)
        async with self._database.read() as connection:
            return await store.list_files(connection, conditions, wanted.limit + 1, oldest_first=wanted.oldest_first)

    async def delete(self, caller: Caller, file: str) -> None:
        """Forget a file with what it holds. Raises BadRequest while a batch reads it."""
        async with self._database.write() as connection:
            found = _required(await store.find_file(connection, file, caller.scope), file)
            if await store.is_in_use(connection, found.id):
                raise BadRequest(f"the file {file!r} is read by a batch that is not over; cancel that first")
            await store.forget_file(connection, found)

    async def content(self, caller: Caller, file: str) -> AsyncIterator[bytes]:
        """What a file holds, piece by piece."""
        return self._pieces(await self.get(caller, file))

    async def _pieces(self, file: File) -> AsyncIterator[bytes]:
        after = 0
        while True:
            async with self._database.read() as connection:
                if file.kind in ("output", "error"):
                    states = OUTPUT_STATES if file.kind == "output" else ERROR_STATES
                    done = await store.done_lines(connection, file.batch, states, after)
                    lines = [(line.number, openai_line(file.batch, line)) for line in done]
                else:
                    lines = await store.file_lines(connection, file.id, after, LINES_AT_ONCE)
            if not lines:
                return
            after = lines[-1][0]
            yield b"".join(content for _, content in lines)


def _required(found: File | None, file: str) -> File:
    if found is None or found.state != "ready" or found.kind not in _SEEN:
        raise NotFound(f"there is no file {file[:100]!r}", param="file_id")
    return found
