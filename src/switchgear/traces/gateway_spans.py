"""From a record of the journal to spans: one for the call, and below it one for each step that has something to say.

Most calls are plain: one attempt that went well, after checks that took no time. Children of such a call would repeat
what its own span says, and each costs as much to keep as the call. Its span has their times as attributes instead.

No usage and no cost is counted twice. The call's own span counts what its last attempt used, whose answer it has; every
attempt before that (one that failed, one that lost a race) counts for itself, and the last one's span only repeats what
the call's says. So the sum over counted spans is the sum over the ledger's rows, for each project, deployment and
model. A copy (a shadow) is told among its project's spans and costs nobody there anything, as in the ledger.

All ids follow from the call's, so that a record may be read again.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from switchgear.kernel.chat import Usage
from switchgear.kernel.record import Attempt, CallRecord
from switchgear.kernel.span import NOTHING, Content, CostSource, Span, SpanKind, SpanStatus
from switchgear.kernel.trace_context import span_id_of
from switchgear.ledger.row import Row, rows_of
from switchgear.traces.provider_names import provider_name

Steps = Literal["telling", "all"]
"""Which spans below a call's are made."""
DEFAULT_PROJECT: Final = "default"
"""Of callers that have none."""
_SERVICE: Final = "switchgear"
_CONVENTION: Final = "switchgear"
_KINDS: Final[Mapping[str, tuple[SpanKind, str]]] = MappingProxyType(
    {
        "chat": ("llm", "chat"),
        "completions": ("llm", "text_completion"),
        "realtime": ("llm", "realtime"),
        "images": ("llm", "generate_content"),
        "audio_speech": ("llm", "generate_content"),
        "audio_transcriptions": ("llm", "generate_content"),
        "audio_translations": ("llm", "generate_content"),
        "embeddings": ("embedding", "embeddings"),
        "rerank": ("rerank", "rerank"),
        "responses": ("span", "fetch_response"),
        "moderations": ("guardrail", "moderations"),
    }
)
"""What a span is, and its operation in the conventions' words, by the gateway's; the rest asks no model."""
_AUTHENTICATE: Final = 1 << 16
"""The numbers of spans that are no attempts begin far behind those that are."""
_LIMIT: Final = _AUTHENTICATE + 1
_QUEUE: Final = _AUTHENTICATE + 2
_LIMITED: Final = frozenset(("rate_limit_exceeded", "insufficient_quota", "overloaded"))
_SOURCES: Final[Mapping[str, CostSource]] = MappingProxyType(
    {"settled": "computed", "estimated": "estimated", "unknown": "unknown"}
)
_FAILED_FROM: Final = 500
_RANDOM_DIGITS: Final = 14
_SHORT_NS: Final = 1_000_000
"""Checks that took less than a millisecond are told on the call's own span."""
_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType(dict[str, str]())


class CallRules(Struct, frozen=True, kw_only=True):
    """Which spans are made of calls."""

    kinds: Mapping[str, str] = _NO_NAMES
    """What providers are, by the names that records know them by."""
    steps: Steps = "telling"
    sample: float = 1.0
    """Of the traces without a failure, the share that is kept."""

    def keeps(self, record: CallRecord) -> bool:
        """Whether a call becomes spans; all calls of a trace are told alike, here and wherever else this is followed.

        OpenTelemetry's consistent probability sampling: the last 56 bits of a trace's id are its randomness, and are
        kept from a threshold on (https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/).
        """
        if self.sample >= 1 or record.outcome == "failed" or record.status >= _FAILED_FROM:
            return True
        digits = trace_id_of(record)[-_RANDOM_DIGITS:]
        try:
            randomness = int(digits, 16)
        except ValueError:
            return True
        return randomness >= (1 - self.sample) * (1 << 4 * _RANDOM_DIGITS)


class Said(Struct, frozen=True, kw_only=True):
    """What went in and came out of a call, as far as it was captured."""

    input: Content = NOTHING
    output: Content = NOTHING
    findings: tuple[str, ...] = ()
    """What could not be kept or read of it."""


SILENT: Final = Said()


class _Money(Struct, frozen=True, kw_only=True):
    """What a row of the ledger says that something used and cost."""

    usage: Usage | None = None
    nano_usd: int | None = None
    source: CostSource = ""
    price: str = ""


EVERY_CALL: Final = CallRules()


def spans_of(record: CallRecord, said: Said = SILENT, rules: CallRules = EVERY_CALL) -> list[Span]:
    """The call's span first; those below it unless they would say nothing that it does not (``rules.steps``)."""
    telling = _Telling(record, rules.kinds)
    if rules.steps == "telling" and is_plain(record):
        return [telling.call(said, folded=True)]
    return [telling.call(said), *telling.steps(), *telling.attempts()]


