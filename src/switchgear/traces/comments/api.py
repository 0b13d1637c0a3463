"""Routes of the management API: comments on spans, traces and sessions, by whoever may write them in their project.

Who wrote one may change and delete it; so may who has ``comment:delete``, as administrators do. The audit log tells who
did what and when, and never the text: the log can never be changed, and what people say must be.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct, json

from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.rest import audit
from switchgear.rest.cursor import STORABLE, PageQuery, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.principal import Place
from switchgear.rest.problem import Refused, forbidden, not_found
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import moment
from switchgear.traces.comments import store
from switchgear.traces.comments.store import Comment
from switchgear.traces.scores.model import MaskText

READ: Final = "comment:read"
WRITE: Final = "comment:write"
MODERATE: Final = "comment:delete"
MOST_BESIDE: Final = 1_000
_MAX_NS: Final = (1 << 63) - 1
Named = Annotated[str, Meta(max_length=256, pattern=STORABLE)]
Words = Annotated[
    str, Meta(min_length=1, max_length=10_000, pattern=STORABLE, description="What is said, as plain text.")
]


class CommentQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of comments takes."""

    project: Annotated[Named, Meta(description="Whose; `default` holds what came without a project.")] = "default"
    trace_id: Annotated[Named, Meta(description="Only on this trace and its spans.")] = ""
    span_id: Annotated[Named, Meta(description="Only on this span.")] = ""
    session: Annotated[Named, Meta(description="Only on this session.")] = ""


class NewComment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comment to be made: on a span of a trace, on a trace, or on a session."""

    text: Words
    project: Named = "default"
    trace_id: Named = ""
    span_id: Named = ""
    session: Named = ""


class ChangedComment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a comment says from now on."""

    text: Words


class ShownComment(Struct, frozen=True, kw_only=True):
    """A comment."""

    id: str
    project: str
    trace_id: str
    span_id: str
    session: str
    author: str
    """`user:NAME`, `key:NAME` or whoever else made it."""
    text: str
    created_at: str
    changed_at: str


class CommentPage(Struct, frozen=True):
    """Comments, newest first."""

    data: list[ShownComment]
    next: str | None
    """The cursor of the next page; null at the end."""


def comment_routes(clock: Clock, ids: Ids, mask: MaskText) -> tuple[Route, ...]:
    """All of them."""
    desk = _Desk(clock, ids, mask)
    return (
        Route(
            method="GET",
            path="/comments",
            permission=READ,
            summary="Comments on spans, traces and sessions, newest first.",
            handler=_list,
            query=CommentQuery,
            answer=CommentPage,
            by_place=True,
        ),
        Route(
            method="POST",
            path="/comments",
            permission=WRITE,
            summary="Comment on a span, a trace or a session.",
            handler=desk.add,
            body=NewComment,
            answer=ShownComment,
            status=201,
            by_place=True,
            refuses=(400,),
        ),
        Route(
            method="PUT",
            path="/comments/{id}",
            permission=WRITE,
            summary="Say it otherwise: your own comment, or as an administrator.",
            handler=desk.change,
            body=ChangedComment,
            answer=ShownComment,
            by_place=True,
            refuses=(404,),
        ),
        Route(
            method="DELETE",
            path="/comments/{id}",
            permission=WRITE,
            summary="Delete a comment: your own, or as an administrator.",
            handler=desk.remove,
            status=204,
            by_place=True,
            refuses=(404,),
        ),
    )


async def _list(asked: Asked) -> Answer:
    query = asked.query_as(CommentQuery)
    asked.allow(Place(project=query.project), f"comments of project {query.project!r}")
    of = f"/comments {(query.project, query.trace_id, query.span_id, query.session)}"
    sought = store.Sought(
        project=query.project,
        trace_id=query.trace_id.lower(),
        span_id=query.span_id.lower(),
        session=query.session,
        limit=query.limit + 1,
        before=_read_cursor(cursor_after(of, query.cursor)),
    )
    found = await store.find(asked.connection, sought)
    page = found[: query.limit]
    more = cursor_text(of, f"{page[-1].created_ns} {page[-1].id}") if len(found) > query.limit else None
    return Answer(body=CommentPage([_shown(comment) for comment in page], more))


