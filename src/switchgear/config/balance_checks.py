"""Ways of balancing that compare what somebody must declare: do they find anything to compare?"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from yaml.nodes import SequenceNode

from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.sharing import Shared
from switchgear.config.written import Written

_NOTHING: Final[Mapping[str, str]] = {
    "cheapest": "goes by 'cost', and within no tier of {whose} do costs differ, so that it decides nothing; declare "
    "costs that differ, or balance otherwise",
    "headroom": "goes by 'requests_per_minute' and 'tokens_per_minute', and no tier of {whose} has two deployments, or "
    "keys, and such a limit; declare one, or balance otherwise",
}
"""What is wrong when there is nothing to compare, by the way of balancing; all others need nothing declared."""


class BalanceChecks:
    """Deployments are compared within one tier; those of a provider with several keys count once for each."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    @cached_property
    def _shared(self) -> Shared:
        return Shared(self._config)

    def problems(self) -> Iterator[Problem]:
        """Those of models with a way of their own, then that of the common one."""
        models = self._config.models.values()
        for entry in models:
            if entry.balance is not None and not self._decides(entry.balance, [entry]):
                text = f"{shown(entry.balance)} {_NOTHING[entry.balance].format(whose='this model')}"
                yield self._written.at(entry, "balance", text)
        common = self._config.routing.balance
        every_model_read = len(models) == len(self._written.declared.models)
        if every_model_read and not self._decides(common, [entry for entry in models if entry.balance is None]):
            text = f"{shown(common)} {_NOTHING[common].format(whose='a model that follows it')}"
            yield self._written.at(self._config.routing, "balance", text)

    def _decides(self, balance: str, entries: Iterable[ModelEntry]) -> bool:
        if balance not in _NOTHING:
            return True
        compares = self._costs_differ if balance == "cheapest" else self._limits_differ
        return any(not self._is_whole(entry) or any(map(compares, _tiers(entry))) for entry in entries)

    def _is_whole(self, entry: ModelEntry) -> bool:
        """Whether all that the file has for an entry's deployments could be read."""
        node = self._written.node(entry, "deployments")
        count = len(node.value) if isinstance(node, SequenceNode) else 0
        faulty = any(map(self._written.is_faulty, (entry, *entry.deployments)))
        return not faulty and count == len(entry.deployments)

    def _costs_differ(self, tier: list[DeploymentEntry]) -> bool:
        return len({deployment.cost for deployment in tier}) > 1

    def _limits_differ(self, tier: list[DeploymentEntry]) -> bool:
        terms = [self._shared.terms(deployment) for deployment in tier]
        return lanes(self._config, tier) > 1 and any(
            each.requests_per_minute or each.tokens_per_minute for each in terms
        )


def lanes(config: Config, deployments: Iterable[DeploymentEntry]) -> int:
    """Deployments, each once for every key of its provider."""
    providers = (config.providers.get(each.provider) for each in deployments)
    return sum(1 if provider is None else max(1, len(provider.api_keys)) for provider in providers)


def _tiers(entry: ModelEntry) -> Iterator[list[DeploymentEntry]]:
    for tier in sorted({deployment.tier for deployment in entry.deployments}):
        yield [deployment for deployment in entry.deployments if deployment.tier == tier]
