"""Calls that went as most calls go, counted without looking any series up: one attempt, which answered, and its price.

The first call of a kind is counted like any other; then the series that it went to are kept together, and all that
follow of the same kind go straight there. A series that is folded into another is never kept.
"""

from collections.abc import Hashable
from typing import Final

from msgspec import Struct

from switchgear.kernel.record import Attempt, CallRecord
from switchgear.traces.call_times import first_token_seconds, output_seconds
from switchgear.traces.families import Cell, Row

MOST_KINDS: Final = 2000
"""Of calls that are kept; beyond, all are forgotten and learned again."""
_UNSURE: Final = frozenset(("unknown", "estimated"))


class CallCells(Struct, frozen=True, kw_only=True):
    """Where every call of one kind is counted."""

    calls: Cell
    duration: Row
    first_byte: Row
    overhead: Row
    total_overhead: Row
    of_process: Cell
    process_duration: Row
    process_overhead: Row
    attempts: Cell


class TokenCells(Struct, frozen=True, kw_only=True):
    """Where its tokens and its cost are; None where it has none of these."""

    cache: Cell
    input: Cell
    output: Cell
    cache_read: Cell | None
    reasoning: Cell | None
    cost: Cell | None


class KeyCells(Struct, frozen=True, kw_only=True):
    """The same for its key."""

    calls: Cell
    input: Cell
    output: Cell
    cache_read: Cell | None
    reasoning: Cell | None
    cost: Cell | None


class GenAiCells(Struct, frozen=True, kw_only=True):
    """Where it is under the names of OpenTelemetry."""

    duration: Row
    input: Cell
    output: Cell
    cache_read: Cell | None
    reasoning: Cell | None
    inputs: Row
    outputs: Row


class StreamCells(Struct, frozen=True, kw_only=True):
    """Where it is if it was a stream."""

    first_token: Row
    output_token: Row
    process_first_token: Row
    first_chunk: Row
    output_chunk: Row


class Cells(Struct, frozen=True):
    """All of it."""

    call: CallCells
    tokens: TokenCells
    key: KeyCells
    gen_ai: GenAiCells
    stream: StreamCells | None

    def count(self, record: CallRecord, attempt: Attempt) -> None:
        """Take one more call of this kind in."""
        cells = self.call
        seconds = record.duration_ns / 1e9
        trace_seconds = (record.started_ns + record.duration_ns) / 1e9
        cells.calls.value += 1
        at = cells.duration.observe(seconds)
        cells.duration.exemplars[at] = (record.id, seconds, trace_seconds)
        # Histograms of the same moments have the same bounds.
        cells.process_duration.put(at, seconds)
        cells.first_byte.observe(record.first_byte_ns / 1e9)
        overhead = max(record.first_byte_ns - (attempt.first_byte_ns or attempt.duration_ns), 0) / 1e9
        cells.process_overhead.put(cells.overhead.observe(overhead), overhead)
        cells.total_overhead.observe(max(record.duration_ns - attempt.duration_ns, 0) / 1e9)
        cells.of_process.value += 1
        cells.attempts.value += 1
        self._count_tokens(attempt)
        if self.stream is not None:
            _count_stream(self.stream, record, attempt, trace_seconds)

    def _count_tokens(self, attempt: Attempt) -> None:
        cells, key, gen_ai, usage = self.tokens, self.key, self.gen_ai, attempt.usage
        assert usage is not None, "a usual call has usage"
        read, wrote, cached, thought = usage.input, usage.output, usage.cache_read, usage.reasoning
        key.calls.value += 1
        cells.cache.value += 1
        cells.input.value += read
        key.input.value += read
        cells.output.value += wrote
        key.output.value += wrote
        if cells.cost is not None and key.cost is not None:
            cells.cost.value += attempt.cost_nano_usd
            key.cost.value += attempt.cost_nano_usd
        if cells.cache_read is not None and key.cache_read is not None and gen_ai.cache_read is not None:
            cells.cache_read.value += cached
            key.cache_read.value += cached
            gen_ai.cache_read.value += cached
        if cells.reasoning is not None and key.reasoning is not None and gen_ai.reasoning is not None:
            cells.reasoning.value += thought
            key.reasoning.value += thought
            gen_ai.reasoning.value += thought
        gen_ai.duration.observe(attempt.duration_ns / 1e9)
        gen_ai.input.value += read + cached
        gen_ai.output.value += wrote + thought
        gen_ai.inputs.observe(read + cached)
        gen_ai.outputs.observe(wrote + thought)


def _count_stream(cells: StreamCells, record: CallRecord, attempt: Attempt, trace_seconds: float) -> None:
    first_token, told = first_token_seconds(record, attempt), output_seconds(record, attempt)
    assert first_token is not None, "a usual stream has tokens"
    assert told is not None, "a usual stream has tokens"
    at = cells.first_token.observe(first_token)
    cells.first_token.exemplars[at] = (record.id, first_token, trace_seconds)
    cells.process_first_token.put(at, first_token)
    cells.output_token.observe(told[0])
    cells.first_chunk.observe(attempt.first_byte_ns / 1e9)
    cells.output_chunk.observe(told[0], times=told[1])


class UsualCalls:
    """The kinds of calls that are known."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Cells] = {}

    def count(self, record: CallRecord, attempt: Attempt, kind: Hashable) -> bool:
        """Take a call in; False: its kind is not known, and nothing was counted."""
        cells = self._known.get(kind)
        if cells is None:
            return False
        cells.count(record, attempt)
        return True

    def learn(self, kind: Hashable, cells: Cells) -> None:
        """Keep where calls of a kind are counted."""
        if len(self._known) >= MOST_KINDS:
            self._known.clear()
        self._known[kind] = cells


def usual(record: CallRecord) -> Attempt | None:
    """The only attempt of a call that went as most calls go; None for any other."""
    if record.outcome != "ok" or len(record.attempts) != 1 or record.shadow_of or record.findings:
        return None
    attempt = record.attempts[0]
    usage = attempt.usage
    if usage is None or usage.estimated or attempt.outcome != "ok" or attempt.why or attempt.cost in _UNSURE:
        return None
    if usage.cache_write_5m or usage.cache_write_1h or usage.audio_input or usage.audio_output or usage.image_input:
        return None
    if not usage.input or not usage.output or attempt.audio_seconds or attempt.characters:
        return None
    has_tokens = attempt.first_token_ns and attempt.first_byte_ns and usage.output + usage.reasoning > 1
    return attempt if has_tokens or not record.stream else None


def kind_of(record: CallRecord, attempt: Attempt, provider_kind: str) -> Hashable:
    """All that decides in which series a usual call is counted."""
    usage = attempt.usage
    assert usage is not None, "a usual call has usage"
    return (
        record.door,
        record.operation,
        record.model,
        record.status,
        record.project,
        record.key,
        record.gateway,
        record.stream,
        attempt.deployment,
        attempt.provider,
        attempt.model,
        attempt.status,
        provider_kind,
        usage.cache_read != 0,
        usage.reasoning != 0,
        attempt.cost_nano_usd != 0,
    )
