"""The store of versioned objects: what can be changed at run time (decision 009).

An object has a kind, a name that never changes, a place (whose it is) and a body. Every version is kept; a change, its
version and its line in the audit log are one transaction, the caller's. Versions of a name go on counting when the
object is deleted and made again, so that an ETag never means two things.
"""

from collections.abc import Sequence

from msgspec import Struct, json, structs
from sqlalchemy import ColumnElement, delete, func, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.rest import audit
from switchgear.rest.audit import Change, masked
from switchgear.rest.principal import EVERYWHERE, Author, Place
from switchgear.rest.tables import OBJECTS, VERSIONS


class Stored(Struct, frozen=True, kw_only=True):
    """An object as it is now."""

    kind: str
    name: str
    organisation: str
    project: str
    team: str
    version: int
    body: str
    """JSON."""
    created_ns: int
    created_by: str
    updated_ns: int
    updated_by: str

    @property
    def place(self) -> Place:
        """Whose it is."""
        return Place(organisation=self.organisation, project=self.project, team=self.team)


class Version(Struct, frozen=True, kw_only=True):
    """An object as it was; without a body where it was deleted."""

    kind: str
    name: str
    version: int
    action: str
    organisation: str
    project: str
    team: str
    body: str | None
    made_ns: int
    made_by: str

    @property
    def place(self) -> Place:
        """Whose it was."""
        return Place(organisation=self.organisation, project=self.project, team=self.team)


class Wanted(Struct, frozen=True, kw_only=True):
    """What becomes of an object."""

    kind: str
    name: str
    place: Place
    body: str
    """JSON."""
    secrets: frozenset[str] = frozenset()
    """Fields that the audit log hides, however deep they are."""


