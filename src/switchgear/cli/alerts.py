"""``switchgear alerts``: what its commands take."""

from dataclasses import dataclass
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Limit = Annotated[int, typer.Option(metavar="LINES", min=1, max=1000, help="How many at most.")]
RuleOption = Annotated[str, typer.Option(metavar="RULE", help="Only this rule's.", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class ListAlertsOptions:
    """List how alerts stand: what fires, what is pending, what nothing is known of."""

    config: ConfigOption = None
    rule: RuleOption = ""
    firing: Annotated[bool, typer.Option("--firing", help="Only those that fire.")] = False
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class AlertHistoryOptions:
    """List what alerts went through, newest first; or what receivers were told, with every attempt."""

    config: ConfigOption = None
    rule: RuleOption = ""
    notices: Annotated[bool, typer.Option("--notices", help="What receivers were told instead.")] = False
    limit: Limit = 50
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class SilenceOptions:
    """Keep alerts quiet for a time; without any option, list the silences in force; --end NAME ends one."""

    config: ConfigOption = None
    why: Annotated[str, typer.Option(metavar="TEXT", help="For whoever wonders.", show_default=False)] = ""
    rule: RuleOption = ""
    labels: Annotated[
        str, typer.Option(metavar="LABELS", help="Only these: 'model=small', 'model=sm*'.", show_default=False)
    ] = ""
    project: Annotated[str, typer.Option(metavar="PROJECT", help="Only this project's.", show_default=False)] = ""
    for_seconds: Annotated[int, typer.Option(metavar="SECONDS", min=1, max=366 * 86_400, help="For how long.")] = 3600
    end: Annotated[str, typer.Option(metavar="SILENCE", help="End this one, by its id.", show_default=False)] = ""
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class TryReceiverOptions:
    """Tell a receiver that nothing is wrong, from here and at once; exit status 1 when it does not take it."""

    receiver: Annotated[str, typer.Argument(metavar="RECEIVER", help="Its name.", show_default=False)]
    config: ConfigOption = None
