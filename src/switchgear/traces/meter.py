"""Counts made of records, in Prometheus' text format (version 0.0.4).

Labels are bounded, for clients make up names: a model is counted under its own once an upstream has known it and while
there are few; one that no upstream has known is ``unknown``, one too many ``other``.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from switchgear.kernel.record import Attempt, CallRecord

MAX_MODELS: Final = 200
MAX_SERIES: Final = 5000

_UNKNOWN: Final = "unknown"
_OTHER: Final = "other"

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
_OF_LIMITS: Final = "limit "
"""How findings of limits begin."""
_BUCKETS: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
)

_JOURNAL: Final[Mapping[str, str]] = {
    "appended_records": "Records written to the journal by this process.",
    "lost_records": "Records that could not be written to the journal.",
    "failed_flushes": "Flushes of the journal to the disk that failed.",
    "deleted_segments": "Segments deleted because the journal was over keep_bytes.",
    "deleted_unread_bytes": "Bytes of the journal deleted before every registered reader had them.",
    "read_records": "Records read from the journal by this process.",
    "torn_segments": "Segments with an unfinished end: their writer or its machine died.",
    "corrupt_segments": "Segments skipped from a damaged entry on.",
}

Labels = tuple[str, ...]


class Family:
    """A metric's name, help and label names, and its lines."""

    def __init__(self, name: str, kind: str, about: str, labels: Sequence[str]) -> None:
        self.name = name
        self._head = f"# HELP {name} {about}\n# TYPE {name} {kind}\n"
        self._labels = labels

    def text(self, lines: Iterable[str]) -> str:
        """The exposition of the family."""
        return self._head + "".join(lines)

    def line(self, values: Labels, number: float, suffix: str = "", extra: str = "") -> str:
        """One sample."""
        pairs = [f'{label}="{_escaped(value)}"' for label, value in zip(self._labels, values, strict=True)]
        if extra:
            pairs.append(extra)
        written = str(int(number)) if number == int(number) else repr(number)
        labelled = f"{{{','.join(pairs)}}}" if pairs else ""
        return f"{self.name}{suffix}{labelled} {written}\n"