class Objects:
    """The store; every method works in the transaction that it is given."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def get(self, connection: AsyncConnection, kind: str, name: str) -> Stored | None:
        """The object; None when there is none."""
        if _cannot_be(name):
            return None
        asked = select(OBJECTS).where(OBJECTS.c.kind == kind, OBJECTS.c.name == name)
        found = (await connection.execute(asked)).mappings().one_or_none()
        return None if found is None else Stored(**found)

    async def all(self, connection: AsyncConnection, kind: str) -> list[Stored]:
        """Every object of a kind, by name."""
        asked = select(OBJECTS).where(OBJECTS.c.kind == kind).order_by(OBJECTS.c.name)
        return [Stored(**found) for found in (await connection.execute(asked)).mappings()]

    async def after(
        self, connection: AsyncConnection, kind: str, name: str, limit: int, places: Sequence[Place] = (EVERYWHERE,)
    ) -> list[Stored]:
        """At most ``limit`` objects behind ``name`` that belong to one of ``places``, by name."""
        asked = select(OBJECTS).where(OBJECTS.c.kind == kind, OBJECTS.c.name > name, _within(places))
        found = await connection.execute(asked.order_by(OBJECTS.c.name).limit(limit))
        return [Stored(**values) for values in found.mappings()]

    async def versions(
        self, connection: AsyncConnection, kind: str, name: str, before: int, limit: int
    ) -> list[Version]:
        """At most ``limit`` versions older than ``before``, newest first."""
        if _cannot_be(name):
            return []
        same = (VERSIONS.c.kind == kind, VERSIONS.c.name == name, VERSIONS.c.version < before)
        asked = select(VERSIONS).where(*same).order_by(VERSIONS.c.version.desc()).limit(limit)
        return [Version(**found) for found in (await connection.execute(asked)).mappings()]

    async def version(self, connection: AsyncConnection, kind: str, name: str, version: int) -> Version | None:
        """One version; None when there was none."""
        found = await self.versions(connection, kind, name, version + 1, 1)
        return found[0] if found and found[0].version == version else None

    async def revision(self, connection: AsyncConnection) -> int:
        """A number that grows with every change of any object: what read everything at it knows everything."""
        return (await audit.head(connection)).count

    async def put(self, connection: AsyncConnection, wanted: Wanted, author: Author, action: str = "") -> Stored:
        """Make or replace an object; the action, unless it is said, is which of both it was."""
        await audit.head(connection, to_add=True)
        before = await self.get(connection, wanted.kind, wanted.name)
        now_ns = self._clock.wall_ns()
        stored = Stored(
            kind=wanted.kind,
            name=wanted.name,
            organisation=wanted.place.organisation,
            project=wanted.place.project,
            team=wanted.place.team,
            version=await self._next_version(connection, wanted.kind, wanted.name),
            body=wanted.body,
            created_ns=now_ns if before is None else before.created_ns,
            created_by=author.name if before is None else before.created_by,
            updated_ns=now_ns,
            updated_by=author.name,
        )
        values = structs.asdict(stored)
        if before is None:
            await connection.execute(insert(OBJECTS), values)
        else:
            same = (OBJECTS.c.kind == wanted.kind, OBJECTS.c.name == wanted.name)
            await connection.execute(update(OBJECTS).where(*same).values(**values))
        action = action or ("create" if before is None else "replace")
        await self._keep(connection, stored, action, stored.body)
        await self._tell(connection, author, action, (before, stored), wanted.secrets)
        return stored

    async def delete(
        self, connection: AsyncConnection, stored: Stored, author: Author, secrets: frozenset[str] = frozenset()
    ) -> None:
        """Delete an object; its versions stay."""
        await audit.head(connection, to_add=True)
        same = (OBJECTS.c.kind == stored.kind, OBJECTS.c.name == stored.name)
        await connection.execute(delete(OBJECTS).where(*same))
        gone = structs.replace(
            stored,
            version=await self._next_version(connection, stored.kind, stored.name),
            updated_ns=self._clock.wall_ns(),
            updated_by=author.name,
        )
        await self._keep(connection, gone, "delete", None)
        await self._tell(connection, author, "delete", (stored, None), secrets)

    async def _next_version(self, connection: AsyncConnection, kind: str, name: str) -> int:
        asked = select(func.max(VERSIONS.c.version)).where(VERSIONS.c.kind == kind, VERSIONS.c.name == name)
        return ((await connection.execute(asked)).scalar_one() or 0) + 1

    async def _keep(self, connection: AsyncConnection, stored: Stored, action: str, body: str | None) -> None:
        version = Version(
            kind=stored.kind,
            name=stored.name,
            version=stored.version,
            action=action,
            organisation=stored.organisation,
            project=stored.project,
            team=stored.team,
            body=body,
            made_ns=stored.updated_ns,
            made_by=stored.updated_by,
        )
        await connection.execute(insert(VERSIONS), structs.asdict(version))

    async def _tell(
        self,
        connection: AsyncConnection,
        author: Author,
        action: str,
        states: tuple[Stored | None, Stored | None],
        secrets: frozenset[str],
    ) -> None:
        before, after = states
        known = after or before
        assert known is not None
        change = Change(
            action=action,
            kind=known.kind,
            name=known.name,
            project=known.project,
            before=None if before is None else without_secrets(before.body, secrets),
            after=None if after is None else without_secrets(after.body, secrets),
        )
        await audit.record(connection, author, change, self._clock.wall_ns())


def without_secrets(body: str, secrets: frozenset[str]) -> str:
    """A body as JSON, with what is secret hidden."""
    if not secrets:
        return body
    return json.encode(masked(json.decode(body), secrets)).decode()


def _within(places: Sequence[Place]) -> ColumnElement[bool]:
    """That an object belongs to one of ``places``."""
    if EVERYWHERE in places:
        return true()
    conditions: list[ColumnElement[bool]] = []
    for place in places:
        for field, value in structs.asdict(place).items():
            if value:
                conditions.append(OBJECTS.c[field] == value)
    return or_(*conditions) if conditions else ~true()


def _cannot_be(name: str) -> bool:
    """No name has a zero in it, and Postgres would take a question for one for a defect."""
    return "\0" in name
