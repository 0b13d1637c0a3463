"""Reading the audit log: pages of it, and the proof that it is whole."""

from collections.abc import AsyncGenerator
from typing import Final

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.rest.audit import FIRST_HASH, Entry, Head, head
from switchgear.rest.tables import AUDIT

_AT_ONCE: Final = 1000
_MOST_FAULTS: Final = 100


class Sought(Struct, frozen=True, kw_only=True):
    """Which rows; what is empty does not matter."""

    kind: str = ""
    name: str = ""
    who: str = ""


async def newest(connection: AsyncConnection, sought: Sought, before: int, limit: int) -> list[Entry]:
    """At most ``limit`` rows older than the number ``before``, newest first."""
    wanted = ((AUDIT.c.kind, sought.kind), (AUDIT.c.name, sought.name), (AUDIT.c.who, sought.who))
    conditions = [column == value for column, value in wanted if value]
    asked = select(AUDIT).where(AUDIT.c.number < before, *conditions).order_by(AUDIT.c.number.desc()).limit(limit)
    return [Entry(**found) for found in (await connection.execute(asked)).mappings()]


class Verdict(Struct, frozen=True):
    """Where the chain ends, and what is wrong with it."""

    head: Head
    faults: list[str]


async def verify(connection: AsyncConnection, known: Head | None = None) -> Verdict:
    """Walk the whole chain; ``known`` is a head that was kept elsewhere, which must still be part of it."""
    end = await head(connection)
    walk = _Walk(known)
    async for entry in _oldest_first(connection):
        walk.take(entry)
        if len(walk.faults) >= _MOST_FAULTS:
            break
    else:
        walk.end(end)
    return Verdict(end, walk.faults)


class _Walk:
    """Along the chain, row by row."""

    def __init__(self, known: Head | None) -> None:
        self.faults: list[str] = []
        self._known = known
        self._number = 0
        self._last = FIRST_HASH
        self._meets_known = known is None or known == Head(0, FIRST_HASH)

    def take(self, entry: Entry) -> None:
        """The next row."""
        expected = self._number + 1
        if entry.number != expected:
            rows = (
                f"row {expected} is" if entry.number == expected + 1 else f"rows {expected} to {entry.number - 1} are"
            )
            self.faults.append(f"{rows} missing")
        elif entry.previous != self._last:
            self.faults.append(f"row {entry.number} does not follow row {self._number}: they were put in another order")
        if entry.hash_of_content() != entry.hash:
            self.faults.append(f"row {entry.number} was changed")
        if self._known == Head(entry.number, entry.hash):
            self._meets_known = True
        self._number = entry.number
        self._last = entry.hash

    def end(self, end: Head) -> None:
        """After the last row."""
        if self._number < end.count:
            self.faults.append(f"the last rows are missing: there were {end.count}, and row {self._number} is the last")
        elif self._number > end.count:
            self.faults.append(f"there are {self._number} rows and the head knows of {end.count}")
        elif self._last != end.hash:
            self.faults.append(f"row {self._number} is not the one that the head knows")
        if not self._meets_known and self._known is not None:
            self.faults.append(f"row {self._known.count} is not the one that was kept elsewhere: the log was rewritten")


async def _oldest_first(connection: AsyncConnection) -> AsyncGenerator[Entry]:
    after = 0
    while True:
        asked = select(AUDIT).where(AUDIT.c.number > after).order_by(AUDIT.c.number).limit(_AT_ONCE)
        rows = (await connection.execute(asked)).mappings().all()
        for found in rows:
            yield Entry(**found)
        if len(rows) < _AT_ONCE:
            return
        after = int(rows[-1]["number"])
