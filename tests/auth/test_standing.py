"""Who may do what is read once for each version of the database: any change is heeded at once, by every process."""

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.database import ControlDatabase, open_database
from switchgear.auth.directory import Declared, Directory
from switchgear.auth.roles import Binding, Role
from switchgear.config.control import Control
from switchgear.kernel.clock import FrozenClock
from switchgear.rest.objects import Objects, Stored, Wanted
from switchgear.rest.principal import EVERYWHERE, Author, Place
from tests.management import application, as_, bind, client

ADA = as_("user:ada")
ME = Author(kind="operator", name="me")
ANY = {"if-match": "*"}


class Counted(Objects):
    """Counts how often all objects of a kind are read."""

    reads = 0

    async def all(self, connection: AsyncConnection, kind: str) -> list[Stored]:
        self.reads += 1
        return await super().all(connection, kind)


async def put(database: ControlDatabase, objects: Objects, kind: str, name: str, body: str) -> None:
    async with database.write() as connection:
        await objects.put(connection, Wanted(kind=kind, name=name, place=EVERYWHERE, body=body), ME)


async def may(database: ControlDatabase, directory: Directory, permission: str, project: str = "") -> bool:
    async with database.read() as connection:
        member = await directory.member(connection, "user", "ada")
    return member.may(permission, Place(project=project))


async def test_nothing_is_read_again_until_something_changes(database: ControlDatabase) -> None:
    objects = Counted(FrozenClock())
    directory = Directory(objects)
    assert not await may(database, directory, "model:read")
    once = objects.reads
    for _ in range(5):
        assert not await may(database, directory, "model:read")
    assert objects.reads == once
    await put(database, objects, "binding", "b", '{"subject": "user:ada", "role": "viewer"}')
    assert await may(database, directory, "model:read")
    assert objects.reads == 2 * once


async def put_and_fail(database: ControlDatabase, objects: Objects) -> None:
    body = '{"subject": "user:ada", "role": "viewer"}'
    async with database.write() as connection:
        await objects.put(connection, Wanted(kind="binding", name="b", place=EVERYWHERE, body=body), ME)
        raise ZeroDivisionError


async def test_a_change_that_was_undone_is_not_remembered(database: ControlDatabase) -> None:
    objects = Objects(FrozenClock())
    directory = Directory(objects)
    with pytest.raises(ZeroDivisionError):
        await put_and_fail(database, objects)
    assert not await may(database, directory, "model:read")
    await put(database, objects, "binding", "c", '{"subject": "user:bob", "role": "viewer"}')
    assert not await may(database, directory, "model:read")


async def test_the_files_word_counts_where_both_have_a_name(database: ControlDatabase) -> None:
    objects = Objects(FrozenClock())
    await put(database, objects, "role", "r", '{"allow": ["model:write"]}')
    await put(database, objects, "binding", "b", '{"subject": "user:ada", "role": "owner"}')
    await put(database, objects, "binding", "c", '{"subject": "user:ada", "role": "r"}')
    file = Declared(
        roles={"r": Role(allow=("model:read",))},
        bindings={"b": Binding(subject="user:bob", role="owner")},
    )
    directory = Directory(objects, lambda: file)
    assert await may(database, directory, "model:read")
    assert not await may(database, directory, "model:write")


async def test_a_project_that_changes_its_organisation_leaves_its_people(database: ControlDatabase) -> None:
    objects = Objects(FrozenClock())
    directory = Directory(objects)
    await put(database, objects, "project", "p", '{"organisation": "acme"}')
    await put(database, objects, "binding", "b", '{"subject": "user:ada", "role": "viewer", "organisation": "acme"}')
    assert await may(database, directory, "model:read", "p")
    await put(database, objects, "project", "p", '{"organisation": "other"}')
    assert not await may(database, directory, "model:read", "p")


async def test_what_another_process_revokes_is_heeded_by_the_next_request(
    database: ControlDatabase, migrated_place: Control
) -> None:
    """Two applications with a connection each, as two control processes on one database."""
    other = open_database(migrated_place)
    try:
        async with client(application(database)) as here, client(application(other)) as there:
            await bind(here, "b", "user:ada", "admin")
            assert await statuses(here, there) == [200, 200]
            role = {"name": "none", "spec": {"deny": ["model:read"]}}
            assert (await there.post("/roles", json=role)).status_code == 201
            await bind(there, "n", "user:ada", "none")
            assert await statuses(here, there) == [403, 403]
            assert (await here.delete("/bindings/n", headers=ANY)).status_code == 204
            assert await statuses(here, there) == [200, 200]
            assert (await there.delete("/bindings/b", headers=ANY)).status_code == 204
            assert await statuses(here, there) == [403, 403]
    finally:
        await other.aclose()


async def statuses(*processes: httpx.AsyncClient) -> list[int]:
    """What ada is answered by each."""
    return [(await each.get("/models", headers=ADA)).status_code for each in processes]
