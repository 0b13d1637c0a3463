"""Idempotency keys: a request that is sent twice is done once, and answered twice.

The answer is kept in the transaction of the change, so there is never one without the other. The key belongs to who
sent it, and to the one request it came with.
"""

import hashlib
import re
from typing import Final

from msgspec import Struct, json
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.rest.problem import Refused
from switchgear.rest.tables import ANSWERS

KEEP_SECONDS: Final = 86_400
_KEY: Final = re.compile(r"[!-~]{1,255}")


class Kept(Struct, frozen=True):
    """An answer as it went out; ``body`` is None where it held a secret."""

    status: int
    headers: list[tuple[str, str]]
    body: str | None


def check_key(key: str) -> None:
    """Raises Refused for what is no idempotency key."""
    if not _KEY.fullmatch(key):
        raise Refused(400, "invalid_idempotency_key", "an Idempotency-Key is 1 to 255 visible ASCII characters")


def digest_of(*parts: bytes) -> str:
    """A digest of all that makes a request what it is."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


async def claim(connection: AsyncConnection, key: tuple[str, str], request: str, now_ns: int) -> Kept | None:
    """The answer that was given to this request; None when it comes for the first time, which is then noted.

    ``key`` is who sent it, and the key itself. A second request that comes while the first is under way waits for it.
    Raises Refused when the key came with another request, and when the answer cannot be told again.
    """
    who, name = key
    await connection.execute(delete(ANSWERS).where(ANSWERS.c.made_ns < now_ns - KEEP_SECONDS * 1_000_000_000))
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"who": who, "key": name, "request": request, "status": 0, "headers": "[]", "made_ns": now_ns}
    made = await connection.execute(insert(ANSWERS).values(**values).on_conflict_do_nothing())
    if made.rowcount:
        return None
    found = (await connection.execute(select(ANSWERS).where(ANSWERS.c.who == who, ANSWERS.c.key == name))).one()
    if found.request != request:
        raise Refused(422, "idempotency_key_reused", "this Idempotency-Key came with another request; take a fresh one")
    if found.body is None and found.status != 204:
        raise Refused(
            409, "answer_not_kept", "this request was done; its answer held a secret, which is shown once and not kept"
        )
    return Kept(found.status, json.decode(found.headers, type=list[tuple[str, str]]), found.body)


async def keep(connection: AsyncConnection, key: tuple[str, str], kept: Kept) -> None:
    """Keep the answer to a request that was claimed."""
    who, name = key
    values = {"status": kept.status, "headers": json.encode(kept.headers).decode(), "body": kept.body}
    await connection.execute(update(ANSWERS).where(ANSWERS.c.who == who, ANSWERS.c.key == name).values(**values))
