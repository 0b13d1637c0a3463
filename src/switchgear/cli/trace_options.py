"""``switchgear traces``: what the commands take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from switchgear.cli.settings import ConfigOption

UrlOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Gateway to ask. Default: the one at the file's address.", show_default=False),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Key with the permission `traces:read`; on the gateway's own machine none is needed.",
        show_default=False,
    ),
]
DeleteKeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Key with the permission `traces:delete`; on the gateway's own machine none is needed.",
        show_default=False,
    ),
]
ImportKeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Key with the permission `traces:write`; on the gateway's own machine none is needed.",
        show_default=False,
    ),
]
ProjectOption = Annotated[
    str, typer.Option(metavar="PROJECT", help="Whose. Default: the key's own.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@dataclass(frozen=True, kw_only=True)
class SearchTracesOptions:
    """List traces, newest first: those in which one span is as asked for."""

    text: Annotated[
        str,
        typer.Argument(
            metavar="[WORDS]",
            help="Words of its name, input or output; of the gateway's own calls the last two are kept only where "
            "`traces.capture` says so.",
            show_default=False,
        ),
    ] = ""
    config: ConfigOption = None
    url: UrlOption = None
    key: KeyOption = None
    project: ProjectOption = ""
    since: Annotated[
        str,
        typer.Option(
            metavar="WHEN", help="Not before: `15m`, `6h`, `2d` ago, or a moment as ISO 8601.", show_default=False
        ),
    ] = ""
    name: Annotated[str, typer.Option(metavar="NAME", help="Of a span.", show_default=False)] = ""
    model: Annotated[str, typer.Option(metavar="MODEL", help="That answered.", show_default=False)] = ""
    user: Annotated[str, typer.Option(metavar="USER", help="For whom it was.", show_default=False)] = ""
    session: Annotated[str, typer.Option(metavar="SESSION", help="Of which it is part.", show_default=False)] = ""
    tag: Annotated[str, typer.Option(metavar="TAG", help="That it has.", show_default=False)] = ""
    failed: Annotated[bool, typer.Option("--failed", help="Only those in which a span failed.")] = False
    where: Annotated[
        str,
        typer.Option(metavar="FILTER", help="A filter as JSON; docs/traces.md has its form.", show_default=False),
    ] = ""
    view: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="As a saved view asks, but for what is said here; of the project, or PROJECT/NAME.",
            show_default=False,
        ),
    ] = ""
    limit: Annotated[int, typer.Option(metavar="TRACES", min=1, max=10_000, help="How many at most.")] = 20
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class ShowTraceOptions:
    """Show one trace: its sums, and its spans as a tree."""

    trace: Annotated[str, typer.Argument(metavar="TRACE", help="Its id.", show_default=False)]
    config: ConfigOption = None
    url: UrlOption = None
    key: KeyOption = None
    project: ProjectOption = ""
    span: Annotated[
        str, typer.Option(metavar="SPAN", help="Only this span, with all that it holds, as JSON.", show_default=False)
    ] = ""
    limit: Annotated[
        int | None,
        typer.Option(metavar="SPANS", min=1, help="How many at most. Default: 1,000; all as JSON.", show_default=False),
    ] = None
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class ExportTracesOptions:
    """Write whole spans to a file, the oldest first, with all that they hold."""

    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file.", show_default=False)]
    config: ConfigOption = None
    url: UrlOption = None
    key: KeyOption = None
    project: ProjectOption = ""
    since: Annotated[
        str,
        typer.Option(
            metavar="WHEN", help="Not before: `15m`, `6h`, `2d` ago, or a moment as ISO 8601.", show_default=False
        ),
    ] = ""
    until: Annotated[str, typer.Option(metavar="WHEN", help="Before then.", show_default=False)] = ""
    where: Annotated[
        str,
        typer.Option(metavar="FILTER", help="A filter as JSON; docs/traces.md has its form.", show_default=False),
    ] = ""
    format: Annotated[
        Literal["jsonl", "parquet"],
        typer.Option(metavar="FORMAT", help="jsonl, or parquet (needs the extra `duckdb`)."),
    ] = "jsonl"


@dataclass(frozen=True, kw_only=True)
class ImportTracesOptions:
    """Take in files of spans that were exported, here or elsewhere; known ones stay, so it can be done again."""

    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Lines or Parquet of `traces export`, or OTLP as collectors write it (JSON lines, protobuf); gzip "
            "and zstd, too.",
            show_default=False,
        ),
    ]
    config: ConfigOption = None
    url: UrlOption = None
    key: ImportKeyOption = None
    project: ProjectOption = ""
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class DeleteTracesOptions:
    """Delete one trace, or all of a user, with the scores on them; docs/traces.md says what is not covered."""

    trace: Annotated[str, typer.Argument(metavar="[TRACE]", help="Its id.", show_default=False)] = ""
    config: ConfigOption = None
    url: UrlOption = None
    key: DeleteKeyOption = None
    project: ProjectOption = ""
    user: Annotated[
        str, typer.Option(metavar="USER", help="Every trace with a span of this user.", show_default=False)
    ] = ""
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class SegmentsOptions:
    """List what is sealed, while no control process runs; check it, and drop what is broken."""

    check: Annotated[
        bool,
        typer.Option("--check", help="Read all of each file; exit status 1 where one is broken or gone."),
    ] = False
    drop: Annotated[
        str,
        typer.Option(
            metavar="SEGMENT",
            help="Forget the traces in this one, which must be broken or gone, and remove its files.",
            show_default=False,
        ),
    ] = ""
    config: ConfigOption = None
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class SealTracesOptions:
    """Seal closed traces now, while no control process runs: into Parquet files beside the store."""

    before: Annotated[
        str,
        typer.Option(
            metavar="MOMENT",
            help="Only traces to which nothing was written since, as far as is known of each hour. Default: all.",
            show_default=False,
        ),
    ] = ""
    config: ConfigOption = None
