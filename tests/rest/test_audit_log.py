"""The audit log: every change leaves a row, and whoever changes, removes or moves a row is found out."""

import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from switchgear.app.database import ControlDatabase, open_database
from switchgear.config.control import Control
from switchgear.kernel.clock import FrozenClock
from switchgear.rest.audit import Change, Entry, Head, head, record
from switchgear.rest.audit_log import Sought, Verdict, newest, verify
from switchgear.rest.principal import Author

ADA = Author(kind="user", name="ada", address="203.0.113.7", user_agent="curl\0/8", request_id="r1")


async def add(database: ControlDatabase, name: str) -> Entry:
    async with database.write() as connection:
        change = Change(action="create", kind="role", name=name, after='{"allow":[]}')
        return await record(connection, ADA, change, FrozenClock().wall_ns())


async def verdict(database: ControlDatabase, known: Head | None = None) -> Verdict:
    async with database.read() as connection:
        return await verify(connection, known)


async def tamper(database: ControlDatabase, *statements: str) -> None:
    """What somebody does who holds the database itself: the triggers are no obstacle to them."""
    async with database.write() as connection:
        if connection.dialect.name == "postgresql":
            # Put back, because the tables are another test's afterwards.
            off, on = (f"ALTER TABLE audit_log {what} TRIGGER USER" for what in ("DISABLE", "ENABLE"))
            statements = (off, *statements, on)
        else:
            for event in ("update", "delete"):
                await connection.execute(text(f"DROP TRIGGER IF EXISTS audit_log_no_{event}"))
        for statement in statements:
            await connection.execute(text(statement))


@pytest.fixture
async def log(database: ControlDatabase) -> ControlDatabase:
    """A log of five rows."""
    for number in range(1, 6):
        await add(database, f"role{number}")
    return database


async def test_a_log_that_nobody_touched_is_whole(log: ControlDatabase) -> None:
    found = await verdict(log)
    assert (found.head.count, found.faults) == (5, [])


async def test_an_empty_log_is_whole(database: ControlDatabase) -> None:
    assert (await verdict(database)).faults == []


@pytest.mark.parametrize(
    ("statements", "faults"),
    [
        (["UPDATE audit_log SET after = '{}' WHERE number = 3"], ["row 3 was changed"]),
        (["UPDATE audit_log SET who = 'eve' WHERE number = 5"], ["row 5 was changed"]),
        (["DELETE FROM audit_log WHERE number = 3"], ["row 3 is missing"]),
        (["DELETE FROM audit_log WHERE number IN (1, 2)"], ["rows 1 to 2 are missing"]),
        (
            ["DELETE FROM audit_log WHERE number > 3"],
            ["the last rows are missing: there were 5, and row 3 is the last"],
        ),
        (["DELETE FROM audit_log"], ["the last rows are missing: there were 5, and row 0 is the last"]),
        (
            [
                "UPDATE audit_log SET number = 99 WHERE number = 2",
                "UPDATE audit_log SET number = 2 WHERE number = 3",
                "UPDATE audit_log SET number = 3 WHERE number = 99",
            ],
            [
                "row 2 does not follow row 1: they were put in another order",
                "row 3 does not follow row 2: they were put in another order",
                "row 4 does not follow row 3: they were put in another order",
            ],
        ),
        (
            ["DELETE FROM audit_log WHERE number = 2", "UPDATE audit_log SET number = number - 1 WHERE number > 2"],
            [
                "row 2 does not follow row 1: they were put in another order",
                "the last rows are missing: there were 5, and row 4 is the last",
            ],
        ),
        (
            ["UPDATE audit_head SET hash = (SELECT previous FROM audit_log WHERE number = 5)"],
            ["row 5 is not the one that the head knows"],
        ),
    ],
)
async def test_whoever_touches_it_is_found_out(log: ControlDatabase, statements: list[str], faults: list[str]) -> None:
    await tamper(log, *statements)
    assert (await verdict(log)).faults == faults


async def test_a_log_that_was_rewritten_as_a_whole_is_found_out_by_a_head_that_was_kept(log: ControlDatabase) -> None:
    async with log.read() as connection:
        kept = await head(connection)
    await add(log, "later")
    assert (await verdict(log, kept)).faults == []
    await tamper(log, "DELETE FROM audit_log", f"UPDATE audit_head SET count = 0, hash = '{'0' * 64}'")
    for number in range(7):
        await add(log, f"forged{number}")
    assert (await verdict(log)).faults == []
    assert (await verdict(log, kept)).faults == ["row 5 is not the one that was kept elsewhere: the log was rewritten"]


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET who = 'eve'", "DELETE FROM audit_log"])
async def test_the_database_itself_refuses_to_change_or_delete_a_row(log: ControlDatabase, statement: str) -> None:
    async def touch() -> None:
        async with log.write() as connection:
            await connection.execute(text(statement))

    with pytest.raises(DBAPIError, match="only ever added to"):
        await touch()
    assert (await verdict(log)).faults == []


@pytest.fixture
async def processes(database: ControlDatabase, migrated_place: Control) -> AsyncGenerator[list[ControlDatabase]]:
    """The same database as three processes have it."""
    others = [open_database(migrated_place) for _ in range(2)]
    yield [database, *others]
    for each in others:
        await each.aclose()


async def test_many_that_write_at_once_make_one_chain(processes: list[ControlDatabase]) -> None:
    await asyncio.gather(*(add(each, f"role{number}") for number in range(15) for each in processes))
    found = await verdict(processes[0])
    assert (found.head.count, found.faults) == (45, [])


async def test_a_change_over_the_api_says_who_what_and_from_where(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    await api.post("/roles", json={"name": "r", "spec": {"allow": ["model:read"]}}, headers={"user-agent": "tests/1"})
    await api.put("/roles/r", json={"spec": {"allow": []}}, headers={"if-match": "*"})
    await api.delete("/roles/r", headers={"if-match": "*"})
    rows = (await api.get("/audit")).json()["data"]
    assert [(row["number"], row["action"]) for row in rows] == [(3, "delete"), (2, "replace"), (1, "create")]
    assert (rows[1]["before"]["allow"], rows[1]["after"]["allow"]) == (["model:read"], [])
    assert rows[0]["after"] is None
    assert (rows[2]["who"], rows[2]["address"], rows[2]["user_agent"]) == ("local", "127.0.0.1", "tests/1")
    page = (await api.get("/audit", params={"limit": 2})).json()
    rest = (await api.get("/audit", params={"limit": 2, "cursor": page["next"]})).json()
    assert [row["number"] for row in (*page["data"], *rest["data"])] == [3, 2, 1]
    assert rest["next"] is None
    assert (await api.get("/audit/verification")).json()["whole"] is True
    async with database.read() as connection:
        assert len(await newest(connection, Sought(kind="role", name="r", who="local"), 9, 9)) == 3
        assert await newest(connection, Sought(kind="binding"), 9, 9) == []


async def test_a_change_that_is_refused_leaves_no_row(api: httpx.AsyncClient) -> None:
    await api.post("/bindings", json={"name": "b", "spec": {"subject": "user:ada", "role": "nobody"}})
    assert (await api.get("/audit")).json()["data"] == []
    assert (await api.get("/bindings/b/versions")).status_code == 404
