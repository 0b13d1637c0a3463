"""How the deployments stand, in Prometheus' text format: each over all gateways that told of it."""

from collections.abc import Callable, Sequence
from typing import Final

from switchgear.kernel.limit_report import LimitReport, merged_limits
from switchgear.routing.report import (
    SEVERITY,
    BudgetReport,
    DeploymentReport,
    FleetReport,
    Word,
    merged,
    merged_budgets,
)
from switchgear.traces.families import Family

_Deployment = Callable[[DeploymentReport], float | None]

_DEPLOYMENTS: Final[tuple[tuple[str, str, _Deployment], ...]] = (
    (
        "switchgear_breaker_state",
        "0 closed, 1 half open, 2 open; the worst of all gateways.",
        lambda told: SEVERITY[told.breaker],
    ),
    (
        "switchgear_breaker_opened",
        "How often it opened, in the gateways that live now.",
        lambda told: told.opened,
    ),
    (
        "switchgear_deployment_cooling",
        "1 while a rate limit of the upstream keeps calls away.",
        lambda told: bool(told.cool_until_ns),
    ),
    ("switchgear_deployment_in_flight", "Calls under way.", lambda told: told.in_flight),
    ("switchgear_deployment_waiting", "Calls in line for a place.", lambda told: told.waiting),
    (
        "switchgear_deployment_first_token_seconds",
        "Moving average of the time to the first token, of the slowest gateway.",
        lambda told: told.first_token_seconds,
    ),
    (
        "switchgear_deployment_first_token_p95_seconds",
        "95th percentile of the last 128 times to the first token, of the slowest gateway.",
        lambda told: told.first_token_p95_seconds,
    ),
    (
        "switchgear_deployment_server_running",
        "Requests that the deployment's server works on, whoever sent them; where `queue_metrics` asks it.",
        lambda told: told.server_running,
    ),
    (
        "switchgear_deployment_server_waiting",
        "Requests that the deployment's server holds back, whoever sent them.",
        lambda told: told.server_waiting,
    ),
    (
        "switchgear_deployment_server_cache_usage",
        "How full the server's cache of keys and values is, between 0 and 1.",
        lambda told: told.server_cache_usage,
    ),
)
_GATEWAYS: Final[tuple[tuple[str, str, Callable[[FleetReport], float]], ...]] = (
    ("switchgear_connections", "Clients' connections that are open.", lambda told: told.connections),
    (
        "switchgear_connections_turned_away",
        "Connections beyond `server.max_connections`, answered 503, since the gateway began.",
        lambda told: told.turned_away,
    ),
    (
        "switchgear_counters_reachable",
        "0 while shared counters cannot be asked, and limits do what they declare for that.",
        lambda told: told.counters_reachable,
    ),
    (
        "switchgear_counters_owed",
        "Counts and settlements that shared counters have not been told yet.",
        lambda told: told.counters_owed,
    ),
    (
        "switchgear_gateway_journal_failing",
        "1 while the gateway cannot write finished calls down, or not flush them to the disk.",
        lambda told: told.journal_failing,
    ),
    (
        "switchgear_gateway_lost_records",
        "Finished calls that the gateway could not write down, since it began.",
        lambda told: told.lost_records,
    ),
)
_RETRIES: Final = (
    ("switchgear_retry_budget_left", "Second tries that may be made at the provider now, once one was made."),
    ("switchgear_retry_budget_spent", "Second tries made at the provider, by the gateways that live now."),
)
_HEDGES: Final = (
    ("switchgear_hedge_budget_left", "Calls of the model that may be made twice now, once one was."),
    ("switchgear_hedge_budget_spent", "Calls of the model made twice, by the gateways that live now."),
)
_LIMITS: Final = (
    "switchgear_limit_used_ratio",
    "gauge",
    "How much of the limit is used, by whoever uses most of it: 1 is all; two seconds old at most.",
)
_SILENT: Final = "Gateways that live and have told nothing for ten seconds; all that follows leaves them out."


def exposition(word: Word) -> str:
    """All gauges; none for a deployment of which no gateway knows anything yet."""
    reports = word.reports
    silent = Family("switchgear_silent_gateways", "gauge", _SILENT, ())
    text = silent.text([silent.line((), len(word.silent))])
    for name, about, number in _GATEWAYS:
        family = Family(name, "gauge", about, ("gateway",))
        text += family.text(family.line((told.gateway,), number(told)) for told in reports)
    deployments = merged(reports)
    for name, about, number in _DEPLOYMENTS:
        family = Family(name, "gauge", about, ("deployment",))
        found = [(told.name, value) for told in deployments if (value := number(told)) is not None]
        text += family.text(family.line((deployment,), value) for deployment, value in found)
    text += _limits(merged_limits(told for one in reports for told in one.limits))
    retries = merged_budgets(told for one in reports for told in one.retry_budgets)
    hedges = merged_budgets(told for one in reports for told in one.hedge_budgets)
    return text + _budgets(_RETRIES, "provider", retries) + _budgets(_HEDGES, "model", hedges)


def _limits(told: Sequence[LimitReport]) -> str:
    """By limit, not by whom: there may be any number of these."""
    fullest: dict[tuple[str, str], float] = {}
    for one in told:
        fullest.setdefault((one.limit, one.quantity), one.share)
    family = Family(*_LIMITS, ("limit", "quantity"))
    return family.text(family.line(labels, share) for labels, share in fullest.items())


def _budgets(families: tuple[tuple[str, str], ...], label: str, budgets: Sequence[BudgetReport]) -> str:
    left, spent = (Family(name, "gauge", about, (label,)) for name, about in families)
    return left.text(left.line((told.name,), told.left) for told in budgets) + spent.text(
        spent.line((told.name,), told.spent) for told in budgets
    )
