"""LangSmith's runs as spans, in the attributes of its own exporter of OpenTelemetry.

Their ids are those that its SDK shows other instrumentation within a run, whose spans stand below it therefore. The
exporter itself lets OpenTelemetry draw others, and sends no run's id: what comes both ways cannot be known for one run.
"""

import re
from collections.abc import Mapping
from typing import Final, cast
from uuid import UUID

from msgspec import json

from switchgear.kernel.errors import BadRequest, NotFound
from switchgear.kernel.span import SpanEvent, SpanStatus, ToldSpan
from switchgear.traces.doors.reading import as_text, moment_ns, text
from switchgear.traces.drafts import Draft, Fields, Word, object_in

RANKS: Final[Mapping[str, int]] = {"post": 0, "patch": 1}
"""What a patch says counts more, also where it comes first."""
STAYS: Final = frozenset(
    (
        *("id", "trace_id", "parent_run_id", "dotted_order", "session_id", "session_name", "reference_example_id"),
        *("run_type", "start_time", "end_time", "events.time", "inputs.model", "outputs.model"),
        *("prompt_tokens", "completion_tokens", "total_tokens"),
        *("outputs.usage", "outputs.usage_metadata", "outputs.token_usage", "outputs.llm_output.token_usage"),
        *("extra.metadata.user_id", "extra.metadata.session_id", "extra.metadata.thread_id"),
        *("extra.metadata.conversation_id", "extra.metadata.ls_provider", "extra.metadata.ls_model_name"),
        *("extra.metadata.usage_metadata", "extra.invocation_params.model", "extra.invocation_params.model_name"),
        "extra.runtime.sdk_version",
    )
)
"""What masks leave of a run: where and whose it is, when it was, and what is counted."""
_OPERATIONS: Final[Mapping[str, str]] = {
    "llm": "chat",
    "tool": "execute_tool",
    "embedding": "embeddings",
    "chain": "chain",
    "retriever": "retrieval",
    "prompt": "prompt",
    "parser": "parser",
}
_ORDER: Final = re.compile(r"(\d{8})T(\d{6})(\d{6})Z([0-9a-fA-F-]{36})")
_DETAILS: Final[Mapping[str, str]] = {
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_creation": "gen_ai.usage.cache_creation.input_tokens",
}
_TOKENS: Final[Mapping[str, str]] = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "total_tokens": "total_tokens",
}
"""Names in what a run's answer tells of usage, and in the run itself."""
_WORDS: Final[Mapping[str, str]] = {
    "session_id": "langsmith.trace.session_id",
    "session_name": "langsmith.trace.session_name",
    "reference_example_id": "langsmith.run.reference_example_id",
    "dotted_order": "langsmith.run.dotted_order",
}
_CONTENTS: Final[Mapping[str, str]] = {
    "inputs": "gen_ai.prompt",
    "outputs": "gen_ai.completion",
    "attachments": "langsmith.run.attachments",
}
_SETTINGS: Final[Mapping[str, str]] = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}


def canonical(id: str) -> str:
    """A UUID as it is kept. Raises NotFound for what is none: nothing has such a name."""
    try:
        return str(UUID(id))
    except ValueError:
        raise NotFound(f"{id[:64]!r} is no UUID") from None


def trace_of(run: Mapping[str, object]) -> str:
    """The UUID of a run's trace: as it says, or as its order says, or its own where it is the first. Empty: unknown."""
    if said := text(run, "trace_id"):
        return _uuid(said)
    if order := _order(run):
        return order[0][1]
    return "" if text(run, "parent_run_id") else _uuid(text(run, "id"))


def span_id_of(run_id: str) -> str:
    """The id of a run's span: the first half of its UUID."""
    digits = UUID(run_id).hex
    # W3C knows no id of zeros alone.
    return digits[:16] if digits[:16] != "0" * 16 else digits[16:]


def read_run(act: str, fields: Fields) -> Word:
    """What a request says of a run. Raises BadRequest."""
    trace = trace_of(fields)
    if act == "post" and not trace:
        raise BadRequest(f"run {fields['id']} has a parent, and says neither trace_id nor dotted_order")
    return Word(id=str(fields["id"]), trace=trace, fields=fields, rank=RANKS[act])


