"""What an operator declares of one model name: how calls to it are shared, tried again, and when they give up.

The defaults are what a name without any declaration gets.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

Cause = Literal[
    "unreachable",
    "unanswered",
    "timeout",
    "rate_limited",
    "overloaded",
    "server_error",
    "garbled",
    "truncated",
    "auth",
    "quota",
    "context_length",
    "content_filter",
    "unsupported",
    "refused",
    "busy",
]
"""Why an attempt failed, as far as the next step depends on it; ``causes.py`` finds it.

``unreachable``: nothing was sent. ``unanswered``: sent, and no answer began. ``unsupported``: the request has no equal
in the upstream's dialect. ``refused``: the upstream says that the request is wrong. ``busy``: this gateway's own queue.
"""

Balance = Literal["weighted", "least_busy", "fastest", "cheapest", "headroom"]
Affinity = Literal["none", "session", "prompt"]
Sticky = Literal["none", "user", "session"]
Resume = Literal["none", "prefill"]


class Retries(Struct, frozen=True, kw_only=True):
    """How often and how fast a call is tried again."""

    attempts: int = 3
    """At the deployments of one name, the first one included."""
    base_seconds: float = 0.25
    max_seconds: float = 8.0
    """Full jitter: a wait is drawn between 0 and min(max, base · 2ⁿ) (Brooker 2015)."""
    budget: float = 0.2
    """Share of an upstream's calls that may be second tries at it."""


class BreakerRules(Struct, frozen=True, kw_only=True):
    """When a deployment is left alone for a while."""

    consecutive_failures: int = 5
    failure_rate: float = 0.5
    minimum_calls: int = 20
    """Within the window, before a rate says anything."""
    window_seconds: float = 30.0
    slow_seconds: float | None = None
    """A first token after more than this makes a call slow; None: none is."""
    slow_rate: float = 0.8
    open_seconds: float = 5.0
    max_open_seconds: float = 60.0
    """The time doubles with each probe that fails."""


class Hedging(Struct, frozen=True, kw_only=True):
    """A second attempt beside the first, when the first token is late."""

    after_seconds: float | None = None
    """None: the 95th percentile of the deployment's own first tokens."""
    budget: float = 0.05
    """Share of calls that may be made twice."""


class Choice(Struct, frozen=True, kw_only=True):
    """Where a split sends a call: names of models, with their share of a hundred."""

    shares: tuple[tuple[str, float], ...]
    when: str = ""
    """An expression (``expression.py``); empty: every call."""
    sticky: Sticky = "none"


class Shadow(Struct, frozen=True, kw_only=True):
    """A copy of some calls, to a model whose answers nobody sees."""

    to: str
    percent: float = 100.0
    max_at_once: int = 16


class Policy(Struct, frozen=True, kw_only=True):
    """All of it."""

    balance: Balance = "weighted"
    affinity: Affinity = "none"
    total_seconds: float = 600.0
    """The deadline of a call, whatever it goes through."""
    retries: Retries = Retries()
    breaker: BreakerRules = BreakerRules()
    fallbacks: Mapping[str, tuple[str, ...]] = {}
    """Model names to go on with, by cause; ``any`` for every cause that may be routed around."""
    hedging: Hedging | None = None
    resume: Resume = "none"
    splits: tuple[Choice, ...] = ()
    shadow: Shadow | None = None


class Bounds(Struct, frozen=True, kw_only=True):
    """What one deployment can take; 0 means no bound."""

    max_in_flight: int = 0
    max_waiting: int = 100
    waiting_seconds: float = 10.0
    requests_per_minute: int = 0
    tokens_per_minute: int = 0


ANY: Final = "any"
DEFAULT: Final = Policy()
UNBOUNDED: Final = Bounds()
