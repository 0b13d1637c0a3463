"""What a gateway tells of its deployments: to whoever runs it, and to the other gateways of the machine.

Times are wall time, for monotonic clocks mean nothing to another process.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from msgspec import Struct, structs

from switchgear.kernel.clock import Clock
from switchgear.kernel.limit_report import LimitReport
from switchgear.routing.breaker import State
from switchgear.routing.budget import Budget
from switchgear.routing.fleet import Fleet
from switchgear.routing.health import Health

SILENT_SECONDS: Final = 10.0
MOST_TOLD: Final = 2000
"""Declared deployments before others: callers may name any model of a provider."""
_AT_A_TIME: Final = 128
"""Deployments looked at before calls get their turn again."""
_NANOSECONDS: Final = 1_000_000_000
_PRECISION_NS: Final = 1_000_000
"""Two clocks read one after the other never differ by the same amount twice."""
Number = TypeVar("Number", int, float)
SEVERITY: Final[Mapping[State, int]] = {"closed": 0, "half_open": 1, "open": 2}


class DeploymentReport(Struct, frozen=True, kw_only=True):
    """One deployment under one key of its provider, as one gateway sees it, or several together."""

    name: str
    breaker: State = "closed"
    open_until_ns: int = 0
    """While open: when a probe may go. 0: at once."""
    first_hand: bool = True
    """The gateway found out by itself; False: another one's word is all that keeps the breaker open."""
    failures_in_a_row: int = 0
    opened: int = 0
    """How often the breaker opened."""
    cool_until_ns: int = 0
    """The upstream's own word on when to come back, after a rate limit; 0: none."""
    in_flight: int = 0
    waiting: int = 0
    """Calls in line for a place."""
    minute_requests: int = 0
    """Sent by the gateway in the last minute, where requests or tokens per minute are bounded."""
    minute_tokens: int = 0
    first_token_seconds: float | None = None
    """Moving average; None before the first one."""
    first_token_p95_seconds: float | None = None
    """None before there are twenty."""
    server_running: int | None = None
    """Requests at the deployment's server, whoever sent them; None where it tells nothing."""
    server_waiting: int | None = None
    """Those that it has not begun."""
    server_cache_usage: float | None = None
    """How full its cache of keys and values is, between 0 and 1."""


class BudgetReport(Struct, frozen=True, kw_only=True):
    """The second tries at one provider, or the hedges of one model."""

    name: str
    left: int
    spent: int


class FleetReport(Struct, frozen=True, kw_only=True):
    """All that one gateway tells; deployments of which it knows nothing yet are left out."""

    gateway: str
    deployments: tuple[DeploymentReport, ...] = ()
    retry_budgets: tuple[BudgetReport, ...] = ()
    """By provider."""
    hedge_budgets: tuple[BudgetReport, ...] = ()
    """By model."""
    connections: int = 0
    """Of clients, open now."""
    turned_away: int = 0
    """Connections that were one too many, since the gateway began."""
    counters_reachable: bool = True
    """Whether the counters that gateways share can be asked; its own always can."""
    counters_owed: int = 0
    """Counts and settlements that shared counters have not been told yet."""
    journal_failing: bool = False
    """Whether the gateway cannot write finished calls down, or not flush them."""
    lost_records: int = 0
    """Finished calls that it could not write down, since it began."""
    limits: tuple[LimitReport, ...] = ()
    """How those stand that calls fell under lately."""
    told_ns: int = 0
    """Wall time."""


class SilentGateway(Struct, frozen=True, kw_only=True):
    """One that lives, and has told nothing for too long: frozen, stopped, or without a disk to write to."""

    gateway: str
    age_seconds: float
    """Of its last word."""


class Word(Struct, frozen=True, kw_only=True):
    """What is known of all living gateways at one moment."""

    reports: tuple[FleetReport, ...] = ()
    silent: tuple[SilentGateway, ...] = ()
    """Their last reports are of no use any more."""


async def report(fleet: Fleet, gateway: str, clock: Clock) -> FleetReport:
    """What is to be told now. Calls go on meanwhile, however many deployments there are."""
    told: list[Health] = []
    now_ns = clock.monotonic_ns()
    for number, health in enumerate(tuple(fleet), 1):
        if _has_something_to_tell(health, fleet, now_ns):
            told.append(health)
        if number % _AT_A_TIME == 0:
            await asyncio.sleep(0)
    told.sort(key=lambda health: health.name not in fleet.declared)
    deployments: list[DeploymentReport] = []
    for number, health in enumerate(told[:MOST_TOLD], 1):
        deployments.append(_deployment(health, clock))
        if number % _AT_A_TIME == 0:
            await asyncio.sleep(0)
    return FleetReport(
        gateway=gateway,
        deployments=tuple(deployments),
        retry_budgets=_budgets(fleet.budgets),
        hedge_budgets=_budgets(fleet.hedge_budgets),
        told_ns=clock.wall_ns(),
    )


