"""The part of the configuration that says how calls to a model are routed; see ``model.py``."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from switchgear.kernel.capabilities import CapabilityPolicy
from switchgear.kernel.upstream import Timers
from switchgear.models.card import MODEL_NAME, ModelCard

MAX_SECONDS: Final = 86_400

FIELD_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"

ModelName = Annotated[str, Meta(pattern=MODEL_NAME)]
FieldName = Annotated[str, Meta(pattern=FIELD_NAME)]
Seconds = Annotated[float, Meta(gt=0, le=MAX_SECONDS)]
Share = Annotated[float, Meta(ge=0, le=1)]
Chain = tuple[ModelName, ...]
BalanceName = Literal["weighted", "least_busy", "fastest", "cheapest", "headroom"]
AffinityName = Literal["none", "session", "prompt"]
ResumeName = Literal["none", "prefill"]


class TimersEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one attempt at a deployment, in seconds."""

    connect_seconds: Annotated[Seconds, Meta(description="To make a connection, TLS included.")] = 5.0
    first_byte_seconds: Annotated[
        Seconds, Meta(description="From the request's last byte to the first byte of the answer's body.")
    ] = 120.0
    first_token_seconds: Annotated[
        Seconds | None,
        Meta(description="Of a stream, to its first piece of content; left out: `first_byte_seconds` must do."),
    ] = None
    idle_seconds: Annotated[Seconds, Meta(description="Between two arrivals of body bytes.")] = 60.0
    total_seconds: Annotated[Seconds, Meta(description="The whole attempt.")] = 600.0

    def timers(self, deadline_seconds: float) -> Timers:
        """The same limits, as the transports want them; none is longer than a whole call may take."""
        return Timers(
            connect_seconds=self.connect_seconds,
            first_byte_seconds=self.first_byte_seconds,
            first_token_seconds=self.first_token_seconds,
            idle_seconds=self.idle_seconds,
            total_seconds=min(self.total_seconds, deadline_seconds),
        )


class DeploymentEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model at one provider."""

    model: Annotated[ModelName, Meta(description="`provider/model`: the name of a provider above, then its own name.")]
    weight: Annotated[int, Meta(ge=1, le=1_000_000, description="Share of the calls, relative to the others.")] = 1
    tier: Annotated[
        int, Meta(ge=0, le=100, description="Lower tiers are used while any deployment in them can take a call.")
    ] = 0
    cost: Annotated[
        float, Meta(ge=0, le=1e9, description="Of a token, relative to the others; for `balance: cheapest`.")
    ] = 0.0
    timers: Annotated[TimersEntry, Meta(description="Limits of one attempt.")] = TimersEntry()
    drop: Annotated[
        tuple[FieldName, ...],
        Meta(
            description="Top-level fields of requests that this deployment is not told, because its upstream refuses "
            "them; beside those of its provider. The reply's `x-switchgear-dropped` names those a request had."
        ),
    ] = ()
    prefill: Annotated[
        bool | None,
        Meta(
            description="Whether the model goes on with an answer that was begun for it, so that `resume: prefill` may "
            "use it; left out: as models of its provider's kind do."
        ),
    ] = None
    batch_prices: Annotated[
        bool,
        Meta(
            description="Whether the vendor bills requests of batches that Switchgear runs there at its batch prices "
            "(the class of service `batch`), although they come one by one."
        ),
    ] = False
    max_in_flight: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Calls at once; more wait in line. 0: as many as come.")
    ] = 0
    max_waiting: Annotated[
        int, Meta(ge=0, le=100_000, description="Calls in line; one more is turned away with 503.")
    ] = 100
    waiting_seconds: Annotated[Seconds, Meta(description="In line, before a call is turned away.")] = 10.0
    requests_per_minute: Annotated[
        int, Meta(ge=0, le=1_000_000_000, description="What the vendor allows; 0: not known.")
    ] = 0
    tokens_per_minute: Annotated[
        int, Meta(ge=0, le=1_000_000_000_000, description="What the vendor allows; 0: not known.")
    ] = 0

    @property
    def provider(self) -> str:
        """The name of the provider."""
        return self.model.partition("/")[0]

    @property
    def upstream_model(self) -> str:
        """The model's name at the provider."""
        return self.model.partition("/")[2]


class RetriesEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a call that failed is tried again, before anything of an answer has gone out."""

    attempts: Annotated[
        int, Meta(ge=1, le=10, description="At the deployments of one name, the first one included.")
    ] = 3
    base_seconds: Annotated[
        float, Meta(ge=0, le=60, description="The first wait is drawn below this; it doubles each time.")
    ] = 0.25
    max_seconds: Annotated[float, Meta(ge=0, le=600, description="No wait is drawn above this.")] = 8.0
    budget: Annotated[Share, Meta(description="Share of a provider's calls that may be second tries there.")] = 0.2


class BreakerEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a deployment that fails is left alone for a while."""

    consecutive_failures: Annotated[int, Meta(ge=1, le=1_000_000, description="In a row.")] = 5
    failure_rate: Annotated[Share, Meta(description="Share of the calls in the window.")] = 0.5
    minimum_calls: Annotated[
        int, Meta(ge=1, le=1_000_000, description="In the window, before a share of them says anything.")
    ] = 20
    window_seconds: Annotated[Seconds, Meta(description="Length of the window.")] = 30.0
    slow_seconds: Annotated[
        Seconds | None, Meta(description="A first token after more than this makes a call slow; left out: none is.")
    ] = None
    slow_rate: Annotated[Share, Meta(description="Share of slow calls in the window.")] = 0.8
    open_seconds: Annotated[
        Seconds, Meta(description="Until one call may probe; doubles with each probe that fails.")
    ] = 5.0
    max_open_seconds: Annotated[Seconds, Meta(description="It is never left alone for longer.")] = 60.0


class FallbacksEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names to go on with when the deployments of this one could not answer, by cause, in order."""

    any: Annotated[
        Chain,
        Meta(description="For every cause but a filter's or a window's refusal and what the caller got wrong."),
    ] = ()
    context_length: Annotated[Chain, Meta(description="The prompt is too long: a model with a larger window.")] = ()
    content_filter: Annotated[Chain, Meta(description="A content filter refused; never routed around otherwise.")] = ()
    unsupported: Annotated[Chain, Meta(description="The request has no equal in the providers' dialects.")] = ()
    refused: Annotated[Chain, Meta(description="The upstream calls the request wrong.")] = ()
    rate_limited: Annotated[Chain, Meta(description="Before those of `any`: rate limits.")] = ()
    quota: Annotated[Chain, Meta(description="Before those of `any`: the provider's quota is used up.")] = ()
    overloaded: Annotated[Chain, Meta(description="Before those of `any`: the upstream is overloaded.")] = ()
    server_error: Annotated[Chain, Meta(description="Before those of `any`: other 5xx.")] = ()
    timeout: Annotated[Chain, Meta(description="Before those of `any`: a timer fired.")] = ()
    unreachable: Annotated[Chain, Meta(description="Before those of `any`: no connection.")] = ()
    unanswered: Annotated[Chain, Meta(description="Before those of `any`: sent, and no answer began.")] = ()
    garbled: Annotated[Chain, Meta(description="Before those of `any`: what came is no answer.")] = ()
    truncated: Annotated[
        Chain, Meta(description="Before those of `any`: the answer broke off before any content.")
    ] = ()
    auth: Annotated[Chain, Meta(description="Before those of `any`: the provider's key was refused.")] = ()
    busy: Annotated[Chain, Meta(description="Before those of `any`: every deployment rests, or its line is full.")] = ()

    def chains(self) -> dict[str, Chain]:
        """Those that are declared, by cause."""
        return {cause: chain for cause in self.__struct_fields__ if (chain := getattr(self, cause))}


class HedgingEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second attempt at another deployment when the first token is late; the first to answer wins."""

    after_seconds: Annotated[
        Seconds | None,
        Meta(description="How late; left out: later than 95 of 100 of the deployment's own first tokens."),
    ] = None
    budget: Annotated[Share, Meta(description="Share of calls that may be made twice.")] = 0.05


class SplitEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a share of the calls goes; the first entry that fits decides."""

    to: Annotated[
        Mapping[ModelName, Annotated[float, Meta(ge=0, le=100)]],
        Meta(description="Model names, each with its percentage; together 100. The name itself stands for staying."),
    ]
    when: Annotated[
        str, Meta(description='An expression, such as `header("x-beta") == "1"`; left out: every call.')
    ] = ""
    sticky: Annotated[Literal["none", "user", "session"], Meta(description="Who always goes to the same place.")] = (
        "none"
    )


class ShadowEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A copy of calls to another model: recorded, never returned."""

    to: Annotated[ModelName, Meta(description="The model that is sent the copies.")]
    percent: Annotated[float, Meta(gt=0, le=100, description="Of the calls.")] = 100.0
    max_at_once: Annotated[int, Meta(ge=1, le=1000, description="Copies under way; more are left out.")] = 16


class RoutingEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for every model that does not say otherwise."""

    balance: Annotated[
        BalanceName,
        Meta(
            description="Which deployment takes a call: by weight; the least busy; the fastest to a first token; the "
            "cheapest; the one with most of its rate limit left."
        ),
    ] = "weighted"
    affinity: Annotated[
        AffinityName,
        Meta(description="Keep a conversation at one deployment: by its session, or else by its first words."),
    ] = "none"
    total_seconds: Annotated[Seconds, Meta(description="Deadline of a whole call, whatever it goes through.")] = 600.0
    retries: Annotated[RetriesEntry, Meta(description="Second tries.")] = RetriesEntry()
    breaker: Annotated[BreakerEntry, Meta(description="Leaving alone what fails.")] = BreakerEntry()
    hedging: Annotated[HedgingEntry | None, Meta(description="Second attempts beside the first; left out: none.")] = (
        None
    )
    resume: Annotated[
        ResumeName,
        Meta(
            description="What to do when a stream breaks off: tell it, or let another deployment write on from there "
            "(`prefill`, where the model can)."
        ),
    ] = "none"
    capabilities: Annotated[
        CapabilityPolicy,
        Meta(
            description="What calls are held against before they are sent: `check`: what is declared here of their "
            "models. `known`: also what the package knows of them (`switchgear models list`). `ignore`: nothing."
        ),
    ] = "check"


class ModelEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alias: a name that applications use, and the deployments that answer to it."""

    deployments: Annotated[
        tuple[DeploymentEntry, ...], Meta(min_length=1, description="Each call goes to one of them.")
    ]
    balance: Annotated[BalanceName | None, Meta(description="Instead of `routing.balance`.")] = None
    affinity: Annotated[AffinityName | None, Meta(description="Instead of `routing.affinity`.")] = None
    total_seconds: Annotated[Seconds | None, Meta(description="Instead of `routing.total_seconds`.")] = None
    retries: Annotated[RetriesEntry | None, Meta(description="Instead of `routing.retries`.")] = None
    breaker: Annotated[BreakerEntry | None, Meta(description="Instead of `routing.breaker`.")] = None
    hedging: Annotated[HedgingEntry | None, Meta(description="Instead of `routing.hedging`.")] = None
    resume: Annotated[ResumeName | None, Meta(description="Instead of `routing.resume`.")] = None
    capabilities: Annotated[CapabilityPolicy | None, Meta(description="Instead of `routing.capabilities`.")] = None
    fallbacks: Annotated[FallbacksEntry, Meta(description="Other names to go on with.")] = FallbacksEntry()
    splits: Annotated[tuple[SplitEntry, ...], Meta(description="Shares of the calls for other names.")] = ()
    shadow: Annotated[ShadowEntry | None, Meta(description="Copies that nobody sees the answers of.")] = None
    aliases: Annotated[tuple[ModelName, ...], Meta(description="Other names for the same.")] = ()
    card: Annotated[ModelCard, Meta(description="Its stage, whose it is, where it comes from, what it can do.")] = (
        ModelCard()
    )
