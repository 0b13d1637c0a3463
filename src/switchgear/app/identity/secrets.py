"""Secrets of providers, sealed in the control database, and the change of the master key."""

import re

from msgspec import Struct, json, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.identity.kinds import (
    HASHING_KEY,
    HASHING_KEY_NAME,
    SEALED_FIELDS,
    SECRET,
    KeptSecret,
    body_of,
)
from switchgear.auth.sealing import Sealer
from switchgear.config.names import NAME
from switchgear.config.source import HASHING_KEY as HASHING_KEY_CONTEXT
from switchgear.config.source import secret_context
from switchgear.rest.objects import Objects, Stored, Wanted
from switchgear.rest.principal import EVERYWHERE, Author
from switchgear.rest.problem import Refused, not_found

MAX_SECRET_BYTES = 64 * 1024


class Renewal(Struct, frozen=True):
    """What a change of the master key did."""

    renewed: tuple[str, ...]
    """What was sealed again, by name."""
    untouched: int


class Secrets:
    """Every method works in the transaction that it is given, and raises Refused or ConfigError, which undoes it."""

    def __init__(self, objects: Objects, sealer: Sealer) -> None:
        self._objects = objects
        self._sealer = sealer

    async def put(self, connection: AsyncConnection, name: str, value: str, description: str, author: Author) -> Stored:
        """Keep ``value`` under ``name``, in place of any other."""
        if not re.fullmatch(NAME, name):
            raise Refused(422, "invalid_name", f"{name[:200]!r} cannot be the name of a secret")
        if not value.strip() or len(value.encode()) > MAX_SECRET_BYTES:
            raise Refused(422, "invalid_object", f"a secret has between 1 and {MAX_SECRET_BYTES} bytes")
        sealed = self._sealer.seal(value.strip().encode(), secret_context(name))
        return await self._put(connection, SECRET, name, KeptSecret(description=description, sealed=sealed), author)

    async def all(self, connection: AsyncConnection) -> list[Stored]:
        """All of them, by name."""
        return await self._objects.all(connection, SECRET)

    async def find(self, connection: AsyncConnection, name: str) -> Stored:
        """Raises Refused (404)."""
        stored = await self._objects.get(connection, SECRET, name)
        if stored is None:
            raise not_found(f"secret {name[:64]!r}")
        return stored

    async def delete(self, connection: AsyncConnection, name: str, author: Author) -> None:
        """Forget a secret; what refers to it says so at its next change."""
        await self._objects.delete(connection, await self.find(connection, name), author, SEALED_FIELDS)

    async def renew(self, connection: AsyncConnection, author: Author) -> Renewal:
        """Seal everything under the master key that seals now. All of it or nothing: raises ConfigError."""
        renewed: list[str] = []
        untouched = 0
        kinds = [(SECRET, one) for one in await self._objects.all(connection, SECRET)]
        kinds += [(HASHING_KEY, one) for one in await self._objects.all(connection, HASHING_KEY)]
        for kind, stored in kinds:
            context = HASHING_KEY_CONTEXT if kind == HASHING_KEY else secret_context(stored.name)
            kept = kept_secret(stored)
            sealed = self._sealer.renewed(kept.sealed, context)
            if sealed == kept.sealed:
                untouched += 1
                continue
            await self._put(connection, kind, stored.name, structs.replace(kept, sealed=sealed), author, "reseal")
            renewed.append(HASHING_KEY_NAME if kind == HASHING_KEY else stored.name)
        return Renewal(tuple(renewed), untouched)

    async def _put(
        self, connection: AsyncConnection, kind: str, name: str, kept: KeptSecret, author: Author, action: str = ""
    ) -> Stored:
        wanted = Wanted(kind=kind, name=name, place=EVERYWHERE, body=body_of(kept), secrets=SEALED_FIELDS)
        return await self._objects.put(connection, wanted, author, action)


def kept_secret(stored: Stored) -> KeptSecret:
    """What is kept of a secret."""
    return json.decode(stored.body, type=KeptSecret)