def read_span(draft: Draft) -> ToldSpan | None:
    """The span that a run is as far as it is known; None while it is not known when it began, or in which trace."""
    run = draft.fields
    order = _order(run)
    started_ns = started_ns_of(run)
    if not started_ns or not draft.trace:
        return None
    ended_ns = moment_ns(run.get("end_time"))
    parent = text(run, "parent_run_id") or (order[-2][1] if len(order) > 1 else "")
    error = text(run, "error")
    status: SpanStatus = "error" if error else "unset" if ended_ns is None else "ok"
    return ToldSpan(
        trace_id=UUID(draft.trace).hex,
        span_id=span_id_of(draft.id),
        parent_id=span_id_of(parent) if parent and _uuid(parent) else "",
        name=text(run, "name") or "unnamed run",
        started_ns=started_ns,
        # While it runs it takes no time: its end takes this one's place.
        ended_ns=max(ended_ns or started_ns, started_ns),
        status=status,
        status_message=error,
        attributes=_attributes(draft.id, run, is_over=ended_ns is not None),
        events=_events(run),
        scope_name="langsmith",
        scope_version=text(object_in(object_in(run, "extra"), "runtime"), "sdk_version"),
    )


def is_pending(run: Mapping[str, object]) -> bool:
    """Whether it has not ended yet."""
    return ended_ns_of(run) is None


def started_ns_of(run: Mapping[str, object]) -> int | None:
    """When it began, as it says or as its order says; None while neither is told."""
    told = moment_ns(run.get("start_time"))
    return told or next((began_ns for began_ns, _ in reversed(_order(run))), None)


def ended_ns_of(run: Mapping[str, object]) -> int | None:
    """When it ended; None until then."""
    return moment_ns(run.get("end_time"))


def ancestors_of(run: Mapping[str, object]) -> list[str]:
    """The runs that it stands in, from the trace's first to its parent, as far as they are told."""
    order = _order(run)
    parent = text(run, "parent_run_id")
    return [name for _, name in order[:-1]] or ([parent] if parent else [])


def _attributes(run_id: str, run: Fields, *, is_over: bool) -> dict[str, object]:
    extra = object_in(run, "extra")
    metadata = object_in(extra, "metadata")
    kind = text(run, "run_type") or "chain"
    found: dict[str, object] = {
        "langsmith.span.kind": kind,
        "langsmith.trace.name": text(run, "name"),
        "langsmith.run.id": run_id,
        "gen_ai.operation.name": _OPERATIONS.get(kind, kind),
    }
    if not is_over:
        found["langsmith.run.pending"] = True
    words = {attribute: text(run, name) for name, attribute in _WORDS.items()}
    found |= {attribute: value for attribute, value in words.items() if value}
    noted = {name: value for name, value in metadata.items() if name != "usage_metadata"}
    found |= {f"langsmith.metadata.{name}": _plain(value) for name, value in noted.items()}
    if tags := [tag for tag in _listed(run.get("tags")) if isinstance(tag, str)]:
        found["langsmith.span.tags"] = ", ".join(tags)
    contents = {attribute: run.get(name) for name, attribute in _CONTENTS.items()}
    found |= {attribute: as_text(value) for attribute, value in contents.items() if value is not None}
    if kind == "tool":
        found["gen_ai.tool.name"] = text(run, "name")
    return {**found, **_of_model(extra, metadata, run), **_of_usage(run)}


