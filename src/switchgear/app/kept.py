"""Objects of one kind in the control database, as the command line changes them: put, delete, history, revert.

The management API has generic routes for the same; what is right is asked of the same check.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from msgspec import Struct, json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.rest import audit
from switchgear.rest.objects import Objects, Stored, Version, Wanted
from switchgear.rest.principal import EVERYWHERE, Author
from switchgear.rest.problem import Refused, not_found

Entry = TypeVar("Entry", bound=Struct)

_NEWEST: Final = 1 << 62
_SHOWN: Final = 200


class KeptKind(Struct, Generic[Entry], frozen=True, kw_only=True):
    """What tells one kind from another."""

    kind: str
    called: str
    """What stands before a name: ``limit``, ``price of``."""
    type: type[Entry]
    is_in_file: Callable[[str], bool]
    check: Callable[[AsyncConnection, str, Entry], Awaitable[None]]
    """Raises Refused for an entry that cannot be."""


class Kept(Generic[Entry]):
    """Methods work in the transaction that they are given, and raise Refused."""

    def __init__(self, objects: Objects, kind: KeptKind[Entry]) -> None:
        self._objects = objects
        self._kind = kind

    async def put(
        self, connection: AsyncConnection, name: str, entry: Entry, author: Author, action: str = ""
    ) -> Stored:
        """Declare one, or replace it."""
        await audit.head(connection, to_add=True)
        if self._kind.is_in_file(name):
            text = f"the {self._named(name)} is declared in the configuration file, and can be changed only there"
            raise Refused(409, "owned_by_file", text, members={"source": "file"})
        await self._kind.check(connection, name, entry)
        wanted = Wanted(kind=self._kind.kind, name=name, place=EVERYWHERE, body=json.encode(entry).decode())
        return await self._objects.put(connection, wanted, author, action)

    async def delete(self, connection: AsyncConnection, name: str, author: Author) -> None:
        """Forget one; its versions stay."""
        await audit.head(connection, to_add=True)
        stored = await self._objects.get(connection, self._kind.kind, name)
        if stored is None:
            raise self._absent(name)
        await self._objects.delete(connection, stored, author)

    async def history(self, connection: AsyncConnection, name: str, limit: int = 100) -> list[Version]:
        """Its versions, newest first; also of one that was deleted."""
        found = await self._objects.versions(connection, self._kind.kind, name, _NEWEST, limit)
        if not found:
            raise self._absent(name)
        return found

    async def revert(self, connection: AsyncConnection, name: str, number: int, author: Author) -> Stored:
        """Make one what it was in an older version; also one that was deleted."""
        version = await self._objects.version(connection, self._kind.kind, name, number)
        if version is None or version.body is None:
            raise not_found(f"{self._named(name)} in version {number}")
        return await self.put(connection, name, json.decode(version.body, type=self._kind.type), author, "revert")

    def _absent(self, name: str) -> Refused:
        return not_found(f"{self._named(name)} in the control database")

    def _named(self, name: str) -> str:
        return f"{self._kind.called} {name[:_SHOWN]!r}"
