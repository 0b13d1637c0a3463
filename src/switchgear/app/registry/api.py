"""The registry's management routes: ``/api/v1/models``."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.registry.service import KIND, Move, Registry
from switchgear.config.routing import ModelEntry
from switchgear.models.card import DAY, MODEL_NAME, Stage
from switchgear.rest.etag import check_replaces, etag_of
from switchgear.rest.resource import Fixed, Proposal, Resource, shown_stored
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Answer, Asked, Route

_PLURAL: Final = "models"


class NewStage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a model goes."""

    stage: Stage
    retired: Annotated[
        Annotated[str, Meta(pattern=DAY)] | None, Meta(description="The day from which on it will not be served.")
    ] = None
    redirect_to: Annotated[
        Annotated[str, Meta(pattern=MODEL_NAME)] | None, Meta(description="Who answers in its place then.")
    ] = None


def registry_routes(registry: Registry, file: str) -> tuple[Route, ...]:
    """All of them; ``file`` is where the models that are read-only here are declared."""
    resource = Resource(
        kind=KIND,
        plural=_PLURAL,
        type=ModelEntry,
        about="Names that may be called: deployments, routing, and the card with stage, owner and lineage.",
        fixed=lambda: _fixed(registry, file),
        check=_Check(registry),
        name_pattern=MODEL_NAME,
    )
    routes = resource_routes(resource, registry.objects)
    one = next(route for route in routes if route.method == "PUT")
    moving = Route(
        method="POST",
        path=f"/{_PLURAL}/{{name:path}}/stage",
        permission=f"{KIND}:write",
        summary="Bring a model to another stage, today; no stage is skipped.",
        handler=_Moving(registry, resource).move,
        body=NewStage,
        answer=one.answer,
        tells_etag=True,
        refuses=(404, 409, 412, 422, 428),
    )
    return (*routes, moving)


def _fixed(registry: Registry, file: str) -> Mapping[str, Fixed]:
    return {name: Fixed(body=entry, file=file) for name, entry in registry.of_file.items()}


class _Check:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def __call__(self, connection: AsyncConnection, proposal: Proposal) -> None:
        await self._registry.check(connection, proposal.name, proposal.before, proposal.after)


class _Moving:
    def __init__(self, registry: Registry, resource: Resource) -> None:
        self._registry = registry
        self._resource = resource

    async def move(self, asked: Asked) -> Answer:
        name = asked.path["name"]
        said = asked.body_as(NewStage)
        check_replaces(asked.headers, etag_of((await self._registry.find(asked.connection, name)).version))
        move = Move(stage=said.stage, retired=said.retired, redirect_to=said.redirect_to)
        stored = await self._registry.move(asked.connection, name, move, asked.author)
        return Answer(body=shown_stored(self._resource, stored), etag=etag_of(stored.version))
