"""What a configuration makes of each model name, for whoever asks how calls are routed."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from switchgear.app.routes import policy_of
from switchgear.config.model import Config
from switchgear.config.routing import DeploymentEntry
from switchgear.routing.deployment import lane_name
from switchgear.routing.policy import Policy
from switchgear.routing.report import (
    BudgetReport,
    DeploymentReport,
    FleetReport,
    SilentGateway,
    Word,
    merged,
    merged_budgets,
)


class ListedDeployment(Struct, frozen=True, kw_only=True):
    """One deployment, once for each key of its provider."""

    name: str
    """As reports and metrics call it."""
    tier: int
    weight: int
    share: float
    """Of the calls to its tier, between 0 and 1, when all are balanced by weight."""
    cost: float
    max_in_flight: int


class ListedModel(Struct, frozen=True, kw_only=True):
    """One alias, its own settings and the common ones put together."""

    name: str
    deployments: tuple[ListedDeployment, ...]
    """In the order of their tiers."""
    policy: Policy


class Routes(Struct, frozen=True, kw_only=True):
    """The answer of ``GET /api/v1/routes``."""

    models: list[ListedModel]
    deployments: list[DeploymentReport] = []
    """Over all gateways that tell; those of which none knows anything are left out."""
    retry_budgets: list[BudgetReport] = []
    """By provider."""
    hedge_budgets: list[BudgetReport] = []
    """By model."""
    gateways: list[FleetReport] = []
    """Each gateway's own word."""
    silent: list[SilentGateway] = []
    """Gateways that live and have told nothing for ten seconds: what they told last is in none of the above."""


def listed_models(config: Config) -> list[ListedModel]:
    """Every alias, in the order of the file."""
    return [
        ListedModel(
            name=name,
            deployments=tuple(_in_tiers(config, entry.deployments)),
            policy=policy_of(entry, config.routing),
        )
        for name, entry in config.models.items()
    ]


def routes(config: Config, word: Word) -> Routes:
    """The models of ``config`` and how their deployments stand."""
    reports = word.reports
    return Routes(
        models=listed_models(config),
        deployments=merged(reports),
        retry_budgets=merged_budgets(told for one in reports for told in one.retry_budgets),
        hedge_budgets=merged_budgets(told for one in reports for told in one.hedge_budgets),
        gateways=list(reports),
        silent=list(word.silent),
    )


def _in_tiers(config: Config, entries: Sequence[DeploymentEntry]) -> Iterator[ListedDeployment]:
    lanes = [(entry, lane) for entry in entries for lane in _lanes(config, entry)]
    totals = {tier: sum(entry.weight for entry, _ in lanes if entry.tier == tier) for tier in _tiers(entries)}
    for entry, lane in sorted(lanes, key=lambda each: each[0].tier):
        yield ListedDeployment(
            name=lane,
            tier=entry.tier,
            weight=entry.weight,
            share=entry.weight / totals[entry.tier],
            cost=entry.cost,
            max_in_flight=entry.max_in_flight,
        )


def _tiers(entries: Sequence[DeploymentEntry]) -> set[int]:
    return {entry.tier for entry in entries}


def _lanes(config: Config, entry: DeploymentEntry) -> list[str]:
    keys = len(config.providers[entry.provider].api_keys)
    numbers = range(1, keys + 1) if keys > 1 else (0,)
    return [lane_name(entry.provider, entry.upstream_model, number) for number in numbers]
