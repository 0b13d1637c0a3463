"""The health of every deployment, by name: it outlives the snapshots that name the deployments."""

from collections.abc import Container, Iterable, Iterator, Mapping
from heapq import nlargest
from typing import Final

from switchgear.routing.budget import Budget
from switchgear.routing.health import Health
from switchgear.routing.policy import Bounds, BreakerRules

_MOST: Final = 16_384
"""Callers may name any model of a provider, and each name has a health."""
_MOST_IN_USE: Final = 1024
_IN_USE_NS: Final = 900_000_000_000
"""Before the last call to any such name."""


class Fleet:
    """One for the life of a gateway process."""

    def __init__(self) -> None:
        self._healths: dict[str, Health] = {}
        self._budgets: dict[str, Budget] = {}
        self._hedges: dict[str, Budget] = {}
        self.declared: frozenset[str] = frozenset()
        """Names of the deployments of the configuration in force; all others were made up by callers."""

    def health(self, name: str, rules: BreakerRules, bounds: Bounds, *, declared: bool = True) -> Health:
        """The health of the deployment ``name``, under these rules from now on.

        What nobody declared must not undo what somebody did: then only a new one is under these rules.
        """
        health = self._healths.get(name)
        if health is None:
            if len(self._healths) >= _MOST:
                self.keep(self.declared)
            health = self._healths[name] = Health(name, rules, bounds)
        elif declared:
            health.adopt(rules, bounds)
        return health

    def budget(self, upstream: str, share: float, *, declared: bool = True) -> Budget:
        """The retry budget of the provider ``upstream``; ``declared`` as for :meth:`health`."""
        budget = self._budgets.get(upstream)
        if budget is None:
            budget = self._budgets[upstream] = Budget(share)
        elif declared:
            budget.share = share
        return budget

    def hedges(self, model: str, share: float) -> Budget:
        """What calls of the model ``model`` may be made twice."""
        budget = self._hedges.setdefault(model, Budget(share))
        budget.share = share
        return budget

    def keep(self, names: Iterable[str], providers: Container[str] | None = None) -> None:
        """Forget every deployment but these, the declared ones; those with calls under way; and those in use.

        In use are names that nobody declared, of one of ``providers`` (None: of any): the last that were called.
        """
        kept = frozenset(names)
        in_use = self._in_use(kept | self.declared, providers)
        self._healths = {
            name: health
            for name, health in self._healths.items()
            if name in kept or name in in_use or health.gate.in_flight
        }
        self.declared = kept

    def _in_use(self, declared: frozenset[str], providers: Container[str] | None) -> set[str]:
        used = [
            (health.used_ns, name)
            for name, health in self._healths.items()
            if health.used_ns is not None and name not in declared
            if providers is None or name.partition("/")[0] in providers
        ]
        since_ns = max(used, default=(0, ""))[0] - _IN_USE_NS
        return {name for used_ns, name in nlargest(_MOST_IN_USE, used) if used_ns >= since_ns}

    def find(self, name: str) -> Health | None:
        """The health of a deployment that was used or declared already."""
        return self._healths.get(name)

    @property
    def budgets(self) -> Mapping[str, Budget]:
        """Retry budgets by provider."""
        return self._budgets

    @property
    def hedge_budgets(self) -> Mapping[str, Budget]:
        """Budgets of second attempts beside the first, by model."""
        return self._hedges

    def __iter__(self) -> Iterator[Health]:
        return iter(self._healths.values())
