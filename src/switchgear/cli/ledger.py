"""``switchgear ledger``: what its commands take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from switchgear.cli.settings import ConfigOption

FromDay = Annotated[
    str | None,
    typer.Option("--from", metavar="DAY", help="The first day, as 2026-11-26, in UTC.", show_default=False),
]
ToDay = Annotated[str | None, typer.Option("--to", metavar="DAY", help="The first day no more.", show_default=False)]
Scope = Annotated[
    str | None,
    typer.Option(
        metavar="SCOPE",
        help="key, owner, team, project, organisation, end_user, model, provider or tag.",
        show_default=False,
    ),
]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="Whose, in the scope.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write a file: .csv, .jsonl or .parquet.", show_default=False),
]


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """List attempts, newest first, with what they cost now."""

    config: ConfigOption = None
    scope: Scope = None
    name: Name = None
    from_day: FromDay = None
    to_day: ToDay = None
    call: Annotated[str, typer.Option(metavar="ID", help="Only this call's.", show_default=False)] = ""
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where a list ended.", show_default=False)
    ] = None
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class StatementOptions:
    """Say what a scope used and what it cost, by day or month; by default, everything this month."""

    config: ConfigOption = None
    scope: Scope = None
    name: Name = None
    period: Annotated[Literal["day", "month"], typer.Option(metavar="PERIOD", help="day or month.")] = "month"
    from_day: FromDay = None
    to_day: ToDay = None
    by_model: Annotated[bool, typer.Option("--by-model", help="A line for each model.")] = False
    output: Output = None
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Write attempts to a file, newest first, as many as there are."""

    output: Annotated[Path, typer.Argument(help="The file to write: .csv, .jsonl or .parquet.")]
    config: ConfigOption = None
    scope: Scope = None
    name: Name = None
    from_day: FromDay = None
    to_day: ToDay = None


@dataclass(frozen=True, kw_only=True)
class ReconcileOptions:
    """Prove the ledger against the journal, and its totals against its rows; exit status 1 where they differ.

    The journal is compared as far as it is still kept; totals for the days that are named, by default the last 31.
    """

    config: ConfigOption = None
    journal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Journal folder. Default: the configuration's.", show_default=False),
    ] = None
    from_day: FromDay = None
    to_day: ToDay = None
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class RerateOptions:
    """Recompute what attempts cost under another table of prices; what they cost before is kept beside it.

    A run that was broken off is finished by running it again; a second run with the same table changes nothing.
    """

    from_day: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day, as 2026-11-26, in UTC.")]
    to_day: Annotated[str, typer.Option("--to", metavar="DAY", help="The first day no more.")]
    config: ConfigOption = None
    prices: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A table in the place of the configured one.", show_default=False),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False
    by: Annotated[str, typer.Option(metavar="SCOPE", help="The scope to tell changes by.")] = "all"
    as_json: AsJson = False
