"""From declared limits to rules, and from models to what their calls may cost at most."""

from collections.abc import Callable, Iterator, Sequence

from switchgear.app.catalogue import Catalogue
from switchgear.config.limits import LimitEntry
from switchgear.config.model import Config
from switchgear.kernel.call import Snapshot
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.pricing import Price, Rates, Schedule
from switchgear.limits.model import Dearest, Quantity, Reach, Rule, Rules, Scope
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
    prices = [price for each in deployments if each.price is not None for price in _times(each.price)]
    standard = _dearest([rates for price in prices for rates in _rates(price.standard)])
    schedules = [schedule for price in prices for schedule in (price.standard, *price.services.values())]
    dearest = _dearest([rates for schedule in schedules for rates in _rates(schedule)])
    return Reach(
        standard=standard,
        # The same object where it is the same, for that is quickly seen.
        of_any_service=standard if dearest == standard else dearest,
        priced=all(each.price is not None for each in deployments),
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


def _times(price: Price) -> Iterator[Price]:
    """A price, and those that follow it: what was looked up once must hold later too."""
    yield price
    yield from (following for _, following in price.later)


def _rates(schedule: Schedule) -> Iterator[Rates]:
    yield schedule.rates
    yield from (tier.rates for tier in schedule.tiers)


def _dearest(rates: Sequence[Rates]) -> Dearest:
    return Dearest(
        input=max([max(each.input, each.image_input, each.audio_input) for each in rates], default=0),
        cached_input=max([max(each.input, each.cache_write_5m, each.cache_write_1h) for each in rates], default=0),
        output=max([max(each.output, each.reasoning, each.audio_output) for each in rates], default=0),
        call=max([each.call for each in rates], default=0),
        character=max([each.character or 0 for each in rates], default=0),
        image=max([each.image or 0 for each in rates], default=0),
    )
