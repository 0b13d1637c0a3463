"""What every question of the management API about spans says: of which project, from when to when."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta

from switchgear.kernel.errors import Overloaded
from switchgear.rest.cursor import STORABLE
from switchgear.rest.principal import EVERYWHERE, Place, Principal
from switchgear.rest.problem import forbidden, not_found
from switchgear.rest.route import Asked
from switchgear.traces.doors.entrance import DEFAULT_PROJECT

READ: Final = "traces:read"
ALL_OF_TIME: Final = (0, (1 << 63) - 1)
_RETRY_SECONDS: Final = 5.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ProjectText = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=STORABLE,
        description="Whose. Left out: the caller's own where they have just one, else `default`.",
    ),
]
Moment = Annotated[Annotated[datetime, Meta(tz=True)] | None, Meta(description="A moment as ISO 8601 with its zone.")]


def project_of(principal: Principal, named: str) -> str:
    """Which project is meant."""
    if named:
        return named
    places = principal.places(READ)
    own = {place.project for place in places if place.project}
    return own.pop() if EVERYWHERE not in places and len(own) == 1 else DEFAULT_PROJECT


def readable_project(asked: Asked, named: str) -> str:
    """The same. Raises Refused (403) for a project whose spans are not the caller's to read."""
    project = project_of(asked.principal, named)
    if not asked.principal.may(READ, Place(project=project)):
        raise forbidden(READ, f" in project {project!r}")
    return project


def visible_project(asked: Asked, named: str, what: str) -> str:
    """The same. Raises Refused (404): who names one thing must not learn whether it is there."""
    project = project_of(asked.principal, named)
    if not asked.principal.may(READ, Place(project=project)):
        raise not_found(what)
    return project


def moment_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch, as far as a store counts them."""
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    return min(max(microseconds * 1000, ALL_OF_TIME[0]), ALL_OF_TIME[1])


def unreachable(error: OSError) -> Overloaded:
    """What a store that does not answer is told as."""
    return Overloaded(f"the store of spans does not answer: {error}", retry_after_seconds=_RETRY_SECONDS)
