"""Saved views: questions for lists of traces, kept under a name in a project, ``shop/failed``."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.ports import Database
from switchgear.kernel.query import Filter, Find, Window, checked
from switchgear.rest.cursor import STORABLE
from switchgear.rest.objects import Objects
from switchgear.rest.principal import Place
from switchgear.rest.problem import Refused, not_found
from switchgear.rest.resource import Body, Proposal, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Asked, Route

KIND: Final = "view"
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""The project's name and the view's own."""
_UNITS_NS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SECOND_NS: Final = 1_000_000_000
Text = Annotated[str, Meta(max_length=1024, pattern=STORABLE)]


class View(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a list of traces is asked for; what is empty is not asked."""

    about: Annotated[Text, Meta(description="For whoever reads it.")] = ""
    since: Annotated[str, Meta(pattern="^([0-9]{1,6}[smhd])?$", description="How long ago at most: `15m`, `2d`.")] = ""
    name: Text = ""
    model: Text = ""
    user: Text = ""
    session: Text = ""
    tag: Text = ""
    status: Literal["", "unset", "ok", "error"] = ""
    text: Text = ""
    where: Annotated[Filter | None, Meta(description="A filter, for all that these cannot say.")] = None


class SavedViews:
    """Views as lists of traces ask for them."""

    def __init__(self, objects: Objects, database: Database[AsyncConnection], clock: Clock) -> None:
        self._objects = objects
        self._database = database
        self._clock = clock

    async def read(self, asked: Asked, project: str, name: str) -> View:
        """A view of a project. Raises Refused (404) where there is none, or none that the caller may read."""
        full = f"{project}/{name}"
        if not asked.principal.may(f"{KIND}:read", Place(project=project)):
            raise not_found(f"view {full!r}")
        async with self._database.read() as connection:
            stored = await self._objects.get(connection, KIND, full)
        if stored is None:
            raise not_found(f"view {full!r}")
        return json.decode(stored.body, type=View)

    def since_ns(self, view: View) -> int | None:
        """When that was; None where the view does not say."""
        told = re.fullmatch(r"([0-9]+)([smhd])", view.since)
        return None if told is None else self._clock.wall_ns() - int(told[1]) * _UNITS_NS[told[2]] * _SECOND_NS


def view_routes(objects: Objects) -> tuple[Route, ...]:
    """All of them."""
    resource = Resource(
        kind=KIND,
        plural="views",
        type=View,
        about="A question for the list of traces, named PROJECT/VIEW.",
        place=_place,
        check=_check,
        name_pattern=NAME,
    )
    return resource_routes(resource, objects)


def _place(name: str, _: Body) -> Place:
    return Place(project=name.partition("/")[0])


async def _check(_: AsyncConnection, proposal: Proposal) -> None:
    """Raises Refused for a filter that no store could answer."""
    view: View | None = proposal.after
    if view is None:
        return
    try:
        checked(Find(window=Window(project="", since_ns=0, until_ns=0), where=view.where))
    except BadRequest as error:
        raise Refused(422, "invalid_filter", error.message) from None
