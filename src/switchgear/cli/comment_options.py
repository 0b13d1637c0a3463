"""``switchgear traces comments``: what the command takes."""

from dataclasses import dataclass
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption
from switchgear.cli.trace_options import AsJson, UrlOption


@dataclass(frozen=True, kw_only=True)
class CommentOptions:
    """List what people said on a trace, a span or a session, newest first, or say something (`--say`)."""

    trace: Annotated[str, typer.Argument(metavar="[TRACE]", help="Its id.", show_default=False)] = ""
    config: ConfigOption = None
    url: UrlOption = None
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Key with the permission `comment:read`, or `comment:write` to say something; on the gateway's own "
            "machine none is needed.",
            show_default=False,
        ),
    ] = None
    project: Annotated[str, typer.Option(metavar="PROJECT", help="Whose; `default` holds what came without.")] = (
        "default"
    )
    span: Annotated[str, typer.Option(metavar="SPAN", help="Of that trace, only this span.", show_default=False)] = ""
    session: Annotated[
        str, typer.Option(metavar="SESSION", help="This session, in the place of a trace.", show_default=False)
    ] = ""
    say: Annotated[
        str, typer.Option(metavar="TEXT", help="Say this; `-` reads it from standard input.", show_default=False)
    ] = ""
    limit: Annotated[int, typer.Option(metavar="COMMENTS", min=1, max=10_000, help="How many at most.")] = 20
    as_json: AsJson = False
