"""Counts made of records: what finished calls, and each try at a deployment, tell.

Labels are bounded, for clients make up names: a model is counted under its own once an upstream has known it and while
there are few; one that no upstream has known is ``unknown``, one too many ``other``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from switchgear.kernel.record import Attempt, CallRecord
from switchgear.traces.breakdowns import OVERHEAD_SECONDS, SECONDS, ByKey, ByProcess
from switchgear.traces.buckets import filled
from switchgear.traces.call_times import first_token_seconds, output_seconds, overhead_seconds, winner
from switchgear.traces.error_class import error_class
from switchgear.traces.families import OTHER, Counts, Form, Histogram, Names, cut_counts
from switchgear.traces.gen_ai_meter import GenAiMeter
from switchgear.traces.usual_calls import (
    CallCells,
    Cells,
    StreamCells,
    TokenCells,
    UsualCalls,
    kind_of,
    usual,
)

MAX_VALUES: Final = 200
"""Of one label that users make up, unless the configuration says otherwise."""

_UNKNOWN: Final = "unknown"
_FOLDED: Final = frozenset((_UNKNOWN, OTHER))
_OF_LIMITS: Final = "limit "
"""How findings of limits begin."""
_TOKEN_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.5, 1.0, 2.5)

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


class Settings(Struct, frozen=True, kw_only=True):
    """What a meter is to know of the configuration."""

    max_values: int = MAX_VALUES
    older_gen_ai: Callable[[], bool] = bool
    """Whether the older GenAI conventions' metrics are told too."""
    kind_of: Callable[[str], str] = str
    """The kind of the provider of a name."""


class _Calls:
    """Families with one sample or so for each call."""

    def __init__(self) -> None:
        who = ("door", "model")
        self.calls = Counts(
            "switchgear_calls_total", "Finished calls.", ("door", "operation", "model", "status", "outcome")
        )
        self.errors = Counts(
            "switchgear_errors_total", "Calls that ended in an error, by its class.", (*who, "class", "status")
        )
        self.duration = Histogram(
            "switchgear_call_duration_seconds", "From a call's arrival to its end.", who, SECONDS
        )  # fmt: skip
        self.first_byte = Histogram(
            "switchgear_first_byte_seconds", "From a call's arrival to its answer's first byte.", who, SECONDS
        )
        self.first_token = Histogram(
            "switchgear_first_token_seconds", "From a streamed call's arrival to its first token.", who, SECONDS
        )
        self.output_token = Histogram(
            "switchgear_output_token_seconds", "Seconds for each token behind the first, one mean for each streamed "
            "call.", who, _TOKEN_SECONDS,
        )  # fmt: skip
        self.overhead = Histogram(
            "switchgear_overhead_seconds", "What the gateway added before the first byte.", ("door",), OVERHEAD_SECONDS
        )
        self.total_overhead = Histogram(
            "switchgear_call_overhead_seconds", "Of a call's whole time: what no attempt was under way.", ("door",),
            OVERHEAD_SECONDS,
        )  # fmt: skip
        self.limits = Counts(
            "switchgear_limited_calls_total", "Calls beyond a limit, by what became of them.", ("limit", "what")
        )
        self.rescued = Counts(
            "switchgear_rescued_calls_total", "Calls answered by an attempt that was not the first, by what made it.",
            ("model", "why"),
        )  # fmt: skip
        self.shadows = Counts(
            "switchgear_shadow_calls_total", "Copies of calls whose answers nobody saw; in no other count of calls.",
            ("model", "outcome"),
        )  # fmt: skip


