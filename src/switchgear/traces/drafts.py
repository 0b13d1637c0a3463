"""Spans of senders that tell them in pieces: what was said so far is kept, and each new word is put to it.

Pieces come in any order, and some twice. So every field is kept with the rank of the word that set it, and a word of a
lower rank changes nothing: the result is the same however they came.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

import zstandard
from msgspec import Struct, field, json, structs
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import Overloaded
from switchgear.kernel.ports import Database
from switchgear.traces.tables import DRAFTS

Fields = dict[str, object]
KEEP_NS: Final = 7 * 86_400_000_000_000
"""How long after the last word another one may come."""
_DOORS: Final = ("langfuse", "langsmith")
"""Those whose drafts are spans."""
_PRUNE_NS: Final = 60_000_000_000
_AT_ONCE: Final = 500
_MOST_OF_A_TRACE: Final = 2_000
_HEXADECIMAL: Final = (32, 36)
"""Characters of a trace's id, and of a UUID."""
_LEVEL: Final = 1
_MERGED: Final = frozenset(("extra", "metadata"))
"""Objects whose members are fields of their own."""


class Word(Struct, frozen=True, kw_only=True):
    """Something that was said of a span."""

    id: str
    trace: str
    fields: Fields
    rank: int = 0
    """Of two words on one field the one with the higher rank counts, else the later."""


class Draft(Struct, kw_only=True):
    """All that was said of a span."""

    id: str
    trace: str
    fields: Fields = field(default_factory=dict[str, object])
    ranks: dict[str, int] = field(default_factory=dict[str, int])

    def take(self, word: Word) -> None:
        """Put a word to it; what it leaves open changes nothing."""
        self.trace = word.trace or self.trace
        _put(self.fields, word.fields, word.rank, self.ranks)


