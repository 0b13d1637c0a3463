"""Saved views: questions for lists of traces, kept under a name in a project, ``shop/failed``."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import Filter, Find, Window, checked
from switchgear.rest.cursor import STORABLE
from switchgear.rest.objects import Objects
from switchgear.rest.principal import Place
from switchgear.rest.problem import Refused
from switchgear.rest.resource import Body, Proposal, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Route

KIND: Final = "view"
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""The project's name and the view's own."""
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