class _Attempts:
    """Families with one sample or so for each attempt."""

    def __init__(self) -> None:
        self.attempts = Counts(
            "switchgear_attempts_total", "Tries at deployments.", ("provider", "deployment", "status", "outcome")
        )
        self.errors = Counts(
            "switchgear_attempt_errors_total", "Tries that failed, by their cause.", ("provider", "deployment", "class")
        )
        self.second = Counts(
            "switchgear_second_attempts_total", "Tries that were not a call's first, by what made them.",
            ("why", "provider", "outcome"),
        )  # fmt: skip
        self.cache = Counts(
            "switchgear_cache_lookups_total", "Answers by whether a cache had some of the call; `provider`: the "
            "provider's cache of prompts.", ("cache", "model", "result"),
        )  # fmt: skip
        self.tokens = Counts("switchgear_tokens_total", "Tokens by bucket.", ("model", "bucket", "estimated"))
        self.heard = Counts(
            "switchgear_audio_seconds_total", "Seconds of recordings, where the answer told them.", ("model",)
        )
        self.spoken = Counts("switchgear_characters_total", "Characters of text to be spoken.", ("model",))
        self.cost = Counts(
            "switchgear_cost_nano_usd_total", "Cost in nano-dollars (1e-9 USD).", ("model", "deployment", "estimated")
        )
        self.unpriced = Counts(
            "switchgear_unpriced_attempts_total", "Attempts that cost nobody knows what.", ("model", "deployment")
        )

    def count(self, attempt: Attempt, model: str, deployment: str) -> None:
        """Take one attempt in, by its bounded names."""
        self.attempts.add((attempt.provider, deployment, str(attempt.status), attempt.outcome))
        if attempt.outcome == "failed":
            kind = attempt.cause or error_class(attempt.error, attempt.status)
            self.errors.add((attempt.provider, deployment, kind))
        if attempt.why:
            self.second.add((attempt.why, attempt.provider, attempt.outcome))
        if attempt.audio_seconds:
            self.heard.add((model,), attempt.audio_seconds)
        if attempt.characters:
            self.spoken.add((model,), attempt.characters)
        if attempt.cost == "unknown":
            self.unpriced.add((model, deployment))
        elif attempt.cost_nano_usd:
            estimated = "true" if attempt.cost == "estimated" else "false"
            self.cost.add((model, deployment, estimated), attempt.cost_nano_usd)
        usage = attempt.usage
        if usage is None:
            return
        estimated = "true" if usage.estimated else "false"
        for bucket, tokens in filled(usage):
            self.tokens.add((model, bucket, estimated), tokens)
        if not usage.estimated:
            self.cache.add(("provider", model, "hit" if usage.cache_read else "miss"))

    def cells(self, attempt: Attempt, model: str) -> TokenCells:
        """Where the tokens of a usual call are counted. Raises KeyError where that is no series of its own."""
        usage = attempt.usage
        assert usage is not None, "a usual call has usage"
        known = self.tokens.known
        return TokenCells(
            cache=self.cache.known(("provider", model, "hit" if usage.cache_read else "miss")),
            input=known((model, "input", "false")),
            output=known((model, "output", "false")),
            cache_read=known((model, "cache_read", "false")) if usage.cache_read else None,
            reasoning=known((model, "reasoning", "false")) if usage.reasoning else None,
            cost=self.cost.known((model, attempt.deployment, "false")) if attempt.cost_nano_usd else None,
        )


