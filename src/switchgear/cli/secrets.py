"""``switchgear secrets``: what is sealed in the control database, and the master key it is sealed under."""

import sys
from typing import Annotated

import typer
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.identity.secrets import Renewal, kept_secret
from switchgear.app.identity.service import Identity
from switchgear.auth.master_key import MASTER_KEY_BYTES
from switchgear.cli.identity import changing, reading
from switchgear.cli.key import check_name
from switchgear.cli.keys import JsonOption
from switchgear.cli.output import note, show_json, show_table
from switchgear.cli.settings import ConfigOption
from switchgear.kernel.ids import secret_hex
from switchgear.rest.objects import Stored
from switchgear.rest.principal import Author
from switchgear.rest.written import moment

NameArgument = Annotated[str, typer.Argument(help="The secret's name, as in ${secret:NAME}.")]


class SecretShown(Struct, frozen=True, kw_only=True):
    """A secret without its value."""

    name: str
    description: str
    master_key: str
    """The id of the master key that it is sealed under."""
    updated_at: str


def set_secret(
    name: NameArgument,
    description: Annotated[str, typer.Option(help="For people; nothing reads it.")] = "",
    config: ConfigOption = None,
) -> None:
    """Keep a secret, in place of any other of its name; its value is asked for, or read from a pipe."""
    check_name(name)
    value = typer.prompt("Value", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()

    async def keep(connection: AsyncConnection, services: Identity, author: Author) -> Stored:
        return await services.secrets.put(connection, name, value, description, author)

    changing(config, keep)
    note(f"kept; ${{secret:{name}}} stands for it")


def list_secrets(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the secrets, without their values."""

    async def look(connection: AsyncConnection, services: Identity) -> list[SecretShown]:
        return [_shown(one) for one in await services.secrets.all(connection)]

    found = reading(config, look)
    if as_json:
        show_json(found)
        return
    rows = [(one.name, one.description, one.master_key, one.updated_at) for one in found]
    show_table("Secrets", ("name", "description", "master key", "stored"), rows)


def delete_secret(name: NameArgument, config: ConfigOption = None) -> None:
    """Forget a secret."""

    async def forget(connection: AsyncConnection, services: Identity, author: Author) -> None:
        await services.secrets.delete(connection, name, author)

    changing(config, forget)
    note(f"the secret {name!r} is deleted")


def rotate_master(config: ConfigOption = None) -> None:
    """Seal everything again under the first of the master keys given; all of it, or nothing."""

    async def renew(connection: AsyncConnection, services: Identity, author: Author) -> Renewal:
        return await services.secrets.renew(connection, author)

    done = changing(config, renew)
    note(f"{len(done.renewed)} sealed again, {done.untouched} were already")


def new_master_key() -> None:
    """Print a fresh master key, for SWITCHGEAR_MASTER_KEY or the file that SWITCHGEAR_MASTER_KEY_FILE names."""
    typer.echo(secret_hex(MASTER_KEY_BYTES))


def _shown(stored: Stored) -> SecretShown:
    kept = kept_secret(stored)
    return SecretShown(
        name=stored.name,
        description=kept.description,
        master_key=kept.sealed.master,
        updated_at=moment(stored.updated_ns),
    )