def _of_model(extra: Fields, metadata: Fields, run: Fields) -> dict[str, object]:
    settings = {**object_in(extra, "invocation_params"), **object_in(metadata, "invocation_params")}
    inputs, outputs = object_in(run, "inputs"), object_in(run, "outputs")
    asked = text(metadata, "ls_model_name") or text(settings, "model", "model_name")
    if isinstance(inputs.get("messages"), list):
        asked = asked or text(inputs, "model")
    words = {
        "gen_ai.request.model": asked,
        "gen_ai.response.model": text(outputs, "model"),
        "gen_ai.system": text(metadata, "ls_provider"),
    }
    found: dict[str, object] = {name: value for name, value in words.items() if value}
    for name, attribute in _SETTINGS.items():
        value = metadata.get(f"ls_{name}", settings.get(name))
        if isinstance(value, int | float):
            found[attribute] = value
    if settings.get("tools"):
        found["gen_ai.tool.definitions"] = as_text(settings["tools"])
    return found


def metadata_of(run: Fields) -> Fields:
    """What a run's sender notes beside it."""
    return object_in(object_in(run, "extra"), "metadata")


def tokens_of(run: Fields) -> Fields:
    """What a run tells of its tokens, by LangSmith's names for input, output and total."""
    usage = usage_of(run)
    return {theirs: usage.get(ours, run.get(theirs)) for ours, theirs in _TOKENS.items()}


def usage_of(run: Fields) -> Fields:
    """What a run tells of its tokens, as LangSmith's ``usage_metadata``."""
    return _usage_in(run.get("outputs")) or object_in(metadata_of(run), "usage_metadata")


def _of_usage(run: Fields) -> dict[str, object]:
    usage = usage_of(run)
    counts = {f"gen_ai.usage.{ours}": usage.get(ours, run.get(theirs)) for ours, theirs in _TOKENS.items()}
    details = object_in(usage, "input_token_details")
    counts |= {attribute: details.get(name) for name, attribute in _DETAILS.items()}
    counts["gen_ai.usage.reasoning.output_tokens"] = object_in(usage, "output_token_details").get("reasoning")
    found: dict[str, object] = {name: value for name, value in counts.items() if isinstance(value, int)}
    for name in ("input_token_details", "output_token_details"):
        if isinstance(usage.get(name), dict):
            found[f"gen_ai.usage.{name}"] = as_text(usage[name])
    return found


def _usage_in(outputs: object) -> Fields:
    """What the outputs say of tokens: beside the answer, in a message of it, or in LangChain's generations."""
    if not isinstance(outputs, dict):
        return {}
    whole = cast("Fields", outputs)
    generations = _listed(whole.get("generations"))
    nested = [each for one in generations for each in (_listed(one) or [one])]
    messages = [object_in(cast("Fields", each), "message") for each in nested if isinstance(each, dict)]
    members = [cast("Fields", value) for value in whole.values() if isinstance(value, dict)]
    for place in (whole, *members, *messages):
        for holder in (place, object_in(place, "kwargs")):
            if found := object_in(holder, "usage_metadata"):
                return found
    return {}


def _events(run: Fields) -> tuple[SpanEvent, ...]:
    found: list[SpanEvent] = []
    for event in _listed(run.get("events")):
        fields = cast("Fields", event) if isinstance(event, dict) else {}
        at_ns = moment_ns(fields.get("time"))
        if (name := text(fields, "name")) and at_ns:
            rest = {key: _plain(value) for key, value in fields.items() if key not in ("name", "time")}
            found.append(SpanEvent(name=name, at_ns=at_ns, attributes=rest))
    return tuple(found)


def _order(run: Mapping[str, object]) -> list[tuple[int, str]]:
    """When each run began from the trace's first to this one, and its UUID."""
    found: list[tuple[int, str]] = []
    for day, second, fraction, run_id in _ORDER.findall(text(run, "dotted_order")):
        began_ns = moment_ns(f"{day[:4]}-{day[4:6]}-{day[6:]}T{second[:2]}:{second[2:4]}:{second[4:]}.{fraction}")
        found.append((began_ns or 0, run_id.lower()))
    return [(began_ns, name) for began_ns, run_id in found if (name := _uuid(run_id))]


def _uuid(said: str) -> str:
    try:
        return str(UUID(said))
    except ValueError:
        return ""


def _listed(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _plain(value: object) -> object:
    """As OpenTelemetry has attributes: what is no text, number or boolean is JSON."""
    return value if isinstance(value, str | int | float | bool) else json.encode(value).decode()
