"""Limits in the control database: changed at run time, ``/api/v1/limits``; gateways know them within a second.

They have the form of an entry under ``limits``, and are checked as those of the file are; the names in their scopes may
be the file's or the database's.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.kept import Kept, KeptKind
from switchgear.config import Config
from switchgear.config.limit_checks import NEEDS_SHARED, counts_alone, faults, unknown_name
from switchgear.config.limits import LimitEntry
from switchgear.rest.objects import Objects
from switchgear.rest.problem import Refused
from switchgear.rest.resource import Fixed, Proposal, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Route

KIND: Final = "limit"
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "key": ("key",),
    "user": ("user", "service_account"),
    "team": ("team",),
    "project": ("project",),
    "organisation": ("organisation",),
    "model": ("model",),
}
"""By scope: the kinds of objects that it may name."""


def limit_routes(objects: Objects, declared: Callable[[], Config], file: str) -> tuple[Route, ...]:
    """All of them; ``declared`` is the configuration of ``file``, whose own limits are read-only here."""
    resource = Resource(
        kind=KIND,
        plural="limits",
        type=LimitEntry,
        about="How much may be used and spent, by whom, in which time.",
        fixed=lambda: {name: Fixed(body=entry, file=file) for name, entry in declared().limits.items()},
        check=_Check(objects, declared),
    )
    return resource_routes(resource, objects)


class _Check:
    def __init__(self, objects: Objects, declared: Callable[[], Config]) -> None:
        self._objects = objects
        self._declared = declared

    async def __call__(self, connection: AsyncConnection, proposal: Proposal) -> None:
        if proposal.after is not None:
            await check_limit(connection, self._objects, self._declared(), proposal.after)


async def check_limit(connection: AsyncConnection, objects: Objects, config: Config, entry: LimitEntry) -> None:
    """Raise Refused for a limit that limits nothing or nobody."""
    problems = [text for _, text in faults(entry)]
    if counts_alone(config):
        problems.append(NEEDS_SHARED)
    for scope, value in entry.scope.items():
        kept = [one.name for kind in _KINDS.get(scope, ()) for one in await objects.all(connection, kind)]
        problem = None if value in kept else unknown_name(config, scope, value)
        if problem:
            problems.append(problem)
    if problems:
        errors = [{"message": problem} for problem in problems]
        raise Refused(422, "disagreement", f"the limit {'; '.join(problems)}", members={"errors": errors})


def kept_limits(objects: Objects, declared: Callable[[], Config]) -> Kept[LimitEntry]:
    """The same for the command line."""

    async def check(connection: AsyncConnection, name: str, entry: LimitEntry) -> None:
        await check_limit(connection, objects, declared(), entry)

    kind = KeptKind(
        kind=KIND, called=KIND, type=LimitEntry, is_in_file=lambda name: name in declared().limits, check=check
    )
    return Kept(objects, kind)