class _Desk:
    """Makes, changes and deletes comments."""

    def __init__(self, clock: Clock, ids: Ids, mask: MaskText) -> None:
        self._clock = clock
        self._ids = ids
        self._mask = mask

    async def add(self, asked: Asked) -> Answer:
        said = asked.body_as(NewComment)
        asked.allow(Place(project=said.project), f"comments of project {said.project!r}")
        if bool(said.trace_id) == bool(said.session) or (said.span_id and not said.trace_id):
            raise Refused(
                400, "invalid_comment", "a comment is on a trace (trace_id), its span (span_id too) or a session"
            )
        now_ns = self._clock.wall_ns()
        comment = Comment(
            id=self._ids.new(),
            project=said.project,
            trace_id=said.trace_id.lower(),
            span_id=said.span_id.lower(),
            session=said.session,
            author=_author(asked),
            text=self._mask(said.project, said.text),
            created_ns=now_ns,
            changed_ns=now_ns,
        )
        # Writers wait here for one another, so that none counts what another is about to add.
        await audit.head(asked.connection, to_add=True)
        if await store.count_beside(asked.connection, comment) >= MOST_BESIDE:
            raise Refused(400, "invalid_comment", f"there are {MOST_BESIDE} comments already: delete some")
        await store.add(asked.connection, comment)
        await self._note(asked, "create", comment)
        return Answer(body=_shown(comment))

    async def change(self, asked: Asked) -> Answer:
        await audit.head(asked.connection, to_add=True)
        comment, text = await _own(asked), asked.body_as(ChangedComment).text
        now_ns = self._clock.wall_ns()
        await store.change(asked.connection, comment.id, self._mask(comment.project, text), now_ns)
        await self._note(asked, "update", comment)
        changed = await store.read(asked.connection, comment.id)
        assert changed is not None, "nobody deletes while the log is held"
        return Answer(body=_shown(changed))

    async def remove(self, asked: Asked) -> Answer:
        await audit.head(asked.connection, to_add=True)
        comment = await _own(asked)
        await store.remove(asked.connection, comment.id)
        await self._note(asked, "delete", comment)
        return Answer()

    async def _note(self, asked: Asked, action: str, comment: Comment) -> None:
        facts = {"author": comment.author, "trace_id": comment.trace_id, "span_id": comment.span_id}
        written = json.encode({name: fact for name, fact in facts.items() if fact}).decode()
        change = audit.Change(action=action, kind="comment", name=comment.id, project=comment.project, after=written)
        await audit.record(asked.connection, asked.author, change, self._clock.wall_ns())


async def _own(asked: Asked) -> Comment:
    """The comment that is meant. Raises Refused unless the caller may change it."""
    what = f"comment {asked.path['id'][:64]!r}"
    comment = await store.read(asked.connection, asked.path["id"])
    if comment is None:
        raise not_found(what)
    place = Place(project=comment.project)
    asked.allow(place, what, READ)
    if comment.author != _author(asked) and not asked.principal.may(MODERATE, place):
        raise forbidden(MODERATE, f" for {what}, which somebody else wrote")
    return comment


def _author(asked: Asked) -> str:
    return f"{asked.author.kind}:{asked.author.name}"


def _shown(comment: Comment) -> ShownComment:
    return ShownComment(
        id=comment.id,
        project=comment.project,
        trace_id=comment.trace_id,
        span_id=comment.span_id,
        session=comment.session,
        author=comment.author,
        text=comment.text,
        created_at=moment(comment.created_ns),
        changed_at=moment(comment.changed_ns),
    )


def _read_cursor(after: str) -> tuple[int, str] | None:
    if not after:
        return None
    at_ns, _, name = after.partition(" ")
    if not (at_ns.isascii() and at_ns.isdigit() and int(at_ns) <= _MAX_NS):
        raise unknown_cursor()
    return int(at_ns), name
