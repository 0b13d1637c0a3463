"""Reading and writing what is kept of alerts; whoever calls holds the transaction."""

from collections.abc import Sequence
from typing import Final, Literal, TypeVar

from msgspec import Struct, json, structs
from sqlalchemy import ColumnElement, Table, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.traces.alerts.machine import Knowledge, Standing, State
from switchgear.traces.alerts.notice import Notice, Told
from switchgear.traces.alerts.tables import CHANGES, LEASE, NOTICES, SILENCES, STATES, TRIES

NoticeState = Literal["waiting", "sent", "failed"]
Kind = TypeVar("Kind", bound=Struct)
_WAITING_AT_ONCE: Final = 500


class Lease(Struct, frozen=True, kw_only=True):
    """Who looks at rules, and until when."""

    owner: str
    until_ns: int
    turn: int

    def is_open_to(self, owner: str, now_ns: int) -> bool:
        """Whether ``owner`` may look."""
        return self.owner == owner or self.until_ns < now_ns


class Change(Struct, frozen=True, kw_only=True):
    """One alert came from one state into another."""

    id: str
    at_ns: int
    rule: str
    labels: str
    project: str
    before: State
    after: State
    knowledge: Knowledge
    value: float | None
    condition: str
    severity: str
    episode: str
    silence: str


class KeptNotice(Struct, frozen=True, kw_only=True):
    """One thing that one receiver is to be told, or was."""

    id: str
    at_ns: int
    rule: str
    labels: str
    project: str
    receiver: str
    event: Told
    episode: str
    state: NoticeState
    tries: int
    replayed: int
    next_ns: int
    ended_ns: int
    body: str

    @property
    def notice(self) -> Notice:
        """What is told."""
        return json.decode(self.body, type=Notice)


class Try(Struct, frozen=True, kw_only=True):
    """One attempt at a notice."""

    notice: str
    number: int
    at_ns: int
    outcome: Literal["sent", "failed", "replay"]
    status: int
    error: str


class Silence(Struct, frozen=True, kw_only=True):
    """Somebody wants to hear nothing of some alerts for a time."""

    id: str
    project: str
    rule: str
    labels: str
    why: str
    made_by: str
    made_ns: int
    until_ns: int
    ended_ns: int = 0
    ended_by: str = ""

    def is_in_force(self, now_ns: int) -> bool:
        """Whether it keeps anything quiet."""
        return not self.ended_ns and now_ns < self.until_ns

    def covers(self, standing: Standing) -> bool:
        """Whether it is about this alert; one of no project is about all of them."""
        same_labels = self.labels in ("", standing.labels) or (
            self.labels.endswith("*") and standing.labels.startswith(self.labels[:-1])
        )
        return self.project in ("", standing.project) and self.rule in ("", standing.rule) and same_labels


async def lease(connection: AsyncConnection) -> Lease:
    """As it is."""
    row = (await connection.execute(select(LEASE.c.owner, LEASE.c.until_ns, LEASE.c.turn))).mappings().one()
    return Lease(**row)


async def take_turn(connection: AsyncConnection, seen: Lease, owner: str, until_ns: int) -> bool:
    """Hold the lease for one turn, unless somebody has had one since ``seen``; whether that was so."""
    mine = update(LEASE).where(LEASE.c.id == 1, LEASE.c.turn == seen.turn)
    values = {"owner": owner, "until_ns": until_ns, "turn": seen.turn + 1}
    return (await connection.execute(mine.values(**values))).rowcount == 1


async def standings(connection: AsyncConnection, rule: str | None = None) -> list[Standing]:
    """How all alerts stand, or those of one rule."""
    asked = select(STATES).order_by(STATES.c.rule, STATES.c.labels)
    if rule is not None:
        asked = asked.where(STATES.c.rule == rule)
    return [Standing(**row) for row in (await connection.execute(asked)).mappings()]


async def put_standing(connection: AsyncConnection, standing: Standing) -> None:
    """Keep how one stands in place of how it stood."""
    same = and_(STATES.c.rule == standing.rule, STATES.c.labels == standing.labels)
    values = structs.asdict(standing)
    if (await connection.execute(update(STATES).where(same).values(**values))).rowcount == 0:
        await connection.execute(insert(STATES), values)


async def forget_standing(connection: AsyncConnection, standing: Standing) -> None:
    """Keep it no longer; its history stays."""
    same = (STATES.c.rule == standing.rule, STATES.c.labels == standing.labels)
    await connection.execute(delete(STATES).where(*same))


async def add_change(connection: AsyncConnection, change: Change) -> None:
    """Add to the history."""
    await connection.execute(insert(CHANGES), structs.asdict(change))


async def changes(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]], limit: int, before: str = ""
) -> list[Change]:
    """History, newest first; ``before``: the id that a page ended with."""
    return await _newest(connection, CHANGES, Change, (wanted, before), limit)


