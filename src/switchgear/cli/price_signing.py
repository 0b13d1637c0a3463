"""``switchgear prices keygen | sign | verify``: tables of prices that nobody can change unseen."""

import os
from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.output import note
from switchgear.cli.prices import content_of
from switchgear.cli.settings import ConfigOption, glanced_config
from switchgear.config import read_environment
from switchgear.kernel.errors import ConfigError
from switchgear.models.price_table import packaged_table, read_table
from switchgear.models.signature import PrivateKey, PublicKey, verify, verify_packaged
from switchgear.models.trust import SIGNATURE_SUFFIX

TableFile = Annotated[Path, typer.Argument(help="A table of prices.")]


def make_key(file: Annotated[Path, typer.Argument(help="Where to put the private key.")]) -> None:
    """Make a key that signs tables of prices: the private half goes into FILE, the public one to standard output."""
    key = PrivateKey.new()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            made.write(key.pem())
    except FileExistsError:
        raise ConfigError(f"{file} is already there; a key is never overwritten") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None
    typer.echo(key.public.text)
    note(f"Keep {file} where only those who set prices can read it; the line above goes under prices.trusted_keys.")


def sign_prices(
    file: TableFile,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key, in PEM.", show_default=False)],
) -> None:
    """Sign a table of prices; the signature goes into a file beside it, named after it with `.sig` at the end."""
    table = content_of(file)
    version = read_table(table, str(file)).version
    signer = PrivateKey.read(content_of(key), str(key))
    target = _signature_of(file)
    try:
        target.write_bytes(signer.sign(table))
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from None
    typer.echo(f"{target}: version {version}, signed by {signer.public.text}")


def verify_prices(
    file: Annotated[Path | None, typer.Argument(help="A table of prices; left out: the packaged one.")] = None,
    config: ConfigOption = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="A public key to trust; may be given again. Default: those under prices.trusted_keys.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check who signed a table of prices; exit with status 1 when it was nobody who is trusted."""
    if file is None:
        signer = verify_packaged()
        typer.echo(f"the packaged table: good; version {packaged_table().version}, signed by {signer.text}")
        return
    trusted = key or glanced_config(config, read_environment()).prices.trusted_keys
    if not trusted:
        raise ConfigError("no key is trusted: give one by --key, or declare some under prices.trusted_keys")
    table = content_of(file)
    version = read_table(table, str(file)).version
    target = _signature_of(file)
    signature = content_of(target) if target.exists() else None
    signer = verify(table, signature, map(PublicKey, trusted), str(file))
    typer.echo(f"{file}: good; version {version}, signed by {signer.text}")


def _signature_of(file: Path) -> Path:
    return file.with_name(f"{file.name}{SIGNATURE_SUFFIX}")
