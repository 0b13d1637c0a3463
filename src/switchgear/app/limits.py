"""From declared limits to rules, and from models to what their calls may cost at most."""

from collections.abc import Callable, Iterator

from switchgear.app.catalogue import Catalogue
from switchgear.config.limits import LimitEntry
from switchgear.config.model import Config
from switchgear.kernel.call import Snapshot
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.pricing import Price, Rates
from switchgear.limits.model import Quantity, Reach, Rule, Rules, Scope
from switchgear.limits.plan import Planner
from switchgear.routing.deployment import Deployment
from switchgear.routing.model import RouteTable

_MOST_REMEMBERED = 10_000


def planner(config: Config, table: RouteTable, catalogue: Catalogue) -> Planner | None:
    """What finds a call's limits; None where nothing is limited."""
    rules = rules_of(config)
    return Planner(rules, reached(table, catalogue)) if rules.all else None


def limits_in(snapshot: Snapshot) -> Planner | None:
    """What a snapshot says of limits; None where it limits nothing."""
    return snapshot.part(Planner) if snapshot.is_limited else None


def rules_of(config: Config) -> Rules:
    """All limits of a configuration."""
    return Rules(tuple(rule for name, entry in config.limits.items() for rule in _rules(name, entry)))


def _rules(name: str, entry: LimitEntry) -> Iterator[Rule]:
    scopes: tuple[tuple[Scope, str], ...] = tuple(entry.scope.items())
    for written, limit in entry.amounts():
        quantity: Quantity = written  # pyright: ignore[reportAssignmentType] (one of QUANTITIES)
        sliding = entry.per != "month" and (entry.window == "sliding" or (entry.window is None and quantity != "usd"))
        yield Rule(
            name=name,
            quantity=quantity,
            limit=limit,
            scopes=scopes,
            period=None if quantity == "concurrent" else entry.per,
            sliding=sliding,
            action=entry.action,
            when_unreachable=entry.when_unavailable,
        )


def reached(table: RouteTable, catalogue: Catalogue) -> Callable[[str], Reach]:
    """What holds at most of the deployments of each name, worked out when it is first asked for."""
    known: dict[str, Reach] = {}

    def find(name: str) -> Reach:
        found = known.get(name)
        if found is None:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            found = known[name] = _reach(table, catalogue, name)
        return found

    return find


def _reach(table: RouteTable, catalogue: Catalogue, name: str) -> Reach:
    try:
        alias = table.find(name)
    except SwitchgearError:
        # Routing refuses it; until then it costs nothing.
        return Reach()
    deployments = list(_all(table, name, set()))
    rates = [each for deployment in deployments for each in _rates(deployment.price)]
    return Reach(
        input_pico=max([max(each.input, each.image_input) for each in rates], default=0),
        cached_input_pico=max([max(each.input, each.cache_write_5m, each.cache_write_1h) for each in rates], default=0),
        output_pico=max([max(each.output, each.reasoning) for each in rates], default=0),
        call_pico=max([each.call for each in rates], default=0),
        output_tokens=catalogue.output_cap(alias.name),
        context_tokens=catalogue.capabilities(alias.name).context_tokens,
        legs=2 if alias.policy.hedging is not None else 1,
        providers=tuple(dict.fromkeys(each.provider_name for each in deployments)),
    )


def _all(table: RouteTable, name: str, seen: set[str]) -> Iterator[Deployment]:
    """The deployments of a name, of those that it is split to, and of those that it falls back to."""
    if name in seen:
        return
    seen.add(name)
    try:
        alias = table.find(name)
    except SwitchgearError:
        return
    yield from alias.deployments
    others = [other for split in alias.splits for other, _ in split.shares]
    others += [other for chain in alias.policy.fallbacks.values() for other in chain]
    for other in others:
        yield from _all(table, other, seen)


def _rates(price: Price | None) -> Iterator[Rates]:
    if price is None:
        return
    yield price.standard.rates
    yield from (tier.rates for tier in price.standard.tiers)
    for _, later in price.later:
        yield from _rates(later)
