"""The audit log: what was changed, by whom, from where; a chain in which no row can be changed, lost or moved unseen.

Each row's hash is the SHA-256 of the hash before it and the row's own content in canonical bytes (a JSON array of its
fields in their order). The number is not part of it: the chain itself says what the order is. How long the chain is and
its last hash stand apart, so that a tail that was cut off is missed. Who holds the database can forge all of it
at once; who keeps a head elsewhere (``switchgear audit verify`` prints it) can prove even that.
"""

import hashlib
from typing import Final, cast

from msgspec import Struct, json, structs
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.rest.principal import Author
from switchgear.rest.tables import AUDIT, AUDIT_HEAD

FIRST_HASH: Final = "0" * 64
MASK: Final = "****"
_MAX_AGENT: Final = 256


class Change(Struct, frozen=True, kw_only=True):
    """Something that was changed; ``before`` and ``after`` are JSON without any secret."""

    action: str
    kind: str
    name: str
    project: str = ""
    before: str | None = None
    after: str | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """One row of the log."""

    number: int
    at_ns: int
    who_kind: str
    who: str
    action: str
    kind: str
    name: str
    project: str
    before: str | None
    after: str | None
    address: str
    user_agent: str
    request_id: str
    previous: str
    hash: str

    def hash_of_content(self) -> str:
        """What :attr:`hash` must be."""
        content = [getattr(self, field) for field in self.__struct_fields__ if field not in ("number", "hash")]
        return hashlib.sha256(json.encode(content)).hexdigest()


class Head(Struct, frozen=True):
    """How long the chain is, and its last hash."""

    count: int
    hash: str


async def head(connection: AsyncConnection, *, to_add: bool = False) -> Head:
    """Where the chain ends; ``to_add`` holds it until the transaction ends, so that nobody else adds meanwhile."""
    asked = select(AUDIT_HEAD.c.count, AUDIT_HEAD.c.hash).where(AUDIT_HEAD.c.id == 1)
    found = (await connection.execute(asked.with_for_update() if to_add else asked)).one()
    count, last = found
    return Head(count, last)


async def record(connection: AsyncConnection, author: Author, change: Change, now_ns: int) -> Entry:
    """Add ``change`` to the log, in the transaction that makes it."""
    end = await head(connection, to_add=True)
    entry = Entry(
        number=end.count + 1,
        at_ns=now_ns,
        who_kind=author.kind,
        who=_storable(author.name),
        action=change.action,
        kind=change.kind,
        name=change.name,
        project=change.project,
        before=change.before,
        after=change.after,
        address=_storable(author.address),
        user_agent=_storable(author.user_agent)[:_MAX_AGENT],
        request_id=_storable(author.request_id),
        previous=end.hash,
        hash="",
    )
    entry = structs.replace(entry, hash=entry.hash_of_content())
    await connection.execute(insert(AUDIT), structs.asdict(entry))
    await connection.execute(update(AUDIT_HEAD).values(count=entry.number, hash=entry.hash))
    return entry


def masked(value: object, secrets: frozenset[str]) -> object:
    """``value`` (of JSON's types) with every field that is named in ``secrets`` hidden, however deep."""
    if isinstance(value, list):
        return [masked(each, secrets) for each in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    return {
        key: MASK if key in secrets and field not in (None, "", []) else masked(field, secrets)
        for key, field in cast("dict[str, object]", value).items()
    }


def _storable(text: str) -> str:
    return text.replace("\0", "")
