"""What Langfuse's clients ask for when they read traces, observations and sessions, in our words.

A condition that is not understood is refused by name: one that is passed over shows what was not asked for.
"""

import math
from collections.abc import Sequence
from typing import Final

from fastapi import Request
from msgspec import Struct

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import MOST_ROWS, Compare, Every, Filter, OneOf, Tagged, Window
from switchgear.traces.doors.asking import read_json
from switchgear.traces.doors.langfuse_conditions import (
    OBSERVATIONS,
    TRACES,
    Columns,
    conditions,
    level_is,
    trace_is_called,
    type_is,
    version_is,
)
from switchgear.traces.doors.langfuse_ids import span_id, trace_id
from switchgear.traces.doors.langfuse_shown import GROUPS
from switchgear.traces.doors.reading import moment_ns

_LAST_NS: Final = (1 << 63) - 1
_MOST: Final = 100
_MOST_V2: Final = 1000
_USUAL: Final = 50
_PARTS_OF_TRACES: Final = ("core", "io", "scores", "observations", "metrics")
_USUAL_GROUPS: Final = ("core", "basic")


class Page(Struct, frozen=True, kw_only=True):
    """Which page is asked for, from 1."""

    number: int
    limit: int

    @property
    def asked(self) -> int:
        """How many are looked for: those up to its end, and one behind it, which tells that there are more."""
        return self.number * self.limit + 1

    @property
    def its_own(self) -> slice:
        """Those of the page."""
        return slice((self.number - 1) * self.limit, self.number * self.limit)

    def meta(self, found: int) -> dict[str, int]:
        """What clients go on by; the total is a lower bound where there are more pages than were looked for."""
        pages = math.ceil(found / self.limit)
        return {"page": self.number, "limit": self.limit, "totalItems": found, "totalPages": pages}


def page(request: Request) -> Page:
    """Raises BadRequest for one so far behind that no question reaches it."""
    asked = Page(number=_number(request, "page", 1), limit=_limit(request, _MOST))
    if asked.asked > MOST_ROWS:
        raise BadRequest(f"pages end at the {MOST_ROWS}th: ask for a shorter time", param="page")
    return asked


def limit_v2(request: Request) -> int:
    """Of observations on a page by cursor."""
    return _limit(request, _MOST_V2)


def groups_v2(request: Request) -> Sequence[str]:
    """Groups of fields of an observation. Raises BadRequest."""
    if request.query_params.get("parseIoAsJson", "").lower() == "true":
        raise BadRequest("input and output are texts here: leave 'parseIoAsJson' out", param="parseIoAsJson")
    asked = _listed(request, "fields")
    for name in asked:
        if name not in GROUPS:
            raise BadRequest(
                f"there is no group of fields {name[:40]!r}: there are {', '.join(GROUPS)}", param="fields"
            )
    return ("core", *asked) if asked else _USUAL_GROUPS


def parts_of_trace(request: Request) -> Sequence[str]:
    """What of traces is asked for; all where nothing is said. Raises BadRequest."""
    asked = _listed(request, "fields")
    for name in asked:
        if name not in _PARTS_OF_TRACES:
            raise BadRequest(f"'fields' are of {', '.join(_PARTS_OF_TRACES)}, not {name[:40]!r}", param="fields")
    return asked or _PARTS_OF_TRACES


def window(request: Request, project: str, since: str = "fromTimestamp", until: str = "toTimestamp") -> Window:
    """From when to when. Raises BadRequest for what is no moment."""
    return Window(project=project, since_ns=_moment(request, since, 0), until_ns=_moment(request, until, _LAST_NS))


def is_newest_first(request: Request) -> bool:
    """In which order traces are asked for. Raises BadRequest."""
    said = request.query_params.get("orderBy", "") or "timestamp.desc"
    if said not in ("timestamp.desc", "timestamp.asc"):
        raise BadRequest(f"traces stand by 'timestamp.desc' or 'timestamp.asc', not {said[:40]!r}", param="orderBy")
    return said == "timestamp.desc"


def traces_where(request: Request) -> Filter | None:
    """Which traces. Raises BadRequest."""
    found: list[Filter] = [
        *_conditions(request, TRACES),
        *_version(request),
        *(Tagged(name=tag) for tag in _listed(request, "tags")),
    ]
    found += _compared(request, (("userId", "user"), ("sessionId", "session"), ("release", "release")))
    if name := request.query_params.get("name", ""):
        found.append(trace_is_called(name))
    found += _environments(request)
    return Every(filters=tuple(found)) if found else None


def observations_where(request: Request) -> Filter | None:
    """Which observations, of both versions. Raises BadRequest."""
    query = request.query_params
    found = [*_conditions(request, OBSERVATIONS), *_version(request)]
    found += _compared(request, (("name", "name"), ("userId", "user"), ("sessionId", "session")))
    if trace := query.get("traceId", ""):
        found.append(Compare(field="trace_id", value=trace_id(trace)))
    if kind := query.get("type", ""):
        found.append(type_is(kind))
    if (parent := query.get("parentObservationId")) is not None:
        found.append(Compare(field="parent_id", value=span_id(parent)))
    if (is_root := query.get("isRootObservation", "").lower()) in ("true", "false"):
        found.append(Compare(field="parent_id", op="==" if is_root == "true" else "!=", value=""))
    if level := query.get("level", ""):
        found.append(level_is(level))
    found += _environments(request)
    return Every(filters=tuple(found)) if found else None


def sessions_where(request: Request) -> Filter:
    """Which spans' sessions."""
    return Every(filters=(Compare(field="session", op="!=", value=""), *_environments(request)))


def _compared(request: Request, fields: Sequence[tuple[str, str]]) -> list[Filter]:
    query = request.query_params
    return [Compare(field=ours, value=value) for theirs, ours in fields if (value := query.get(theirs, ""))]


def _environments(request: Request) -> list[Filter]:
    """``default`` is Langfuse's word for none."""
    asked = _listed(request, "environment")
    unnamed = ("",) if "default" in asked else ()
    return [OneOf(field="environment", values=(*asked, *unnamed))] if asked else []


def _conditions(request: Request, columns: Columns) -> list[Filter]:
    """Those of the option ``filter``, which hold beside all others. Raises BadRequest."""
    said = request.query_params.get("filter", "")
    return conditions(read_json(said.encode()), columns) if said else []


def _version(request: Request) -> list[Filter]:
    version = request.query_params.get("version", "")
    return [version_is(version)] if version else []


def _listed(request: Request, name: str) -> list[str]:
    return [one for said in request.query_params.getlist(name) for one in said.split(",") if one]


def _moment(request: Request, name: str, usual: int) -> int:
    said = request.query_params.get(name, "")
    if not said:
        return usual
    found = moment_ns(said)
    if found is None:
        raise BadRequest(f"{name!r} is no moment in ISO 8601", param=name)
    return min(max(found, 0), _LAST_NS)


def _limit(request: Request, most: int) -> int:
    return min(_number(request, "limit", _USUAL), most)


def _number(request: Request, name: str, usual: int) -> int:
    said = request.query_params.get(name, "")
    return max(int(said), 1) if said.isascii() and said.isdigit() and len(said) < 10 else usual
