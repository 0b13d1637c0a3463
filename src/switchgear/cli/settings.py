"""Which configuration a command works on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from switchgear.config import DEFAULT_FILE, Config, Source

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"Configuration file. Default: ./{DEFAULT_FILE} when there is one, else what the environment offers.",
        show_default=False,
    ),
]


def chosen_file(config: Path | None) -> Path | None:
    """The file named on the command line, or the default one if it exists; None: work without a file."""
    if config is not None:
        return config
    default = Path(DEFAULT_FILE)
    return default if default.exists() else None


def glanced_config(config: Path | None, environ: Mapping[str, str]) -> Config:
    """What the file says, for who needs no secret: no store of secrets is asked, so none has to be up.

    Raises ConfigError.
    """
    return Source(chosen_file(config), environ).glance()


def effective_config(config: Path | None, environ: Mapping[str, str]) -> Config:
    """What the chosen file says, or the environment when there is no file. Raises ConfigError."""
    return Source(chosen_file(config), environ).declared()
