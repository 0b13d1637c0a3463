"""Spans: where they are kept, and what they keep of what calls say."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from switchgear.config.names import Name
from switchgear.config.secret import Secret, SecretLines
from switchgear.guardrails.kinds import Kind
from switchgear.kernel.capture import CaptureLevel

DEFAULT_PATH: Final = "./switchgear-data/traces.db"
_Days = Annotated[int, Meta(ge=1, le=36_500)]
Capture = Annotated[
    CaptureLevel,
    Meta(
        description="What spans keep of what calls say: nothing (`none`), the first 200 characters each way "
        "(`previews`), or all messages (`full`)."
    ),
]


class DriftSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether projects are checked for drift by themselves."""

    daily: Annotated[bool, Meta(description="Check each project once a day; what is found is logged and kept.")] = False
    current_hours: Annotated[int, Meta(ge=1, le=720, description="How long the window is that is checked.")] = 24
    reference_days: Annotated[int, Meta(ge=1, le=31, description="How long the window before it is.")] = 7


class ClickHouseEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ClickHouse server that keeps the spans."""

    url: Annotated[
        str,
        Meta(
            description="Its HTTP interface: `https://HOST[:PORT]`, or `http://` (8443 and 8123 are the usual ports)."
        ),
    ]
    user: Annotated[str, Meta(min_length=1, description="Who asks; may create tables in the database.")] = "default"
    password: Annotated[
        Secret | None, Meta(description="That user's password; by reference (`${CLICKHOUSE_PASSWORD}`), not in clear.")
    ] = None
    database: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
            description="The database, which must be there; the tables in it are made.",
        ),
    ] = "switchgear"


class GrpcTlsEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the port for gRPC proves itself by, and asks of its clients; what references lead to is taken up anew."""

    certificate: Annotated[
        SecretLines,
        Meta(
            description="The certificate in PEM, with those between it and its authority behind it; by reference, such "
            "as `${file:/etc/tls/tls.crt}`."
        ),
    ]
    key: Annotated[
        SecretLines,
        Meta(description="Its private key in PEM, without a passphrase; by reference, such as `${file:...}`."),
    ]
    client_authorities: Annotated[
        SecretLines | None,
        Meta(
            description="Authorities in PEM: clients must show a certificate of one of them, besides their key. Left "
            "out, none is asked for; whether any is takes a restart."
        ),
    ] = None


class GrpcEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the control process takes spans by OTLP over gRPC."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on. Anything but a loopback address needs at least one enabled key, or "
            "`server.require_key`.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes any free one, and the log names it.")] = (
        4317
    )
    tls: Annotated[
        GrpcTlsEntry | None, Meta(description="Listen with TLS. Left out: in plain text; a change takes a restart.")
    ] = None


class ExportEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A collector that is sent spans by OTLP over HTTP, in protobuf."""

    endpoint: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2048,
            description="Its full address, such as `https://collector:4318/v1/traces`; one without a path goes to "
            "`/v1/traces`.",
        ),
    ]
    headers: Annotated[
        Mapping[str, Secret], Meta(description="Headers to send with every request; by reference, never shown.")
    ] = {}
    gzip: Annotated[bool, Meta(description="Whether requests are compressed.")] = True
    projects: Annotated[
        tuple[Name, ...],
        Meta(description="Whose spans are sent; empty: all. `default` is the project of keys without one."),
    ] = ()
    content: Annotated[
        bool,
        Meta(
            description="Whether what calls say goes with them: messages, texts among senders' own attributes, status "
            "messages."
        ),
    ] = False


class MaskEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that spans must not hold: either what has a known form, or a pattern."""

    find: Annotated[
        Kind | None,
        Meta(description="A form that is known: personal data, with its checksum where it has one, or a secret."),
    ] = None
    pattern: Annotated[
        str,
        Meta(
            max_length=2000,
            description="In its place, an expression of [RE2](https://github.com/google/re2/wiki/Syntax).",
        ),
    ] = ""
    replacement: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="What stands for it; by default the mask's name in brackets."),
    ] = None
    projects: Annotated[
        tuple[Name, ...],
        Meta(description="Whose spans are masked; empty: all. `default` is the project of keys without one."),
    ] = ()


class Traces(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spans that come in by any door, and those of the gateway's own calls."""

    path: Annotated[
        str,
        Meta(
            min_length=1,
            description="The file of the store of spans, relative to the working directory; it is written by one "
            "control process. A change takes a restart.",
        ),
    ] = DEFAULT_PATH
    clickhouse: Annotated[
        ClickHouseEntry | None,
        Meta(
            description="Keep spans in ClickHouse and not in the file `path`, for more of them than one machine's "
            "file holds. A change takes a restart."
        ),
    ] = None
    grpc: Annotated[
        GrpcEntry | None,
        Meta(
            description="Take spans by OTLP over gRPC as well, at a port of its own (the extra `grpc`); `{}` is the "
            "usual one on this machine. A change takes a restart."
        ),
    ] = None
    keep_days: Annotated[
        _Days, Meta(description="How long a trace is kept after its end, and its media; older ones are deleted hourly.")
    ] = 30
    keep_scores_days: Annotated[
        _Days | None,
        Meta(
            description="How long scores and comments are kept after they were said last, where not as long as traces; "
            "those on a trace stay while it does."
        ),
    ] = None
    steps: Annotated[
        Literal["telling", "all"],
        Meta(
            description="Which spans stand below a call's: those that say something (`telling`: a call that went well "
            "at its first attempt is one span, with the times of its steps as attributes), or `all`."
        ),
    ] = "telling"
    sample: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="The share of the gateway's own calls that become spans, whole traces alike. Calls that failed "
            "always do; ledger and metrics know every call.",
        ),
    ] = 1.0
    seal_after_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=876_000,
            description="How long nothing was written to a trace before it goes into Parquet files beside the store, "
            "which DuckDB reads (the extra `duckdb`); looked for hourly. 0: never.",
        ),
    ] = 0
    capture: Capture = "none"
    max_capture_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=1024 * 1024,
            description="How much of a request's body is kept, and as much of its answer; what is longer is cut, and "
            "its span says so.",
        ),
    ] = 262_144
    masks: Annotated[
        Mapping[Name, MaskEntry],
        Meta(
            description="What is replaced in all spans before they are kept, by name, whichever door they come by. See "
            "`docs/masking.md`."
        ),
    ] = {}
    drift: Annotated[
        DriftSettings, Meta(description="Whether what users send is compared with what they sent before.")
    ] = DriftSettings()
    export: Annotated[
        Mapping[Name, ExportEntry],
        Meta(description="Collectors that are sent all spans that arrive, by name. See `docs/trace-export.md`."),
    ] = {}


class ProjectTraces(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a project wants otherwise."""

    capture: Annotated[CaptureLevel | None, Meta(description="In place of `traces.capture`.")] = None
    keep_days: Annotated[_Days | None, Meta(description="In place of `traces.keep_days`.")] = None
    keep_scores_days: Annotated[
        _Days | None,
        Meta(
            description="In place of `traces.keep_scores_days`; left out, `keep_days` here counts for scores as well."
        ),
    ] = None
