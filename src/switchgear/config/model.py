"""The configuration as a frozen tree whose leaves are constructor arguments.

The descriptions are the reference: the JSON Schema, ``docs/configuration.md`` and editors all show them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from switchgear.config.alerts import AlertsEntry
from switchgear.config.batches import WINDOW, BatchesEntry
from switchgear.config.console import Console
from switchgear.config.control import Control
from switchgear.config.identity import (
    HASH,
    Key,
    OrganisationEntry,
    ProjectEntry,
    ServiceAccountEntry,
    TeamEntry,
    UserEntry,
)
from switchgear.config.limits import DOLLARS, LimitEntry
from switchgear.config.metrics import MetricsEntry
from switchgear.config.names import NAME, Name
from switchgear.config.routing import (
    FIELD_NAME,
    MODEL_NAME,
    FieldName,
    ModelEntry,
    ModelName,
    RoutingEntry,
)
from switchgear.config.secret import Secret
from switchgear.config.secret_refresh import Secrets
from switchgear.config.server import Server
from switchgear.config.state import PREFIX_IN_WORDS, CountersEntry, State
from switchgear.config.traces import Traces
from switchgear.kernel.capabilities import Capabilities
from switchgear.kernel.upstream import ProviderSettings
from switchgear.models.card import DAY
from switchgear.models.rate_card import USD, PriceCard
from switchgear.models.trust import PUBLIC_KEY, SIGNATURE_SUFFIX, PublicKeyText

_HEADER: Final = r"^[A-Za-z0-9][A-Za-z0-9-]{0,127}$"
_SEGMENT: Final = r"(\*|[A-Za-z0-9_.~-]+)"
_API_PATH: Final = rf"^/({_SEGMENT}/)*{_SEGMENT}?$"
_METRICS_PATH: Final = r"^/[!-~]{0,1023}$"
IN_WORDS: Final[Mapping[str, str]] = {
    NAME: "letters, digits, '_', '.' and '-', at most 64, the first a letter or digit",
    HASH: "'sha256:' and 64 hexadecimal digits in small letters; `switchgear key new NAME` prints one",
    _HEADER: "the name of a header: letters, digits and '-'",
    _API_PATH: "a path that begins with '/', of letters, digits, '_', '.', '~' and '-', or a '*' between two slashes",
    _METRICS_PATH: "a path that begins with '/', such as /metrics",
    USD: "a plain decimal amount of dollars, such as 0.15",
    PUBLIC_KEY: "'ed25519:' and 44 characters of Base64; `switchgear prices keygen` prints one",
    MODEL_NAME: "visible ASCII characters without spaces, at most 256",
    DAY: "a day, such as 2026-11-26",
    WINDOW: "a time of the day, such as 22:00-06:00",
    FIELD_NAME: "the name of a top-level field: letters, digits, '_' and '-', without dots",
    **PREFIX_IN_WORDS,
    DOLLARS: "dollars, from 0 on, such as '100' or '0.25'; at most nine decimal places",
}
"""What a pattern asks for, as it is told."""

HeaderName = Annotated[str, Meta(pattern=_HEADER)]
Fsync = Literal["buffered", "strict"]
WhenFull = Literal["refuse", "continue"]
WhenUnread = Literal["keep", "delete"]
WhenUnpriced = Literal["flag", "block"]


class Journal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where finished calls are written down, and how safely."""

    directory: Annotated[
        str, Meta(min_length=1, description="Folder of the segment files, relative to the working directory.")
    ] = "./switchgear-data/journal"
    fsync: Annotated[
        Fsync,
        Meta(description="`buffered`: in the background, every 100 ms. `strict`: before the last byte of a reply."),
    ] = "buffered"
    when_full: Annotated[
        WhenFull,
        Meta(description="When the disk is full: `refuse` new calls with 503, or `continue` and count what is lost."),
    ] = "refuse"
    keep_bytes: Annotated[
        int, Meta(ge=1_048_576, description="Old segments are deleted when all of them together are larger.")
    ] = 1_073_741_824
    when_unread: Annotated[
        WhenUnread,
        Meta(
            description="An old segment that the control process has not read: `keep` it, over `keep_bytes` if need "
            "be, or `delete` it and count what is lost."
        ),
    ] = "keep"


class ProviderEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place that serves models. Its name is the part before the slash in `provider/model`."""

    kind: Annotated[str, Meta(description="What it is: `openai`, `anthropic`, `openai_compatible`, `simulator`, ...")]
    base_url: Annotated[
        str | None, Meta(description="Address of its API, with the version (`/v1`); needed where the kind has none.")
    ] = None
    api_key: Annotated[
        Secret | None, Meta(description="The vendor's key; by reference (`${OPENAI_API_KEY}`), not in clear.")
    ] = None
    api_keys: Annotated[
        tuple[Secret, ...],
        Meta(description="Several keys of the vendor: calls are shared among them, and one that fails is left alone."),
    ] = ()
    headers: Annotated[Mapping[str, Secret], Meta(description="Headers to send with every request; never shown.")] = {}
    query: Annotated[
        Mapping[str, str],
        Meta(description="Query parameters to send with every request; for the simulator, its default parameters."),
    ] = {}
    options: Annotated[
        Mapping[str, Secret],
        Meta(description="What only this kind knows, such as a region or an API version; see its page. Never shown."),
    ] = {}
    drop: Annotated[
        tuple[FieldName, ...],
        Meta(
            description="Top-level fields of requests that none of its models is told, by whatever name it is called, "
            "because the provider refuses them. The reply's `x-switchgear-dropped` names those a request had."
        ),
    ] = ()
    transport: Annotated[
        Literal["native", "aiohttp"],
        Meta(
            description="`native`: the gateway's own client. `aiohttp`: slower, for proxies and odd servers; an extra."
        ),
    ] = "native"
    passthrough: Annotated[
        bool,
        Meta(
            description="Whether all of its API may be called as it is, below `/passthrough/NAME/`; see passthrough.md."
        ),
    ] = False
    queue_metrics: Annotated[
        Annotated[str, Meta(pattern=_METRICS_PATH)] | None,
        Meta(
            description="Path of the server's own metrics, from the root of its address on: `/metrics` for vLLM, "
            "SGLang, TGI and llama.cpp. Asked once a second, so that calls go where nobody waits; left out: not asked."
        ),
    ] = None
    passthrough_request_headers: Annotated[
        tuple[HeaderName, ...],
        Meta(
            description="Headers of clients that go up with what is passed through, beside the usual ones: "
            "`openai-project` lets clients choose whose account pays."
        ),
    ] = ()
    passthrough_response_headers: Annotated[
        tuple[HeaderName, ...],
        Meta(
            description="Headers of the upstream that come down with what is passed through, beside the usual ones: "
            "`openai-organization` tells clients whose account it is."
        ),
    ] = ()
    prices: Annotated[
        Mapping[ModelName, PriceCard],
        Meta(
            description="What its models cost, by their names there, before any table of prices; `*` is for all that "
            "are not named."
        ),
    ] = {}
    capabilities: Annotated[
        Mapping[ModelName, Capabilities],
        Meta(description="What its models can do, by their names there; `*` is for all that are not named."),
    ] = {}
    proxy: Annotated[
        Secret | None, Meta(description="URL of an egress proxy, never shown; only with `transport: aiohttp`.")
    ] = None

    @property
    def is_simulator(self) -> bool:
        """Whether nobody is behind it but the simulator, whatever it is called."""
        return self.kind == "simulator"

    def settings(self, name: str, api_key: Secret | None = None) -> ProviderSettings:
        """What a provider's constructor wants, secrets revealed; ``name`` is the entry's key under ``providers``.

        ``api_key`` is one of several; None takes the only one.
        """
        api_key = api_key or self.api_key or (self.api_keys[0] if self.api_keys else None)
        return ProviderSettings(
            name=name,
            base_url=self.base_url,
            api_key=None if api_key is None else api_key.reveal(),
            headers={header: value.reveal() for header, value in self.headers.items()},
            query=self.query,
            options={option: value.reveal() for option, value in self.options.items()},
        )


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What calls cost, where their provider does not say so itself."""

    file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="A table of prices that goes before the packaged one, in the form of its `prices.json`. A "
            "change is taken up like one of this file.",
        ),
    ] = None
    trusted_keys: Annotated[
        tuple[PublicKeyText, ...],
        Meta(
            description="Public keys (`ed25519:...`) of those who may write that table: it must then have a signature "
            "of one of them in `FILE.sig`. Empty: it needs none."
        ),
    ] = ()
    unknown: Annotated[
        WhenUnpriced,
        Meta(
            description="Calls of a model of unknown price: `flag` them in records and metrics, or `block` them. They "
            "never count as free."
        ),
    ] = "flag"


