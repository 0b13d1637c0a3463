"""Alerts, as `switchgear.yaml` declares them: rules, and whom they tell."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from switchgear.config.identity import Description, Tag
from switchgear.config.names import Name
from switchgear.config.secret import Secret
from switchgear.traces.alerts.rule import Quantity, Severity

MAX_SECONDS: Final = 30 * 86_400
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Seconds = Annotated[int, Meta(ge=0, le=MAX_SECONDS)]
Window = Annotated[int, Meta(ge=10, le=MAX_SECONDS)]
Factor = Annotated[float, Meta(gt=1, le=1_000_000)]
Bound = Annotated[float, Meta(ge=0, le=1e15)]
SpanKinds = Literal[
    "any",
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
Grouping = Literal[
    "model",
    "request_model",
    "provider",
    "route",
    "key",
    "user",
    "session",
    "service",
    "environment",
    "release",
    "name",
    "operation",
    "prompt_name",
    "prompt_version",
    "prompt_label",
    "tool_name",
]
Monitor = Literal[
    "any", "embedding", "length", "answer_length", "cost", "language", "tools", "errors", "refusals", "cut_off"
]
LimitQuantity = Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrent", "usd"]
TEXTS: Final = (
    *("model", "request_model", "provider", "route", "key", "user", "session", "service", "environment", "release"),
    *("name", "operation", "prompt_name", "prompt_version", "prompt_label", "tool_name", "status", "finish", "cache"),
)
"""Fields of :class:`WhereEntry` that are compared as texts."""


class WhereEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans count. All that is said must fit; a text that ends in `*` is a prefix."""

    kind: Annotated[SpanKinds, Meta(description="What kind of span; `llm`: calls of models, `any`: all spans.")] = "llm"
    model: Annotated[Text | None, Meta(description="The model that answered.")] = None
    request_model: Annotated[Text | None, Meta(description="The model that was asked for.")] = None
    provider: Annotated[Text | None, Meta(description="Who answered.")] = None
    route: Annotated[Text | None, Meta(description="The deployment, on spans of the gateway.")] = None
    key: Annotated[Text | None, Meta(description="The virtual key, on spans of the gateway.")] = None
    user: Annotated[Text | None, Meta(description="For whom.")] = None
    session: Annotated[Text | None, Meta(description="In which session.")] = None
    service: Annotated[Text | None, Meta(description="Which program sent it.")] = None
    environment: Annotated[Text | None, Meta(description="`production`, or whatever its sender calls it.")] = None
    release: Annotated[Text | None, Meta(description="Which release of that program.")] = None
    name: Annotated[Text | None, Meta(description="The span's own name.")] = None
    operation: Annotated[Text | None, Meta(description="`chat`, `embeddings`, `execute_tool`, ...")] = None
    prompt_name: Annotated[Text | None, Meta(description="The prompt.")] = None
    prompt_version: Annotated[Text | None, Meta(description="Its version.")] = None
    prompt_label: Annotated[Text | None, Meta(description="Its label.")] = None
    tool_name: Annotated[Text | None, Meta(description="The tool.")] = None
    status: Annotated[Literal["unset", "ok", "error"] | None, Meta(description="How it ended.")] = None
    finish: Annotated[Text | None, Meta(description="Why the answer ended, as the provider says.")] = None
    cache: Annotated[Literal["hit", "miss"] | None, Meta(description="Where a cache was asked.")] = None
    tags: Annotated[tuple[Tag, ...], Meta(description="Tags that it has, all of them.")] = ()
    metadata: Annotated[Mapping[str, Text], Meta(description="What its metadata say.")] = {}


class AlertRuleEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When somebody is to be told. It watches one of `measure`, `limit`, `absent_seconds` and `drift`."""

    description: Description = ""
    project: Annotated[
        Name | None,
        Meta(description="Whose spans are watched, and whose people see the alert; left out: of no project."),
    ] = None
    measure: Annotated[
        Quantity | None,
        Meta(
            description="What is measured of the spans of the last `window_seconds`: `calls`, `errors`, `error_rate` "
            "(from 0 to 1), `duration_ms`, `first_token_ms`, `cost_usd` or `tokens`."
        ),
    ] = None
    limit: Annotated[Name | None, Meta(description="The limit whose used share is watched, from 0 to 1.")] = None
    quantity: Annotated[
        LimitQuantity | None, Meta(description="Which amount of that limit; left out: each of them.")
    ] = None
    absent_seconds: Annotated[Window | None, Meta(description="There was no such span for so long.")] = None
    drift: Annotated[
        Monitor | None,
        Meta(
            description="The newest check for drift tells it of a model or prompt, by `any` monitor or by this one. "
            "Each model and each prompt is an alert by itself."
        ),
    ] = None
    window_seconds: Annotated[Window, Meta(description="How far back is measured.")] = 300
    where: Annotated[WhereEntry, Meta(description="Which spans count; left out: all calls of models.")] = WhereEntry()
    by: Annotated[Grouping | None, Meta(description="Each value of this field is an alert by itself.")] = None
    quantile: Annotated[
        Annotated[float, Meta(gt=0, le=1)], Meta(description="Of durations: 0.95 is what 95 % stay below.")
    ] = 0.95
    min_calls: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000_000)],
        Meta(description="Of fewer calls in the window nothing is concluded, neither an alarm nor its end."),
    ] = 0
    above: Annotated[Bound | None, Meta(description="It is more than this.")] = None
    below: Annotated[Bound | None, Meta(description="It is less than this.")] = None
    grows_by: Annotated[
        Factor | None, Meta(description="It is at least so many times what it was in the window before.")
    ] = None
    falls_by: Annotated[
        Factor | None, Meta(description="It is at most such a part of what it was in the window before: 2 is a half.")
    ] = None
    for_seconds: Annotated[Seconds, Meta(description="How long that must hold without a break.")] = 0
    recover_for_seconds: Annotated[
        Seconds, Meta(description="How long it must be over without a break until the alert is.")
    ] = 0
    repeat_seconds: Annotated[
        Seconds, Meta(description="After how long a firing is told again; 0: it is told once.")
    ] = 14_400
    lapse_seconds: Annotated[
        Seconds, Meta(description="After how long of too few calls a firing is let go, and told to have lapsed.")
    ] = 86_400
    severity: Annotated[Severity, Meta(description="How bad it is.")] = "warning"
    notify: Annotated[tuple[Name, ...], Meta(description="Receivers. Empty: it is only listed.")] = ()


class ReceiverEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who is told."""

    kind: Annotated[Literal["webhook", "slack", "pagerduty", "email"], Meta(description="How they are told.")]
    url: Annotated[
        Secret | None,
        Meta(description="Of `webhook` and `slack`: where notices are posted, http or https; by reference."),
    ] = None
    secret: Annotated[
        Secret | None, Meta(description="Of `webhook`: what notices are signed with, at least 16 characters.")
    ] = None
    routing_key: Annotated[Secret | None, Meta(description="Of `pagerduty`: the integration key of a service.")] = None
    host: Annotated[Text | None, Meta(description="Of `email`: the server that takes mail.")] = None
    port: Annotated[Annotated[int, Meta(ge=1, le=65535)] | None, Meta(description="Its port; left out: 587.")] = None
    encryption: Annotated[
        Literal["starttls", "tls", "none"] | None,
        Meta(description="`starttls` (left out: this), `tls` from the first byte on, or `none`, on this machine only."),
    ] = None
    user: Annotated[Text | None, Meta(description="Who logs in there; left out: nobody.")] = None
    password: Annotated[Secret | None, Meta(description="And the password; by reference.")] = None
    sender: Annotated[Text | None, Meta(description="The address that mail comes from.")] = None
    to: Annotated[tuple[Text, ...], Meta(description="The addresses that it goes to.")] = ()


class AlertsEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules over spans, budgets and drift, and whom they tell."""

    every_seconds: Annotated[int, Meta(ge=5, le=3600, description="How often rules are looked at.")] = 30
    keep_days: Annotated[int, Meta(ge=1, le=3650, description="How long history is kept.")] = 90
    rules: Annotated[Mapping[Name, AlertRuleEntry], Meta(description="Rules by name.")] = {}
    receivers: Annotated[Mapping[Name, ReceiverEntry], Meta(description="Who can be told, by name.")] = {}
