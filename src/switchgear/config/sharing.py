"""What several names say of what they share: a deployment has one line, one breaker and one rate limit under all of
them, and a provider has one budget of second tries.

Whoever says something says it for all names; what is left out, or left at its default, says nothing. Two names that
say different things are a problem, told by :func:`contradictions`; the first of them in the file counts until then.
"""

from collections.abc import Iterator
from typing import Final, cast

from msgspec import Struct, structs

from switchgear.config.model import Config
from switchgear.config.routing import BreakerEntry, DeploymentEntry, ModelEntry, RetriesEntry

BOUNDS: Final = ("max_in_flight", "max_waiting", "waiting_seconds", "requests_per_minute", "tokens_per_minute")
"""Fields of a deployment that hold for it under every name."""
BREAKER: Final = "breaker"
BUDGET: Final = "retries.budget"
_SILENT: Final = DeploymentEntry(model="")
_USUAL_BUDGET: Final = RetriesEntry().budget


class Said(Struct, frozen=True, kw_only=True):
    """One word on something shared, and the field that it stands in."""

    deployment: DeploymentEntry
    what: str
    value: object
    made: Struct
    field: str

    @property
    def whose(self) -> str:
        """`provider/model`, or the name of a provider."""
        return self.deployment.provider if self.what == BUDGET else self.deployment.model


class Contradiction(Struct, frozen=True, kw_only=True):
    """Two words on the same thing."""

    first: Said
    later: Said


class Shared:
    """What holds for each deployment and provider of a configuration, whatever name calls it."""

    __slots__ = ("_first", "common")

    def __init__(self, config: Config) -> None:
        self.common = config.routing
        self._first: dict[tuple[str, str], Said] = {}
        for said in _all_said(config):
            self._first.setdefault((said.whose, said.what), said)

    def terms(self, entry: DeploymentEntry) -> DeploymentEntry:
        """``entry`` with the bounds that hold under every name."""
        found = {field: said.value for field in BOUNDS if (said := self._first.get((entry.model, field)))}
        return structs.replace(entry, **found) if found else entry

    def breaker(self, entry: DeploymentEntry) -> BreakerEntry:
        """The rules of the deployment's breaker."""
        said = self._first.get((entry.model, BREAKER))
        return self.common.breaker if said is None else cast("BreakerEntry", said.value)

    def budget(self, provider: str) -> float:
        """The share of the provider's calls that may be second tries."""
        said = self._first.get((provider, BUDGET))
        return self.common.retries.budget if said is None else cast("float", said.value)


def contradictions(config: Config) -> Iterator[Contradiction]:
    """Each word that contradicts an earlier one, told once."""
    first: dict[tuple[str, str], Said] = {}
    told: set[tuple[int, str]] = set()
    for said in _all_said(config):
        earlier = first.setdefault((said.whose, said.what), said)
        if earlier.value != said.value and (id(said.made), said.field) not in told:
            told.add((id(said.made), said.field))
            yield Contradiction(first=earlier, later=said)


def _all_said(config: Config) -> Iterator[Said]:
    for entry in config.models.values():
        for deployment in entry.deployments:
            yield from _bounds(deployment)
            yield from _rules(entry, deployment)


def _bounds(deployment: DeploymentEntry) -> Iterator[Said]:
    for field in BOUNDS:
        value = getattr(deployment, field)
        if value != getattr(_SILENT, field):
            yield Said(deployment=deployment, what=field, value=value, made=deployment, field=field)


def _rules(entry: ModelEntry, deployment: DeploymentEntry) -> Iterator[Said]:
    if entry.breaker is not None:
        yield Said(deployment=deployment, what=BREAKER, value=entry.breaker, made=entry, field="breaker")
    retries = entry.retries
    if retries is not None and retries.budget != _USUAL_BUDGET:
        yield Said(deployment=deployment, what=BUDGET, value=retries.budget, made=retries, field="budget")
