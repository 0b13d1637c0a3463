"""``/api/v1/audit``: what was changed, by whom."""

from typing import Annotated, Final

from msgspec import Meta, Raw, Struct

from switchgear.rest.audit import Entry
from switchgear.rest.audit_log import Sought, newest, verify
from switchgear.rest.cursor import STORABLE, CursorText, Limit, cursor_text, number_after
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import moment

_NEWEST: Final = 1 << 62
Filter = Annotated[str, Meta(max_length=200, pattern=STORABLE)]


class AuditQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the audit log may be filtered by."""

    limit: Limit = 50
    cursor: CursorText = ""
    kind: Annotated[Filter, Meta(description="Only changes of this kind of object.")] = ""
    name: Annotated[Filter, Meta(description="Only changes of objects with this name.")] = ""
    who: Annotated[Filter, Meta(description="Only changes by somebody of this name.")] = ""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change."""

    number: int
    at: str
    who_kind: str
    who: str
    action: str
    kind: str
    name: str
    project: str
    before: dict[str, object] | None
    """Without what is secret."""
    after: dict[str, object] | None
    address: str
    user_agent: str
    request_id: str
    hash: str


class AuditPage(Struct, frozen=True):
    """Changes, newest first."""

    data: list[AuditEntry]
    next: str | None


class AuditVerdict(Struct, frozen=True, kw_only=True):
    """Whether the log is whole; the last number and hash, to be kept elsewhere."""

    whole: bool
    count: int
    hash: str
    faults: list[str]


def audit_routes() -> tuple[Route, ...]:
    """The routes of the audit log."""
    return (
        Route(
            method="GET",
            path="/audit",
            permission="audit:read",
            summary="What was changed, newest first.",
            handler=_list,
            query=AuditQuery,
            answer=AuditPage,
        ),
        Route(
            method="GET",
            path="/audit/verification",
            permission="audit:read",
            summary="Whether the log is whole: no row changed, missing or moved.",
            handler=_verify,
            answer=AuditVerdict,
        ),
    )


async def _list(asked: Asked) -> Answer:
    query = asked.query_as(AuditQuery)
    of = f"/audit?kind={query.kind}&name={query.name}&who={query.who}"
    before = number_after(of, query.cursor, _NEWEST)
    sought = Sought(kind=query.kind, name=query.name, who=query.who)
    found = await newest(asked.connection, sought, before, query.limit + 1)
    page = found[: query.limit]
    more = cursor_text(of, str(page[-1].number)) if len(found) > query.limit else None
    return Answer(body={"data": [shown_entry(entry) for entry in page], "next": more})


async def _verify(asked: Asked) -> Answer:
    verdict = await verify(asked.connection)
    end = verdict.head
    return Answer(body=AuditVerdict(whole=not verdict.faults, count=end.count, hash=end.hash, faults=verdict.faults))


def shown_entry(entry: Entry) -> dict[str, object]:
    """A row as the API and the command line show it."""
    return {
        "number": entry.number,
        "at": moment(entry.at_ns),
        "who_kind": entry.who_kind,
        "who": entry.who,
        "action": entry.action,
        "kind": entry.kind,
        "name": entry.name,
        "project": entry.project,
        "before": _raw(entry.before),
        "after": _raw(entry.after),
        "address": entry.address,
        "user_agent": entry.user_agent,
        "request_id": entry.request_id,
        "hash": entry.hash,
    }


def _raw(body: str | None) -> Raw | None:
    return None if body is None else Raw(body.encode())