def trace_id_of(record: CallRecord) -> str:
    """The trace that a call's spans stand in."""
    return record.trace_id or record.shadow_of or record.id


def is_plain(record: CallRecord) -> bool:
    """Whether it went well at its first attempt, and neither checks nor waits took time. An attempt whose upstream was
    told of its span (the call came with a trace) has one: what the upstream says stands below it."""
    attempts = record.attempts
    return (
        record.outcome == "ok"
        and record.limited_ns <= _SHORT_NS
        and not record.waits
        and not record.shadow_of
        and len(attempts) <= 1
        and (not attempts or _is_plain(attempts[0]))
    )


def _is_plain(attempt: Attempt) -> bool:
    return attempt.outcome == "ok" and not (attempt.span_id or attempt.why or attempt.cause or attempt.error)


class _Telling:
    """Of one record."""

    def __init__(self, record: CallRecord, kinds: Mapping[str, str]) -> None:
        self._record = record
        self._kinds = kinds
        self._rows = list(rows_of(record))
        self._span_id = span_id_of(record.id)
        self._counts = not record.shadow_of
        self._common = Span(
            project=record.project or DEFAULT_PROJECT,
            trace_id=trace_id_of(record),
            span_id=self._span_id,
            name="",
            started_ns=0,
            ended_ns=0,
            service=_SERVICE,
            user=record.user,
            session=record.session,
            key=record.key,
            call_id=record.id,
            scope=_SERVICE,
            convention=_CONVENTION,
        )
        """What stands on every span."""

    def call(self, said: Said, *, folded: bool = False) -> Span:
        """The span of the call itself; ``folded``: with what spans below it would say."""
        record, row = self._record, self._rows[-1]
        kind, operation = self._operation()
        model = record.model or row.upstream_model
        last = record.attempts[-1] if record.attempts else None
        money = _money(row)
        return replace(
            self._common,
            parent_id=record.parent_span_id,
            name=f"{operation} {model}" if operation and model else operation or record.operation,
            kind=kind,
            started_ns=record.started_ns,
            ended_ns=record.started_ns + max(record.duration_ns, 0),
            status=_status(record.outcome),
            status_message=record.error,
            tags=record.tags,
            metadata=record.metadata,
            operation=operation,
            provider=self._provider(row.provider),
            request_model=record.model,
            model="" if last is None else last.model,
            first_token_ns=self._first_token_ns(),
            usage=money.usage,
            counted=self._counts,
            cost_nano_usd=money.nano_usd,
            cost_source=money.source,
            price=money.price,
            finish="" if last is None else last.finish,
            route="" if last is None else last.deployment,
            cache="hit" if row.reason == "cached" else "",
            input=said.input,
            output=said.output,
            attributes={**self._attributes(row, said), **(self._folded(row) if folded else {})},
        )

    def steps(self) -> Iterator[Span]:
        """What came before the attempts, and the waiting between them."""
        record = self._record
        if record.limited_ns > 0:
            authenticated_ns = min(max(record.authenticated_ns, 0), record.limited_ns)
            yield self._step("authenticate", _AUTHENTICATE, 0, authenticated_ns)
            code = "" if record.attempts else record.error.partition(":")[0]
            error = record.error if code in _LIMITED else ""
            yield self._step("limit", _LIMIT, authenticated_ns, record.limited_ns, error)
        for number, wait in enumerate(record.waits):
            ended_ns = wait.began_ns + max(wait.duration_ns, 0)
            yield self._step("queue", _QUEUE + number, wait.began_ns, ended_ns, route=wait.deployment)

    def attempts(self) -> Iterator[Span]:
        """One for each try."""
        record = self._record
        for number, (attempt, row) in enumerate(zip(record.attempts, self._rows, strict=False), 1):
            money = _money(row)
            yield replace(
                self._common,
                span_id=attempt.span_id or span_id_of(record.id, number),
                parent_id=self._span_id,
                name=f"attempt {attempt.deployment}",
                started_ns=attempt.started_ns,
                ended_ns=attempt.started_ns + max(attempt.duration_ns, 0),
                status=_status(attempt.outcome),
                status_message=attempt.error,
                provider=self._provider(attempt.provider),
                request_model=attempt.model,
                model=attempt.model,
                first_token_ns=max(attempt.first_token_ns, 0) if record.stream else 0,
                usage=money.usage,
                counted=self._counts and number < len(record.attempts),
                cost_nano_usd=money.nano_usd,
                cost_source=money.source,
                price=money.price,
                finish=attempt.finish,
                route=attempt.deployment,
                attributes=_told(
                    {
                        "switchgear.why": attempt.why,
                        "switchgear.cause": attempt.cause,
                        "switchgear.outcome": attempt.outcome,
                        "switchgear.cost_state": row.state,
                        "switchgear.cost_reason": row.reason,
                        "switchgear.service": attempt.service,
                        "switchgear.upstream_request_id": attempt.upstream_id,
                        "switchgear.dropped": list(attempt.dropped),
                        "http.response.status_code": attempt.status,
                        "error.type": row.error,
                    }
                ),
            )

    def _step(self, name: str, number: int, began_ns: int, ended_ns: int, error: str = "", *, route: str = "") -> Span:
        started_ns = self._record.started_ns
        return replace(
            self._common,
            span_id=span_id_of(self._record.id, number),
            parent_id=self._span_id,
            name=name,
            started_ns=started_ns + began_ns,
            ended_ns=started_ns + ended_ns,
            status="error" if error else "ok",
            status_message=error,
            route=route,
        )

    def _operation(self) -> tuple[SpanKind, str]:
        record = self._record
        known = _KINDS.get(record.operation)
        if known is not None:
            return known
        metered = any(attempt.usage is not None for attempt in record.attempts)
        return ("llm", record.operation) if metered else ("span", "")

    def _provider(self, name: str) -> str:
        return provider_name(self._kinds.get(name, name))

    def _first_token_ns(self) -> int:
        """From the start of the call; only a stream has one that is not its end."""
        record = self._record
        if not record.stream or not record.attempts or not record.attempts[-1].first_token_ns:
            return 0
        last = record.attempts[-1]
        return max(last.started_ns - record.started_ns, 0) + max(last.first_token_ns, 0)

    def _folded(self, row: Row) -> dict[str, object]:
        record = self._record
        told: dict[str, object] = {"switchgear.authenticate_ns": record.authenticated_ns, "switchgear.limit_ns": 0}
        if record.limited_ns:
            told["switchgear.limit_ns"] = max(record.limited_ns - record.authenticated_ns, 0)
        for attempt in record.attempts:
            told["switchgear.attempt.began_ns"] = max(attempt.started_ns - record.started_ns, 0)
            told["switchgear.attempt.duration_ns"] = attempt.duration_ns
            told["switchgear.attempt.dropped"] = list(attempt.dropped)
        told["switchgear.service"] = row.service
        told["switchgear.upstream_request_id"] = row.upstream_id
        return _told(told)

    def _attributes(self, row: Row, said: Said) -> dict[str, object]:
        record = self._record
        return _told(
            {
                "gen_ai.request.stream": record.stream,
                "http.response.status_code": record.status,
                "error.type": "" if record.outcome == "ok" else record.error.partition(":")[0],
                "switchgear.door": record.door,
                "switchgear.operation": record.operation,
                "switchgear.outcome": record.outcome,
                "switchgear.attempts": len(record.attempts),
                "switchgear.cost_state": row.state,
                "switchgear.cost_reason": row.reason,
                "switchgear.shadow_of": record.shadow_of,
                "switchgear.organisation": record.organisation,
                "switchgear.team": record.team,
                "switchgear.owner": record.owner,
                "switchgear.config": record.config,
                "switchgear.gateway": record.gateway,
                "switchgear.first_byte_ns": record.first_byte_ns,
                "switchgear.request_bytes": record.request_bytes,
                "switchgear.response_bytes": record.response_bytes,
                "switchgear.findings": [*record.findings, *said.findings],
            }
        )


def _told(attributes: dict[str, object]) -> dict[str, object]:
    """Those that say something."""
    return {name: value for name, value in attributes.items() if value or value is False}


def _status(outcome: str) -> SpanStatus:
    """A client that left is nobody's error."""
    if outcome == "ok":
        return "ok"
    return "unset" if outcome == "cancelled" else "error"


def _money(row: Row) -> _Money:
    usage = None if row.usage_state == "none" else row.usage()
    if row.state == "void":
        free = row.reason in ("cached", "free")
        return _Money(usage=usage, nano_usd=row.cost_nano_usd, source="free" if free else "", price=row.price)
    unknown = row.state == "unknown" and not row.cost_nano_usd
    return _Money(
        usage=usage, nano_usd=None if unknown else row.cost_nano_usd, source=_SOURCES[row.state], price=row.price
    )
