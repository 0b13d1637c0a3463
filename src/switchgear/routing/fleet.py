"""The health of every deployment, by name: it outlives the snapshots that name the deployments."""

from collections.abc import Iterable, Iterator
from typing import Final

from switchgear.routing.budget import Budget
from switchgear.routing.health import Health
from switchgear.routing.policy import Bounds, BreakerRules

_MOST: Final = 16_384
"""Callers may name any model of a provider, and each name has a health."""


class Fleet:
    """One for the life of a gateway process."""

    def __init__(self) -> None:
        self._healths: dict[str, Health] = {}
        self._budgets: dict[str, Budget] = {}

    def health(self, name: str, rules: BreakerRules, bounds: Bounds, *, declared: bool = True) -> Health:
        """The health of the deployment ``name``, under these rules from now on.

        What nobody declared must not undo what somebody did: then only a new one is under these rules.
        """
        health = self._healths.get(name)
        if health is None:
            if len(self._healths) >= _MOST:
                self.keep(())
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

    def keep(self, names: Iterable[str]) -> None:
        """Forget every deployment but these and those with calls under way."""
        kept = set(names)
        self._healths = {
            name: health for name, health in self._healths.items() if name in kept or health.gate.in_flight
        }

    def __iter__(self) -> Iterator[Health]:
        return iter(self._healths.values())
