"""The same calls by who made them, and by which gateway process served them: families of their own.

As labels of the other families they would multiply the series of these.
"""

from collections.abc import Sequence
from typing import Final

from switchgear.kernel.record import Attempt, CallRecord
from switchgear.traces.buckets import filled
from switchgear.traces.families import Cell, Counts, Histogram, Names, Row
from switchgear.traces.usual_calls import KeyCells

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
_MAX_PROCESSES: Final = 64


class ByKey:
    """Calls, tokens and cost of each virtual key."""

    def __init__(self, most: int, cut: Counts) -> None:
        self.projects = Names("project", most, cut)
        self.keys = Names("key", most, cut)
        self.calls = Counts("switchgear_key_calls_total", "Calls of a virtual key.", ("project", "key", "outcome"))
        self.tokens = Counts(
            "switchgear_key_tokens_total", "Tokens of a virtual key, by bucket.", ("project", "key", "bucket")
        )
        self.cost = Counts(
            "switchgear_key_cost_nano_usd_total", "Cost of a virtual key in nano-dollars.", ("project", "key")
        )

    def families(self) -> Sequence[Counts | Histogram]:
        """All of them."""
        return (self.calls, self.tokens, self.cost)

    def count(self, record: CallRecord) -> None:
        """Take one finished call in; a copy of one costs its caller nothing."""
        who = (self.projects.of(record.project), self.keys.of(record.key))
        self.calls.add((*who, record.outcome))
        for attempt in record.attempts:
            if attempt.cost_nano_usd:
                self.cost.add(who, attempt.cost_nano_usd)
            if attempt.usage is not None:
                for bucket, tokens in filled(attempt.usage):
                    self.tokens.add((*who, bucket), tokens)

    def cells(self, record: CallRecord, attempt: Attempt) -> KeyCells:
        """Where a usual call is counted. Raises KeyError where that is no series of its own."""
        usage = attempt.usage
        assert usage is not None, "a usual call has usage"
        who, known = (record.project, record.key), self.tokens.known
        if record.project not in self.projects or record.key not in self.keys:
            raise KeyError(who)
        return KeyCells(
            calls=self.calls.known((*who, record.outcome)),
            input=known((*who, "input")),
            output=known((*who, "output")),
            cache_read=known((*who, "cache_read")) if usage.cache_read else None,
            reasoning=known((*who, "reasoning")) if usage.reasoning else None,
            cost=self.cost.known(who) if attempt.cost_nano_usd else None,
        )


class ByProcess:
    """The golden signals of each gateway process, by its number: a process that takes another's place goes on."""

    def __init__(self, cut: Counts) -> None:
        labels = ("process",)
        self.names = Names("process", _MAX_PROCESSES, cut)
        self.calls = Counts("switchgear_process_calls_total", "Calls of a gateway process.", ("process", "outcome"))
        self.duration = Histogram(
            "switchgear_process_call_duration_seconds", "From arrival to end, by gateway process.", labels, SECONDS
        )
        self.first_token = Histogram(
            "switchgear_process_first_token_seconds", "From arrival to first token, by gateway process.", labels,
            SECONDS,
        )  # fmt: skip
        self.overhead = Histogram(
            "switchgear_process_overhead_seconds", "What the gateway process added before the first byte.", labels,
            OVERHEAD_SECONDS,
        )  # fmt: skip

    def families(self) -> Sequence[Counts | Histogram]:
        """All of them."""
        return (self.calls, self.duration, self.first_token, self.overhead)

    def count(self, record: CallRecord, first_token: float | None, overhead: float | None) -> None:
        """Take one finished call in."""
        process = (self.names.of(record.gateway.partition("-")[0]),)
        self.calls.add((*process, record.outcome))
        self.duration.observe(process, record.duration_ns / 1e9)
        if first_token is not None:
            self.first_token.observe(process, first_token)
        if overhead is not None:
            self.overhead.observe(process, overhead)

    def cells(self, record: CallRecord) -> tuple[Cell, Row, Row]:
        """Where a usual call is counted. Raises KeyError where that is no series of its own."""
        process = self._own(record)
        return (
            self.calls.known((process, record.outcome)),
            self.duration.known((process,)),
            self.overhead.known((process,)),
        )

    def first_token_cells(self, record: CallRecord) -> Row:
        """Where the first token of a usual stream is. Raises KeyError likewise."""
        return self.first_token.known((self._own(record),))

    def _own(self, record: CallRecord) -> str:
        process = record.gateway.partition("-")[0]
        if process not in self.names:
            raise KeyError(process)
        return process
