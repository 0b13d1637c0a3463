"""The management API without its database, and requests that come twice at once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.kernel.clock import FrozenClock
from switchgear.rest.idempotency import KEEP_SECONDS
from tests.management import SOURCES, application, client, management

READS = {"name": "reader", "spec": {"allow": ["model:read"]}}


class Stoppable:
    """A database whose server can go away."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database
        self.is_there = True
        self.goes_before_it_commits = False

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        self._check()
        async with self._database.read() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        self._check()
        async with self._database.write() as connection:
            yield connection
            self.is_there = not self.goes_before_it_commits
            self._check()

    async def changes(self) -> AsyncGenerator[None]:
        async for _ in self._database.changes():
            yield

    async def aclose(self) -> None:
        await self._database.aclose()

    def _check(self) -> None:
        if not self.is_there:
            raise ConnectionError("the control database cannot be used: somebody@db.example:5432 refused")


async def test_without_its_database_it_says_so_and_when_to_come_again(database: ControlDatabase) -> None:
    stoppable = Stoppable(database)
    async with client(application(stoppable)) as api:
        stoppable.is_there = False
        for answer in (await api.get("/roles"), await api.post("/roles", json=READS)):
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["retry-after"] == "1"
            assert "db.example" not in answer.text
        stoppable.is_there = True
        assert (await api.post("/roles", json=READS)).status_code == 201


async def test_a_change_that_came_under_a_key_while_it_went_away_may_come_again(database: ControlDatabase) -> None:
    stoppable = Stoppable(database)
    key = {"idempotency-key": "once"}
    async with client(application(stoppable)) as api:
        stoppable.goes_before_it_commits = True
        assert (await api.post("/roles", json=READS, headers=key)).status_code == 503
        stoppable.is_there, stoppable.goes_before_it_commits = True, False
        again = await api.post("/roles", json=READS, headers=key)
        assert (again.status_code, "idempotent-replayed" in again.headers) == (201, False)


async def test_requests_under_one_key_that_come_at_once_are_done_once(database: ControlDatabase) -> None:
    async with client(application(database)) as api:
        answers = await asyncio.gather(
            *(api.post("/roles", json=READS, headers={"idempotency-key": "once"}) for _ in range(8))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len({answer.text for answer in answers}) == 1


async def test_a_key_is_forgotten_after_a_day(database: ControlDatabase) -> None:
    clock = FrozenClock()
    key = {"idempotency-key": "once"}
    async with client(control(SOURCES, management(database, clock=clock))) as api:
        await api.post("/roles", json=READS, headers=key)
        clock.advance(KEEP_SECONDS - 1)
        assert (await api.post("/roles", json=READS, headers=key)).headers["idempotent-replayed"] == "true"
        clock.advance(2)
        late = await api.post("/roles", json=READS, headers=key)
        assert (late.status_code, late.json()["code"]) == (409, "exists"), "done as if it came for the first time"
