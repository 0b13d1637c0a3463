"""Routes of the management API: scores, given and read, by whoever may do so in their project."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct, json

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.ids import Ids
from switchgear.rest.cursor import STORABLE, PageQuery, cursor_after, cursor_text, unknown_cursor
from switchgear.rest.principal import Place
from switchgear.rest.problem import Refused
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import moment
from switchgear.traces.scores import store
from switchgear.traces.scores.model import DataType, MaskText, Score, Source, Target, checked, masked

READ: Final = "score:read"
WRITE: Final = "score:write"
_DOOR: Final = "api"
_MAX_NS: Final = (1 << 63) - 1
Named = Annotated[str, Meta(max_length=256, pattern=STORABLE)]


class ScoreQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of scores takes."""

    project: Annotated[Named, Meta(description="Whose scores; `default` holds what came without a project.")] = (
        "default"
    )
    trace_id: Annotated[Named, Meta(description="Only of this trace and its spans.")] = ""
    span_id: Annotated[Named, Meta(description="Only of this span.")] = ""
    session: Annotated[Named, Meta(description="Only of this session.")] = ""
    name: Annotated[Named, Meta(description="Only those with this name.")] = ""
    source: Source | None = None
    data_type: DataType | None = None


class NewScore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A score to be given: of a span, else of a trace, else of a session."""

    name: Named
    project: Named = "default"
    id: Annotated[Named, Meta(description="Yours, so that giving it twice is no harm; left out: a new one.")] = ""
    trace_id: Named = ""
    span_id: Named = ""
    session: Named = ""
    data_type: DataType = "numeric"
    number: float | None = None
    text: str = ""
    source: Source = "human"
    environment: Named = ""
    comment: str = ""
    metadata: Mapping[str, object] = {}


class ShownScore(Struct, frozen=True, kw_only=True):
    """A score as it stands now."""

    id: str
    project: str
    target: Target
    trace_id: str
    span_id: str
    session: str
    name: str
    data_type: DataType
    number: float | None
    text: str
    source: Source
    author: str
    door: str
    """By which way it came."""
    environment: str
    comment: str
    metadata: Mapping[str, object]
    at: str
    created_at: str


class ScorePage(Struct, frozen=True):
    """Scores, newest first."""

    data: list[ShownScore]
    next: str | None
    """The cursor of the next page; null at the end."""


def score_routes(clock: Clock, ids: Ids, mask: MaskText) -> tuple[Route, ...]:
    """Both."""

    async def give(asked: Asked) -> Answer:
        said = asked.body_as(NewScore)
        asked.allow(Place(project=said.project), f"scores of project {said.project!r}")
        try:
            score = checked(_score(said, asked.author.name, said.id or ids.new(), clock.wall_ns()))
        except BadRequest as error:
            raise Refused(400, "invalid_score", error.message) from None
        await store.add(asked.connection, [masked(score, mask)], clock.wall_ns())
        kept = await store.find(asked.connection, store.Sought(project=score.project, ids=(score.id,), limit=1))
        return Answer(body=shown(kept[0]))

    return (
        Route(
            method="GET",
            path="/scores",
            permission=READ,
            summary="Scores of spans, traces and sessions, newest first.",
            handler=_list,
            query=ScoreQuery,
            answer=ScorePage,
            by_place=True,
        ),
        Route(
            method="POST",
            path="/scores",
            permission=WRITE,
            summary="Give a score; given again under its id, it takes the place of the one before.",
            handler=give,
            body=NewScore,
            answer=ShownScore,
            status=201,
            by_place=True,
            refuses=(400,),
        ),
    )


async def _list(asked: Asked) -> Answer:
    query = asked.query_as(ScoreQuery)
    asked.allow(Place(project=query.project), f"scores of project {query.project!r}")
    filters = (query.project, query.trace_id, query.span_id, query.session, query.name, query.source, query.data_type)
    of = f"/scores {filters}"
    sought = store.Sought(
        project=query.project,
        trace_ids=_one(query.trace_id),
        span_ids=_one(query.span_id),
        sessions=_one(query.session),
        names=_one(query.name),
        source=query.source or "",
        data_type=query.data_type or "",
        limit=query.limit + 1,
        before=_read_cursor(cursor_after(of, query.cursor)),
    )
    found = await store.find(asked.connection, sought)
    page = found[: query.limit]
    more = cursor_text(of, f"{page[-1].at_ns} {page[-1].id}") if len(found) > query.limit else None
    return Answer(body=ScorePage([shown(score) for score in page], more))


def shown(score: Score) -> ShownScore:
    """A score as the API shows it."""
    return ShownScore(
        id=score.id,
        project=score.project,
        target=score.target,
        trace_id=score.trace_id,
        span_id=score.span_id,
        session=score.session,
        name=score.name,
        data_type=score.data_type,
        number=score.number,
        text=score.text,
        source=score.source,
        author=score.author,
        door=score.door,
        environment=score.environment,
        comment=score.comment,
        metadata=json.decode(score.metadata, type=dict[str, object]),
        at=moment(score.at_ns),
        created_at=moment(score.created_ns),
    )


def _score(said: NewScore, author: str, id: str, now_ns: int) -> Score:
    target: Target = "span" if said.span_id else "trace" if said.trace_id else "session"
    return Score(
        project=said.project,
        id=id,
        target=target,
        trace_id=said.trace_id,
        span_id=said.span_id,
        session=said.session,
        name=said.name,
        data_type=said.data_type,
        number=said.number,
        text=said.text,
        source=said.source,
        author=author,
        door=_DOOR,
        environment=said.environment,
        comment=said.comment,
        metadata=json.encode(said.metadata).decode(),
        at_ns=now_ns,
    )


def _one(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


def _read_cursor(after: str) -> tuple[int, str] | None:
    if not after:
        return None
    at_ns, _, name = after.partition(" ")
    if not (at_ns.isascii() and at_ns.isdigit() and int(at_ns) <= _MAX_NS):
        raise unknown_cursor()
    return int(at_ns), name
