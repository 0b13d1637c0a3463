"""The same calls by who made them, and by which gateway process served them: families of their own.

As labels of the other families they would multiply the series of these.
"""

from collections.abc import Sequence
from typing import Final

from switchgear.kernel.record import CallRecord
from switchgear.traces.buckets import filled
from switchgear.traces.families import Counts, Histogram, Names

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
_MAX_PROCESSES: Final = 64


class ByKey:
    """Calls, tokens and cost of each virtual key."""

    def __init__(self, most: int, cut: Counts) -> None:
        self._projects = Names("project", most, cut)
        self._keys = Names("key", most, cut)
        self._calls = Counts("switchgear_key_calls_total", "Calls of a virtual key.", ("project", "key", "outcome"))
        self._tokens = Counts(
            "switchgear_key_tokens_total", "Tokens of a virtual key, by bucket.", ("project", "key", "bucket")
        )
        self._cost = Counts(
            "switchgear_key_cost_nano_usd_total", "Cost of a virtual key in nano-dollars.", ("project", "key")
        )

    def families(self) -> Sequence[Counts | Histogram]:
        """All of them."""
        return (self._calls, self._tokens, self._cost)

    def count(self, record: CallRecord) -> None:
        """Take one finished call in; a copy of one costs its caller nothing."""
        who = (self._projects.of(record.project), self._keys.of(record.key))
        self._calls.add((*who, record.outcome))
        for attempt in record.attempts:
            if attempt.cost_nano_usd:
                self._cost.add(who, attempt.cost_nano_usd)
            if attempt.usage is not None:
                for bucket, tokens in filled(attempt.usage):
                    self._tokens.add((*who, bucket), tokens)


class ByProcess:
    """The golden signals of each gateway process, by its number: a process that takes another's place goes on."""

    def __init__(self, cut: Counts) -> None:
        labels = ("process",)
        self._names = Names("process", _MAX_PROCESSES, cut)
        self._calls = Counts("switchgear_process_calls_total", "Calls of a gateway process.", ("process", "outcome"))
        self._duration = Histogram(
            "switchgear_process_call_duration_seconds", "From arrival to end, by gateway process.", labels, SECONDS
        )
        self._first_token = Histogram(
            "switchgear_process_first_token_seconds", "From arrival to first token, by gateway process.", labels,
            SECONDS,
        )  # fmt: skip
        self._overhead = Histogram(
            "switchgear_process_overhead_seconds", "What the gateway process added before the first byte.", labels,
            OVERHEAD_SECONDS,
        )  # fmt: skip

    def families(self) -> Sequence[Counts | Histogram]:
        """All of them."""
        return (self._calls, self._duration, self._first_token, self._overhead)

    def count(self, record: CallRecord, first_token: float | None, overhead: float | None) -> None:
        """Take one finished call in."""
        process = (self._names.of(record.gateway.partition("-")[0]),)
        self._calls.add((*process, record.outcome))
        self._duration.observe(process, record.duration_ns / 1e9)
        if first_token is not None:
            self._first_token.observe(process, first_token)
        if overhead is not None:
            self._overhead.observe(process, overhead)