class Drafts:
    """Drafts of one door, masked by ``mask``. All methods raise OSError when the database cannot be used."""

    def __init__(
        self,
        database: Database[AsyncConnection],
        clock: Clock,
        door: str,
        mask: Callable[[str, Fields], Fields],
        *,
        for_ever: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._mask = mask
        self._for_ever = for_ever
        self._pruned_ns = 0

    async def take(self, project: str, words: Iterable[Word], *, with_traces: bool = False) -> list[Draft]:
        """Put words to what is known; the drafts that they are of, ``with_traces`` all others of their traces too.

        On return they are on the disk. Raises Overloaded.
        """
        said = list(words)
        if not said:
            return []
        said = await asyncio.to_thread(self._masked, project, said)
        try:
            async with self._database.write() as connection:
                return await self._take(connection, project, said, with_traces=with_traces)
        except IntegrityError:
            raise Overloaded("somebody else tells the same span now; send it again", retry_after_seconds=1) from None

    def _masked(self, project: str, said: Sequence[Word]) -> list[Word]:
        return [structs.replace(word, fields=self._mask(project, word.fields)) for word in said]

    async def _take(
        self, connection: AsyncConnection, project: str, said: Sequence[Word], *, with_traces: bool
    ) -> list[Draft]:
        ids = list(dict.fromkeys(word.id for word in said))
        known = {draft.id: draft for draft in await self._read(connection, project, ids)}
        for word in said:
            known.setdefault(word.id, Draft(id=word.id, trace=word.trace)).take(word)
        now_ns = self._clock.wall_ns()
        await self._keep(connection, project, [known[each] for each in ids], now_ns)
        await self._prune(connection, now_ns)
        if with_traces:
            for trace in dict.fromkeys(draft.trace for draft in list(known.values()) if draft.trace):
                for draft in await self._of_trace(connection, project, trace):
                    known.setdefault(draft.id, draft)
        return list(known.values())

    async def read(self, project: str, ids: Sequence[str]) -> list[Draft]:
        """Those that are known."""
        async with self._database.read() as connection:
            return await self._read(connection, project, ids)

    async def of_trace(self, project: str, trace: str) -> list[Draft]:
        """All of a trace, up to a bound."""
        async with self._database.read() as connection:
            return await self._of_trace(connection, project, trace)

    async def newest(self, project: str, limit: int) -> list[Draft]:
        """Those of which something was said last."""
        asked = select(DRAFTS).where(DRAFTS.c.project == project, DRAFTS.c.door == self._door)
        asked = asked.order_by(DRAFTS.c.changed_ns.desc(), DRAFTS.c.id).limit(limit)
        async with self._database.read() as connection:
            return [_draft(row.body) for row in await connection.execute(asked)]

    async def _read(self, connection: AsyncConnection, project: str, ids: Sequence[str]) -> list[Draft]:
        found: list[Draft] = []
        for start in range(0, len(ids), _AT_ONCE):
            some = DRAFTS.c.id.in_(ids[start : start + _AT_ONCE])
            asked = select(DRAFTS.c.body).where(DRAFTS.c.project == project, DRAFTS.c.door == self._door, some)
            found += [_draft(row.body) for row in await connection.execute(asked)]
        return found

    async def _of_trace(self, connection: AsyncConnection, project: str, trace: str) -> list[Draft]:
        mine = (DRAFTS.c.project == project, DRAFTS.c.door == self._door, DRAFTS.c.trace == trace)
        asked = select(DRAFTS.c.body).where(*mine).order_by(DRAFTS.c.id).limit(_MOST_OF_A_TRACE)
        return [_draft(row.body) for row in await connection.execute(asked)]

    async def _keep(self, connection: AsyncConnection, project: str, drafts: Sequence[Draft], now_ns: int) -> None:
        for start in range(0, len(drafts), _AT_ONCE):
            some = drafts[start : start + _AT_ONCE]
            mine = (DRAFTS.c.project == project, DRAFTS.c.door == self._door)
            await connection.execute(delete(DRAFTS).where(*mine, DRAFTS.c.id.in_([draft.id for draft in some])))
            rows: list[dict[str, Any]] = [
                {
                    "project": project,
                    "door": self._door,
                    "id": draft.id,
                    "trace": draft.trace,
                    "body": zstandard.compress(json.encode(draft), _LEVEL),
                    "changed_ns": now_ns,
                }
                for draft in some
            ]
            await connection.execute(insert(DRAFTS), rows)

    async def _prune(self, connection: AsyncConnection, now_ns: int) -> None:
        if self._for_ever or now_ns - self._pruned_ns < _PRUNE_NS:
            return
        self._pruned_ns = now_ns
        old = (DRAFTS.c.door == self._door, DRAFTS.c.changed_ns < now_ns - KEEP_NS)
        await connection.execute(delete(DRAFTS).where(*old))


async def remove_of_traces(
    connection: AsyncConnection, project: str, trace_ids: Sequence[str], id_of: Callable[[str], str]
) -> None:
    """Delete those of these traces, whose ids ``id_of`` makes of what senders call them."""
    mine = DRAFTS.c.project == project
    names = [*trace_ids, *(str(UUID(trace_id)) for trace_id in trace_ids)]
    await connection.execute(delete(DRAFTS).where(mine, DRAFTS.c.trace.in_(names)))
    # Where they are no digits in hexadecimal, ids do not tell the names.
    otherwise = func.length(DRAFTS.c.trace).not_in(_HEXADECIMAL)
    asked = select(DRAFTS.c.door, DRAFTS.c.id, DRAFTS.c.trace).where(mine, DRAFTS.c.door.in_(_DOORS), otherwise)
    wanted = frozenset(trace_ids)
    found = [row for row in await connection.execute(asked) if id_of(row.trace or row.id) in wanted]
    for row in found:
        await connection.execute(delete(DRAFTS).where(mine, DRAFTS.c.door == row.door, DRAFTS.c.id == row.id))


def _draft(body: bytes) -> Draft:
    return json.decode(zstandard.decompress(body), type=Draft)


def _put(known: Fields, said: Fields, rank: int, ranks: dict[str, int], path: str = "") -> None:
    for name, value in said.items():
        if value is None:
            continue
        place = f"{path}{name}"
        if (path or name in _MERGED) and isinstance(value, dict):
            below = known.get(name)
            if not isinstance(below, dict):
                below = known[name] = cast("Fields", {})
            _put(cast("Fields", below), cast("Fields", value), rank, ranks, f"{place}.")
        elif rank >= ranks.get(place, rank):
            known[name] = value
            ranks[place] = rank


def object_in(fields: Mapping[str, object], name: str) -> Fields:
    """The object that is ``name``; empty where there is none."""
    found = fields.get(name)
    return cast("Fields", found) if isinstance(found, dict) else {}
