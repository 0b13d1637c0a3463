"""The console's login put together, for the control process."""

from collections.abc import Callable
from importlib import import_module
from typing import Final, cast

from fastapi import Request
from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.auth.accounts import Accounts
from switchgear.auth.login import Login, Parts
from switchgear.auth.master_key import MasterKeys
from switchgear.auth.passwords import Passwords
from switchgear.auth.sealing import Sealer
from switchgear.auth.sessions import Sessions
from switchgear.auth.throttle import Throttle
from switchgear.auth.tickets import Tickets
from switchgear.config import Config
from switchgear.console.login import LoginPages, SingleSignOnDoor
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import secret_hex

_PURPOSE: Final = "console"
_KEY_BYTES: Final = 32


class Doorstep(Struct, frozen=True, kw_only=True):
    """What a login needs of the process it runs in."""

    database: ControlDatabase
    config: Callable[[], Config]
    """What is in force."""
    master_keys: MasterKeys
    clock: Clock
    client: Callable[[Request], str]
    """Where a browser is."""


class Console(Struct, frozen=True, kw_only=True):
    """The login's pages, and the sessions that they begin."""

    pages: LoginPages
    sessions: Sessions
    is_active: Callable[[str], bool]


def console(doorstep: Doorstep) -> Console:
    """Cookies are signed under a key derived from the master key; without one, under a key of this process alone.

    Raises ConfigError when single sign-on is declared and its libraries are not installed.
    """
    signing_key = _signing_key(doorstep.master_keys)
    tickets = Tickets(signing_key, doorstep.clock)
    sessions = Sessions(doorstep.database, signing_key, doorstep.clock, secret_hex)

    def is_active(user: str) -> bool:
        found = doorstep.config().users.get(user)
        return found is not None and not found.disabled

    login = Login(
        Parts(
            accounts=Accounts(doorstep.database),
            sessions=sessions,
            passwords=Passwords(),
            sealer=Sealer(doorstep.master_keys),
            throttle=Throttle(doorstep.clock),
            tickets=tickets,
            clock=doorstep.clock,
            is_active=is_active,
        )
    )
    single_sign_on = _single_sign_on(doorstep, tickets)
    pages = LoginPages(login, sessions, doorstep.client, is_active, single_sign_on)
    return Console(pages=pages, sessions=sessions, is_active=is_active)


def _signing_key(master_keys: MasterKeys) -> bytes:
    return master_keys.sealing().derived(_PURPOSE) if master_keys else bytes.fromhex(secret_hex(_KEY_BYTES))


def _single_sign_on(doorstep: Doorstep, tickets: Tickets) -> SingleSignOnDoor | None:
    if doorstep.config().console.single_sign_on is None:
        return None
    try:
        # By name, because its libraries are an extra that most installations never load.
        module = import_module("switchgear.app.single_sign_on")
    except ImportError as error:
        text = "console.single_sign_on: its libraries are not installed; pip install 'switchgear[sso]'"
        raise ConfigError(text) from error
    return cast("SingleSignOnDoor", module.console_sign_on(doorstep.config, tickets, doorstep.clock))