async def add_notice(connection: AsyncConnection, notice: Notice, receiver: str, now_ns: int) -> None:
    """Have something told."""
    values = {
        "id": notice.id,
        "at_ns": now_ns,
        "rule": notice.rule,
        "labels": notice.labels,
        "project": notice.project,
        "receiver": receiver,
        "event": notice.event,
        "episode": notice.episode,
        "state": "waiting",
        "tries": 0,
        "replayed": 0,
        "next_ns": now_ns,
        "ended_ns": 0,
        "body": json.encode(notice).decode(),
    }
    await connection.execute(insert(NOTICES), values)


async def notices(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]], limit: int, before: str = ""
) -> list[KeptNotice]:
    """What receivers are told, newest first."""
    return await _newest(connection, NOTICES, KeptNotice, (wanted, before), limit)


async def told_of(connection: AsyncConnection, episode: str) -> list[str]:
    """Who was told, or is to be, of one firing."""
    asked = select(NOTICES.c.receiver).where(NOTICES.c.episode == episode).distinct().order_by(NOTICES.c.receiver)
    return list((await connection.execute(asked)).scalars())


async def waiting(connection: AsyncConnection) -> list[KeptNotice]:
    """What is not told yet, the oldest first."""
    asked = select(NOTICES).where(NOTICES.c.state == "waiting").order_by(NOTICES.c.id).limit(_WAITING_AT_ONCE)
    return [KeptNotice(**row) for row in (await connection.execute(asked)).mappings()]


async def claim(connection: AsyncConnection, kept: KeptNotice, next_ns: int) -> bool:
    """Begin a try that nobody else may begin; whether it is ours."""
    asked = update(NOTICES).where(NOTICES.c.id == kept.id, NOTICES.c.state == "waiting", NOTICES.c.tries == kept.tries)
    found = await connection.execute(asked.values(tries=kept.tries + 1, next_ns=next_ns))
    return found.rowcount == 1


async def change_notice(connection: AsyncConnection, name: str, **values: object) -> None:
    """Change facts of a notice."""
    await connection.execute(update(NOTICES).where(NOTICES.c.id == name).values(**values))


async def add_try(connection: AsyncConnection, tried: Try) -> None:
    """Note an attempt."""
    await connection.execute(insert(TRIES), structs.asdict(tried))


async def tries(connection: AsyncConnection, names: Sequence[str]) -> list[Try]:
    """All attempts at these notices, in their order."""
    asked = select(TRIES).where(TRIES.c.notice.in_(names)).order_by(TRIES.c.notice, TRIES.c.number)
    return [Try(**row) for row in (await connection.execute(asked)).mappings()]


async def add_silence(connection: AsyncConnection, silence: Silence) -> None:
    """Add one."""
    await connection.execute(insert(SILENCES), structs.asdict(silence))


async def end_silence(connection: AsyncConnection, name: str, ended_by: str, now_ns: int) -> None:
    """End one before its time."""
    ended = update(SILENCES).where(SILENCES.c.id == name).values(ended_by=ended_by, ended_ns=now_ns)
    await connection.execute(ended)


async def silences(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]], limit: int, before: str = ""
) -> list[Silence]:
    """Silences, newest first."""
    return await _newest(connection, SILENCES, Silence, (wanted, before), limit)


async def silences_in_force(connection: AsyncConnection, now_ns: int) -> list[Silence]:
    """Those that keep something quiet now."""
    asked = select(SILENCES).where(SILENCES.c.ended_ns == 0, SILENCES.c.until_ns > now_ns)
    return [Silence(**row) for row in (await connection.execute(asked)).mappings()]


async def clear(connection: AsyncConnection, before_ns: int) -> None:
    """Delete history that is older."""
    old = select(NOTICES.c.id).where(NOTICES.c.ended_ns > 0, NOTICES.c.ended_ns < before_ns)
    await connection.execute(delete(TRIES).where(TRIES.c.notice.in_(old)))
    await connection.execute(delete(NOTICES).where(NOTICES.c.ended_ns > 0, NOTICES.c.ended_ns < before_ns))
    await connection.execute(delete(CHANGES).where(CHANGES.c.at_ns < before_ns))
    await connection.execute(delete(SILENCES).where(SILENCES.c.until_ns < before_ns))


async def find_notice(connection: AsyncConnection, name: str) -> KeptNotice | None:
    """One by its id."""
    found = await _newest(connection, NOTICES, KeptNotice, ([NOTICES.c.id == name], ""), 1) if name.isalnum() else []
    return found[0] if found else None


async def find_silence(connection: AsyncConnection, name: str) -> Silence | None:
    """One by its id."""
    found = await _newest(connection, SILENCES, Silence, ([SILENCES.c.id == name], ""), 1) if name.isalnum() else []
    return found[0] if found else None


async def _newest(
    connection: AsyncConnection,
    table: Table,
    kind: type[Kind],
    which: tuple[Sequence[ColumnElement[bool]], str],
    limit: int,
) -> list[Kind]:
    wanted, before = which
    behind = [table.c.id < before] if before else []
    asked = select(table).where(*wanted, *behind).order_by(table.c.id.desc()).limit(limit)
    return [kind(**row) for row in (await connection.execute(asked)).mappings()]