class Counts(Family):
    """A counter with labels."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        super().__init__(name, "counter", about, labels)
        self._series: dict[Labels, float] = {}

    def add(self, values: Labels, amount: float = 1) -> None:
        """Count; series beyond the bound are folded into ``other``."""
        if values not in self._series and len(self._series) >= MAX_SERIES:
            values = (_OTHER,) * len(values)
        self._series[values] = self._series.get(values, 0) + amount

    def render(self) -> str:
        """The exposition."""
        return self.text(self.line(values, number) for values, number in self._series.items())


class Histogram(Family):
    """A histogram with labels and fixed bounds, in seconds."""

    def __init__(self, name: str, about: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        super().__init__(name, "histogram", about, labels)
        self._bounds = bounds
        self._series: dict[Labels, list[float]] = {}

    def observe(self, values: Labels, seconds: float) -> None:
        """Count one duration."""
        if values not in self._series and len(self._series) >= MAX_SERIES:
            values = (_OTHER,) * len(values)
        row = self._series.setdefault(values, [0.0] * (len(self._bounds) + 2))
        row[bisect_left(self._bounds, seconds)] += 1
        row[-1] += seconds

    def render(self) -> str:
        """The exposition: cumulative buckets, sum and count."""
        return self.text(line for values, row in self._series.items() for line in self._lines(values, row))

    def _lines(self, values: Labels, row: Sequence[float]) -> Iterable[str]:
        total = 0.0
        for bound, number in zip((*self._bounds, float("inf")), row[:-1], strict=True):
            total += number
            written = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield self.line(values, total, "_bucket", f'le="{written}"')
        yield self.line(values, row[-1], "_sum")
        yield self.line(values, total, "_count")


class Meter:
    """All metrics that finished calls give, and those of the journals that it is told to watch."""

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._journals: list[Callable[[], Mapping[str, int]]] = []
        self._others: list[Callable[[], str]] = []
        self._calls = Counts(
            "switchgear_calls_total", "Finished calls.", ("door", "operation", "model", "status", "outcome")
        )
        self._duration = Histogram(
            "switchgear_call_duration_seconds", "From a call's arrival to its end.", ("door", "model"), _SECONDS
        )
        self._first_byte = Histogram(
            "switchgear_first_byte_seconds", "From a call's arrival to its answer's first byte.", ("door", "model"),
            _SECONDS,
        )  # fmt: skip
        self._overhead = Histogram(
            "switchgear_overhead_seconds", "What the gateway added before the first byte.", ("door",), _OVERHEAD_SECONDS
        )
        self._attempts = Counts(
            "switchgear_attempts_total", "Tries at deployments.", ("provider", "deployment", "status", "outcome")
        )
        self._tokens = Counts("switchgear_tokens_total", "Tokens by bucket.", ("model", "bucket", "estimated"))
        self._heard = Counts(
            "switchgear_audio_seconds_total", "Seconds of recordings, where the answer told them.", ("model",)
        )
        self._spoken = Counts("switchgear_characters_total", "Characters of text to be spoken.", ("model",))
        self._cost = Counts(
            "switchgear_cost_nano_usd_total", "Cost in nano-dollars (1e-9 USD).", ("model", "deployment", "estimated")
        )
        self._unpriced = Counts(
            "switchgear_unpriced_attempts_total", "Attempts that cost nobody knows what.", ("model", "deployment")
        )

        self._limits = Counts(
            "switchgear_limited_calls_total", "Calls beyond a limit, by what became of them.", ("limit", "what")
        )

    def watch(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Show a journal's counts too: those of a writer, of a reader, or of several together."""
        self._journals.append(counts)

    def show(self, exposition: Callable[[], str]) -> None:
        """Show what others expose behind the own metrics."""
        self._others.append(exposition)

    def count(self, record: CallRecord) -> None:
        """Take one finished call in."""
        model = self._model(record)
        self._calls.add((record.door, record.operation, model, str(record.status), record.outcome))
        self._duration.observe((record.door, model), record.duration_ns / 1e9)
        self._first_byte.observe((record.door, model), record.first_byte_ns / 1e9)
        for finding in record.findings:
            if finding.startswith(_OF_LIMITS):
                limit, _, what = finding[len(_OF_LIMITS) :].partition(": ")
                self._limits.add((limit, what))
        for attempt in record.attempts:
            self._count_attempt(attempt, model)
        if record.outcome == "ok" and record.attempts:
            waited_ns = sum(attempt.first_byte_ns or attempt.duration_ns for attempt in record.attempts)
            self._overhead.observe((record.door,), max(record.first_byte_ns - waited_ns, 0) / 1e9)

    def _count_attempt(self, attempt: Attempt, model: str) -> None:
        deployment = model if model in {_UNKNOWN, _OTHER} else attempt.deployment
        self._attempts.add((attempt.provider, deployment, str(attempt.status), attempt.outcome))
        if attempt.audio_seconds:
            self._heard.add((model,), attempt.audio_seconds)
        if attempt.characters:
            self._spoken.add((model,), attempt.characters)
        if attempt.cost == "unknown":
            self._unpriced.add((model, deployment))
        elif attempt.cost_nano_usd:
            estimated = "true" if attempt.cost == "estimated" else "false"
            self._cost.add((model, deployment, estimated), attempt.cost_nano_usd)
        usage = attempt.usage
        if usage is None:
            return
        estimated = "true" if usage.estimated else "false"
        for bucket in _BUCKETS:
            tokens: int = getattr(usage, bucket)
            if tokens:
                self._tokens.add((model, bucket, estimated), tokens)

    def _model(self, record: CallRecord) -> str:
        if record.model in self._models or not record.model:
            return record.model
        if not any(_knew_model(attempt) for attempt in record.attempts):
            return _UNKNOWN
        if len(self._models) >= MAX_MODELS:
            return _OTHER
        self._models.add(record.model)
        return record.model

    def render(self) -> str:
        """Everything, as Prometheus reads it."""
        families = (
            self._calls,
            self._duration,
            self._first_byte,
            self._overhead,
            self._attempts,
            self._tokens,
            self._heard,
            self._spoken,
            self._cost,
            self._unpriced,
            self._limits,
        )
        own = "".join(family.render() for family in families) + "".join(self._journal_counts())
        return own + "".join(exposition() for exposition in self._others)

    def _journal_counts(self) -> Iterable[str]:
        totals = Counter[str]()
        for counts in self._journals:
            totals.update(counts())
        for name, number in totals.items():
            family = Counts(f"switchgear_journal_{name}_total", _JOURNAL[name], ())
            family.add((), number)
            yield family.render()


def _knew_model(attempt: Attempt) -> bool:
    """Whether the upstream's answer leaves open that the model exists; a wrong model is refused with a 4xx."""
    return not 400 <= attempt.status < 500 or attempt.status in {401, 403, 408, 429}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
