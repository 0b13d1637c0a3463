"""From a configuration to what each model can do: for routing, for limits, for whoever lists them.

What a model's card says goes before what its provider's entry says of it, and that before what the package knows.
"""

from functools import reduce

from switchgear.config.model import Config
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.doors.listing import Listed
from switchgear.kernel.capabilities import NOTHING_KNOWN, Capabilities
from switchgear.models.capability_table import CapabilityTable, packaged_capabilities
from switchgear.models.card import ModelCard

_EVERY_OTHER = "*"


class Catalogue:
    """What the models of one configuration can do; ``packaged`` is read where it is not given."""

    def __init__(self, config: Config, packaged: CapabilityTable | None = None) -> None:
        self._config = config
        self._table = packaged_capabilities() if packaged is None else packaged
        self._listed: dict[str, Listed] = {}
        """Those that are declared: clients may ask for as many others as they like."""
        self._owners = {other: name for name, entry in config.models.items() for other in entry.aliases}

    def declared(self, provider: str, model: str) -> Capabilities:
        """What the provider's entry says of its model."""
        entry = self._config.providers.get(provider)
        if entry is None:
            return NOTHING_KNOWN
        own = entry.capabilities.get(model, NOTHING_KNOWN)
        return own.over(entry.capabilities.get(_EVERY_OTHER, NOTHING_KNOWN))

    def known(self, provider: str, model: str) -> Capabilities:
        """All that is known of a provider's model: what is declared, then what the package knows."""
        entry = self._config.providers.get(provider)
        packaged = NOTHING_KNOWN if entry is None else self._table.find(entry.kind, model)
        return self.declared(provider, model).over(packaged)

    def enforced(self, entry: ModelEntry, deployment: DeploymentEntry) -> Capabilities | None:
        """What calls of a name are held against at one of its deployments; None for nothing."""
        return self._enforced(entry.capabilities, entry.card, deployment.provider, deployment.upstream_model)

    def enforced_undeclared(self, provider: str, model: str) -> Capabilities | None:
        """The same for ``provider/model``, which no alias declares."""
        return self._enforced(None, ModelCard(), provider, model)

    def _enforced(self, policy: str | None, card: ModelCard, provider: str, model: str) -> Capabilities | None:
        policy = policy or self._config.routing.capabilities
        if policy == "ignore":
            return None
        below = self.known(provider, model) if policy == "known" else self.declared(provider, model)
        found = card.capabilities.over(below)
        return None if found == NOTHING_KNOWN else found

    def output_cap(self, name: str) -> int | None:
        """The most output tokens that any deployment of a name may write; None when that is not known of each.

        For estimates: a reservation need not be larger, whatever ``max_tokens`` says.
        """
        caps = [known.max_output_tokens for known in self._of_deployments(name)]
        return max((cap for cap in caps if cap is not None), default=None) if None not in caps else None

    def capabilities(self, name: str) -> Capabilities:
        """What calls of a name can have: what at least one of its deployments can do, as far as it is known."""
        return reduce(_either, self._of_deployments(name), NOTHING_KNOWN)

    def listed(self, name: str) -> Listed:
        """A name as lists of models show it."""
        found = self._listed.get(name)
        if found is None:
            found = self._list(name)
            if self._entry(name) is not None:
                self._listed[name] = found
        return found

    def _list(self, name: str) -> Listed:
        card = self.card(name)
        return Listed(
            capabilities=self.capabilities(name),
            stage=card.stage,
            version=card.version,
            deprecated=card.dates.deprecated or "",
            retired=card.dates.retired or "",
            stage_at=card.stage_at,
            is_simulated=self.is_simulated(name),
        )

    def is_simulated(self, name: str) -> bool:
        """Whether every deployment of a name is the simulator's."""
        return is_simulated(self._config, self.name_of(name))

    def card(self, name: str) -> ModelCard:
        """What is declared of a name; an empty card for one that nobody declares."""
        entry = self._entry(name)
        return ModelCard() if entry is None else entry.card

    def name_of(self, name: str) -> str:
        """The model that ``name`` is another name of; itself when it is none."""
        return self._owners.get(name, name)

    def _entry(self, name: str) -> ModelEntry | None:
        return self._config.models.get(self.name_of(name))

    def _of_deployments(self, name: str) -> list[Capabilities]:
        entry = self._entry(name)
        if entry is None:
            provider, _, model = name.partition("/")
            return [self.known(provider, model)]
        return [
            entry.card.capabilities.over(self.known(deployment.provider, deployment.upstream_model))
            for deployment in entry.deployments
        ]


def is_simulated(config: Config, name: str) -> bool:
    """Whether nobody answers to a name (none of ``aliases``) but the simulator, whatever its provider is called."""
    entry = config.models.get(name)
    providers = [name.partition("/")[0]] if entry is None else [each.provider for each in entry.deployments]
    entries = map(config.providers.get, providers)
    return all(found is not None and found.is_simulator for found in entries)


def _either(one: Capabilities, other: Capabilities) -> Capabilities:
    """What one of two can do."""
    return Capabilities(
        context_tokens=_larger(one.context_tokens, other.context_tokens),
        max_output_tokens=_larger(one.max_output_tokens, other.max_output_tokens),
        input=tuple(dict.fromkeys((*one.input, *other.input))),
        output=tuple(dict.fromkeys((*one.output, *other.output))),
        tools=_any(one.tools, other.tools),
        structured_output=_any(one.structured_output, other.structured_output),
        reasoning=_any(one.reasoning, other.reasoning),
        dimensions=_larger(one.dimensions, other.dimensions),
    )


def _larger(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _any(one: bool | None, other: bool | None) -> bool | None:
    return other if one is None else one or (other or False)
