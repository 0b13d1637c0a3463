"""Reading and writing files and batches; whoever calls holds the transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct, json
from sqlalchemy import ColumnElement, Table, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.batches.model import ACTIVE, MAX_LINES, Batch, DoneLine, File, LineState, Progress, Result
from switchgear.batches.requests import Looked
from switchgear.batches.tables import BATCHES, FILE_LINES, FILES, LINES

_ANSWERED: Final = frozenset(("succeeded", "errored"))
_ANSWERED_AT_ONCE: Final = 20
"""An answer may be long."""
_GIVEN_UP_AT_ONCE: Final = 1000

Kind = TypeVar("Kind", bound=Struct)
Values = Mapping[str, object]


async def find_file(connection: AsyncConnection, file: str, scope: str | None = None) -> File | None:
    """A file by its id; of ``scope`` alone where one is given."""
    return await _one(connection, FILES, File, file, scope)


async def find_batch(connection: AsyncConnection, batch: str, scope: str | None = None) -> Batch | None:
    """A batch by its id; of ``scope`` alone where one is given."""
    return await _one(connection, BATCHES, Batch, batch, scope)


async def _one(
    connection: AsyncConnection, table: Table, kind: type[Kind], name: str, scope: str | None
) -> Kind | None:
    if "\0" in name:
        # No name has one, and Postgres would take it for a defect.
        return None
    asked = select(table).where(table.c.id == name)
    if scope is not None:
        asked = asked.where(table.c.scope == scope)
    row = (await connection.execute(asked)).mappings().first()
    return None if row is None else kind(**row)


async def list_files(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]], limit: int, *, oldest_first: bool = False
) -> list[File]:
    """Files for which all of ``wanted`` holds, in the order of their making."""
    order = FILES.c.id.asc() if oldest_first else FILES.c.id.desc()
    found = await connection.execute(select(FILES).where(*wanted).order_by(order).limit(limit))
    return [File(**row) for row in found.mappings()]


async def list_batches(
    connection: AsyncConnection, wanted: Sequence[ColumnElement[bool]], limit: int, *, oldest_first: bool = False
) -> list[Batch]:
    """Batches for which all of ``wanted`` holds, in the order of their making."""
    order = BATCHES.c.id.asc() if oldest_first else BATCHES.c.id.desc()
    found = await connection.execute(select(BATCHES).where(*wanted).order_by(order).limit(limit))
    return [Batch(**row) for row in found.mappings()]


async def newest_batches(
    connection: AsyncConnection,
    wanted: Sequence[ColumnElement[bool]],
    limit: int,
    before: tuple[int, str] | None = None,
) -> list[Batch]:
    """The same of all doors, whose ids do not tell their order together; ``before``: what a page ended with."""
    made = (BATCHES.c.created_ns, BATCHES.c.id)
    behind = [] if before is None else [tuple_(*made) < before]
    asked = select(BATCHES).where(*wanted, *behind).order_by(*(column.desc() for column in made)).limit(limit)
    return [Batch(**row) for row in (await connection.execute(asked)).mappings()]


async def count_files(connection: AsyncConnection, scope: str) -> int:
    """How many files ``scope`` keeps."""
    return await _count(connection, FILES, FILES.c.scope == scope, FILES.c.kind == "upload")


async def count_active(connection: AsyncConnection, scope: str) -> int:
    """How many batches of ``scope`` are not over."""
    return await _count(connection, BATCHES, BATCHES.c.scope == scope, BATCHES.c.status.in_(ACTIVE))


async def is_in_use(connection: AsyncConnection, file: str) -> bool:
    """Whether a batch that is not over reads ``file``."""
    return await _count(connection, BATCHES, BATCHES.c.input_file == file, BATCHES.c.status.in_(ACTIVE)) > 0


async def _count(connection: AsyncConnection, table: Table, *wanted: ColumnElement[bool]) -> int:
    return int((await connection.execute(select(func.count()).select_from(table).where(*wanted))).scalar_one())


async def add_file(connection: AsyncConnection, file: File) -> None:
    """Add a file; its lines follow."""
    await connection.execute(insert(FILES).values(**_fields(file)))


async def change_file(connection: AsyncConnection, file: str, **values: object) -> None:
    """Change facts of a file."""
    await connection.execute(update(FILES).where(FILES.c.id == file).values(**values))


async def add_file_lines(connection: AsyncConnection, file: str, first: int, contents: Sequence[bytes]) -> None:
    """Add lines to a file, numbered from ``first`` on."""
    rows: list[dict[str, Any]] = [
        {"file": file, "number": number, "content": content} for number, content in enumerate(contents, first)
    ]
    await connection.execute(insert(FILE_LINES), rows)


async def file_lines(connection: AsyncConnection, file: str, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Lines behind the line ``after``, with their numbers."""
    asked = select(FILE_LINES.c.number, FILE_LINES.c.content).where(
        FILE_LINES.c.file == file, FILE_LINES.c.number > after
    )
    found = await connection.execute(asked.order_by(FILE_LINES.c.number).limit(limit))
    return [(row.number, row.content) for row in found]


