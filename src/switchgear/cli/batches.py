"""``switchgear batch list``, ``show`` and ``cancel``: what they take."""

from dataclasses import dataclass
from typing import Annotated

import typer

from switchgear.batches.model import Status
from switchgear.cli.settings import ConfigOption

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
BatchArgument = Annotated[str, typer.Argument(metavar="BATCH", help="Its id.", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class ListBatchesOptions:
    """List everybody's batches that are kept here, newest first, and how far they are."""

    config: ConfigOption = None
    active: Annotated[bool, typer.Option("--active", help="Only those that are not over.")] = False
    status: Annotated[
        Status | None, typer.Option(help="Only those that stand so.", show_choices=True, show_default=False)
    ] = None
    project: Annotated[str, typer.Option(metavar="PROJECT", help="Only this project's.", show_default=False)] = ""
    limit: Annotated[int, typer.Option(metavar="BATCHES", min=1, max=1000, help="How many at most.")] = 50
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class ShowBatchOptions:
    """Show one batch: whose it is, how far it is, and what was wrong with it."""

    batch: BatchArgument
    config: ConfigOption = None
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class CancelBatchOptions:
    """Begin no more lines of a batch; those under way end, and their answers are kept."""

    batch: BatchArgument
    config: ConfigOption = None
