"""From the objects of the control database to the feed."""

from typing import TypeVar

from msgspec import DecodeError, Struct, ValidationError, json, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.database import ControlDatabase
from switchgear.app.identity.kinds import (
    HASHING_KEY,
    HASHING_KEY_NAME,
    KEY,
    SECRET,
    SECTIONS,
    KeptKey,
    KeptSecret,
    managed_key,
)
from switchgear.app.migrations import upgrade
from switchgear.config.feed import Feed, ManagedKey
from switchgear.kernel.errors import ConfigError
from switchgear.rest.objects import Objects, Stored

Kept = TypeVar("Kept", bound=Struct)


class Compiler:
    """Compiles the feed, and only when an object has changed since."""

    def __init__(self, database: ControlDatabase, objects: Objects) -> None:
        self._database = database
        self._objects = objects
        self._revision = -1
        self._is_forward = False
        self._feed = Feed()

    async def __call__(self) -> Feed:
        """What the database says now. Raises OSError when it cannot be asked, ConfigError for what it cannot mean."""
        if not self._is_forward:
            # A database that was down when the process began has not been brought forward by it.
            await upgrade(self._database)
            self._is_forward = True
        async with self._database.read() as connection:
            revision = await self._objects.revision(connection)
            if revision != self._revision:
                self._feed = await compiled(connection, self._objects)
                self._revision = revision
        return self._feed


async def compiled(connection: AsyncConnection, objects: Objects) -> Feed:
    """The feed of one state of the database. Raises ConfigError for an object that this version cannot read."""
    sections: dict[str, object] = {}
    for kind, (section, entry) in SECTIONS.items():
        sections[section] = {one.name: _read(one, entry) for one in await objects.all(connection, kind)}
    keys = tuple(_key(one) for one in await objects.all(connection, KEY))
    secrets = {one.name: _read(one, KeptSecret).sealed for one in await objects.all(connection, SECRET)}
    hashing_key = await objects.get(connection, HASHING_KEY, HASHING_KEY_NAME)
    return structs.replace(
        Feed(keys=keys, secrets=secrets),
        hashing_key=None if hashing_key is None else _read(hashing_key, KeptSecret).sealed,
        **sections,
    )


def _key(stored: Stored) -> ManagedKey:
    kept = _read(stored, KeptKey)
    try:
        return managed_key(stored.name, kept)
    except ValidationError as error:
        raise _foreign(stored, error) from None


def _read(stored: Stored, kind: type[Kept]) -> Kept:
    try:
        return json.decode(stored.body, type=kind)
    except (DecodeError, ValidationError) as error:
        raise _foreign(stored, error) from None


def _foreign(stored: Stored, error: Exception) -> ConfigError:
    what = f"the {stored.kind} {stored.name!r} in the control database"
    return ConfigError(f"{what} is not of this version: {error}")
