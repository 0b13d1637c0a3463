"""``switchgear limits``: what the commands about those of the control database take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption

Name = Annotated[str, typer.Argument(help="The limit's name.")]


@dataclass(frozen=True, kw_only=True)
class PutLimitOptions:
    """Make a limit in the control database, or replace it; gateways know it within a second."""

    name: Name
    file: Annotated[Path, typer.Argument(help="The limit as it would stand under `limits`, in YAML or JSON.")]
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class LimitHistoryOptions:
    """List the versions of a limit of the control database, newest first."""

    name: Name
    config: ConfigOption = None
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class RevertLimitOptions:
    """Make a limit what it was in an older version, also one that was deleted."""

    name: Name
    version: Annotated[int, typer.Argument(min=1, help="Which version; `switchgear limits history NAME` lists them.")]
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class DeleteLimitOptions:
    """Delete a limit of the control database; its versions stay, and it can be reverted to one of them."""

    name: Name
    config: ConfigOption = None
