"""One model at one provider under one of its keys, with everything a call needs worked out ahead."""

from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from switchgear.kernel.capabilities import Capabilities
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.pricing import Price
from switchgear.kernel.upstream import Provider, Target, Timers, Transport
from switchgear.routing.budget import Budget
from switchgear.routing.health import Health

_IN_A_CHAT: Final = frozenset(("completions",))
"""What a chat answers, too, where a provider offers nothing else: the prompt is its one message."""


class Dialects(Protocol):
    """Finds the dialect an upstream speaks, tuned to the upstream's quirks."""

    def __call__(self, name: str, provider: Provider) -> Dialect: ...


class Connected(Struct, frozen=True, kw_only=True):
    """A provider under one of its keys, and how bytes get there."""

    provider: Provider
    transport: Transport
    dialects: Dialects
    missing_end_mark: bytes = b""
    """What to read at the end of a stream for an upstream that may leave its end mark out; empty for the others."""
    key_number: int = 0
    """Of the provider's keys; 0 when it has only one."""
    drop: tuple[str, ...] = ()
    """Fields of requests that the provider is not told, whatever its model."""


class Plan(Struct, frozen=True, kw_only=True):
    """How one deployment performs one operation for clients of one dialect."""

    target: Target
    stream_target: Target
    """Where streams are asked for."""
    dialect: Dialect
    same_dialect: bool
    stream_media: bytes
    """The media type of the upstream's streams, without parameters."""
    missing_end_mark: bytes
    drop: tuple[str, ...]
    """Fields of a request that are left out of it; see :class:`Terms` and :class:`Connected`."""


class Terms(Struct, frozen=True, kw_only=True):
    """What an operator declared of one deployment, beside its name."""

    weight: float = 1.0
    tier: int = 0
    """Lower ones are used while any of them can be."""
    cost: float = 0.0
    """Of a token, relative to the others."""
    timers: Timers = Timers()
    drop: tuple[str, ...] = ()
    """Top-level fields that clients send and that this upstream is not told."""
    begins_answers: bool | None = None
    """Whether the model goes on with an answer that was begun for it; None: as the provider's quirks say."""
    price: Price | None = None
    """What calls cost; None: nobody knows."""
    must_be_priced: bool = False
    """Calls of an unknown price are not made."""
    capabilities: Capabilities | None = None
    """What calls are held against; None: nothing."""
    batch_prices: bool = False
    """Whether lines of batches are billed as the class of service ``batch``."""


class Deployment:
    """Somewhere to send calls; ``health`` outlives it, the rest is of one snapshot."""

    __slots__ = ("_drop", "batch_prices", "begins_answers", "budget", "capabilities", "connected", "cost",
                 "health", "is_withheld", "model", "name", "plans", "price", "provider_name", "tier", "timers",
                 "weight")  # fmt: skip

    def __init__(self, connected: Connected, model: str, terms: Terms, health: Health, budget: Budget) -> None:
        self.connected = connected
        self.model = model
        self.provider_name = connected.provider.name
        self.name = f"{self.provider_name}/{model}"
        self.weight = terms.weight
        self.tier = terms.tier
        self.cost = terms.cost
        self.timers = terms.timers
        self._drop = tuple(dict.fromkeys((*connected.drop, *terms.drop)))
        own = terms.begins_answers
        self.begins_answers = connected.provider.quirks.begins_answers if own is None else own
        self.price = terms.price
        self.is_withheld = terms.must_be_priced and terms.price is None
        """Not used, because nobody knows what it costs."""
        self.batch_prices = terms.batch_prices
        self.capabilities = terms.capabilities
        self.health = health
        self.budget = budget
        """What may be tried again at the provider."""
        self.plans: dict[tuple[str, str], Plan | None] = {}
        """By operation and the client's dialect; see :meth:`plan`."""

    def plan(self, operation: str, dialect: Dialect) -> Plan | None:
        """The plan for an operation, made on first use; None when the provider does not offer it, or it is withheld."""
        key = (operation, dialect.name)
        plan = self.plans.get(key)
        if plan is None and key not in self.plans:
            plan = self.plans[key] = self._make_plan(operation, dialect)
        return plan

    def _make_plan(self, operation: str, dialect: Dialect) -> Plan | None:
        provider = self.connected.provider
        target = provider.target(operation, dialect.name, self.model)
        if target is None and operation in _IN_A_CHAT:
            target = provider.target("chat", dialect.name, self.model)
        if target is None or self.is_withheld:
            return None
        spoken = self.connected.dialects(target.dialect, provider)
        same_dialect = spoken.name == dialect.name
        if not same_dialect and spoken.family != dialect.family:
            return None
        return Plan(
            target=target,
            stream_target=replace(target, path=target.stream_path) if target.stream_path else target,
            dialect=spoken,
            same_dialect=same_dialect,
            stream_media=spoken.stream_type.partition(b";")[0],
            missing_end_mark=self.connected.missing_end_mark,
            drop=self._drop,
        )


def lane_name(provider: str, model: str, key_number: int) -> str:
    """What metrics and hints call a deployment under one key: ``openai/gpt-4o#2`` when there are several keys."""
    return f"{provider}/{model}#{key_number}" if key_number else f"{provider}/{model}"
