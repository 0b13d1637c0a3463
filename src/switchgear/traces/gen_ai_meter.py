"""OpenTelemetry's metrics of GenAI clients, told of attempts: each is one call that the gateway makes as a client.

Names and bounds are those of the GenAI semantic conventions 0.1.0 (docs/gen-ai/client-inference.md and
gen-ai-token-metrics.md there), written as Prometheus writes OpenTelemetry's: dots become underscores, seconds are a
suffix, a counter ends in ``_total``. The older conventions' two histograms can be told beside them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from switchgear.kernel.chat import Usage
from switchgear.kernel.record import Attempt, CallRecord
from switchgear.traces.call_times import output_seconds
from switchgear.traces.error_class import error_class
from switchgear.traces.families import Counts, Histogram, Labels, Row
from switchgear.traces.usual_calls import GenAiCells

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS: Final = tuple(4**power for power in range(14))

PROVIDERS: Final[Mapping[str, str]] = {
    "azure_openai": "azure.ai.openai",
    "azure_openai_deployments": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""The conventions' names of kinds of providers, where they have another."""
_OPERATIONS: Final[Mapping[str, str]] = {
    "chat": "chat",
    "completions": "text_completion",
    "messages": "chat",
    "responses": "chat",
    "generate_content": "generate_content",
    "embeddings": "embeddings",
}
"""Other operations, such as ``rerank``, go by their own names."""
_INFERENCE: Final = frozenset(("chat", "text_completion", "generate_content"))

_WHO: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_MODALITY: Final = (*_WHO, "gen_ai_token_modality")
_PREFIX: Final = "gen_ai_client_inference"


def _usage(name: str, about: str) -> Counts:
    return Counts(f"{_PREFIX}_usage_{name}_tokens_total", about, _MODALITY)


class GenAiMeter:
    """Counts attempts under the names of OpenTelemetry."""

    def __init__(self) -> None:
        failing = (*_WHO, "error_type")
        self.duration = Histogram(f"{_PREFIX}_duration_seconds", "How long an inference took.", failing, SECONDS)
        self.first_chunk = Histogram(
            f"{_PREFIX}_time_to_first_chunk_seconds", "From a streamed request to the first chunk.", _WHO, SECONDS
        )
        self.output_chunk = Histogram(
            f"{_PREFIX}_time_per_output_chunk_seconds",
            "Between chunks behind the first one: for each token of an attempt, the mean of the attempt.",
            _WHO,
            SECONDS,
        )
        self.operation = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "How long an operation that is no inference took; with `metrics.older_gen_ai` every operation.",
            failing,
            SECONDS,
        )
        self.input = _usage("input", "Tokens read, those of caches included.")
        self.output = _usage("output", "Tokens written, those of reasoning included.")
        self.cache_read = _usage("cache_read_input", "Of the tokens read: from the provider's cache.")
        self._cache_write = _usage("cache_write_input", "Of the tokens read: into the provider's cache.")
        self.reasoning = _usage("reasoning_output", "Of the tokens written: for reasoning.")
        self.inputs = Histogram(f"{_PREFIX}_operation_input_tokens", "Tokens read by one inference.", _WHO, TOKENS)
        self.outputs = Histogram(f"{_PREFIX}_operation_output_tokens", "Tokens written by one.", _WHO, TOKENS)
        self._older = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of one operation, by type, as older conventions tell them; only with `metrics.older_gen_ai`.",
            (*_WHO, "gen_ai_token_type"),
            TOKENS,
        )

    def families(self) -> Sequence[Counts | Histogram]:
        """All of them."""
        return (
            self.duration,
            self.first_chunk,
            self.output_chunk,
            self.operation,
            self.input,
            self.output,
            self.cache_read,
            self._cache_write,
            self.reasoning,
            self.inputs,
            self.outputs,
            self._older,
        )

    def count(self, record: CallRecord, attempt: Attempt, kind: str, model: str, *, older: bool) -> None:
        """Take one attempt in, at a provider of ``kind``; ``model`` is its bounded name."""
        operation = _OPERATIONS.get(record.operation, record.operation)
        who = (operation, PROVIDERS.get(kind, kind), model)
        failed = attempt.outcome == "failed"
        error = (attempt.cause or error_class(attempt.error, attempt.status)) if failed else ""
        seconds = attempt.duration_ns / 1e9
        is_inference = operation in _INFERENCE
        if older or not is_inference:
            self.operation.observe((*who, error), seconds)
        usage = attempt.usage
        if older and usage is not None:
            self._older.observe((*who, "input"), usage.total_input)
            self._older.observe((*who, "output"), usage.total_output)
        if not is_inference:
            return
        self.duration.observe((*who, error), seconds)
        if record.stream and attempt.first_byte_ns:
            self.first_chunk.observe(who, attempt.first_byte_ns / 1e9)
        told = output_seconds(record, attempt)
        if told is not None:
            self.output_chunk.observe(who, told[0], times=told[1])
        self._count_usage(who, usage)

    def cells(self, record: CallRecord, attempt: Attempt, kind: str) -> tuple[GenAiCells, tuple[Row, Row] | None]:
        """Where an inference that went well is counted, and where its chunks are if it was a stream.

        Raises KeyError where one of these series is not there.
        """
        usage = attempt.usage
        assert usage is not None, "a usual call has usage"
        who = (_OPERATIONS.get(record.operation, record.operation), PROVIDERS.get(kind, kind), attempt.model)
        cells = GenAiCells(
            duration=self.duration.known((*who, "")),
            input=self.input.known((*who, "unknown")),
            output=self.output.known((*who, "text")),
            cache_read=self.cache_read.known((*who, "unknown")) if usage.cache_read else None,
            reasoning=self.reasoning.known((*who, "text")) if usage.reasoning else None,
            inputs=self.inputs.known(who),
            outputs=self.outputs.known(who),
        )
        chunks = (self.first_chunk.known(who), self.output_chunk.known(who)) if record.stream else None
        return cells, chunks

    def _count_usage(self, who: Labels, usage: Usage | None) -> None:
        if usage is None:
            # The conventions want it known that there was an inference of which nothing was told.
            self.input.add((*who, "unknown"), 0)
            self.output.add((*who, "unknown"), 0)
            return
        audio, image = usage.audio_input, usage.image_input
        if audio:
            self.input.add((*who, "audio"), audio)
        if image:
            self.input.add((*who, "image"), image)
        # Only a provider that tells of other modalities takes these out of the plain input.
        self.input.add((*who, "text" if audio or image else "unknown"), usage.input)
        if usage.cache_read or usage.cache_write_5m or usage.cache_write_1h:
            self._count_cached(who, usage.cache_read, usage.cache_write_5m + usage.cache_write_1h)
        self.output.add((*who, "text"), usage.output + usage.reasoning)
        if usage.audio_output:
            self.output.add((*who, "audio"), usage.audio_output)
        if usage.reasoning:
            self.reasoning.add((*who, "text"), usage.reasoning)
        self.inputs.observe(who, usage.total_input)
        self.outputs.observe(who, usage.total_output)

    def _count_cached(self, who: Labels, read: int, written: int) -> None:
        told = (*who, "unknown")
        self.input.add(told, read + written)
        if read:
            self.cache_read.add(told, read)
        if written:
            self._cache_write.add(told, written)
