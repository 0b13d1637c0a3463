"""``switchgear key new``, and what a virtual key looks like."""

import hashlib
from typing import Annotated, Final

import typer
from msgspec import ValidationError, convert

from switchgear.auth.master_key import MASTER_KEY_BYTES
from switchgear.cli.output import note
from switchgear.config.identity import HASH_PREFIX
from switchgear.config.names import Name
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import secret_hex

KEY_PREFIX: Final = "sk-sg-"
KEY_BYTES: Final = 24


def fresh_key() -> str:
    """A new virtual key: 192 random bits in hexadecimal, behind a prefix that secret scanners can know."""
    return f"{KEY_PREFIX}{secret_hex(KEY_BYTES)}"


def hash_of(key: str) -> str:
    """What the configuration keeps of a key."""
    return f"{HASH_PREFIX}{hashlib.sha256(key.encode()).hexdigest()}"


def check_name(name: str) -> None:
    """Raises ConfigError for what cannot be the name of a key."""
    try:
        convert(name, Name)
    except ValidationError:
        raise ConfigError(f"{name!r} cannot name a key: up to 64 letters, digits, '_', '.' and '-'") from None


def new_key(name: Annotated[str, typer.Argument(help="What the journal will call the key.")]) -> None:
    """Make a virtual key, print it once, and print its entry for the configuration, which holds only its hash."""
    check_name(name)
    key = fresh_key()
    note("The key, shown this once:")
    typer.echo(key)
    note("\nIts entry in switchgear.yaml:")
    typer.echo(f"keys:\n  - name: {name}\n    hash: {hash_of(key)}")


def new_master_key() -> None:
    """Print a fresh master key, for SWITCHGEAR_MASTER_KEY or the file that SWITCHGEAR_MASTER_KEY_FILE names."""
    typer.echo(secret_hex(MASTER_KEY_BYTES))