class Meter:
    """All metrics that finished calls give, and those of the journals that it is told to watch."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._cut = cut_counts()
        most = self._settings.max_values
        self._models = Names("model", most, self._cut)
        self._deployments = Names("deployment", most, self._cut)
        self._limit_names = Names("limit", most, self._cut)
        self._journals: list[Callable[[], Mapping[str, int]]] = []
        self._others: list[Callable[[], str]] = []
        self._calls = _Calls()
        self._attempts = _Attempts()
        self._by_key = ByKey(most, self._cut)
        self._by_process = ByProcess(self._cut)
        self._gen_ai = GenAiMeter()
        self._usual = UsualCalls()

    def families(self) -> Sequence[Counts | Histogram]:
        """All that calls give."""
        own: list[Counts | Histogram] = [*vars(self._calls).values(), *vars(self._attempts).values()]
        return (*own, *self._by_key.families(), *self._by_process.families(), *self._gen_ai.families(), self._cut)

    def watch(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Show a journal's counts too: those of a writer, of a reader, or of several together."""
        self._journals.append(counts)

    def show(self, exposition: Callable[[], str]) -> None:
        """Show what others expose behind the own metrics."""
        self._others.append(exposition)

    def count(self, record: CallRecord) -> None:
        """Take one finished call in."""
        older = self._settings.older_gen_ai()
        attempt = None if older else usual(record)
        if attempt is None:
            self._count(record, older=older)
            return
        provider_kind = self._settings.kind_of(attempt.provider)
        kind = kind_of(record, attempt, provider_kind)
        if self._usual.count(record, attempt, kind):
            return
        self._count(record, older=older)
        try:
            cells = self._cells(record, attempt, provider_kind)
        except KeyError:
            # Some name of it has no series of its own, or not yet.
            return
        self._usual.learn(kind, cells)

    def _count(self, record: CallRecord, *, older: bool) -> None:
        model = self._model(record)
        if record.shadow_of:
            self._calls.shadows.add((model, record.outcome))
        else:
            self._count_call(record, model)
            self._by_key.count(record)
        for attempt in record.attempts:
            bounded = model in _FOLDED
            deployment = model if bounded else self._deployments.of(attempt.deployment)
            self._attempts.count(attempt, model, deployment)
            asked = deployment if deployment in _FOLDED else attempt.model
            self._gen_ai.count(record, attempt, self._settings.kind_of(attempt.provider), asked, older=older)

    def _count_call(self, record: CallRecord, model: str) -> None:
        calls, trace = self._calls, (record.id, (record.started_ns + record.duration_ns) / 1e9)
        who = (record.door, model)
        calls.calls.add((record.door, record.operation, model, str(record.status), record.outcome))
        if record.outcome in {"refused", "failed"}:
            calls.errors.add((*who, error_class(record.error, record.status), str(record.status)))
        calls.duration.observe(who, record.duration_ns / 1e9, trace)
        calls.first_byte.observe(who, record.first_byte_ns / 1e9)
        for finding in record.findings:
            if finding.startswith(_OF_LIMITS):
                limit, _, what = finding[len(_OF_LIMITS) :].partition(": ")
                calls.limits.add((self._limit_names.of(limit), what))
        first_token = overhead = None
        if record.outcome == "ok" and record.attempts:
            overhead = _overhead_before_first_byte(record)
            calls.overhead.observe((record.door,), overhead)
            calls.total_overhead.observe((record.door,), overhead_seconds(record))
            first_token = self._count_answer(record, who, trace)
        self._by_process.count(record, first_token, overhead)

    def _count_answer(self, record: CallRecord, who: tuple[str, str], trace: tuple[str, float]) -> float | None:
        """What the attempt tells that answered; the seconds to its first token."""
        won = winner(record)
        if won is None:
            return None
        if won.why:
            self._calls.rescued.add((who[1], won.why))
        first_token = first_token_seconds(record, won)
        if first_token is not None:
            self._calls.first_token.observe(who, first_token, trace)
        told = output_seconds(record, won)
        if told is not None:
            self._calls.output_token.observe(who, told[0])
        return first_token

    def _cells(self, record: CallRecord, attempt: Attempt, provider_kind: str) -> Cells:
        """Where a usual call was counted. Raises KeyError where that is no series of its own."""
        model, names = record.model, (record.model, attempt.deployment)
        if model not in self._models or attempt.deployment not in self._deployments or _FOLDED.intersection(names):
            raise KeyError(names)
        who, calls, attempts = (record.door, model), self._calls, self._attempts
        of_process = self._by_process.cells(record)
        gen_ai, chunks = self._gen_ai.cells(record, attempt, provider_kind)
        stream = None
        if chunks is not None:
            stream = StreamCells(
                first_token=calls.first_token.known(who),
                output_token=calls.output_token.known(who),
                process_first_token=self._by_process.first_token_cells(record),
                first_chunk=chunks[0],
                output_chunk=chunks[1],
            )
        call = CallCells(
            calls=calls.calls.known((record.door, record.operation, model, str(record.status), record.outcome)),
            duration=calls.duration.known(who),
            first_byte=calls.first_byte.known(who),
            overhead=calls.overhead.known((record.door,)),
            total_overhead=calls.total_overhead.known((record.door,)),
            of_process=of_process[0],
            process_duration=of_process[1],
            process_overhead=of_process[2],
            attempts=attempts.attempts.known(
                (attempt.provider, attempt.deployment, str(attempt.status), attempt.outcome)
            ),
        )
        return Cells(call, attempts.cells(attempt, model), self._by_key.cells(record, attempt), gen_ai, stream)

    def _model(self, record: CallRecord) -> str:
        if record.model in self._models or not record.model:
            return record.model
        if not any(_knew_model(attempt) for attempt in record.attempts):
            return _UNKNOWN
        return self._models.of(record.model)

    def render(self, form: Form = "text") -> str:
        """Everything, as Prometheus reads it; with OpenMetrics' exemplars, but not yet in its form."""
        families = self.families()
        own = [family.render(exemplars=form == "openmetrics") for family in families[:-1]]
        cut = cut_counts()
        cut.take(self._cut)
        for family in families[:-1]:
            if family.folded:
                cut.add((family.name,), family.folded)
        return "".join((*own, cut.render(), *self._journal_counts(), *(exposition() for exposition in self._others)))

    def _journal_counts(self) -> Iterable[str]:
        totals = Counter[str]()
        for counts in self._journals:
            totals.update(counts())
        for name, number in totals.items():
            family = Counts(f"switchgear_journal_{name}_total", _JOURNAL[name], ())
            family.add((), number)
            yield family.render()


def _overhead_before_first_byte(record: CallRecord) -> float:
    waited_ns = sum(attempt.first_byte_ns or attempt.duration_ns for attempt in record.attempts)
    return max(record.first_byte_ns - waited_ns, 0) / 1e9


def _knew_model(attempt: Attempt) -> bool:
    """Whether the upstream's answer leaves open that the model exists; a wrong model is refused with a 4xx."""
    return not 400 <= attempt.status < 500 or attempt.status in {401, 403, 408, 429}
