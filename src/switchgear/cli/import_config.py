"""``switchgear import``: the configuration of another gateway, as ours."""

from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.importing import import_litellm
from switchgear.cli.output import note
from switchgear.config.document import MAX_FILE_BYTES
from switchgear.kernel.errors import ConfigError


def litellm(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="LiteLLM's config.yaml.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write it. Default: standard output.", show_default=False),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Tell of every setting, not only of those that were not simply carried.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Make a switchgear.yaml of the configuration of LiteLLM's proxy, and report what became of each setting.

    The report goes to standard error. Secrets are never copied: the new file refers to variables, and the report says
    which ones to set.
    """
    made = import_litellm(_read(file), str(file))
    if output is None:
        typer.echo(made.text, nl=False)
    else:
        _write(output, made.text, overwrite=force)
    note(made.report.text(whole=report))
    for name, place in made.to_set.items():
        note(f"set {name}: the secret for {place}, which was in clear")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8") from None


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is already there; --force overwrites it") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
