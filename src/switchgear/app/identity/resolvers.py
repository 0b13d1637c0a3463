"""Who asks the management API: a program with a virtual key, or a person whose browser is logged in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from switchgear.app.database import ControlDatabase
from switchgear.auth.directory import Directory
from switchgear.auth.model import KeyRing
from switchgear.auth.roles import Grant, Member
from switchgear.auth.sessions import LOOPBACK_COOKIE, SECURE_COOKIE, Session, Sessions
from switchgear.auth.stage import key_in
from switchgear.kernel.clock import Clock
from switchgear.rest.principal import EVERYWHERE, Asker, Principal, Resolver
from switchgear.rest.problem import Refused

_SAFE_METHODS: Final = frozenset(("GET", "HEAD"))
_CSRF_HEADER: Final = "x-csrf-token"
_SCHEME: Final = "bearer"


class KeyResolver:
    """``Authorization: Bearer KEY``: the key itself, with the roles that are bound to it; not those of its owner."""

    def __init__(
        self, database: ControlDatabase, directory: Directory, ring: Callable[[], KeyRing], clock: Clock
    ) -> None:
        self._database = database
        self._directory = directory
        self._ring = ring
        self._clock = clock

    async def __call__(self, asker: Asker) -> Principal | None:
        """Raises Refused (401) for a key that is not known."""
        scheme, _, presented = asker.headers.get("authorization", "").partition(" ")
        if scheme.lower() != _SCHEME:
            return None
        key = key_in(self._ring(), presented.strip().encode(), self._clock.wall_ns(), asker.address)
        if key is None:
            raise Refused(401, "unauthenticated", "this key is not known, or may not be used from there")
        async with self._database.read() as connection:
            return await self._directory.member(connection, "key", key.name)


class SessionResolver:
    """The console's cookie: a user, with the roles that are bound to them, and those that single sign-on told."""

    def __init__(
        self, database: ControlDatabase, directory: Directory, sessions: Sessions, active: Callable[[str], bool]
    ) -> None:
        self._database = database
        self._directory = directory
        self._sessions = sessions
        self._active = active

    async def __call__(self, asker: Asker) -> Principal | None:
        """Raises Refused (403) for a change without the session's token."""
        name = LOOPBACK_COOKIE if asker.local else SECURE_COOKIE
        cookie = asker.cookies.get(name)
        session = None if cookie is None else await self._sessions.find(cookie)
        if session is None or not self._active(session.user):
            return None
        if asker.method not in _SAFE_METHODS:
            _require_token(asker, session)
        async with self._database.read() as connection:
            member = await self._directory.member(connection, "user", session.user)
            told = await self._directory.roles(connection, session.roles)
        return Member(
            kind=member.kind,
            name=member.name,
            grants=(*member.grants, *(Grant(role=role, place=EVERYWHERE) for role in told)),
        )


def _require_token(asker: Asker, session: Session) -> None:
    """Raises Refused unless the request shows that the session's own page sent it."""
    if not session.is_token(asker.headers.get(_CSRF_HEADER, "")):
        raise Refused(403, "csrf", f"a change by a logged-in browser needs the session's token in {_CSRF_HEADER}")
    if asker.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused(403, "csrf", "this was sent by a page of another site")


if TYPE_CHECKING:
    _: tuple[type[Resolver], ...] = (KeyResolver, SessionResolver)
