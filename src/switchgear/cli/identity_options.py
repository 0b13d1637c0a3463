"""``switchgear keys``, ``secrets`` and ``users``: what their commands take."""

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from switchgear.cli.settings import ConfigOption

DEFAULT_GRACE: Final = "24h"

KeyName = Annotated[str, typer.Argument(help="The key's name.")]
SecretName = Annotated[str, typer.Argument(help="The secret's name, as in ${secret:NAME}.")]
UserName = Annotated[str, typer.Argument(help="The user's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


@dataclass(frozen=True, kw_only=True)
class CreateKeyOptions:
    """Make a key and print it, this once. Gateways know it within a second."""

    name: KeyName
    user: Annotated[str | None, typer.Option(help="The person whose key it is.", show_default=False)] = None
    service_account: Annotated[str | None, typer.Option(help="The program whose key it is.", show_default=False)] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="What else an entry under `keys` may say, as in --set team=support --set models=fast,sim/*; several "
            "times for several fields.",
        ),
    ] = None
    as_json: AsJson = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class ListKeysOptions:
    """List the keys that the control database keeps."""

    as_json: AsJson = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class ShowKeyOptions:
    """Show one key as JSON, without its text."""

    name: KeyName
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class RotateKeyOptions:
    """Give a key another text and print it, this once; for a while both work."""

    name: KeyName
    grace: Annotated[str, typer.Option(help="How long the present text still works: 30m, 24h, 7d; 0 ends it now.")] = (
        DEFAULT_GRACE
    )
    as_json: AsJson = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class RevokeKeyOptions:
    """Refuse a key from now on, in every gateway within a second."""

    name: KeyName
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class SetSecretOptions:
    """Keep a secret, in place of any other of its name; its value is asked for, or read from a pipe."""

    name: SecretName
    description: Annotated[str, typer.Option(help="For people; nothing reads it.")] = ""
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class ListSecretsOptions:
    """List the secrets, without their values."""

    as_json: AsJson = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class DeleteSecretOptions:
    """Forget a secret."""

    name: SecretName
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class RotateMasterOptions:
    """Seal everything again under the first of the master keys given; all of it, or nothing."""

    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class CreateUserOptions:
    """Make a user who can log in to the console; their password is asked for, or read from a pipe."""

    name: UserName
    email: Annotated[str, typer.Option(help="Their address.")] = ""
    owner: Annotated[bool, typer.Option("--owner", help="They may do everything, everywhere.")] = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class PasswordOptions:
    """Give a user another password; their sessions end, and with --reset their second factor goes too."""

    name: UserName
    reset: Annotated[bool, typer.Option("--reset", help="Take their second factor away.")] = False
    config: ConfigOption = None
