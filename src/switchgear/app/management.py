"""What can be managed: every slice's routes below ``/api/v1``, put together. A slice adds one line."""

from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.app.alert_rules import alert_rule_routes
from switchgear.app.asker import asker_of
from switchgear.app.database import ControlDatabase
from switchgear.app.drift import drift_work
from switchgear.app.identity.api import identity_routes
from switchgear.app.identity.service import Identity
from switchgear.app.limit_objects import limit_routes
from switchgear.app.listing import Routes
from switchgear.app.registry.api import registry_routes
from switchgear.app.registry.prices import price_routes
from switchgear.app.registry.service import Registry
from switchgear.auth.directory import Directory
from switchgear.auth.roles import LOCAL_OPERATOR
from switchgear.batches.management import batch_routes
from switchgear.config import Config
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.kernel.limit_report import LimitReport
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.record import CallRecord
from switchgear.ledger.api import ledger_routes
from switchgear.rest.api import Api, Surroundings
from switchgear.rest.audit_routes import audit_routes
from switchgear.rest.principal import Asker, Principal, Resolver
from switchgear.rest.resource import Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Answer, Asked, Route
from switchgear.traces.alerts.api import alert_routes
from switchgear.traces.alerts.service import Alerts
from switchgear.traces.api import trace_routes
from switchgear.traces.comments.api import comment_routes
from switchgear.traces.deletion_api import deletion_routes
from switchgear.traces.drift.api import drift_routes
from switchgear.traces.export_api import export_routes
from switchgear.traces.families import Form
from switchgear.traces.import_api import Imports, import_routes
from switchgear.traces.metrics_api import metrics_routes
from switchgear.traces.scores.api import score_routes
from switchgear.traces.scores.model import MaskText, as_it_is
from switchgear.traces.totals_api import total_routes
from switchgear.traces.views import SavedViews, view_routes

_MAX_CALLS: Final = 1000


class Sources(Struct, kw_only=True):
    """Where routes get what is not in the control database."""

    version: str
    models: Callable[[], list[str]]
    metrics: Callable[[Form], str]
    """For Prometheus."""
    newest: Callable[[int], list[CallRecord]]
    """Finished calls, newest first."""
    routes: Callable[[], Routes]
    limits: Callable[[], list[LimitReport]] = list
    """How they stand, the most used first."""
    spans: TraceStore
    """Those that are kept."""
    imports: Imports | None = None
    """None: no spans that were kept elsewhere are taken in."""
    mask: MaskText = as_it_is
    """For what people say of spans."""


class Management(Struct, frozen=True, kw_only=True):
    """What routes work with."""

    database: ControlDatabase
    identity: Identity
    directory: Directory
    clock: Clock
    ids: Ids
    declared: Callable[[], Config]
    """The file's configuration, without what the database adds."""
    file: str
    """Where that is."""
    resolvers: tuple[Resolver, ...] = ()
    """Who else than the operator on this machine may ask; asked first, in their order."""


def resources(management: Management) -> tuple[Resource, ...]:
    """Every kind of object that has nothing but the usual routes."""
    return (*management.directory.resources(),)


def routes(sources: Sources, management: Management) -> tuple[Route, ...]:
    """Every route."""
    usual = (
        route for resource in resources(management) for route in resource_routes(resource, management.identity.objects)
    )
    return (
        *usual,
        *registry_routes(Registry(management.identity.objects, management.declared, management.clock), management.file),
        *price_routes(management.identity.objects, management.declared, management.file),
        *limit_routes(management.identity.objects, management.declared, management.file),
        *identity_routes(management.identity, management.file),
        *ledger_routes(),
        *batch_routes(management.clock.wall_ns),
        *alert_rule_routes(management.identity.objects, management.declared, management.file),
        *alert_routes(_alerts(management)),
        *score_routes(management.clock, management.ids, sources.mask),
        *comment_routes(management.clock, management.ids, sources.mask),
        *audit_routes(),
        *trace_routes(sources.spans, SavedViews(management.identity.objects, management.database, management.clock)),
        *view_routes(management.identity.objects),
        *export_routes(sources.spans),
        *(import_routes(sources.imports) if sources.imports is not None else ()),
        *metrics_routes(sources.spans, management.clock),
        *deletion_routes(sources.spans, management.database, management.clock),
        *total_routes(sources.spans),
        *drift_routes(drift_work(sources.spans, management.database, management.clock, management.ids)),
        *_of_calls(sources),
    )


def _alerts(management: Management) -> Alerts:
    return Alerts(management.ids, management.clock.wall_ns, lambda: management.declared().alerts.receivers)


def api(sources: Sources, management: Management) -> Api:
    """The whole API."""
    surroundings = Surroundings(
        version=sources.version,
        database=management.database,
        resolvers=(*management.resolvers, local_operator),
        asker=asker_of,
        clock=management.clock,
        ids=management.ids,
    )
    return Api(routes(sources, management), surroundings)


async def local_operator(asker: Asker) -> Principal | None:
    """Whoever is on the gateway's own machine is its owner; they could read and write its files just as well."""
    return LOCAL_OPERATOR if asker.local else None


class CallsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the list of calls takes."""

    limit: Annotated[int, Meta(ge=1, le=_MAX_CALLS, description="How many at most.")] = 50


class Calls(Struct, frozen=True):
    """Finished calls, newest first."""

    data: list[CallRecord]


class LimitStandings(Struct, frozen=True):
    """How the limits stand that count anything in their present windows, the most used first."""

    data: list[LimitReport]


def _of_calls(sources: Sources) -> tuple[Route, ...]:
    async def calls(asked: Asked) -> Answer:
        return Answer(body=Calls(sources.newest(asked.query_as(CallsQuery).limit)))

    async def how_limited(asked: Asked) -> Answer:
        return Answer(body=LimitStandings(sources.limits()))

    async def how_routed(asked: Asked) -> Answer:
        return Answer(body=sources.routes())

    return (
        Route(
            method="GET",
            path="/calls",
            permission="call:read",
            summary="The calls that ended last, newest first.",
            handler=calls,
            query=CallsQuery,
            answer=Calls,
            needs_database=False,
        ),
        Route(
            method="GET",
            path="/limit-standings",
            permission="limit:read",
            summary="How much of each limit is used, and by whom.",
            handler=how_limited,
            answer=LimitStandings,
            needs_database=False,
        ),
        Route(
            method="GET",
            path="/routes",
            permission="route:read",
            summary="Where calls to each model go, and how its deployments stand in every gateway.",
            handler=how_routed,
            answer=Routes,
            needs_database=False,
        ),
    )
