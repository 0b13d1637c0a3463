"""The work of ``switchgear traces segments``, on a store that no control process has open."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import typer
from msgspec import json

from switchgear.app.spans import open_sqlite
from switchgear.cli.output import Cell, Grid, show_blocks, show_json
from switchgear.cli.registry import in_transaction
from switchgear.cli.settings import effective_config
from switchgear.cli.trace_options import SegmentsOptions
from switchgear.cli.trace_sealing import stopped_store
from switchgear.config import read_environment
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.sealed_tables import ListedSegment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import BadRequest, ConfigError
from switchgear.rest import audit
from switchgear.rest.written import moment

_Answer = TypeVar("_Answer")


def segments(options: SegmentsOptions) -> None:
    """List or check all, or drop one. Raises ConfigError and BadRequest."""
    path = Path(stopped_store(options.config, "stop the control process to look at what is sealed").path)
    found = _asked(path, lambda store: store.segments(whole=options.check or bool(options.drop)))
    if options.drop:
        _drop(options, path, found)
        return
    if options.as_json:
        show_json(found)
    else:
        show_blocks([Grid(headings=_HEADINGS, rows=list(_rows(found, checked=options.check)))] if found else _NONE)
    if options.check and any(each.fault for each in found):
        raise typer.Exit(1)


def _drop(options: SegmentsOptions, path: Path, found: Sequence[ListedSegment]) -> None:
    """It is noted in the audit log first, as every deletion of traces is."""
    segment = next((each for each in found if each.name == options.drop), None)
    if segment is None:
        raise BadRequest(f"--drop: no segment is called {options.drop!r}; without --drop the command lists them")
    if not segment.fault:
        raise BadRequest(f"--drop: {segment.name} is whole; `switchgear traces delete` deletes traces")
    what = f"{segment.traces} traces with {segment.spans} spans of project {segment.project!r}"
    if not options.yes:
        typer.confirm(f"{segment.name}: {segment.fault}\nForget {what}, for good?", abort=True, err=True)
    after = json.encode({"traces": segment.traces, "spans": segment.spans, "fault": segment.fault}).decode()
    change = audit.Change(
        action="delete", kind="trace_segment", name=segment.name, project=segment.project, after=after
    )
    now_ns = SystemClock().wall_ns()
    declared = effective_config(options.config, read_environment())
    in_transaction(declared, lambda connection, by: audit.record(connection, by, change, now_ns))
    gone = _asked(path, lambda store: store.forget_segment(segment.project, segment.name))
    if options.as_json:
        show_json({"segment": segment.name, "traces": segment.traces, "spans": gone})
    else:
        show_blocks([f"Forgotten: {segment.traces} traces, {gone} spans."])


def _asked(path: Path, ask: Callable[[SqliteSpans], Awaitable[_Answer]]) -> _Answer:
    async def run() -> _Answer:
        store = await open_sqlite(path)
        try:
            return await ask(store)
        finally:
            await store.aclose()

    try:
        return asyncio.run(run())
    except OSError as error:
        raise ConfigError(str(error)) from error


_HEADINGS = ("segment", "traces", "spans", "from", "to", "bytes", "state")
_NONE = ["Nothing is sealed."]


def _rows(found: Sequence[ListedSegment], *, checked: bool) -> Iterator[tuple[str | Cell, ...]]:
    for each in found:
        state = Cell(each.fault, "red") if each.fault else Cell("whole" if checked else "there", "green")
        told = (str(each.traces), str(each.spans), moment(each.first_ns), moment(each.last_ns), str(each.size_bytes))
        yield (each.name, *told, state)
