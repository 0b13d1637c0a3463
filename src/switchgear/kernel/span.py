"""One span as Switchgear keeps it, whoever told it: a typed row that never changes, with what went in and came out.

A span belongs to one project, and is known there by its trace and its own id (W3C Trace Context: 32 and 16 lower-case
hexadecimal digits). User, session, tags, prompt and route stand on every span again, so that no list needs a join.
Token buckets are those of :class:`~switchgear.kernel.chat.Usage`: no token is counted in two of them.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from switchgear.kernel.chat import Usage

PREVIEW_CHARACTERS: Final = 200
OTEL_KIND: Final = "otel.kind"
"""Attribute of a span that OpenTelemetry calls ``client``, ``server``, ``producer`` or ``consumer``."""
OTEL_LINKS: Final = "otel.links"
"""Attribute of a span that points at others: objects of ``trace_id``, ``span_id``, ``trace_state``, ``attributes``."""
MOST_LINKS: Final = 128
"""Of one span; as many as OpenTelemetry's SDKs send by default. Those behind them are dropped."""

SpanKind = Literal[
    "llm",
    "embedding",
    "retrieval",
    "rerank",
    "tool",
    "agent",
    "chain",
    "guardrail",
    "evaluator",
    "prompt",
    "event",
    "span",
]
"""``span`` is whatever says nothing of models."""
SpanStatus = Literal["unset", "ok", "error"]
CostSource = Literal["", "reported", "computed", "estimated", "free", "unknown"]
"""Who says what it cost: nobody, the sender, our prices. ``free``: a cache's hit; ``unknown``: no price is known."""


class Content(Struct, frozen=True, kw_only=True):
    """What went into a span, or came out of it, as JSON texts; empty where it was not captured."""

    parts: tuple[bytes, ...] = ()
    """One for each message, in the form of the GenAI conventions (``{"role", "parts": [...]}``); else one value."""
    is_messages: bool = False
    preview: str = ""
    """The first characters of its text, for lists."""


NOTHING: Final = Content()


class SpanEvent(Struct, frozen=True, kw_only=True):
    """Something that happened at one moment of a span."""

    name: str
    at_ns: int
    attributes: Mapping[str, object] = {}


class Span(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One span. Times are nanoseconds of Unix time, durations nanoseconds."""

    project: str
    trace_id: str
    span_id: str
    parent_id: str = ""
    """Empty: it is the trace's first."""
    name: str
    kind: SpanKind = "span"
    started_ns: int
    ended_ns: int
    """Not before ``started_ns``."""
    status: SpanStatus = "unset"
    status_message: str = ""
    level: str = ""
    """``DEBUG``, ``DEFAULT``, ``WARNING``, ``ERROR`` where the sender has such a word."""

    trace_name: str = ""
    """What the sender calls the whole trace; empty: the name of its first span."""
    service: str = ""
    environment: str = ""
    release: str = ""
    user: str = ""
    session: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}

    operation: str = ""
    """``gen_ai.operation.name``: ``chat``, ``embeddings``, ``execute_tool``, ..."""
    provider: str = ""
    request_model: str = ""
    model: str = ""
    """That answered; on a call whose sender did not tell which, the one that was asked for."""
    first_token_ns: int = 0
    """From the start of the span to the first token; 0: not told."""
    usage: Usage | None = None
    counted: bool = True
    """Whether usage and cost are this span's own. False on one that only sums up what spans below it tell as well."""
    cost_nano_usd: int | None = None
    cost_source: CostSource = ""
    price: str = ""
    """The version of the price table behind a computed cost."""
    finish: str = ""
    tool_name: str = ""
    tool_call_id: str = ""
    prompt_name: str = ""
    prompt_version: str = ""
    prompt_label: str = ""

    key: str = ""
    """The virtual key's name, on spans of the gateway."""
    route: str = ""
    """The deployment that answered, on spans of the gateway."""
    call_id: str = ""
    """The gateway's own id of the call."""
    cache: str = ""
    """``hit`` or ``miss`` where a cache was asked."""

    input: Content = NOTHING
    output: Content = NOTHING
    attributes: Mapping[str, object] = {}
    """As they came, without what became ``input`` and ``output``."""
    resource: Mapping[str, object] = {}
    events: tuple[SpanEvent, ...] = ()
    scope: str = ""
    """Name of the instrumentation, with its version behind an ``@``."""
    convention: str = ""
    """Which naming of attributes it was read by; empty: none was known."""

    @property
    def duration_ns(self) -> int:
        """From start to end."""
        return self.ended_ns - self.started_ns


class ToldSpan(Struct, frozen=True, kw_only=True):
    """A span as its sender told it, before anybody made sense of its attributes; ids as they came."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str
    started_ns: int
    ended_ns: int
    status: SpanStatus = "unset"
    status_message: str = ""
    attributes: Mapping[str, object] = {}
    """Values are what JSON knows (text, numbers, booleans, lists, objects), and bytes."""
    events: tuple[SpanEvent, ...] = ()
    resource: Mapping[str, object] = {}
    scope_name: str = ""
    scope_version: str = ""
