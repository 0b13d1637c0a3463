"""Model names, and where calls to each of them may go, as one snapshot's immutable table."""

import difflib
from collections.abc import Callable, Container, Iterable, Mapping
from itertools import islice
from typing import Final

from msgspec import Struct

from switchgear.kernel.errors import ModelNotFound, Overloaded
from switchgear.routing.budget import Budget
from switchgear.routing.deployment import Connected, Deployment
from switchgear.routing.lifecycle import Called, Lifecycle, successor
from switchgear.routing.policy import DEFAULT, Policy
from switchgear.routing.split import Split

MAX_CACHED_NAMES: Final = 4096
MAX_NAME_LENGTH: Final = 256
"""Names go into headers and URLs: printable ASCII of a sensible length, or they are no names."""
_MAX_NAME_IN_MESSAGE: Final = 200
_NAMES_COMPARED: Final = 1000
_CLOSE_CANDIDATES: Final = 50
_CLOSE_MATCHES: Final = 3

Deploy = Callable[[Connected, str], Deployment]
"""Makes the deployment behind a name that no configuration declares."""


class Alias(Struct, frozen=True, kw_only=True):
    """A name that may be called, and what happens then."""

    name: str
    tiers: tuple[tuple[Deployment, ...], ...]
    """The deployments, in the order of their tiers."""
    policy: Policy = DEFAULT
    splits: tuple[Split, ...] = ()
    hedges: Budget | None = None
    """How many of its calls may be made twice, where its policy hedges."""
    only: Deployment | None = None
    """The one deployment of a name whose policy asks for nothing else."""
    is_direct: bool = False
    """Nothing goes on with an answer that broke off: one that came is passed on as it is."""
    checks: bool = False
    """Calls are held against what the deployments can do; see ``ability.py``."""
    lifecycle: Lifecycle | None = None
    """None: its end is nothing that anybody has declared."""

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """All of them."""
        return tuple(deployment for tier in self.tiers for deployment in tier)

    def at(self, deployment: str) -> "Alias":
        """The same name with the deployments of that name alone; itself when it has none."""
        found = [each for each in self.deployments if each.name == deployment]
        return alias(self.name, found, self.policy) if found else self

    def without(self, providers: Container[str]) -> "Alias":
        """The same name without the deployments at those. Raises Overloaded when none is left."""
        left = [each for each in self.deployments if each.provider_name not in providers]
        if not left:
            raise all_full(self.name)
        return alias(self.name, left, self.policy, self.splits, self.hedges)


def all_full(model: str) -> Overloaded:
    """The refusal of a call that may go to no provider of its model now."""
    text = f"the limits of every provider of model {model[:_MAX_NAME_IN_MESSAGE]!r} are reached; try again in a moment"
    return Overloaded(text, retry_after_seconds=1.0)


def alias(
    name: str,
    deployments: Iterable[Deployment],
    policy: Policy = DEFAULT,
    splits: tuple[Split, ...] = (),
    hedges: Budget | None = None,
) -> Alias:
    """An alias over ``deployments``, which are sorted into their tiers."""
    found = tuple(deployments)
    tiers = tuple(
        tuple(deployment for deployment in found if deployment.tier == tier)
        for tier in sorted({deployment.tier for deployment in found})
    )
    checks = any(each.capabilities is not None for each in found)
    simple = len(found) == 1 and not splits and policy.shadow is None and policy.resume == "none" and not checks
    return Alias(
        name=name,
        tiers=tiers,
        policy=policy,
        splits=splits,
        hedges=hedges,
        only=found[0] if simple else None,
        is_direct=policy.resume == "none",
        checks=checks,
    )


class RouteTable:
    """Names → aliases. Look-ups cost the same for ten models and ten thousand."""

    __slots__ = ("_deploy", "_policy", "_providers", "aliases", "listed", "named")

    def __init__(
        self,
        aliases: Mapping[str, Alias],
        providers: Mapping[str, tuple[Connected, ...]],
        *,
        listed: Iterable[str],
        deploy: Deploy,
        policy: Policy = DEFAULT,
    ) -> None:
        """``deploy`` and ``policy`` are for the names that no configuration declares."""
        self.aliases = dict(aliases)
        self.named = dict(aliases)
        """Aliases, and the names of providers' models that were asked for."""
        self._providers = dict(providers)
        self._deploy = deploy
        self._policy = policy
        self.listed = (*self.aliases, *(name for name in listed if name not in self.aliases))

    def find(self, model: str) -> Alias:
        """The alias of this name, or one over the model that ``provider/model`` names.

        Raises ModelNotFound, with close matches.
        """
        return self.named.get(model) or self._by_provider(model)

    def called(self, model: str) -> Called:
        """``model`` as far as its end is concerned. Raises ModelNotFound."""
        return Called(model, self.find(model).lifecycle)

    def leading(self, model: str, now_ns: int) -> Alias | None:
        """The alias where a policy leads to ``model`` at that time; None when that has ended, and names no other.

        Raises ModelNotFound.
        """
        alias = self.find(model)
        if alias.lifecycle is None:
            return alias
        name = successor(model, alias.lifecycle, now_ns, self.called)
        return self.find(name) if name else None

    def knows(self, model: str) -> bool:
        """Whether calls to ``model`` would find a deployment."""
        provider, slash, rest = model.partition("/")
        return model in self.aliases or bool(slash and rest and provider in self._providers)

    def _by_provider(self, model: str) -> Alias:
        provider, slash, rest = model.partition("/")
        connected = self._providers.get(provider)
        speakable = rest.isascii() and rest.isprintable() and 0 < len(rest) <= MAX_NAME_LENGTH
        if connected is None or not slash or not speakable:
            raise ModelNotFound(self._unknown(model), param="model")
        made = alias(model, [self._deploy(each, rest) for each in connected], self._policy)
        if len(self.named) >= MAX_CACHED_NAMES + len(self.aliases):
            self.named = dict(self.aliases)
        self.named[model] = made
        return made

    def _unknown(self, model: str) -> str:
        shown = model[:_MAX_NAME_IN_MESSAGE]
        close = close_names(shown, self.listed)
        hint = f"did you mean {' or '.join(repr(name) for name in close)}?" if close else "GET /v1/models lists them."
        return f"model {shown!r} does not exist here; {hint}"


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Up to three names like ``name``.

    A count of shared letter pairs over a bounded number of names picks the candidates, so that neither ten thousand
    models nor a flood of misspelt ones hold up the loop.
    """
    pairs = {name[at : at + 2] for at in range(len(name) - 1)}
    ranked = sorted(islice(known, _NAMES_COMPARED), key=lambda other: -sum(pair in other for pair in pairs))[
        :_CLOSE_CANDIDATES
    ]
    return difflib.get_close_matches(name, ranked, n=_CLOSE_MATCHES, cutoff=0.5)
