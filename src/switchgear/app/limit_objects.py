"""Limits in the control database: changed at run time, ``/api/v1/limits``; gateways know them within a second.

They have the form of an entry under ``limits``, and are checked as those of the file are; the names in their scopes may
be the file's or the database's.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.config import Config
from switchgear.config.limit_checks import NEEDS_SHARED, counts_alone, faults, unknown_name
from switchgear.config.limits import LimitEntry
from switchgear.rest import audit
from switchgear.rest.objects import Objects, Stored, Version, Wanted
from switchgear.rest.principal import EVERYWHERE, Author
from switchgear.rest.problem import Refused, not_found
from switchgear.rest.resource import Fixed, Proposal, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Route

KIND: Final = "limit"
_NEWEST: Final = 1 << 62
_SHOWN: Final = 200
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "key": ("key",),
    "user": ("user", "service_account"),
    "team": ("team",),
    "project": ("project",),
    "organisation": ("organisation",),
    "model": ("model",),
}
"""By scope: the kinds of objects that it may name."""


def limit_routes(objects: Objects, declared: Callable[[], Config], file: str) -> tuple[Route, ...]:
    """All of them; ``declared`` is the configuration of ``file``, whose own limits are read-only here."""
    resource = Resource(
        kind=KIND,
        plural="limits",
        type=LimitEntry,
        about="How much may be used and spent, by whom, in which time.",
        fixed=lambda: {name: Fixed(body=entry, file=file) for name, entry in declared().limits.items()},
        check=_Check(objects, declared),
    )
    return resource_routes(resource, objects)


class _Check:
    def __init__(self, objects: Objects, declared: Callable[[], Config]) -> None:
        self._objects = objects
        self._declared = declared

    async def __call__(self, connection: AsyncConnection, proposal: Proposal) -> None:
        if proposal.after is not None:
            await check_limit(connection, self._objects, self._declared(), proposal.after)


async def check_limit(connection: AsyncConnection, objects: Objects, config: Config, entry: LimitEntry) -> None:
    """Raise Refused for a limit that limits nothing or nobody."""
    problems = [text for _, text in faults(entry)]
    if counts_alone(config):
        problems.append(NEEDS_SHARED)
    for scope, value in entry.scope.items():
        kept = [one.name for kind in _KINDS.get(scope, ()) for one in await objects.all(connection, kind)]
        problem = None if value in kept else unknown_name(config, scope, value)
        if problem:
            problems.append(problem)
    if problems:
        errors = [{"message": problem} for problem in problems]
        raise Refused(422, "disagreement", f"the limit {'; '.join(problems)}", members={"errors": errors})


class LimitList:
    """The same for the command line: methods work in the transaction that they are given, and raise Refused."""

    def __init__(self, objects: Objects, declared: Callable[[], Config]) -> None:
        self._objects = objects
        self._declared = declared

    async def put(
        self, connection: AsyncConnection, name: str, entry: LimitEntry, author: Author, action: str = ""
    ) -> Stored:
        """Declare a limit, or replace it."""
        await audit.head(connection, to_add=True)
        config = self._declared()
        if name in config.limits:
            text = f"the limit {name!r} is declared in the configuration file, and can be changed only there"
            raise Refused(409, "owned_by_file", text, members={"source": "file"})
        await check_limit(connection, self._objects, config, entry)
        wanted = Wanted(kind=KIND, name=name, place=EVERYWHERE, body=json.encode(entry).decode())
        return await self._objects.put(connection, wanted, author, action)

    async def delete(self, connection: AsyncConnection, name: str, author: Author) -> None:
        """Forget a limit; its versions stay."""
        await audit.head(connection, to_add=True)
        stored = await self._objects.get(connection, KIND, name)
        if stored is None:
            raise not_found(f"limit {name[:_SHOWN]!r} in the control database")
        await self._objects.delete(connection, stored, author)

    async def history(self, connection: AsyncConnection, name: str, limit: int = 100) -> list[Version]:
        """The versions of a limit, newest first; also of one that was deleted."""
        found = await self._objects.versions(connection, KIND, name, _NEWEST, limit)
        if not found:
            raise not_found(f"limit {name[:_SHOWN]!r} in the control database")
        return found

    async def revert(self, connection: AsyncConnection, name: str, number: int, author: Author) -> Stored:
        """Make a limit what it was in an older version; also one that was deleted."""
        version = await self._objects.version(connection, KIND, name, number)
        if version is None or version.body is None:
            raise not_found(f"limit {name[:_SHOWN]!r} in version {number}")
        return await self.put(connection, name, json.decode(version.body, type=LimitEntry), author, "revert")
