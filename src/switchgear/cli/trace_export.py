"""``switchgear traces export``: whole spans of a running gateway, page by page, into a file."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final

from msgspec import Raw, Struct, convert, json

from switchgear.cli.output import show_blocks
from switchgear.cli.trace_asking import TRACES, Asking, moment
from switchgear.cli.trace_options import ExportTracesOptions
from switchgear.kernel.errors import ConfigError, UpstreamGarbled
from switchgear.ledger.export import write_parquet
from switchgear.traces.export_api import NEXT_HEADER

_PAGE: Final = "200"


class SpanLine(Struct):
    """A line of the export, as far as it is read."""

    span: dict[str, object]
    input: Raw
    output: Raw
    attributes: Raw
    resource: Raw
    events: Raw


class ExportedSpan(Struct, kw_only=True):
    """A row of a Parquet file; what has parts is JSON."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str
    kind: str = "span"
    started_ns: int
    ended_ns: int
    status: str = "unset"
    status_message: str = ""
    trace_name: str = ""
    service: str = ""
    environment: str = ""
    release: str = ""
    user: str = ""
    session: str = ""
    provider: str = ""
    request_model: str = ""
    model: str = ""
    usage: str | None
    first_token_ns: int = 0
    counted: str
    cost_nano_usd: int | None = None
    cost_source: str = ""
    span: str
    """All that is known of it, but what follows."""
    input: str
    output: str
    attributes: str
    resource: str
    events: str


def export(options: ExportTracesOptions) -> None:
    """Write the file, whole or not at all. Raises ConfigError when it cannot be written."""
    asking = Asking(options.url, options.key, options.config)
    asked = {
        "project": options.project,
        "since": moment(options.since, "--since"),
        "until": moment(options.until, "--until"),
        "where": options.where,
        "limit": _PAGE,
    }
    partial = options.output.with_name(f".{options.output.name}.partial")
    try:
        if options.format == "parquet":
            count = asyncio.run(write_parquet(ExportedSpan, _rows(asking, asked), partial))
        else:
            count = _write_lines(partial, pages(asking, asked))
        partial.replace(options.output)
    except OSError as error:
        raise ConfigError(f"{options.output} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    show_blocks([f"{options.output}: {count} spans."])


def pages(asking: Asking, asked: dict[str, str]) -> Iterator[bytes]:
    """Lines of JSON, page by page."""
    cursor: str | None = ""
    while cursor is not None:
        body, headers = asking.answer("GET", f"{TRACES}/export", {**asked, "cursor": cursor})
        yield body
        cursor = headers.get(NEXT_HEADER)


def _write_lines(path: Path, found: Iterator[bytes]) -> int:
    count = 0
    with path.open("wb") as file:
        for page in found:
            file.write(page)
            count += page.count(b"\n")
    return count


async def _rows(asking: Asking, asked: dict[str, str]) -> AsyncGenerator[list[ExportedSpan]]:
    for page in pages(asking, asked):
        yield [row_of(line) for line in page.splitlines()]


def row_of(line: bytes) -> ExportedSpan:
    """A line as a row. Raises UpstreamGarbled."""
    try:
        told = json.decode(line, type=SpanLine)
        usage = told.span.get("usage")
        texts = {name: bytes(getattr(told, name)).decode() for name in told.__struct_fields__ if name != "span"}
        columns = {
            **told.span,
            **texts,
            "usage": None if usage is None else json.encode(usage).decode(),
            "counted": str(told.span.get("counted", True)).lower(),
            "span": json.encode(told.span).decode(),
        }
        return convert(columns, ExportedSpan)
    except ValueError as error:
        raise UpstreamGarbled(f"a line of the export is none of this version: {error}") from None
