"""``switchgear users``: people who log in to the console."""

from msgspec import json

from switchgear.app.database import ControlDatabase
from switchgear.app.identity.rules import AgreementCheck
from switchgear.app.identity.service import Identity
from switchgear.auth.accounts import Accounts
from switchgear.auth.directory import BINDING
from switchgear.auth.passwords import Passwords
from switchgear.auth.roles import LOCAL_OPERATOR, OWNER, Binding
from switchgear.auth.sessions import end_all
from switchgear.cli.identity import author, prompted, with_identity
from switchgear.cli.identity_options import CreateUserOptions, PasswordOptions
from switchgear.cli.key import check_name
from switchgear.cli.output import note
from switchgear.config.identity import UserEntry
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.rest.objects import Wanted
from switchgear.rest.principal import EVERYWHERE
from switchgear.rest.resource import Proposal

_USER = "user"


def create(options: CreateUserOptions) -> None:
    """Make a user; one that the file or the database has already only gets a password, and what was asked for."""
    check_name(options.name)
    secret = prompted("Password")

    async def make(database: ControlDatabase, services: Identity) -> None:
        kept = await Passwords().hash(secret)
        async with database.write() as connection:
            together = await services.rules.together(connection)
            if options.name not in together.users:
                entry = UserEntry(email=options.email)
                body = json.encode(entry).decode()
                wanted = Wanted(kind=_USER, name=options.name, place=EVERYWHERE, body=body)
                await services.objects.put(connection, wanted, author())
                proposal = Proposal(
                    name=options.name, before=None, after=entry, author=author(), principal=LOCAL_OPERATOR
                )
                await AgreementCheck(services.rules, "users")(connection, proposal)
            if options.owner:
                binding = Binding(subject=f"{_USER}:{options.name}", role=OWNER)
                name = f"{options.name[:57]}-{OWNER}"
                body = json.encode(binding).decode()
                wanted = Wanted(kind=BINDING, name=name, place=EVERYWHERE, body=body)
                await services.objects.put(connection, wanted, author())
        await Accounts(database).set_password(options.name, kept, SystemClock().wall_ns())

    with_identity(options.config, make)
    note(f"{options.name!r} can log in at /console/login")


def password(options: PasswordOptions) -> None:
    """Give a user another password."""
    secret = prompted("New password")

    async def change(database: ControlDatabase, services: Identity) -> None:
        kept = await Passwords().hash(secret)
        async with database.read() as connection:
            together = await services.rules.together(connection)
        if options.name not in together.users:
            raise ConfigError(f"there is no user {options.name[:64]!r}")
        accounts = Accounts(database)
        await accounts.set_password(options.name, kept, SystemClock().wall_ns())
        if options.reset:
            await accounts.set_second_factor(options.name, None)
        await end_all(database, options.name)

    with_identity(options.config, change)
    note("changed; their sessions have ended")
