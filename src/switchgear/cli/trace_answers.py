"""``switchgear traces``: asked of a running gateway, and shown."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from msgspec import Raw, Struct, json

from switchgear.cli.output import Block, Grid, show_blocks, show_json
from switchgear.cli.trace_asking import TRACES, Asking, moment
from switchgear.cli.trace_options import SearchTracesOptions, ShowTraceOptions
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.kernel.query import SpanRow, TraceRow
from switchgear.traces.doors.entrance import DEFAULT_PROJECT
from switchgear.traces.views import View

_VIEWS: Final = "/api/v1/views"
_MAX_PAGE: Final = 200
_HEADINGS: Final = ("began", "trace", "name", "status", "duration", "spans", "tokens", "cost", "user", "session")
_SPAN_HEADINGS: Final = ("span", "kind", "status", "after", "duration", "model", "tokens", "cost", "id")
_NAME_CHARACTERS: Final = 48
_REASON_CHARACTERS: Final = 300
_SHOWN_REASONS: Final = 10
_NOT_KEPT: Final = (
    "What the gateway's own calls say is searched only where `traces.capture` has it kept (docs/traces-of-calls.md)."
)
_SHOWN_SPANS: Final = 1_000
"""In a tree, unless more are asked for."""


class TracePage(Struct):
    """A page of the list."""

    data: list[TraceRow]
    next: str | None


class ShownTrace(Struct):
    """A trace and a page of its spans."""

    trace: TraceRow
    spans: list[SpanRow]
    next: str | None


class SavedView(Struct):
    """A view, as far as it is read."""

    spec: View


def search(options: SearchTracesOptions) -> None:
    """Print the traces that fit."""
    asking = Asking(options.url, options.key, options.config)
    asked = _of_view(asking, options) if options.view else {}
    said = {
        "project": options.project,
        "since": moment(options.since, "--since"),
        "name": options.name,
        "model": options.model,
        "user": options.user,
        "session": options.session,
        "tag": options.tag,
        "status": "error" if options.failed else "",
        "text": options.text,
        "where": options.where,
    }
    asked |= {name: value for name, value in said.items() if value}
    found: list[TraceRow] = []
    cursor = ""
    while len(found) < options.limit:
        limit = min(options.limit - len(found), _MAX_PAGE)
        page = asking.get(TRACES, {**asked, "limit": str(limit), "cursor": cursor}, TracePage)
        found += page.data
        if page.next is None:
            break
        cursor = page.next
    if options.as_json:
        show_json(found)
    elif not found:
        show_blocks(["No trace fits.", *([_NOT_KEPT] if asked.get("text") else [])])
    else:
        show_blocks([Grid(headings=_HEADINGS, rows=[_trace_row(row) for row in found])])


def _of_view(asking: Asking, options: SearchTracesOptions) -> dict[str, str]:
    """What a saved view asks, in its project."""
    named = options.view if "/" in options.view else f"{options.project or DEFAULT_PROJECT}/{options.view}"
    view = asking.get(f"{_VIEWS}/{quote(named)}", {}, SavedView).spec
    return {
        "project": named.partition("/")[0],
        "since": moment(view.since, f"view {named}"),
        **{name: str(getattr(view, name)) for name in ("name", "model", "user", "session", "tag", "status", "text")},
        "where": "" if view.where is None else json.encode(view.where).decode(),
    }


def show(options: ShowTraceOptions) -> None:
    """Print one trace, or one span of it."""
    asking = Asking(options.url, options.key, options.config)
    path = f"{TRACES}/{quote(options.trace, safe='')}"
    asked = {"project": options.project}
    if options.span:
        show_json(asking.get(f"{path}/spans/{quote(options.span, safe='')}", asked, Raw))
        return
    most = options.limit or (sys.maxsize if options.as_json else _SHOWN_SPANS)
    page = asking.get(path, {**asked, "limit": str(min(most, _MAX_PAGE))}, ShownTrace)
    spans = page.spans
    while page.next is not None and len(spans) < most:
        limit = min(most - len(spans), _MAX_PAGE)
        page = asking.get(path, {**asked, "limit": str(limit), "cursor": page.next}, ShownTrace)
        spans += page.spans
    if options.as_json:
        show_json({"trace": page.trace, "spans": spans})
    else:
        show_blocks(blocks(page.trace, spans))


def blocks(trace: TraceRow, spans: Sequence[SpanRow]) -> Iterator[Block]:
    """A trace as a tree of its spans."""
    cost = format_usd(NanoUsd(trace.cost_nano_usd))
    unpriced = f" and {trace.unpriced_count} without a known price" if trace.unpriced_count else ""
    yield f"{trace.name}: {_time(trace.started_ns)}, {_duration(trace.ended_ns - trace.started_ns)}, {cost}{unpriced}"
    rows = [_span_row(span, depth, trace.started_ns) for span, depth in tree(spans)]
    yield Grid(headings=_SPAN_HEADINGS, rows=rows)
    reasons = [(span.span_id, _short(span.status_message, _REASON_CHARACTERS)) for span in spans if span.status_message]
    if reasons:
        yield Grid(headings=("id", "why"), rows=reasons[:_SHOWN_REASONS])
    if len(reasons) > _SHOWN_REASONS:
        yield f"{len(reasons) - _SHOWN_REASONS:,} more say why they failed; --span ID shows one."
    if len(spans) < trace.span_count:
        yield f"The first {len(spans):,} of {trace.span_count:,} spans; --limit shows more."


def tree(spans: Sequence[SpanRow]) -> Iterator[tuple[SpanRow, int]]:
    """Each span once, below its parent, with how deep it is; spans whose parent is not there are first ones."""
    known = {span.span_id for span in spans}
    below: dict[str, list[SpanRow]] = {}
    for span in spans:
        below.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    told: set[str] = set()
    # Parents may go in a circle, which no first span leads into: its spans come last.
    for first in (*below.get("", ()), *spans):
        waiting = [(first, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.span_id in told:
                continue
            told.add(span.span_id)
            yield span, depth
            waiting += [(child, depth + 1) for child in reversed(below.get(span.span_id, ()))]


def _trace_row(row: TraceRow) -> tuple[str, ...]:
    failed = f", {row.error_count} failed" if row.error_count else ""
    return (
        _time(row.started_ns),
        row.trace_id,
        _short(row.name),
        row.status,
        _duration(row.ended_ns - row.started_ns),
        f"{row.span_count}{failed}",
        f"{row.input_tokens} → {row.output_tokens}",
        f"{'≥ ' if row.unpriced_count else ''}{format_usd(NanoUsd(row.cost_nano_usd))}",
        _short(row.user),
        _short(row.session),
    )


def _span_row(span: SpanRow, depth: int, began_ns: int) -> tuple[str, ...]:
    has_tokens = span.input_tokens is not None or span.output_tokens is not None
    cost = "" if span.cost_nano_usd is None else format_usd(NanoUsd(span.cost_nano_usd))
    return (
        f"{'  ' * depth}{_short(span.name)}",
        span.kind,
        span.status,
        _duration(span.started_ns - began_ns),
        _duration(span.duration_ns),
        span.model,
        f"{span.input_tokens or 0} → {span.output_tokens or 0}" if has_tokens else "",
        cost or ("unknown" if span.cost_source == "unknown" else ""),
        span.span_id,
    )


def _short(text: str, most: int = _NAME_CHARACTERS) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _time(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _duration(ns: int) -> str:
    return f"{ns / 1e9:.2f} s" if ns >= 1_000_000_000 else f"{ns / 1e6:.1f} ms"
