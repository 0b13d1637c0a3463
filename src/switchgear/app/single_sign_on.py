"""From the claims of an identity provider to a user of this installation, and what they may do."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from switchgear.auth.oidc import CALLBACK, Claims, Registration, SingleSignOn
from switchgear.auth.tickets import Tickets
from switchgear.config.console import SingleSignOnEntry
from switchgear.config.model import Config
from switchgear.console.login import Arrival, Departure, SingleSignOnDoor
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import ConfigError, Forbidden
from switchgear.kernel.ids import secret_hex


class ConsoleSignOn:
    """Single sign-on for the console: the user is who has the verified address, or is called like the subject."""

    def __init__(self, sso: SingleSignOn, config: Callable[[], Config]) -> None:
        self._sso = sso
        self._config = config

    async def depart(self, go_to: str) -> Departure:
        """Raises ConfigError when the identity provider does not answer."""
        begun = await self._sso.begin(go_to)
        return Departure(begun.url, begun.ticket)

    async def arrive(self, ticket: str, state: str, code: str) -> Arrival:
        """Raises Unauthenticated for an answer that proves nothing, Forbidden for a person who is no user here."""
        claims, go_to = await self._sso.finish(ticket, state, code)
        config = self._config()
        user = _user(claims, config)
        declared = config.console.single_sign_on
        roles = () if declared is None else _roles(claims, declared)
        return Arrival(user, roles, go_to)


def console_sign_on(config: Callable[[], Config], tickets: Tickets, clock: Clock) -> ConsoleSignOn:
    """Single sign-on as the configuration declares it now. Raises ConfigError when it does not."""
    console = config().console
    declared = console.single_sign_on
    if declared is None or console.public_url is None:
        raise ConfigError("console.single_sign_on is not declared")
    registration = Registration(
        issuer=declared.issuer,
        client_id=declared.client_id,
        client_secret=declared.client_secret.reveal(),
        scopes=declared.scopes,
        redirect_url=f"{console.public_url.rstrip('/')}{CALLBACK}",
    )
    return ConsoleSignOn(SingleSignOn(registration, tickets, clock, secret_hex), config)


def _user(claims: Claims, config: Config) -> str:
    address = claims.get("email") if claims.get("email_verified") is True else None
    if isinstance(address, str) and address:
        for name, user in config.users.items():
            if user.email.casefold() == address.casefold() and not user.disabled:
                return name
    named = str(claims.get("sub", ""))
    found = config.users.get(named)
    if found is not None and not found.disabled and not found.email:
        return named
    raise Forbidden("you are known to the identity provider, but are no user here; ask an administrator to add you")


def _roles(claims: Claims, declared: SingleSignOnEntry) -> tuple[str, ...]:
    said = claims.get(declared.roles_claim)
    values = [said] if isinstance(said, str) else cast("list[object]", said) if isinstance(said, list) else []
    return tuple(dict.fromkeys(role for value in values if (role := declared.roles.get(str(value)))))


if TYPE_CHECKING:
    _: type[SingleSignOnDoor] = ConsoleSignOn
