"""Routes of the management API: traces and spans of a project, for who may read its traces.

A trace of a project that the caller may not read is not there for them.
"""

from typing import Annotated, Literal, cast

from msgspec import Meta, MsgspecError, Struct, json, to_builtins

from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Compare, Every, Filter, Find, Found, Said, SpanRow, Tagged, TraceRow, Window
from switchgear.kernel.span import Content, Span
from switchgear.rest.cursor import STORABLE, PageQuery, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.problem import Refused, not_found
from switchgear.rest.route import Answer, Asked, Handler, Route
from switchgear.traces.questions import read_filter
from switchgear.traces.views import SavedViews, View
from switchgear.traces.whose import (
    ALL_OF_TIME,
    READ,
    Moment,
    ProjectText,
    moment_ns,
    readable_project,
    unreachable,
    visible_project,
)

Listed = Literal["spans", "traces"]
Text = Annotated[str, Meta(max_length=1024, pattern=STORABLE)]


class TraceQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lists take."""

    project: ProjectText = ""
    since: Moment = None
    until: Moment = None
    name: Annotated[Text, Meta(description="Only spans of this name.")] = ""
    kind: Annotated[Text, Meta(description="Only spans of this kind: `llm`, `tool`, `agent`, ...")] = ""
    status: Literal["", "unset", "ok", "error"] = ""
    model: Annotated[Text, Meta(description="Only spans that this model answered.")] = ""
    user: Annotated[Text, Meta(description="Only this user's.")] = ""
    session: Annotated[Text, Meta(description="Only this session's.")] = ""
    tag: Annotated[Text, Meta(description="Only what has this tag.")] = ""
    text: Annotated[Text, Meta(description="Only spans in whose name, input or output all of these words are.")] = ""
    where: Annotated[
        str, Meta(max_length=16_384, pattern=STORABLE, description="A filter as JSON, for all that these cannot say.")
    ] = ""
    view: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$",
            description="As this saved view of the project asks, but for what is said here.",
        ),
    ] = ""
    order: Annotated[Literal["newest", "oldest"], Meta(description="Which come first.")] = "newest"


class OneTraceQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one trace takes: its spans come in pages, the oldest first."""

    project: ProjectText = ""


class SpanQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one span takes."""

    project: ProjectText = ""


class Traces(Struct, frozen=True, kw_only=True):
    """Traces, newest first."""

    data: list[TraceRow]
    next: str | None
    """The cursor of the next page; null at the end."""


class Spans(Struct, frozen=True, kw_only=True):
    """Spans, newest first."""

    data: list[SpanRow]
    next: str | None
    """The cursor of the next page; null at the end."""


class OneTrace(Struct, frozen=True, kw_only=True):
    """A trace and a page of its spans, the oldest first."""

    trace: TraceRow
    spans: list[SpanRow]
    next: str | None
    """The cursor of the next page of spans; null at the end."""


class ShownContent(Struct, frozen=True, kw_only=True):
    """What went in or came out: messages, or one value."""

    is_messages: bool
    parts: list[object]
    preview: str
    """The first characters of its text: all there is where no more was captured."""


class ShownEvent(Struct, frozen=True, kw_only=True):
    """Something that happened at one moment of a span."""

    name: str
    at_ns: int
    attributes: dict[str, object]


class ShownSpan(Struct, frozen=True, kw_only=True):
    """A whole span."""

    span: dict[str, object]
    """All that is known of it, but what follows."""
    input: ShownContent
    output: ShownContent
    attributes: dict[str, object]
    resource: dict[str, object]
    events: list[ShownEvent]


def trace_routes(store: TraceStore, views: SavedViews) -> tuple[Route, ...]:
    """All of them."""
    shelf = _Shelf(store, views)
    return (
        _route("/traces", "List traces, newest first, with their sums.", shelf.traces, TraceQuery, Traces),
        _route("/spans", "List spans, newest first, without their content.", shelf.spans, TraceQuery, Spans),
        _route("/traces/{id}", "One trace: its sums, and its spans.", shelf.trace, OneTraceQuery, OneTrace),
        _route("/traces/{id}/spans/{span}", "One span with all it holds.", shelf.span, SpanQuery, ShownSpan),
    )


def _route(path: str, summary: str, handler: Handler, query: type[Struct], answer: type[Struct]) -> Route:
    return Route(
        method="GET",
        path=path,
        permission=READ,
        summary=summary,
        handler=handler,
        query=query,
        answer=answer,
        by_place=True,
        refuses=(400, 404, 503),
        needs_database=False,
    )


class _Shelf:
    """Answers by one store."""

    def __init__(self, store: TraceStore, views: SavedViews) -> None:
        self._store = store
        self._views = views

    async def traces(self, asked: Asked) -> Answer:
        query = asked.query_as(TraceQuery)
        found, following = await self._listed(asked, query, "traces")
        return Answer(body=Traces(data=list(found.traces), next=following))

    async def spans(self, asked: Asked) -> Answer:
        query = asked.query_as(TraceQuery)
        found, following = await self._listed(asked, query, "spans")
        return Answer(body=Spans(data=list(found.spans), next=following))

    async def trace(self, asked: Asked) -> Answer:
        query = asked.query_as(OneTraceQuery)
        trace_id = asked.path["id"].lower()
        window = _everything(visible_project(asked, query.project, f"trace {trace_id[:64]!r}"))
        where = Compare(field="trace_id", value=trace_id)
        rows = await self._find(Find(window=window, where=where, of="traces", limit=1))
        if not rows.traces:
            raise not_found(f"trace {trace_id[:64]!r}")
        of = f"/traces/{trace_id} {window.project}"
        after = cursor_after(of, query.cursor)
        page = await self._find(Find(window=window, where=where, newest_first=False, limit=query.limit, after=after))
        following = cursor_text(of, page.after) if page.after else None
        return Answer(body=OneTrace(trace=rows.traces[0], spans=list(page.spans), next=following))

    async def span(self, asked: Asked) -> Answer:
        trace_id, span_id = asked.path["id"].lower(), asked.path["span"].lower()
        what = f"span {span_id[:64]!r} of trace {trace_id[:64]!r}"
        project = visible_project(asked, asked.query_as(SpanQuery).project, what)
        try:
            found = await self._store.read(project, trace_id, (span_id,))
        except OSError as error:
            raise unreachable(error) from error
        if not found:
            raise not_found(what)
        return Answer(body=shown_span(found[0]))

    async def _listed(self, asked: Asked, query: TraceQuery, of: Listed) -> tuple[Found, str | None]:
        project = readable_project(asked, query.project)
        view = await self._views.read(asked, project, query.view) if query.view else View()
        since_ns = self._views.since_ns(view) if query.since is None else moment_ns(query.since)
        window = Window(
            project=project,
            since_ns=ALL_OF_TIME[0] if since_ns is None else max(since_ns, ALL_OF_TIME[0]),
            until_ns=ALL_OF_TIME[1] if query.until is None else moment_ns(query.until),
        )
        where = _where(query, view)
        # A view's window moves on from page to page.
        list_name = f"/{of} {project} {query.since} {query.until} {view.since} {where} {query.order}"
        question = Find(
            window=window,
            where=where,
            of=of,
            newest_first=query.order == "newest",
            limit=query.limit,
            after=cursor_after(list_name, query.cursor),
        )
        found = await self._find(question)
        return found, cursor_text(list_name, found.after) if found.after else None

    async def _find(self, question: Find) -> Found:
        try:
            return await self._store.find(question)
        except OSError as error:
            raise unreachable(error) from error
        except ValueError:
            raise unknown_cursor() from None


def shown_span(span: Span) -> ShownSpan:
    """A whole span, with JSON in the place of its bytes."""
    facts = cast("dict[str, object]", to_builtins(span))
    for name in ("input", "output", "attributes", "resource", "events"):
        facts.pop(name, None)
    return ShownSpan(
        span=facts,
        input=_content(span.input),
        output=_content(span.output),
        attributes=dict(span.attributes),
        resource=dict(span.resource),
        events=[
            ShownEvent(name=event.name, at_ns=event.at_ns, attributes=dict(event.attributes)) for event in span.events
        ],
    )


def _content(content: Content) -> ShownContent:
    parts = [_decoded(part) for part in content.parts]
    return ShownContent(is_messages=content.is_messages, parts=parts, preview=content.preview)


def _decoded(part: bytes) -> object:
    try:
        return cast("object", json.decode(part))
    except MsgspecError:
        return part.decode(errors="replace")


def _where(query: TraceQuery, view: View) -> Filter | None:
    """What the query says, and of what it does not say what the view says. Raises Refused."""
    filters: list[Filter] = [
        Compare(field=name, value=value)
        for name in ("name", "kind", "status", "model", "user", "session")
        if (value := str(getattr(query, name) or getattr(view, name, "")))
    ]
    if tag := query.tag or view.tag:
        filters.append(Tagged(name=tag))
    if text := query.text or view.text:
        filters.append(Said(text=text))
    if view.where is not None and not query.where:
        filters.append(view.where)
    if query.where:
        try:
            filters.append(read_filter(query.where))
        except ValueError as error:
            raise Refused(400, "invalid_filter", str(error)) from None
    return Every(filters=tuple(filters)) if filters else None


def _everything(project: str) -> Window:
    return Window(project=project, since_ns=ALL_OF_TIME[0], until_ns=ALL_OF_TIME[1])
