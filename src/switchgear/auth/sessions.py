"""Sessions of the console: a signed cookie that names one, and a row in the database that makes it true.

The cookie holds 256 random bits, made anew at every login, so that nobody can give another a session to log into. The
row is found by their digest, and deleting it ends the session everywhere at once. A request that changes something must
also carry the session's CSRF token, which a foreign page cannot read (a synchronizer token, derived by HMAC).
"""

import hashlib
import hmac
from typing import Final, Literal

from itsdangerous import BadSignature, Signer
from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.auth.key_text import SecretHex
from switchgear.auth.tables import SESSIONS
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Database

Method = Literal["password", "password+totp", "sso"]
SESSION_SECONDS: Final = 43_200
SECURE_COOKIE: Final = "__Host-switchgear"
LOOPBACK_COOKIE: Final = "switchgear"
"""Without encryption a browser takes no cookie of the other name; it is used on this machine only."""
_SECRET_BYTES: Final = 32
_NANOSECONDS: Final = 1_000_000_000


class Session(Struct, frozen=True, kw_only=True):
    """Somebody who is logged in."""

    user: str
    method: Method
    roles: tuple[str, ...]
    """What single sign-on said they are; others follow from their bindings."""
    csrf: str
    began_ns: int
    ends_ns: int

    def is_token(self, given: str) -> bool:
        """Whether ``given`` is the session's CSRF token."""
        return hmac.compare_digest(given.encode(), self.csrf.encode())

    def __repr__(self) -> str:
        return f"Session({self.user!r}, {self.method!r})"


class Sessions:
    """Begins, finds and ends sessions. All methods raise OSError when the database cannot be used."""

    def __init__(
        self, database: Database[AsyncConnection], signing_key: bytes, clock: Clock, secret_hex: SecretHex
    ) -> None:
        self._database = database
        self._signer = Signer(signing_key, salt="switchgear session", digest_method=hashlib.sha256)
        self._csrf_key = hmac.digest(signing_key, b"switchgear csrf", "sha256")
        self._clock = clock
        self._secret_hex = secret_hex

    async def begin(self, user: str, method: Method, address: str, roles: tuple[str, ...] = ()) -> str:
        """A new session; the value of its cookie. Sessions that are over are cleared away."""
        secret = self._secret_hex(_SECRET_BYTES)
        now_ns = self._clock.wall_ns()
        row = {
            "digest": _digest(secret),
            "user": user,
            "method": method,
            "address": address,
            "roles": ",".join(roles),
            "began_ns": now_ns,
            "ends_ns": now_ns + SESSION_SECONDS * _NANOSECONDS,
        }
        async with self._database.write() as connection:
            await connection.execute(delete(SESSIONS).where(SESSIONS.c.ends_ns <= now_ns))
            await connection.execute(SESSIONS.insert().values(**row))
        return self._signer.sign(secret).decode()

    async def find(self, cookie: str) -> Session | None:
        """The session that a cookie names; None for a forged, an ended and an unknown one alike."""
        secret = self._secret(cookie)
        if secret is None:
            return None
        async with self._database.read() as connection:
            found = await connection.execute(select(SESSIONS).where(SESSIONS.c.digest == _digest(secret)))
            row = found.mappings().first()
        if row is None or row["ends_ns"] <= self._clock.wall_ns():
            return None
        return Session(
            user=row["user"],
            method=row["method"],
            roles=tuple(role for role in row["roles"].split(",") if role),
            csrf=hmac.digest(self._csrf_key, secret.encode(), "sha256").hex(),
            began_ns=row["began_ns"],
            ends_ns=row["ends_ns"],
        )

    async def end(self, cookie: str) -> None:
        """End the session of a cookie, everywhere."""
        secret = self._secret(cookie)
        if secret is not None:
            async with self._database.write() as connection:
                await connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == _digest(secret)))

    async def end_all(self, user: str) -> None:
        """End every session of ``user``: their password changed, or they left."""
        await end_all(self._database, user)

    def _secret(self, cookie: str) -> str | None:
        try:
            return self._signer.unsign(cookie).decode("ascii")
        except (BadSignature, UnicodeDecodeError):
            return None


async def end_all(database: Database[AsyncConnection], user: str) -> None:
    """End every session of ``user``. Raises OSError."""
    async with database.write() as connection:
        await connection.execute(delete(SESSIONS).where(SESSIONS.c.user == user))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
