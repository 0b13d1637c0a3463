"""Who asks, as far as the routes need to know; who that is and what it may do is decided in ``auth/``."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Place(Struct, frozen=True, kw_only=True):
    """Whose something is; empty throughout: the installation's own."""

    organisation: str = ""
    project: str = ""
    team: str = ""


EVERYWHERE = Place()


class Principal(Protocol):
    """A user, a service account, a management key, or the operator on the gateway's own machine."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    def may(self, permission: str, place: Place) -> bool:
        """Whether it may do this with what belongs to ``place``."""
        ...

    def places(self, permission: str) -> tuple[Place, ...]:
        """Where it may do this at all, exceptions left out of account; :data:`EVERYWHERE` says everywhere."""
        ...


class Author(Struct, frozen=True, kw_only=True):
    """Who changes something, and from where: what the audit log keeps of them."""

    kind: str
    name: str
    address: str = ""
    user_agent: str = ""
    request_id: str = ""


class Asker(Struct, frozen=True, kw_only=True):
    """What is known of a request before anybody knows who asks."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    cookies: Mapping[str, str]
    address: str
    """Where the caller is; empty where that is not known."""
    local: bool
    """Whether the caller is on the gateway's own machine, asks for it by its own name, and no page of a foreign site
    asks for them."""


class Resolver(Protocol):
    """Finds out who asks."""

    async def __call__(self, asker: Asker) -> Principal | None:
        """None when the request says nothing that this resolver knows of.

        Raises Refused for credentials that are wrong, and for a request that they do not cover (a missing CSRF token).
        """
        ...
