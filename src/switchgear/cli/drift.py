"""``switchgear drift``: what its commands take."""

from dataclasses import dataclass
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption
from switchgear.cli.trace_options import AsJson, UrlOption

KeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Key with `drift:run`, or `drift:read` to list; on the gateway's own machine none is needed.",
        show_default=False,
    ),
]
ProjectOption = Annotated[str, typer.Option(metavar="PROJECT", help="Whose inputs.")]


@dataclass(frozen=True, kw_only=True)
class CheckDriftOptions:
    """Check now whether what users send has changed: the last hours against the days before, by model and prompt."""

    config: ConfigOption = None
    url: UrlOption = None
    key: KeyOption = None
    project: ProjectOption = "default"
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Only what was asked of this. Default: those most called.", show_default=False
        ),
    ] = ""
    prompt: Annotated[
        str, typer.Option(metavar="PROMPT", help="Only this prompt's. Default: all.", show_default=False)
    ] = ""
    current_hours: Annotated[
        int, typer.Option(metavar="HOURS", min=1, max=720, help="How long the window that is checked is.")
    ] = 24
    reference_days: Annotated[
        int, typer.Option(metavar="DAYS", min=1, max=31, help="How long the window before it is.")
    ] = 7
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class ListDriftOptions:
    """List what checks found, newest first."""

    config: ConfigOption = None
    url: UrlOption = None
    key: KeyOption = None
    project: ProjectOption = "default"
    drifted: Annotated[bool, typer.Option("--drifted", help="Only checks that tell drift.")] = False
    limit: Annotated[int, typer.Option(metavar="CHECKS", min=1, max=200, help="How many at most.")] = 20
    as_json: AsJson = False
