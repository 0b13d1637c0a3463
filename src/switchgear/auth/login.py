"""Logging in: a password, a second factor where the account has one, and no hint which of them was wrong."""

import logging
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from switchgear.auth.accounts import Account, Accounts
from switchgear.auth.passwords import Passwords
from switchgear.auth.sealed import Sealed
from switchgear.auth.sealing import Sealer
from switchgear.auth.second_factor import accepted_step, enrolment_url, new_secret
from switchgear.auth.sessions import Sessions
from switchgear.auth.throttle import Throttle
from switchgear.auth.tickets import Tickets
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest, Unauthenticated

HALFWAY_SECONDS: Final = 300
_HALFWAY: Final = "half a login"
_REFUSAL: Final = "The name or the password is wrong, or the account is locked for a while after too many failures."
_WRONG_CODE: Final = "The code is wrong or was used already, or the login took too long; begin again."

IsActive = Callable[[str], bool]
"""Whether a user is declared and not disabled."""


class _Halfway(Struct, frozen=True):
    user: str


class Begun(Struct, frozen=True, kw_only=True):
    """What a right password leads to: the cookie of a session, or a ticket for the second factor."""

    session: str = ""
    ticket: str = ""


class Parts(Struct, frozen=True, kw_only=True):
    """What logging in stands on."""

    accounts: Accounts
    sessions: Sessions
    passwords: Passwords
    sealer: Sealer
    throttle: Throttle
    tickets: Tickets
    clock: Clock
    is_active: IsActive


class Login:
    """All methods raise OSError when the database cannot be used."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._log = logging.getLogger("switchgear.login")

    async def with_password(self, user: str, password: str, address: str) -> Begun:
        """The first step. Raises Unauthenticated with the same words whatever was wrong, or RateLimited."""
        parts = self._parts
        parts.throttle.admit(address)
        account = await parts.accounts.begin_try(user, parts.clock.wall_ns())
        known = account is not None and account.may_try and parts.is_active(user)
        kept = account.password_hash if account is not None and known else None
        if not await parts.passwords.matches(password, kept) or account is None:
            raise self._failure(user, address, _REFUSAL)
        if account.second_factor is not None:
            return Begun(ticket=parts.tickets.write(_HALFWAY, _Halfway(user), HALFWAY_SECONDS))
        await parts.accounts.succeeded(user)
        if kept is not None and parts.passwords.is_outdated(kept):
            await parts.accounts.set_password(user, await parts.passwords.hash(password), parts.clock.wall_ns())
        return Begun(session=await parts.sessions.begin(user, "password", address))

    async def with_code(self, ticket: str, code: str, address: str) -> str:
        """The second step: the cookie of a session. Raises Unauthenticated, or RateLimited."""
        parts = self._parts
        parts.throttle.admit(address)
        halfway = parts.tickets.read(_HALFWAY, ticket, _Halfway)
        if halfway is None:
            raise Unauthenticated(_WRONG_CODE)
        account = await parts.accounts.begin_try(halfway.user, parts.clock.wall_ns())
        if account is None or not account.may_try or not parts.is_active(halfway.user):
            raise self._failure(halfway.user, address, _WRONG_CODE)
        sealed = account.second_factor
        step = None if sealed is None else self._step(account, sealed, code, account.last_step)
        if step is None or not await parts.accounts.use_step(halfway.user, step):
            raise self._failure(halfway.user, address, _WRONG_CODE)
        return await parts.sessions.begin(halfway.user, "password+totp", address)

    async def require_password(self, user: str, password: str, address: str) -> None:
        """Ask somebody who is logged in once more. Raises Unauthenticated, or RateLimited."""
        parts = self._parts
        parts.throttle.admit(address)
        account = await parts.accounts.begin_try(user, parts.clock.wall_ns())
        kept = account.password_hash if account is not None and account.may_try else None
        if not await parts.passwords.matches(password, kept):
            raise self._failure(user, address, _REFUSAL)
        await parts.accounts.succeeded(user)

    async def has_second_factor(self, user: str) -> bool:
        """Whether a login as ``user`` takes two steps."""
        account = await self._parts.accounts.find(user)
        return account is not None and account.second_factor is not None

    async def set_password(self, user: str, password: str) -> None:
        """Give ``user`` a password; every session of theirs ends. Raises BadRequest for a weak one."""
        if password.casefold() == user.casefold():
            raise BadRequest("a password is not the user's name", param="password")
        kept = await self._parts.passwords.hash(password)
        await self._parts.accounts.set_password(user, kept, self._parts.clock.wall_ns())
        await self._parts.sessions.end_all(user)

    async def enrol(self, user: str) -> str:
        """Begin a second factor: the URL for an authenticator app. It counts once a code of it was given."""
        secret = new_secret()
        sealed = self._parts.sealer.seal(secret.encode(), _context(user))
        await self._parts.accounts.begin_second_factor(user, sealed)
        return enrolment_url(secret, user)

    async def confirm(self, user: str, code: str) -> None:
        """The first code of a new second factor. Raises BadRequest."""
        account = await self._parts.accounts.find(user)
        if account is None or account.begun_factor is None:
            raise BadRequest("no second factor was begun", param="code")
        step = self._step(account, account.begun_factor, code, 0)
        if step is None:
            raise BadRequest("this is not the code of the moment; look at the clock of the device", param="code")
        await self._parts.accounts.set_second_factor(user, account.begun_factor, step)

    def _step(self, account: Account, sealed: Sealed, code: str, last_step: int) -> int | None:
        secret = self._parts.sealer.open(sealed, _context(account.user)).decode()
        return accepted_step(secret, code, self._parts.clock.wall_ns(), last_step)

    def _failure(self, user: str, address: str, text: str) -> Unauthenticated:
        self._parts.throttle.failed(address)
        self._log.warning("a login as %r from %s failed", user[:64], address or "an unknown address")
        return Unauthenticated(text)


def _context(user: str) -> str:
    return f"second factor {user}"
