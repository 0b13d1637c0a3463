"""``switchgear traces sessions`` and ``end-users``: what the commands take."""

from dataclasses import dataclass
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption
from switchgear.cli.trace_options import AsJson, KeyOption, ProjectOption, UrlOption

SinceOption = Annotated[
    str,
    typer.Option(
        metavar="WHEN", help="Count from then on: `15m`, `6h`, `2d` ago, or a moment as ISO 8601.", show_default=False
    ),
]
LimitOption = Annotated[int, typer.Option(metavar="LINES", min=1, max=10_000, help="How many at most.")]


@dataclass(frozen=True, kw_only=True)
class ListEndUsersOptions:
    """List the users that spans name, those seen last first, with the totals of their spans."""

    config: ConfigOption = None
    url: UrlOption = None
    key: KeyOption = None
    project: ProjectOption = ""
    since: SinceOption = ""
    limit: LimitOption = 20
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class ListSessionsOptions:
    """List the sessions that spans name, those seen last first, with the totals of their spans."""

    config: ConfigOption = None
    url: UrlOption = None
    key: KeyOption = None
    project: ProjectOption = ""
    since: SinceOption = ""
    user: Annotated[str, typer.Option(metavar="USER", help="Only those that name them.", show_default=False)] = ""
    limit: LimitOption = 20
    as_json: AsJson = False
