"""``switchgear models`` and ``prices``: what the commands about those of the control database take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption

Name = Annotated[str, typer.Argument(help="The model's name.")]


@dataclass(frozen=True, kw_only=True)
class PutOptions:
    """Make a model in the control database, or replace it; gateways know it within a second."""

    name: Name
    file: Annotated[Path, typer.Argument(help="The model as it would stand under `models`, in YAML or JSON.")]
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class HistoryOptions:
    """List the versions of a model of the control database, newest first."""

    name: Name
    config: ConfigOption = None
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class RevertOptions:
    """Make a model what it was in an older version, also one that was deleted."""

    name: Name
    version: Annotated[int, typer.Argument(min=1, help="Which version; `switchgear models history NAME` lists them.")]
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class PromoteOptions:
    """Bring a model to the next stage: from experimental to staging, from staging to production."""

    name: Name
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class DeprecateOptions:
    """Deprecate a model: it answers, and replies warn of it."""

    name: Name
    retired: Annotated[
        str | None,
        typer.Option("--retired", metavar="DAY", help="From when on it is not served any more.", show_default=False),
    ] = None
    redirect_to: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Who answers in its place then.", show_default=False)
    ] = None
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class RetireOptions:
    """Serve a deprecated model no more."""

    name: Name
    redirect_to: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Who answers in its place.", show_default=False)
    ] = None
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class DeleteOptions:
    """Delete a model of the control database; its versions stay, and it can be reverted to one of them."""

    name: Name
    config: ConfigOption = None


Priced = Annotated[str, typer.Argument(help="PROVIDER/MODEL, or PROVIDER/* for all that have no price of their own.")]


@dataclass(frozen=True, kw_only=True)
class PutPriceOptions:
    """Declare in the control database what a model costs; gateways know it within a second."""

    name: Priced
    file: Annotated[
        Path, typer.Argument(help="The price as it would stand under `providers.NAME.prices`, in YAML or JSON.")
    ]
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class PriceHistoryOptions:
    """List the versions of a price of the control database, newest first."""

    name: Priced
    config: ConfigOption = None
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class RevertPriceOptions:
    """Make a price what it was in an older version, also one that was deleted."""

    name: Priced
    version: Annotated[int, typer.Argument(min=1, help="Which version; `switchgear prices history NAME` lists them.")]
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class DeletePriceOptions:
    """Delete a price of the control database; its versions stay, and it can be reverted to one of them."""

    name: Priced
    config: ConfigOption = None