async def file_line(connection: AsyncConnection, file: str, number: int) -> bytes | None:
    """One line; None where there is none."""
    asked = select(FILE_LINES.c.content).where(FILE_LINES.c.file == file, FILE_LINES.c.number == number)
    return (await connection.execute(asked)).scalar_one_or_none()


async def forget_file(connection: AsyncConnection, file: File) -> None:
    """Delete a file with what it holds."""
    await connection.execute(delete(FILE_LINES).where(FILE_LINES.c.file == file.id))
    await connection.execute(delete(FILES).where(FILES.c.id == file.id))
    if file.kind in ("output", "error"):
        held = LINES.c.state == "succeeded" if file.kind == "output" else LINES.c.state != "succeeded"
        await connection.execute(update(LINES).where(LINES.c.batch == file.batch, held).values(response=None))
        column = BATCHES.c.output_file if file.kind == "output" else BATCHES.c.error_file
        await connection.execute(update(BATCHES).where(BATCHES.c.id == file.batch).values({column.name: ""}))


async def add_batch(connection: AsyncConnection, batch: Batch) -> None:
    """Add a batch."""
    await connection.execute(insert(BATCHES).values(**_fields(batch)))


async def change_batch(connection: AsyncConnection, batch: str, values: Values, only_in: Collection[str] = ()) -> bool:
    """Change facts of a batch, if its status is one of ``only_in`` (empty: whatever it is); whether that was so."""
    statement = update(BATCHES).where(BATCHES.c.id == batch)
    if only_in:
        statement = statement.where(BATCHES.c.status.in_(only_in))
    return (await connection.execute(statement.values(**values))).rowcount == 1


async def forget_batch(connection: AsyncConnection, batch: Batch) -> None:
    """Delete a batch with all its lines and its files, but not a file that was uploaded."""
    await connection.execute(delete(LINES).where(LINES.c.batch == batch.id))
    own = select(FILES.c.id).where(FILES.c.batch == batch.id)
    await connection.execute(delete(FILE_LINES).where(FILE_LINES.c.file.in_(own)))
    await connection.execute(delete(FILES).where(FILES.c.batch == batch.id))
    await connection.execute(delete(BATCHES).where(BATCHES.c.id == batch.id))


async def claim(connection: AsyncConnection, owner: str, now_ns: int, lease_ns: int, most: int) -> list[Batch]:
    """Take up to ``most`` batches that nobody else runs, the oldest first, and keep those that ``owner`` has."""
    free = (BATCHES.c.owner == owner) | (BATCHES.c.lease_until_ns < now_ns)
    asked = select(BATCHES).where(BATCHES.c.status.in_(ACTIVE), free).with_for_update(skip_locked=True)
    found = await connection.execute(asked.order_by(BATCHES.c.created_ns, BATCHES.c.id).limit(most))
    batches = [Batch(**row) for row in found.mappings()]
    mine = [batch.id for batch in batches]
    if mine:
        held = {"owner": owner, "lease_until_ns": now_ns + lease_ns}
        await connection.execute(update(BATCHES).where(BATCHES.c.id.in_(mine)).values(**held))
    return batches


async def any_active(connection: AsyncConnection) -> bool:
    """Whether there is a batch that is not over."""
    asked = select(BATCHES.c.id).where(BATCHES.c.status.in_(ACTIVE)).limit(1)
    return (await connection.execute(asked)).first() is not None


async def add_lines(connection: AsyncConnection, batch: str, lines: Sequence[Looked]) -> None:
    """Add lines: the sound ones wait, and the wrong ones have ended."""
    rows: list[dict[str, Any]] = [
        {
            "batch": batch,
            "number": line.number,
            "custom_id": line.custom_id,
            "state": "waiting" if line.error is None else "errored",
            "status": 0,
            "request_id": "",
            "response": None if line.error is None else json.encode(line.error),
        }
        for line in lines
    ]
    await connection.execute(insert(LINES), rows)


