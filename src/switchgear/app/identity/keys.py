"""Virtual keys that the control database keeps: made, rotated with a grace period, revoked."""

from datetime import UTC, datetime
from typing import Final

from msgspec import DecodeError, Struct, json, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.identity.kinds import (
    HASHING_KEY,
    HASHING_KEY_NAME,
    KEY,
    SEALED_FIELDS,
    KeptKey,
    KeptSecret,
    KeyScopes,
    body_of,
)
from switchgear.app.identity.rules import Rules
from switchgear.auth.key_text import FreshKey, SecretHex, fresh_key, keyed_hash
from switchgear.auth.sealing import Sealer
from switchgear.config import Config
from switchgear.config.feed import KeyHash
from switchgear.config.ownership import ownership
from switchgear.config.source import HASHING_KEY as HASHING_KEY_CONTEXT
from switchgear.kernel.clock import Clock
from switchgear.rest.objects import Objects, Stored, Wanted
from switchgear.rest.principal import EVERYWHERE, Author, Place
from switchgear.rest.problem import Refused, not_found

DEFAULT_GRACE_SECONDS: Final = 86_400.0
_HASHING_KEY_BYTES: Final = 32
_NANOSECONDS: Final = 1_000_000_000


class Issued(Struct, frozen=True):
    """A key with its text, which is shown this once."""

    stored: Stored
    text: str

    def __repr__(self) -> str:
        return f"Issued({self.stored.name!r}, ****)"


class Keys:
    """Every method works in the transaction that it is given, and raises Refused or ConfigError, which undoes it."""

    def __init__(self, objects: Objects, rules: Rules, sealer: Sealer, clock: Clock, secret_hex: SecretHex) -> None:
        self._objects = objects
        self._rules = rules
        self._sealer = sealer
        self._clock = clock
        self._secret_hex = secret_hex

    async def create(self, connection: AsyncConnection, name: str, scopes: KeyScopes, author: Author) -> Issued:
        """A new key. Raises Refused for a name that is taken and for scopes that disagree with their owner."""
        self._rules.require_free("keys", name)
        if await self._objects.get(connection, KEY, name) is not None:
            raise Refused(409, "already_exists", f"there is a key {name!r} already; rotate it, or choose another name")
        fresh = fresh_key(self._secret_hex)
        kept = KeptKey(**structs.asdict(scopes), hashes=(await self._hashed(connection, fresh, author),))
        return Issued(await self._keep(connection, name, kept, author, "create"), fresh.text)

    async def change(self, connection: AsyncConnection, name: str, scopes: KeyScopes, author: Author) -> Stored:
        """Other scopes for the same key. Raises Refused."""
        kept = await self._kept(connection, name)
        changed = KeptKey(**structs.asdict(scopes), hashes=kept.hashes)
        return await self._keep(connection, name, changed, author, "replace")

    async def rotate(self, connection: AsyncConnection, name: str, grace_seconds: float, author: Author) -> Issued:
        """Another text; the present one works for ``grace_seconds`` more, older ones no longer. Raises Refused."""
        kept = await self._kept(connection, name)
        fresh = fresh_key(self._secret_hex)
        until = _moment(self._clock.wall_ns() + round(grace_seconds * _NANOSECONDS))
        present = [structs.replace(one, until=until) for one in kept.hashes[-1:]] if grace_seconds > 0 else []
        hashes = (*present, await self._hashed(connection, fresh, author))
        changed = structs.replace(kept, hashes=hashes)
        return Issued(await self._keep(connection, name, changed, author, "rotate"), fresh.text)

    async def revoke(self, connection: AsyncConnection, name: str, author: Author) -> Stored:
        """Refuse the key from now on, and forget its texts: it can be rotated, but what it was never works again."""
        kept = await self._kept(connection, name)
        return await self._keep(connection, name, structs.replace(kept, disabled=True, hashes=()), author, "revoke")

    async def delete(self, connection: AsyncConnection, name: str, author: Author) -> None:
        """Forget the key; its versions stay. Raises Refused."""
        await self._objects.delete(connection, await self.find(connection, name), author, SEALED_FIELDS)

    async def find(self, connection: AsyncConnection, name: str) -> Stored:
        """The key as it is kept. Raises Refused (404)."""
        stored = await self._objects.get(connection, KEY, name)
        if stored is None:
            self._rules.require_free("keys", name)
            raise not_found(f"key {name[:64]!r}")
        return stored

    async def place(self, connection: AsyncConnection, scopes: KeyScopes) -> Place:
        """To whom a key with these scopes would belong."""
        return _place(await self._rules.together(connection), scopes)

    async def _kept(self, connection: AsyncConnection, name: str) -> KeptKey:
        return kept_key(await self.find(connection, name))

    async def _keep(self, connection: AsyncConnection, name: str, kept: KeptKey, author: Author, action: str) -> Stored:
        before = await self._rules.together(connection)
        wanted = Wanted(kind=KEY, name=name, place=_place(before, kept), body=body_of(kept), secrets=SEALED_FIELDS)
        stored = await self._objects.put(connection, wanted, author, action)
        await self._rules.require(connection, before)
        return stored

    async def _hashed(self, connection: AsyncConnection, fresh: FreshKey, author: Author) -> KeyHash:
        hashing_key = await self._hashing_key(connection, author)
        return KeyHash(lookup=fresh.lookup, hash=keyed_hash(hashing_key, fresh.text.encode()).hex())

    async def _hashing_key(self, connection: AsyncConnection, author: Author) -> bytes:
        """The installation's, made with its first key. Raises ConfigError for a master key that does not fit."""
        stored = await self._objects.get(connection, HASHING_KEY, HASHING_KEY_NAME)
        if stored is not None:
            kept = json.decode(stored.body, type=KeptSecret)
            return bytes.fromhex(self._sealer.open(kept.sealed, HASHING_KEY_CONTEXT).decode())
        made = self._secret_hex(_HASHING_KEY_BYTES)
        body = body_of(KeptSecret(sealed=self._sealer.seal(made.encode(), HASHING_KEY_CONTEXT)))
        wanted = Wanted(kind=HASHING_KEY, name=HASHING_KEY_NAME, place=EVERYWHERE, body=body, secrets=SEALED_FIELDS)
        await self._objects.put(connection, wanted, author)
        return bytes.fromhex(made)


def kept_key(stored: Stored) -> KeptKey:
    """What is kept of a key. Raises Refused for a body of another version."""
    try:
        return json.decode(stored.body, type=KeptKey)
    except DecodeError as error:
        raise Refused(409, "unreadable", f"the key {stored.name!r} is not of this version: {error}") from None


def _place(config: Config, scopes: KeyScopes) -> Place:
    owner = ownership(config, scopes)
    return Place(organisation=owner.organisation, project=owner.project, team=owner.team)


def _moment(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // _NANOSECONDS, UTC).isoformat()
