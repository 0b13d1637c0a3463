"""The ledger as the control process, the command line and the management API use it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Final, Protocol

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.record import CallRecord
from switchgear.ledger.listing import MOST_ROWS, Cursor, Page, Wanted, page
from switchgear.ledger.reconciling import Counted, Proof, prove_counters, prove_journal, prove_totals, spent
from switchgear.ledger.rerating import Pricing, Rerating, apply, rerate_page
from switchgear.ledger.row import Row
from switchgear.ledger.statement import Asked, Line, lines
from switchgear.ledger.store import position_of, take

WRITE_SECONDS: Final = 30.0
"""A database that takes longer for a batch is taken for one that does not answer."""


class Connections(Protocol):
    """The part of a database that the ledger needs."""

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that changes nothing."""
        ...

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that is committed at the end, or undone by an error."""
        ...


class Unwritable(OSError):
    """The database answers, and will not take this, however often it is asked."""


class Ledger:
    """All methods raise OSError when the database does not answer, or refuses."""

    def __init__(self, database: Connections, clock: Clock, write_seconds: float = WRITE_SECONDS) -> None:
        self._database = database
        self._clock = clock
        self._write_seconds = write_seconds

    async def take(self, journal: str, records: Iterable[CallRecord], position: Mapping[str, int]) -> int:
        """Take records in, and keep the position behind them, or neither; how many rows are new.

        Raises Unwritable for records that no row can be made of.
        """
        async with self._answering(self._database.write(), self._write_seconds) as connection:
            try:
                return await take(connection, journal, records, position)
            except (ArithmeticError, TypeError, ValueError) as error:
                raise Unwritable(f"no row can be made of a record: {error!r}") from error

    async def position(self, journal: str) -> dict[str, int]:
        """How far a journal was taken in."""
        async with self._answering(self._database.read(), self._write_seconds) as connection:
            return await position_of(connection, journal)

    async def page(self, wanted: Wanted, limit: int, after: Cursor | None = None) -> Page:
        """Rows, newest first. Raises ValueError for a scope that there is not."""
        async with self._answering(self._database.read()) as connection:
            return await page(connection, wanted, limit, after)

    async def every_row(self, wanted: Wanted) -> AsyncIterator[list[Row]]:
        """All rows with the costs that hold, in pieces, each in a transaction of its own."""
        after: Cursor | None = None
        while True:
            found = await self.page(wanted, MOST_ROWS, after)
            if found.entries:
                yield [entry.now() for entry in found.entries]
            if found.next is None:
                return
            after = found.next

    async def statement(self, asked: Asked) -> AsyncIterator[Line]:
        """Lines by period, name and model. Raises ValueError for what cannot be stated."""
        async with self._answering(self._database.read()) as connection, aclosing(lines(connection, asked)) as found:
            async for line in found:
                yield line

    async def prove_journal(self, batches: AsyncIterator[list[CallRecord]]) -> Proof:
        """Compare records that were taken in with the rows."""
        async with self._answering(self._database.read()) as connection:
            return await prove_journal(connection, batches)

    async def prove_totals(self, from_day: int, to_day: int) -> Proof:
        """Compare rows with totals."""
        async with self._answering(self._database.read()) as connection:
            return await prove_totals(connection, from_day, to_day)

    async def prove_counters(self, counted: Iterable[Counted]) -> Proof:
        """Compare totals with counters."""
        async with self._answering(self._database.read()) as connection:
            return await prove_counters(connection, counted)

    async def spent(self, scope: str, from_day: int, to_day: int) -> dict[str, int]:
        """Nano-dollars of each name of a scope, from a day on and before another."""
        async with self._answering(self._database.read()) as connection:
            return await spent(connection, scope, from_day, to_day)

    async def rerate(
        self, wanted: Wanted, pricing: Pricing, *, dry: bool, told: Callable[[Rerating], None] | None = None
    ) -> Rerating:
        """Recompute what rows cost; ``told`` is how far it is, after each piece. A dry run changes nothing."""
        done = Rerating()
        after: Cursor | None = None
        while True:
            transaction = self._database.read() if dry else self._database.write()
            async with self._answering(transaction) as connection:
                found, changes = await rerate_page(connection, wanted, after, pricing, done)
                if not dry:
                    await apply(connection, changes, self._clock.wall_ns())
            if told is not None:
                told(done)
            if found.next is None:
                return done
            after = found.next

    @asynccontextmanager
    async def _answering(
        self, transaction: AbstractAsyncContextManager[AsyncConnection], seconds: float | None = None
    ) -> AsyncGenerator[AsyncConnection]:
        try:
            async with asyncio.timeout(seconds), transaction as connection:
                yield connection
        except TimeoutError:
            raise OSError(f"the database took longer than {seconds:g} s") from None
        except SQLAlchemyError as error:
            raise Unwritable(f"the database refuses: {type(error).__name__}: {error}") from error
