"""What the list of traces says about one: kept beside its spans, and brought forward by each of them."""

from typing import Final

from msgspec import Struct, field, msgpack

from switchgear.engines.sqlite_spans.columns import bounded
from switchgear.kernel.query import TraceRow
from switchgear.kernel.span import Span

Place = tuple[bool, int, str]
"""Where a span stands in its trace: those without a parent first, then by start and id."""
_CARRIED: Final = ("trace_name", "user", "session", "environment", "release")


class Summary(Struct, array_like=True):
    """Of one trace. ``carried`` holds for each of its texts the first span's that has it, with its place."""

    started_ns: int
    last_started_ns: int
    ended_ns: int
    first: tuple[Place, str, str, str, str]
    """Place, name, status and previews of the first span."""
    span_count: int = 0
    error_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    unpriced_count: int = 0
    carried: dict[str, tuple[Place, str]] = field(default_factory=dict[str, tuple[Place, str]])
    models: set[str] = field(default_factory=set[str])
    tags: set[str] = field(default_factory=set[str])

    def add(self, span: Span, *, counts: bool) -> None:
        """One more span."""
        place = place_of(span)
        self.started_ns = min(self.started_ns, span.started_ns)
        self.last_started_ns = max(self.last_started_ns, span.started_ns)
        self.ended_ns = max(self.ended_ns, span.ended_ns)
        if place < self.first[0]:
            self.first = first_of(span, place)
        self.span_count += 1
        self.error_count += span.status == "error"
        if span.model:
            self.models.add(span.model)
        self.tags.update(span.tags)
        for name in _CARRIED:
            text = getattr(span, name)
            if text and (name not in self.carried or place < self.carried[name][0]):
                self.carried[name] = (place, text)
        if counts:
            self.add_sums(span, 1)

    def add_sums(self, span: Span, sign: int) -> None:
        """Tokens and cost of a span that counts from now on, or no longer (-1)."""
        usage = span.usage
        if usage is not None:
            self.input_tokens += sign * (bounded(usage.total_input) or 0)
            self.output_tokens += sign * (bounded(usage.total_output) or 0)
        self.cost_nano_usd += sign * (bounded(span.cost_nano_usd) or 0)
        self.unpriced_count += sign * (span.cost_source == "unknown")

    def row(self, trace_id: str) -> TraceRow:
        """As a list shows it."""
        texts = {name: text for name, (_, text) in self.carried.items()}
        return TraceRow(
            trace_id=trace_id,
            name=texts.get("trace_name") or self.first[1],
            started_ns=self.started_ns,
            ended_ns=self.ended_ns,
            span_count=self.span_count,
            error_count=self.error_count,
            status=self.first[2],
            user=texts.get("user", ""),
            session=texts.get("session", ""),
            environment=texts.get("environment", ""),
            release=texts.get("release", ""),
            tags=tuple(sorted(self.tags)),
            models=tuple(sorted(self.models)),
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_nano_usd=self.cost_nano_usd,
            unpriced_count=self.unpriced_count,
            input_preview=self.first[3],
            output_preview=self.first[4],
        )


_ENCODER: Final = msgpack.Encoder()
_DECODER: Final = msgpack.Decoder(Summary)


def new_summary(span: Span) -> Summary:
    """Of a trace of which nothing but this span's place is known yet; the span itself is still to be added."""
    return Summary(
        started_ns=span.started_ns,
        last_started_ns=span.started_ns,
        ended_ns=span.ended_ns,
        first=first_of(span, place_of(span)),
    )


def pack(summary: Summary) -> bytes:
    return _ENCODER.encode(summary)


def unpack(data: bytes) -> Summary:
    return _DECODER.decode(data)


def place_of(span: Span) -> Place:
    return (span.parent_id != "", span.started_ns, span.span_id)


def first_of(span: Span, place: Place) -> tuple[Place, str, str, str, str]:
    return (place, span.name, span.status, span.input.preview, span.output.preview)