def word(reports: Iterable[FleetReport], wall_ns: int) -> Word:
    """Reports by their age: a gateway that works tells something every other second."""
    found = [(one, (wall_ns - one.told_ns) / _NANOSECONDS) for one in reports]
    return Word(
        reports=tuple(one for one, age in found if age <= SILENT_SECONDS),
        silent=tuple(SilentGateway(gateway=one.gateway, age_seconds=age) for one, age in found if age > SILENT_SECONDS),
    )


def take_hints(fleet: Fleet, others: Iterable[FleetReport], clock: Clock) -> None:
    """Leave alone what another gateway found broken; its own probe is then this gateway's to make."""
    wall_ns, now_ns = clock.wall_ns(), clock.monotonic_ns()
    for other in others:
        for told in other.deployments:
            left_ns = told.open_until_ns - wall_ns
            health = fleet.find(told.name) if told.breaker == "open" and told.first_hand and left_ns > 0 else None
            if health is not None:
                health.hint(left_ns / _NANOSECONDS, now_ns)


def merged(reports: Iterable[FleetReport]) -> list[DeploymentReport]:
    """Each deployment over all gateways: the worst breaker, the slowest first token, calls and openings summed.

    Of what a server told several gateways, the most.
    """
    found: dict[str, DeploymentReport] = {}
    for one in reports:
        for told in one.deployments:
            known = found.get(told.name)
            found[told.name] = told if known is None else _together(known, told)
    return sorted(found.values(), key=lambda deployment: deployment.name)


def merged_budgets(told: Iterable[BudgetReport]) -> list[BudgetReport]:
    """Budgets of the same name over all gateways, summed."""
    found: dict[str, BudgetReport] = {}
    for one in told:
        known = found.get(one.name, BudgetReport(name=one.name, left=0, spent=0))
        found[one.name] = structs.replace(known, left=known.left + one.left, spent=known.spent + one.spent)
    return sorted(found.values(), key=lambda budget: budget.name)


def _budgets(budgets: Mapping[str, Budget]) -> tuple[BudgetReport, ...]:
    return tuple(
        BudgetReport(name=name, left=budget.left, spent=budget.spent)
        for name, budget in budgets.items()
        if budget.spent
    )


def _has_something_to_tell(health: Health, fleet: Fleet, now_ns: int) -> bool:
    breaker = health.breaker
    if health.observed or breaker.failures_in_a_row or breaker.opened or health.cool_until_ns:
        return True
    if health.reading(now_ns) is not None or any(health.minute(now_ns)):
        return True
    return bool(health.gate.in_flight) and health.name in fleet.declared


def _deployment(health: Health, clock: Clock) -> DeploymentReport:
    breaker = health.breaker
    is_closed = breaker.state == "closed"
    reading = health.reading(clock.monotonic_ns())
    requests, tokens = health.minute(clock.monotonic_ns())
    return DeploymentReport(
        name=health.name,
        breaker=breaker.state,
        open_until_ns=0 if is_closed else _wall_ns(breaker.until_ns, clock),
        first_hand=is_closed or breaker.until_ns != health.hinted_until_ns,
        failures_in_a_row=breaker.failures_in_a_row,
        opened=breaker.opened,
        cool_until_ns=_wall_ns(health.cool_until_ns, clock),
        in_flight=health.gate.in_flight,
        waiting=health.gate.waiting,
        minute_requests=requests,
        minute_tokens=tokens,
        first_token_seconds=health.first_token_seconds,
        first_token_p95_seconds=health.first_token_p95_seconds(),
        server_running=None if reading is None else reading.running,
        server_waiting=None if reading is None else reading.waiting,
        server_cache_usage=None if reading is None else reading.cache_usage,
    )


def _wall_ns(monotonic_ns: int, clock: Clock) -> int:
    """A moment to come, to the millisecond; 0 when it is past."""
    left_ns = monotonic_ns - clock.monotonic_ns()
    if left_ns <= 0:
        return 0
    return round((clock.wall_ns() + left_ns) / _PRECISION_NS) * _PRECISION_NS


def _together(one: DeploymentReport, other: DeploymentReport) -> DeploymentReport:
    return DeploymentReport(
        name=one.name,
        breaker=max(one.breaker, other.breaker, key=SEVERITY.__getitem__),
        open_until_ns=max(one.open_until_ns, other.open_until_ns),
        first_hand=one.first_hand or other.first_hand,
        failures_in_a_row=max(one.failures_in_a_row, other.failures_in_a_row),
        opened=one.opened + other.opened,
        cool_until_ns=max(one.cool_until_ns, other.cool_until_ns),
        in_flight=one.in_flight + other.in_flight,
        waiting=one.waiting + other.waiting,
        minute_requests=one.minute_requests + other.minute_requests,
        minute_tokens=one.minute_tokens + other.minute_tokens,
        first_token_seconds=_larger(one.first_token_seconds, other.first_token_seconds),
        first_token_p95_seconds=_larger(one.first_token_p95_seconds, other.first_token_p95_seconds),
        server_running=_larger(one.server_running, other.server_running),
        server_waiting=_larger(one.server_waiting, other.server_waiting),
        server_cache_usage=_larger(one.server_cache_usage, other.server_cache_usage),
    )


def _larger(one: Number | None, other: Number | None) -> Number | None:
    return max((number for number in (one, other) if number is not None), default=None)