class Compatibility(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For clients that were written for another gateway; see the page on migration."""

    litellm_headers: Annotated[
        bool,
        Meta(
            description="Send LiteLLM's `x-litellm-...` headers with every reply, not only to clients that send some."
        ),
    ] = False
    litellm_body: Annotated[
        bool,
        Meta(
            description="Take LiteLLM's own fields out of OpenAI-like bodies (`fallbacks`, `num_retries`, `timeout`, "
            "`stream_timeout`, `tags`, `metadata`, `cache`, `litellm_session_id`) and act on them, instead of sending "
            "them on."
        ),
    ] = False


ApiPath = Annotated[str, Meta(pattern=_API_PATH)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class PassThroughEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the gateway's own paths that leads to a provider, as it is."""

    path: Annotated[
        ApiPath,
        Meta(
            description="The path that leads there. `*` stands for one segment, at the end for all that follows; a `/` "
            "at the end is short for `/*`."
        ),
    ]
    provider: Annotated[Name, Meta(description="The provider that answers, with its own authentication.")]
    upstream_path: Annotated[
        ApiPath,
        Meta(description="What stands in its place below the provider's `base_url`, with as many `*` as `path`."),
    ] = "/"
    methods: Annotated[tuple[Method, ...], Meta(description="Methods that are passed on. Empty: all of these.")] = ()
    websocket: Annotated[bool, Meta(description="Whether a GET may open a WebSocket there; see passthrough.md.")] = (
        False
    )


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `switchgear.yaml`."""

    server: Annotated[Server, Meta(description="Where the gateway listens, and its bounds.")] = Server()
    journal: Annotated[Journal, Meta(description="Where finished calls are written down.")] = Journal()
    state: Annotated[State, Meta(description="What gateways remember between calls.")] = State()
    control: Annotated[Control, Meta(description="The control process, and what it keeps.")] = Control()
    counters: Annotated[CountersEntry, Meta(description="Where limits and budgets are counted.")] = CountersEntry()
    limits: Annotated[
        Mapping[Name, LimitEntry], Meta(description="How much may be used and spent, by name of the limit.")
    ] = {}
    secrets: Annotated[Secrets, Meta(description="Secrets that other stores keep.")] = Secrets()
    metrics: Annotated[MetricsEntry, Meta(description="What `/metrics` tells.")] = MetricsEntry()
    batches: Annotated[
        BatchesEntry | None, Meta(description="Batches that Switchgear itself runs; left out: they are passed through.")
    ] = None
    traces: Annotated[Traces, Meta(description="Spans, and where they are kept.")] = Traces()
    alerts: Annotated[AlertsEntry, Meta(description="Rules over spans, budgets and drift, and who is told.")] = (
        AlertsEntry()
    )
    console: Annotated[Console, Meta(description="The console, for people in a browser.")] = Console()
    organisations: Annotated[
        Mapping[Name, OrganisationEntry], Meta(description="Organisations by name: they own projects.")
    ] = {}
    projects: Annotated[Mapping[Name, ProjectEntry], Meta(description="Projects by name.")] = {}
    teams: Annotated[Mapping[Name, TeamEntry], Meta(description="Teams by name.")] = {}
    users: Annotated[Mapping[Name, UserEntry], Meta(description="People by name.")] = {}
    service_accounts: Annotated[
        Mapping[Name, ServiceAccountEntry], Meta(description="Programs by name; none is called like a user.")
    ] = {}
    keys: Annotated[
        tuple[Key, ...],
        Meta(description="Virtual keys. Without any, callers on this machine need none and others are not served."),
    ] = ()
    providers: Annotated[
        Mapping[Name, ProviderEntry],
        Meta(description="Providers by name; `provider/model` always names a model of one of them."),
    ] = {}
    passthrough: Annotated[
        tuple[PassThroughEntry, ...], Meta(description="Paths that are passed through to a provider as they are.")
    ] = ()
    passthrough_provider: Annotated[
        Name | None,
        Meta(
            description="Who answers calls of OpenAI's API that name neither a model nor a provider: files, batches. "
            "Needed where several providers speak that API."
        ),
    ] = None
    prices: Annotated[Prices, Meta(description="What calls cost.")] = Prices()
    routing: Annotated[RoutingEntry, Meta(description="How calls are routed to models that do not say otherwise.")] = (
        RoutingEntry()
    )
    models: Annotated[
        Mapping[ModelName, ModelEntry],
        Meta(description="Aliases by name: what may be called besides `provider/model`."),
    ] = {}
    compatibility: Annotated[Compatibility, Meta(description="For clients that were written for another gateway.")] = (
        Compatibility()
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """Other files that the configuration is made of."""
        if self.prices.file is None:
            return ()
        table = Path(self.prices.file)
        return (table, table.with_name(f"{table.name}{SIGNATURE_SUFFIX}")) if self.prices.trusted_keys else (table,)

    @property
    def read_files(self) -> tuple[Path, ...]:
        """Those of them that are read with the configuration itself."""
        return ()
