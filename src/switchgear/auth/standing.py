"""Roles, bindings and projects of the control database, read once for each of its versions.

Every request of the management API asks who somebody is. What was read is taken again as long as the end of the audit
log is what it was: every change of an object adds to it, in the same transaction.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.auth.roles import Binding, Role
from switchgear.rest import audit
from switchgear.rest.objects import Objects

ROLE: Final = "role"
BINDING: Final = "binding"
PROJECT: Final = "project"


class Standing(Struct, frozen=True, kw_only=True):
    """One state of the database."""

    roles: Mapping[str, Role]
    bindings: Mapping[str, Mapping[str, Binding]]
    """By subject, then by their names."""
    organisations: Mapping[str, str]
    """Of each project that has one."""


class _Project(Struct):
    organisation: str | None = None


class Standings:
    """Reads the present state; what an open transaction has changed is not asked here."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._of: audit.Head | None = None
        self._standing = Standing(roles={}, bindings={}, organisations={})

    async def now(self, connection: AsyncConnection) -> Standing:
        """What is committed; ``connection`` must not have changed anything."""
        # First where the log ends: what is read after that is as new, or newer and soon read again.
        end = await audit.head(connection)
        if end != self._of:
            standing = await self._read(connection)
            self._of, self._standing = end, standing
            return standing
        return self._standing

    async def _read(self, connection: AsyncConnection) -> Standing:
        bindings: dict[str, dict[str, Binding]] = {}
        for name, binding in (await stored_bindings(connection, self._objects)).items():
            bindings.setdefault(binding.subject, {})[name] = binding
        return Standing(
            roles=await stored_roles(connection, self._objects),
            bindings=bindings,
            organisations=await stored_organisations(connection, self._objects),
        )


async def stored_roles(connection: AsyncConnection, objects: Objects) -> dict[str, Role]:
    """The roles of the database, as the transaction sees them."""
    return {each.name: json.decode(each.body, type=Role) for each in await objects.all(connection, ROLE)}


async def stored_bindings(connection: AsyncConnection, objects: Objects) -> dict[str, Binding]:
    """The same of bindings."""
    return {each.name: json.decode(each.body, type=Binding) for each in await objects.all(connection, BINDING)}


async def stored_organisations(connection: AsyncConnection, objects: Objects) -> dict[str, str]:
    """Whose each project is, where it is somebody's."""
    projects = await objects.all(connection, PROJECT)
    found = {each.name: json.decode(each.body, type=_Project).organisation for each in projects}
    return {name: owner for name, owner in found.items() if owner}
