"""Models and their deployments, as one snapshot's immutable table."""

import difflib
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final, Protocol

from msgspec import Struct

from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import ModelNotFound
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.upstream import Provider, Target, Timers, Transport

CHAT_OPERATIONS: Final = frozenset(("chat", "completions"))
"""Operations whose answers can be streamed, and translated from one dialect to another."""
_UNTRANSLATABLE: Final = frozenset(("openai_embeddings", "anthropic_count_tokens"))
"""Dialects of one operation each, that no chat can be said in."""
MAX_CACHED_NAMES: Final = 4096
MAX_NAME_LENGTH: Final = 256
"""Names go into headers and URLs: printable ASCII of a sensible length, or they are no names."""
_MAX_NAME_IN_MESSAGE: Final = 200
_NAMES_COMPARED: Final = 1000
_CLOSE_CANDIDATES: Final = 50
_CLOSE_MATCHES: Final = 3


class Dialects(Protocol):
    """Finds the dialect an upstream speaks, tuned to the upstream's quirks."""

    def __call__(self, name: str, provider: Provider) -> Dialect: ...


class Connected(Struct, frozen=True, kw_only=True):
    """A provider, and how bytes get there."""

    provider: Provider
    transport: Transport
    dialects: Dialects
    missing_end_mark: bytes = b""
    """What to read at the end of a stream for an upstream that may leave its end mark out; empty for the others."""


class Plan(Struct, frozen=True, kw_only=True):
    """How one deployment performs one operation for clients of one dialect."""

    target: Target
    dialect: Dialect
    same_dialect: bool
    missing_end_mark: bytes
    drop: tuple[str, ...]
    """Fields of a request that are left out of it; see :class:`Deployment`."""


class Deployment:
    """One model at one provider, with everything a call needs worked out ahead.

    ``drop`` names top-level fields that clients send and that this upstream is not told.
    """

    __slots__ = ("_drop", "_plans", "connected", "model", "name", "provider_name", "timers", "weight")

    def __init__(
        self, connected: Connected, model: str, *, weight: int, timers: Timers, drop: tuple[str, ...] = ()
    ) -> None:
        self.connected = connected
        self.model = model
        self.provider_name = connected.provider.name
        self.name = f"{self.provider_name}/{model}"
        self.weight = weight
        self.timers = timers
        self._drop = drop
        self._plans: dict[tuple[str, str], Plan | None] = {}

    def plan(self, operation: str, dialect: str) -> Plan | None:
        """The plan for an operation, made on first use; None when the provider does not offer it."""
        key = (operation, dialect)
        plan = self._plans.get(key)
        if plan is None and key not in self._plans:
            plan = self._plans[key] = self._make_plan(operation, dialect)
        return plan

    def _make_plan(self, operation: str, dialect: str) -> Plan | None:
        target = self.connected.provider.target(operation, dialect, self.model)
        if target is None:
            return None
        same_dialect = target.dialect == dialect
        if not same_dialect and (operation not in CHAT_OPERATIONS or target.dialect in _UNTRANSLATABLE):
            return None
        spoken = self.connected.dialects(target.dialect, self.connected.provider)
        return Plan(
            target=target,
            dialect=spoken,
            same_dialect=same_dialect,
            missing_end_mark=self.connected.missing_end_mark,
            drop=self._drop,
        )


class RouteTable:
    """Model names → deployments. Look-ups cost the same for ten models and ten thousand."""

    __slots__ = ("_aliases", "_named", "_providers", "_timers", "listed")

    def __init__(
        self,
        aliases: Mapping[str, tuple[Deployment, ...]],
        providers: Mapping[str, Connected],
        *,
        listed: Iterable[str],
        timers: Timers,
    ) -> None:
        self._aliases = dict(aliases)
        self._providers = dict(providers)
        self._timers = timers
        self._named: dict[str, tuple[Deployment, ...]] = {}
        self.listed = (*self._aliases, *(name for name in listed if name not in self._aliases))

    def deployments(self, model: str) -> tuple[Deployment, ...]:
        """The deployments of an alias, or the one that ``provider/model`` names.

        Raises ModelNotFound, with close matches.
        """
        found = self._aliases.get(model) or self._named.get(model)
        return found if found is not None else self._by_provider(model)

    def knows(self, model: str) -> bool:
        """Whether calls to ``model`` would find a deployment."""
        provider, slash, rest = model.partition("/")
        return model in self._aliases or bool(slash and rest and provider in self._providers)

    def _by_provider(self, model: str) -> tuple[Deployment, ...]:
        provider, slash, rest = model.partition("/")
        connected = self._providers.get(provider)
        speakable = rest.isascii() and rest.isprintable() and 0 < len(rest) <= MAX_NAME_LENGTH
        if connected is None or not slash or not speakable:
            raise ModelNotFound(self._unknown(model), param="model")
        made = (Deployment(connected, rest, weight=1, timers=self._timers),)
        if len(self._named) >= MAX_CACHED_NAMES:
            self._named.clear()
        self._named[model] = made
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


def choose(deployments: tuple[Deployment, ...], random_bits: RandomBits) -> Deployment:
    """One deployment, each with a chance in proportion to its weight."""
    if len(deployments) == 1:
        return deployments[0]
    total = sum(deployment.weight for deployment in deployments)
    mark = (random_bits(53) / (1 << 53)) * total
    for deployment in deployments:
        mark -= deployment.weight
        if mark < 0:
            return deployment
    return deployments[-1]
