"""How people log in, kept in the database: password hashes, second factors, failures and lockouts."""

from typing import Final

from msgspec import DecodeError, Struct, json, structs
from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.auth.sealed import Sealed
from switchgear.auth.tables import ACCOUNTS
from switchgear.kernel.errors import Internal
from switchgear.kernel.ports import Database

LOCK_AFTER: Final = 5
LOCK_SECONDS: Final = 900
_NANOSECONDS: Final = 1_000_000_000


class Account(Struct, frozen=True, kw_only=True):
    """One user's way in."""

    user: str
    password_hash: str
    second_factor: Sealed | None
    begun_factor: Sealed | None
    """One that takes its place once a code of it was given."""
    last_step: int
    """The last time step whose code was used."""
    failures: int
    """In a row."""
    may_try: bool = True
    """Whether it was unlocked when a login began."""


class Accounts:
    """Every change is one transaction. All methods raise OSError when the database cannot be used."""

    def __init__(self, database: Database[AsyncConnection]) -> None:
        self._database = database

    async def find(self, user: str) -> Account | None:
        """The account of ``user``."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.user == user))).mappings().first()
        return None if row is None else _account(row)

    async def begin_try(self, user: str, now_ns: int) -> Account | None:
        """The account of ``user``, one more failure counted in advance: many tries at once are not more than as many.

        After so many in a row the account is locked for a while; the one that locks it may still be right.
        """
        async with self._database.write() as connection:
            mine = ACCOUNTS.c.user == user
            row = (await connection.execute(select(ACCOUNTS).where(mine).with_for_update())).mappings().first()
            if row is None:
                return None
            if row["locked_until_ns"] > now_ns:
                return structs.replace(_account(row), may_try=False)
            failures = row["failures"] + 1
            locks = failures >= LOCK_AFTER
            until_ns = now_ns + LOCK_SECONDS * _NANOSECONDS if locks else 0
            counted = {"failures": 0 if locks else failures, "locked_until_ns": until_ns}
            await connection.execute(update(ACCOUNTS).where(mine).values(**counted))
            return _account(row)

    async def set_password(self, user: str, password_hash: str, now_ns: int) -> None:
        """Give ``user`` a password, in place of any other; failures and lockout are forgotten."""
        async with self._database.write() as connection:
            values = {"password_hash": password_hash, "failures": 0, "locked_until_ns": 0, "changed_ns": now_ns}
            changed = await connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.user == user).values(**values))
            if changed.rowcount == 0:
                fresh = {"user": user, "last_step": 0, **values}
                await connection.execute(ACCOUNTS.insert().values(**fresh))

    async def begin_second_factor(self, user: str, sealed: Sealed) -> None:
        """Note a second factor that is not in force yet; one that is stays so."""
        await self._update(user, begun_factor=json.encode(sealed))

    async def set_second_factor(self, user: str, sealed: Sealed | None, last_step: int = 0) -> None:
        """Give ``user`` a second factor, or none; what was begun is over."""
        kept = None if sealed is None else json.encode(sealed)
        await self._update(user, second_factor=kept, begun_factor=None, last_step=last_step)

    async def succeeded(self, user: str) -> None:
        """Failures are forgotten."""
        await self._update(user, failures=0, locked_until_ns=0)

    async def use_step(self, user: str, step: int) -> bool:
        """Use the code of a time step up; whether it was still unused. Of two at once, one."""
        async with self._database.write() as connection:
            unused = (ACCOUNTS.c.user == user) & (ACCOUNTS.c.last_step < step)
            used = await connection.execute(
                update(ACCOUNTS).where(unused).values(last_step=step, failures=0, locked_until_ns=0)
            )
            return used.rowcount == 1

    async def delete(self, user: str) -> None:
        """Forget how ``user`` logs in."""
        async with self._database.write() as connection:
            await connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.user == user))

    async def _update(self, user: str, **values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.user == user).values(**values))


def _account(row: RowMapping) -> Account:
    return Account(
        user=row["user"],
        password_hash=row["password_hash"],
        second_factor=_sealed(row["user"], row["second_factor"]),
        begun_factor=_sealed(row["user"], row["begun_factor"]),
        last_step=row["last_step"],
        failures=row["failures"],
    )


def _sealed(user: str, data: bytes | None) -> Sealed | None:
    if data is None:
        return None
    try:
        return json.decode(data, type=Sealed)
    except DecodeError:
        raise Internal(
            f"the second factor of {user!r} cannot be read; `switchgear users reset` takes it away"
        ) from None
