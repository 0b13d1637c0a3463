"""``switchgear secrets``: what is sealed in the control database, and the master key it is sealed under."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.identity.secrets import Renewal, kept_secret
from switchgear.app.identity.service import Identity
from switchgear.cli.identity import changing, prompted, reading
from switchgear.cli.identity_options import (
    DeleteSecretOptions,
    ListSecretsOptions,
    RotateMasterOptions,
    SetSecretOptions,
)
from switchgear.cli.key import check_name
from switchgear.cli.output import note, show_json, show_table
from switchgear.rest.objects import Stored
from switchgear.rest.principal import Author
from switchgear.rest.written import moment


class SecretShown(Struct, frozen=True, kw_only=True):
    """A secret without its value."""

    name: str
    description: str
    master_key: str
    """The id of the master key that it is sealed under."""
    updated_at: str


def set_secret(options: SetSecretOptions) -> None:
    """Keep a secret."""
    check_name(options.name)
    value = prompted("Value")

    async def keep(connection: AsyncConnection, services: Identity, author: Author) -> Stored:
        return await services.secrets.put(connection, options.name, value, options.description, author)

    changing(options.config, keep)
    note(f"kept; ${{secret:{options.name}}} stands for it")


def list_secrets(options: ListSecretsOptions) -> None:
    """List the secrets, without their values."""

    async def look(connection: AsyncConnection, services: Identity) -> list[SecretShown]:
        return [_shown(one) for one in await services.secrets.all(connection)]

    found = reading(options.config, look)
    if options.as_json:
        show_json(found)
        return
    rows = [(one.name, one.description, one.master_key, one.updated_at) for one in found]
    show_table("Secrets", ("name", "description", "master key", "stored"), rows)


def delete_secret(options: DeleteSecretOptions) -> None:
    """Forget a secret."""

    async def forget(connection: AsyncConnection, services: Identity, author: Author) -> None:
        await services.secrets.delete(connection, options.name, author)

    changing(options.config, forget)
    note(f"the secret {options.name!r} is deleted")


def rotate_master(options: RotateMasterOptions) -> None:
    """Seal everything again under the first of the master keys given; all of it, or nothing."""

    async def renew(connection: AsyncConnection, services: Identity, author: Author) -> Renewal:
        return await services.secrets.renew(connection, author)

    done = changing(options.config, renew)
    note(f"{len(done.renewed)} sealed again, {done.untouched} were already")


def _shown(stored: Stored) -> SecretShown:
    kept = kept_secret(stored)
    return SecretShown(
        name=stored.name,
        description=kept.description,
        master_key=kept.sealed.master,
        updated_at=moment(stored.updated_ns),
    )
