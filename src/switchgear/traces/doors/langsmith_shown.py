"""A run as the second version of LangSmith's API shows it: those of its fields that are asked for."""

import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, cast

from msgspec import Struct

from switchgear.rest.written import moment
from switchgear.traces.doors.langsmith_runs import (
    ancestors_of,
    ended_ns_of,
    metadata_of,
    started_ns_of,
    tokens_of,
    usage_of,
)
from switchgear.traces.doors.reading import as_text, moment_ns, text
from switchgear.traces.drafts import Draft, Fields, object_in
from switchgear.traces.scores.model import Score

_PREVIEW: Final = 300
"""Characters."""
_THREADS: Final = ("session_id", "thread_id", "conversation_id")
_NEW: Final = "new_token"
_SOURCES: Final = {"code": "api", "judge": "model", "human": "app"}
_MOST_COMMENTS: Final = 10


class Beside(Struct, frozen=True, kw_only=True):
    """What is known of a run that it does not tell itself."""

    project_id: str
    dataset_id: str = ""
    """Whose examples its project goes through."""
    cost_nano_usd: int | None = None
    feedback: Sequence[Score] = ()


Shown = Callable[[Draft, Beside], object]


def shown_fields(draft: Draft, selects: Collection[str], beside: Beside) -> dict[str, object]:
    """These fields of a run."""
    return {name.lower(): FIELDS[name](draft, beside) for name in selects}


def first_token_ns_of(draft: Draft) -> int | None:
    """When the first token of a run's answer came; None where nothing tells it."""
    events = draft.fields.get("events")
    for event in cast("list[object]", events) if isinstance(events, list) else []:
        fields = cast("Fields", event) if isinstance(event, dict) else {}
        if fields.get("name") == _NEW:
            return moment_ns(fields.get("time"))
    return None


def _told(name: str) -> Shown:
    return lambda draft, _: draft.fields.get(name)


def _unknown(_: Draft, __: Beside) -> None:
    """What is not kept here."""


def _preview(name: str) -> Shown:
    def shown(draft: Draft, _: Beside) -> str | None:
        value = draft.fields.get(name)
        return None if value is None else as_text(value)[:_PREVIEW]

    return shown


def _at(read: Callable[[Fields], int | None]) -> Shown:
    def shown(draft: Draft, _: Beside) -> str | None:
        found = read(draft.fields)
        return None if found is None else moment(found)

    return shown


def _first_token(draft: Draft, _: Beside) -> str | None:
    found = first_token_ns_of(draft)
    return None if found is None else moment(found)


def _count(name: str) -> Shown:
    def shown(draft: Draft, _: Beside) -> int | None:
        found = tokens_of(draft.fields)[name]
        return found if isinstance(found, int) else None

    return shown


def _details(name: str) -> Shown:
    def shown(draft: Draft, _: Beside) -> dict[str, object] | None:
        found = object_in(usage_of(draft.fields), name)
        return {"raw": found} if found else None

    return shown


def _status(draft: Draft, _: Beside) -> str:
    return "PENDING" if ended_ns_of(draft.fields) is None else "ERROR" if text(draft.fields, "error") else "SUCCESS"


def _latency(draft: Draft, _: Beside) -> float | None:
    began, ended = started_ns_of(draft.fields), ended_ns_of(draft.fields)
    return None if began is None or ended is None else (ended - began) / 1e9


def _dataset(draft: Draft, beside: Beside) -> str | None:
    return beside.dataset_id or None if text(draft.fields, "reference_example_id") else None


def _cost(_: Draft, beside: Beside) -> float | None:
    return None if beside.cost_nano_usd is None else beside.cost_nano_usd / 1e9


def _feedback(_: Draft, beside: Beside) -> dict[str, object]:
    by_key: dict[str, list[Score]] = {}
    for score in beside.feedback:
        by_key.setdefault(score.name, []).append(score)
    return {key: _stats(scores) for key, scores in by_key.items()}


def _stats(scores: Sequence[Score]) -> Mapping[str, object]:
    numbers = [score.number for score in scores if score.number is not None]
    values: dict[str, int] = {}
    for score in scores:
        if score.data_type == "categorical":
            values[score.text] = values.get(score.text, 0) + 1
    return {
        "n": len(scores),
        "avg": statistics.fmean(numbers) if numbers else None,
        "min": min(numbers, default=None),
        "max": max(numbers, default=None),
        "stdev": statistics.stdev(numbers) if len(numbers) > 1 else None,
        "values": values,
        "comments": [score.comment for score in scores if score.comment][:_MOST_COMMENTS],
        "sources": sorted({_SOURCES[score.source] for score in scores}),
        "errors": 0,
        "contains_thread_feedback": False,
    }


FIELDS: Final[Mapping[str, Shown]] = {
    "ID": lambda draft, _: draft.id,
    "NAME": lambda draft, _: text(draft.fields, "name") or "unnamed run",
    "RUN_TYPE": lambda draft, _: (text(draft.fields, "run_type") or "chain").upper(),
    "STATUS": _status,
    "START_TIME": _at(started_ns_of),
    "END_TIME": _at(ended_ns_of),
    "LATENCY_SECONDS": _latency,
    "FIRST_TOKEN_TIME": _first_token,
    "ERROR": lambda draft, _: text(draft.fields, "error") or None,
    "ERROR_PREVIEW": _preview("error"),
    "EXTRA": _told("extra"),
    "METADATA": lambda draft, _: metadata_of(draft.fields),
    "EVENTS": _told("events"),
    "INPUTS": lambda draft, _: draft.fields.get("inputs") or {},
    "INPUTS_PREVIEW": _preview("inputs"),
    "OUTPUTS": _told("outputs"),
    "OUTPUTS_PREVIEW": _preview("outputs"),
    "MANIFEST": _told("serialized"),
    "PARENT_RUN_IDS": lambda draft, _: ancestors_of(draft.fields),
    "PROJECT_ID": lambda _, beside: beside.project_id or None,
    "TRACE_ID": lambda draft, _: draft.trace or draft.id,
    "THREAD_ID": lambda draft, _: text(metadata_of(draft.fields), *_THREADS) or None,
    "DOTTED_ORDER": lambda draft, _: text(draft.fields, "dotted_order"),
    "IS_ROOT": lambda draft, _: not text(draft.fields, "parent_run_id"),
    "REFERENCE_EXAMPLE_ID": _told("reference_example_id"),
    "REFERENCE_DATASET_ID": _dataset,
    "TOTAL_TOKENS": _count("total_tokens"),
    "PROMPT_TOKENS": _count("prompt_tokens"),
    "COMPLETION_TOKENS": _count("completion_tokens"),
    "TOTAL_COST": _cost,
    "PROMPT_COST": _unknown,
    "COMPLETION_COST": _unknown,
    "PROMPT_TOKEN_DETAILS": _details("input_token_details"),
    "COMPLETION_TOKEN_DETAILS": _details("output_token_details"),
    "PROMPT_COST_DETAILS": _unknown,
    "COMPLETION_COST_DETAILS": _unknown,
    "PRICE_MODEL_ID": _unknown,
    "TAGS": _told("tags"),
    "APP_PATH": _unknown,
    "ATTACHMENTS": _unknown,
    "THREAD_EVALUATION_TIME": _unknown,
    "IS_IN_DATASET": lambda draft, _: bool(text(draft.fields, "reference_example_id")),
    "LAST_QUEUED_AT": _unknown,
    "SHARE_URL": _unknown,
    "FEEDBACK_STATS": _feedback,
    "LS_USER_ID": _unknown,
}
"""Every field that the API has, by the name that asks for it."""