async def forget_lines(connection: AsyncConnection, batch: str) -> None:
    """Delete the lines of a batch: it is looked at anew."""
    await connection.execute(delete(LINES).where(LINES.c.batch == batch))


async def has_waiting_lines(connection: AsyncConnection, batch: str) -> bool:
    """Whether a line waits."""
    asked = select(LINES.c.number).where(LINES.c.batch == batch, LINES.c.state == "waiting").limit(1)
    return (await connection.execute(asked)).first() is not None


async def waiting_lines(connection: AsyncConnection, batch: Batch, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Lines that wait, behind the line ``after``: their numbers, and what they ask."""
    waiting = (LINES.c.batch == batch.id, LINES.c.state == "waiting", LINES.c.number > after)
    content = (FILE_LINES.c.file == batch.input_file) & (FILE_LINES.c.number == LINES.c.number)
    asked = select(LINES.c.number, FILE_LINES.c.content).join(FILE_LINES, content).where(*waiting)
    found = await connection.execute(asked.order_by(LINES.c.number).limit(limit))
    return [(row.number, row.content) for row in found]


async def finish_line(connection: AsyncConnection, batch: str, number: int, result: Result) -> bool:
    """Keep what became of a line, and count it; False, and nothing is changed, when it does not wait any more."""
    values = {
        "state": result.state,
        "status": result.status,
        "request_id": result.request_id,
        "response": result.response,
    }
    waiting = (LINES.c.batch == batch, LINES.c.number == number, LINES.c.state == "waiting")
    if (await connection.execute(update(LINES).where(*waiting).values(**values))).rowcount != 1:
        return False
    counted = BATCHES.c.succeeded if result.state == "succeeded" else BATCHES.c.errored
    await connection.execute(update(BATCHES).where(BATCHES.c.id == batch).values({counted.name: counted + 1}))
    return True


async def give_up_lines(connection: AsyncConnection, batch: str, state: LineState) -> None:
    """Have all lines that still wait end in ``state``, and count them."""
    waiting = (LINES.c.batch == batch, LINES.c.state == "waiting")
    given_up = (await connection.execute(update(LINES).where(*waiting).values(state=state))).rowcount
    counted = {"unfinished": BATCHES.c.unfinished + given_up}
    await connection.execute(update(BATCHES).where(BATCHES.c.id == batch).values(**counted))


async def done_lines(
    connection: AsyncConnection, batch: str, states: Collection[LineState], after: int
) -> list[DoneLine]:
    """The next lines in one of ``states`` behind the line ``after``; none when there are no more.

    Each state is asked for by itself, because the index has the numbers in order within a state only. So many at once
    that what they hold fits the memory.
    """
    found: list[DoneLine] = []
    known_to = MAX_LINES
    for state in states:
        most = _ANSWERED_AT_ONCE if state in _ANSWERED else _GIVEN_UP_AT_ONCE
        asked = select(LINES).where(LINES.c.batch == batch, LINES.c.state == state, LINES.c.number > after)
        rows = list(await connection.execute(asked.order_by(LINES.c.number).limit(most)))
        if len(rows) == most:
            known_to = min(known_to, rows[-1].number)
        found += [
            DoneLine(
                number=row.number,
                custom_id=row.custom_id,
                result=Result(state=row.state, status=row.status, request_id=row.request_id, response=row.response),
            )
            for row in rows
        ]
    return sorted((line for line in found if line.number <= known_to), key=lambda line: line.number)


async def progress(connection: AsyncConnection) -> Progress:
    """How everybody's batches stand."""
    columns = (BATCHES.c.total, BATCHES.c.succeeded, BATCHES.c.errored, BATCHES.c.unfinished)
    sums = [func.coalesce(func.sum(column), 0).label(column.name) for column in columns]
    asked = select(BATCHES.c.status, func.count().label("batches"), *sums).group_by(BATCHES.c.status)
    rows = list((await connection.execute(asked)).mappings())
    lines = {name: sum(int(row[name]) for row in rows) for name in ("total", "succeeded", "errored", "unfinished")}
    total = lines.pop("total")
    return Progress(
        batches={row["status"]: int(row["batches"]) for row in rows},
        lines={"waiting": total - sum(lines.values()), **lines},
    )


def _fields(made: Struct) -> dict[str, Any]:
    return {field: getattr(made, field) for field in made.__struct_fields__}
