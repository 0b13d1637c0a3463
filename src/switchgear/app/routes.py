"""From the declared routing of a configuration to a route table."""

from collections.abc import Mapping
from functools import partial

from msgspec import Struct, structs

from switchgear.app.catalogue import Catalogue
from switchgear.app.prices import PriceBook
from switchgear.config.model import Config
from switchgear.config.routing import (
    BreakerEntry,
    DeploymentEntry,
    HedgingEntry,
    ModelEntry,
    RetriesEntry,
    RoutingEntry,
    SplitEntry,
)
from switchgear.config.sharing import Shared
from switchgear.kernel.capabilities import Capabilities
from switchgear.kernel.upstream import Timers
from switchgear.models.card import ModelCard, midnight_ns
from switchgear.routing.deployment import Connected, Deployment, Terms, lane_name
from switchgear.routing.fleet import Fleet
from switchgear.routing.lifecycle import Lifecycle
from switchgear.routing.model import Alias, RouteTable, alias
from switchgear.routing.policy import (
    UNBOUNDED,
    Bounds,
    BreakerRules,
    Choice,
    Hedging,
    Policy,
    Retries,
    Shadow,
)
from switchgear.routing.split import split

Lanes = Mapping[str, tuple[Connected, ...]]
"""Providers by name, each under all of its keys."""


class Grounds(Struct, frozen=True, kw_only=True):
    """What deployments stand on."""

    lanes: Lanes
    fleet: Fleet
    prices: PriceBook
    catalogue: Catalogue


def route_table(config: Config, grounds: Grounds, listed: list[str]) -> RouteTable:
    """The table of one configuration; the fleet forgets the deployments that are no more."""
    shared = Shared(config)
    aliases = {name: _alias(name, entry, shared, grounds) for name, entry in config.models.items()}
    others = [(other, name) for name, entry in config.models.items() for other in entry.aliases]
    aliases |= {other: structs.replace(aliases[name], name=other) for other, name in others}
    grounds.fleet.keep((each.health.name for made in aliases.values() for each in made.deployments), grounds.lanes)
    common = _common(config.routing)
    deploy = partial(_undeclared, common, grounds)
    return RouteTable(aliases, grounds.lanes, listed=listed, deploy=deploy, policy=common)


def _alias(name: str, entry: ModelEntry, shared: Shared, grounds: Grounds) -> Alias:
    policy = policy_of(entry, shared.common)
    lanes, fleet = grounds.lanes, grounds.fleet
    enforced = partial(grounds.catalogue.enforced, entry)
    deployments = [
        _deployment(shared.terms(declared), connected, _ruled(policy, shared, declared), grounds, enforced(declared))
        for declared in entry.deployments
        for connected in lanes[declared.provider]
    ]
    hedges = None
    if policy.hedging is not None:
        hedges = fleet.hedges(name, policy.hedging.budget)
    made = alias(name, deployments, policy, tuple(split(name, choice) for choice in policy.splits), hedges)
    return structs.replace(made, lifecycle=lifecycle_of(entry.card))


def _deployment(
    entry: DeploymentEntry, connected: Connected, policy: Policy, grounds: Grounds, enforced: Capabilities | None
) -> Deployment:
    provider = connected.provider.name
    terms = Terms(
        weight=entry.weight,
        tier=entry.tier,
        cost=entry.cost,
        timers=entry.timers.timers(policy.total_seconds),
        drop=entry.drop,
        begins_answers=entry.prefill,
        price=grounds.prices.price(provider, entry.upstream_model),
        must_be_priced=grounds.prices.blocks_unknown,
        capabilities=enforced,
        batch_prices=entry.batch_prices,
    )
    bounds = Bounds(
        max_in_flight=entry.max_in_flight,
        max_waiting=entry.max_waiting,
        waiting_seconds=entry.waiting_seconds,
        requests_per_minute=entry.requests_per_minute,
        tokens_per_minute=entry.tokens_per_minute,
    )
    lane = lane_name(provider, entry.upstream_model, connected.key_number)
    health = grounds.fleet.health(lane, policy.breaker, bounds)
    budget = grounds.fleet.budget(provider, policy.retries.budget)
    return Deployment(connected, entry.upstream_model, terms, health, budget)


def _ruled(policy: Policy, shared: Shared, entry: DeploymentEntry) -> Policy:
    """``policy`` with what a deployment's breaker and its provider's budget go by under every name."""
    retries = structs.replace(policy.retries, budget=shared.budget(entry.provider))
    return structs.replace(policy, breaker=_breaker(shared.breaker(entry)), retries=retries)


def _undeclared(policy: Policy, grounds: Grounds, connected: Connected, model: str) -> Deployment:
    """The deployment behind ``provider/model``, which no alias declares."""
    provider, fleet = connected.provider.name, grounds.fleet
    terms = Terms(
        timers=Timers(total_seconds=policy.total_seconds),
        price=grounds.prices.price(provider, model),
        must_be_priced=grounds.prices.blocks_unknown,
        capabilities=grounds.catalogue.enforced_undeclared(provider, model),
    )
    lane = lane_name(provider, model, connected.key_number)
    health = fleet.health(lane, policy.breaker, UNBOUNDED, declared=False)
    budget = fleet.budget(provider, policy.retries.budget, declared=False)
    return Deployment(connected, model, terms, health, budget)


def lifecycle_of(card: ModelCard) -> Lifecycle | None:
    """What calls of a model are told of its end; None while nobody has declared one."""
    dates = card.dates
    if card.stage not in ("deprecated", "retired") and dates.deprecated is None and dates.retired is None:
        return None
    return Lifecycle(
        is_deprecated=card.stage == "deprecated",
        is_retired=card.stage == "retired",
        deprecated_ns=None if dates.deprecated is None else midnight_ns(dates.deprecated),
        retired_ns=None if dates.retired is None else midnight_ns(dates.retired),
        redirect_to=card.redirect_to or "",
    )


def policy_of(entry: ModelEntry, common: RoutingEntry) -> Policy:
    """What holds for one model: its own word, or else the common one."""
    own = {field: getattr(entry, field) for field in RoutingEntry.__struct_fields__}
    merged = structs.replace(common, **{field: value for field, value in own.items() if value is not None})
    return structs.replace(
        _common(merged),
        fallbacks=entry.fallbacks.chains(),
        splits=tuple(_choice(each) for each in entry.splits),
        shadow=None
        if entry.shadow is None
        else Shadow(to=entry.shadow.to, percent=entry.shadow.percent, max_at_once=entry.shadow.max_at_once),
    )


def _common(entry: RoutingEntry) -> Policy:
    return Policy(
        balance=entry.balance,
        affinity=entry.affinity,
        total_seconds=entry.total_seconds,
        retries=_retries(entry.retries),
        breaker=_breaker(entry.breaker),
        hedging=None if entry.hedging is None else _hedging(entry.hedging),
        resume=entry.resume,
    )


def _retries(entry: RetriesEntry) -> Retries:
    return Retries(**structs.asdict(entry))


def _breaker(entry: BreakerEntry) -> BreakerRules:
    return BreakerRules(**structs.asdict(entry))


def _hedging(entry: HedgingEntry) -> Hedging:
    return Hedging(**structs.asdict(entry))


def _choice(entry: SplitEntry) -> Choice:
    return Choice(shares=tuple(entry.to.items()), when=entry.when, sticky=entry.sticky)
