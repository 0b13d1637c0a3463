"""``GET /api/v1/traces/export``: whole spans as JSON lines, the oldest first, in pages bounded by count and bytes."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Filter, Find, SpanRow, Window
from switchgear.kernel.span import Span
from switchgear.rest.cursor import STORABLE, PageQuery, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.problem import Refused
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import encoded
from switchgear.traces.api import shown_span
from switchgear.traces.questions import read_filter
from switchgear.traces.whose import ALL_OF_TIME, READ, Moment, ProjectText, moment_ns, readable_project, unreachable

NEXT_HEADER: Final = "x-next-cursor"
_MEDIA_TYPE: Final = "application/x-ndjson"
_AT_ONCE: Final = 10
"""Spans hold up to 8 MiB each: so many are read before it is looked how large they are together."""
_ENOUGH_BYTES: Final = 4 * 1024 * 1024


class ExportQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an export takes."""

    project: ProjectText = ""
    since: Moment = None
    until: Moment = None
    where: Annotated[
        str, Meta(max_length=16_384, pattern=STORABLE, description="Only spans that pass this filter, as JSON.")
    ] = ""


def export_routes(store: TraceStore) -> tuple[Route, ...]:
    """The one."""
    return (
        Route(
            method="GET",
            path="/traces/export",
            permission=READ,
            summary=f"Whole spans, a JSON line each, the oldest first; the header `{NEXT_HEADER}` names the next page.",
            handler=_Exporter(store).page,
            query=ExportQuery,
            by_place=True,
            refuses=(400, 503),
            needs_database=False,
            media_type=_MEDIA_TYPE,
        ),
    )


class _Wanted(Struct, frozen=True, kw_only=True):
    """Which spans, and behind which."""

    window: Window
    where: Filter | None
    limit: int
    after: str


class _Exporter:
    def __init__(self, store: TraceStore) -> None:
        self._store = store

    async def page(self, asked: Asked) -> Answer:
        query = asked.query_as(ExportQuery)
        window = Window(
            project=readable_project(asked, query.project),
            since_ns=ALL_OF_TIME[0] if query.since is None else moment_ns(query.since),
            until_ns=ALL_OF_TIME[1] if query.until is None else moment_ns(query.until),
        )
        list_name = f"/traces/export {window} {query.where}"
        wanted = _Wanted(
            window=window, where=_where(query), limit=query.limit, after=cursor_after(list_name, query.cursor)
        )
        try:
            body, after = await self._lines(wanted)
        except OSError as error:
            raise unreachable(error) from error
        except ValueError:
            raise unknown_cursor() from None
        return Answer(body=body, headers=((NEXT_HEADER, cursor_text(list_name, after)),) if after else ())

    async def _lines(self, wanted: _Wanted) -> tuple[bytes, str]:
        """Lines of a page, and the store's cursor behind them; empty at the end."""
        body, left, after = bytearray(), wanted.limit, wanted.after
        while left and len(body) < _ENOUGH_BYTES:
            found = await self._store.find(
                Find(
                    window=wanted.window,
                    where=wanted.where,
                    newest_first=False,
                    limit=min(left, _AT_ONCE),
                    after=after,
                )
            )
            for span in await self._whole(wanted.window.project, found.spans):
                body += encoded(shown_span(span)) + b"\n"
            left, after = left - len(found.spans), found.after
            if not after:
                break
        return bytes(body), after

    async def _whole(self, project: str, rows: Sequence[SpanRow]) -> list[Span]:
        """In the order of the rows, without what was deleted meanwhile."""
        by_trace: dict[str, list[str]] = {}
        for row in rows:
            by_trace.setdefault(row.trace_id, []).append(row.span_id)
        found: dict[tuple[str, str], Span] = {}
        for trace_id, ids in by_trace.items():
            found |= {(trace_id, span.span_id): span for span in await self._store.read(project, trace_id, ids)}
        places = [(row.trace_id, row.span_id) for row in rows]
        return [found[place] for place in places if place in found]


def _where(query: ExportQuery) -> Filter | None:
    """Raises Refused."""
    try:
        return read_filter(query.where) if query.where else None
    except ValueError as error:
        raise Refused(400, "invalid_filter", str(error)) from None
