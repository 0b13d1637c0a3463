"""Langfuse's ``filter``: what it lets through of observations and traces, and what of it is refused by name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.app.database import ControlDatabase
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.query import Find, Window, checked
from switchgear.kernel.span import ToldSpan
from switchgear.rest.written import moment
from switchgear.traces.doors.langfuse_conditions import OBSERVATIONS, TRACES, Columns, conditions
from switchgear.traces.intake import Origin
from tests.memory_spans import MemorySpans
from tests.traces.doors.stand import Stand

SECOND_NS = 1_000_000_000
BEGAN_NS = 1_799_000_000 * SECOND_NS


@pytest.fixture
async def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    """A trace of an agent that asks a model and a tool that fails, and one of a span alone."""
    made = Stand(database, tmp_path, MemorySpans())
    said = {
        "user.id": "ada",
        "session.id": "chat",
        "langfuse.trace.tags": ["a", "b"],
        "langfuse.trace.name": "talk",
        "langfuse.trace.metadata.plan": "free",
    }
    ask: dict[str, object] = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-x",
        "langfuse.observation.usage_details": '{"input":7,"output":2}',
        "langfuse.observation.cost_details": '{"total":0.5}',
        "langfuse.observation.prompt.name": "greet",
    }
    await made.intake.take(
        Origin(project="blue", door="langfuse"),
        [
            told(1, 1, 3, {**said, "langfuse.observation.type": "agent"}),
            told(1, 2, 2, {**said, **ask}, parent=1),
            told(1, 3, 1, {**said, "langfuse.observation.type": "tool"}, parent=1, failed=True),
            told(2, 4, 1, {"langfuse.environment": "staging", "langfuse.trace.tags": ["b"], "langfuse.version": "7"}),
        ],
    )
    return made


def told(
    trace: int, span: int, seconds: int, said: Mapping[str, object], *, parent: int = 0, failed: bool = False
) -> ToldSpan:
    return ToldSpan(
        trace_id=f"{trace:032x}",
        span_id=f"{span:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        name=f"step {span}",
        started_ns=BEGAN_NS + span * SECOND_NS,
        ended_ns=BEGAN_NS + (span + seconds) * SECOND_NS,
        status="error" if failed else "unset",
        attributes=said,
        scope_name="langfuse-sdk",
    )


def condition(type: str, column: str, operator: str, value: object = None, **more: str) -> dict[str, Any]:
    return {"type": type, "column": column, "operator": operator, "value": value, **more}


async def asked(stand: Stand, path: str, *said: Mapping[str, Any], **params: str) -> tuple[int, Any]:
    async with stand.client() as client:
        query = {"filter": json.dumps(said), **params}
        answer = await client.get(f"/api/public/{path}", params=query)
    return answer.status_code, answer.json()


FOUND: Sequence[tuple[Mapping[str, Any], str]] = [
    (condition("string", "name", "=", "step 2"), "2"),
    (condition("string", "name", "starts with", "step"), "1234"),
    (condition("string", "userId", "=", "ada"), "123"),
    (condition("stringOptions", "userId", "none of", ["ada"]), "4"),
    (condition("stringOptions", "type", "any of", ["GENERATION", "TOOL"]), "23"),
    (condition("stringOptions", "level", "any of", ["ERROR"]), "3"),
    (condition("stringOptions", "level", "none of", ["ERROR"]), "124"),
    (condition("string", "environment", "=", "default"), "123"),
    (condition("string", "providedModelName", "=", "gpt-x"), "2"),
    (condition("string", "promptName", "=", "greet"), "2"),
    (condition("string", "version", "=", "7"), "4"),
    (condition("stringOptions", "version", "none of", ["7"]), "123"),
    (condition("string", "traceId", "=", f"{2:032x}"), "4"),
    (condition("string", "parentObservationId", "=", f"{1:016x}"), "23"),
    (condition("null", "parentObservationId", "is null"), "14"),
    (condition("null", "sessionId", "is not null"), "123"),
    (condition("boolean", "isRootObservation", "=", True), "14"),
    (condition("boolean", "isRootObservation", "<>", True), "23"),
    (condition("arrayOptions", "tags", "any of", ["a", "c"]), "123"),
    (condition("arrayOptions", "tags", "all of", ["a", "b"]), "123"),
    (condition("arrayOptions", "tags", "none of", ["a"]), "4"),
    (condition("stringObject", "metadata", "=", "free", key="plan"), "123"),
    (condition("categoryOptions", "metadata", "none of", ["free"], key="plan"), "4"),
    (condition("number", "latency", ">=", 2), "12"),
    (condition("number", "latency", "<", 1.5), "34"),
    (condition("number", "inputTokens", "=", 7), "2"),
    (condition("number", "totalCost", ">", 0.25), "2"),
    (condition("datetime", "startTime", ">=", moment(BEGAN_NS + 3 * SECOND_NS)), "34"),
    (condition("datetime", "endTime", "<=", moment(BEGAN_NS + 4 * SECOND_NS)), "1234"[:3]),
]


async def test_observations_pass_by_conditions(stand: Stand) -> None:
    for said, found in FOUND:
        for path in ("observations", "v2/observations"):
            status, body = await asked(stand, path, said)
            assert status == 200, body
            assert sorted(one["name"][-1] for one in body["data"]) == list(found), said


async def test_all_conditions_hold_together_and_beside_the_other_options(stand: Stand) -> None:
    both = (condition("string", "userId", "=", "ada"), condition("number", "latency", ">", 1))
    assert len((await asked(stand, "v2/observations", *both))[1]["data"]) == 2
    assert [one["name"] for one in (await asked(stand, "v2/observations", *both, name="step 1"))[1]["data"]] == [
        "step 1"
    ]


FOUND_TRACES: Sequence[tuple[Mapping[str, Any], int]] = [
    (condition("string", "id", "=", f"{1:032x}"), 1),
    (condition("string", "name", "=", "talk"), 1),
    (condition("string", "name", "=", "step 4"), 2),
    (condition("stringOptions", "userId", "any of", ["ada", "bob"]), 1),
    (condition("string", "environment", "=", "staging"), 2),
    (condition("string", "version", "=", "7"), 2),
    (condition("arrayOptions", "tags", "all of", ["a", "b"]), 1),
    (condition("stringObject", "metadata", "=", "free", key="plan"), 1),
    (condition("datetime", "timestamp", ">", moment(BEGAN_NS + 3 * SECOND_NS)), 2),
    (condition("null", "sessionId", "is not null"), 1),
]


async def test_traces_pass_by_conditions(stand: Stand) -> None:
    for said, found in FOUND_TRACES:
        status, body = await asked(stand, "traces", said)
        assert (status, [int(one["id"], 16) for one in body["data"]]) == (200, [found]), said


REFUSED: Sequence[tuple[str, Mapping[str, Any], str]] = [
    ("observations", condition("string", "name", "contains", "ste"), "contains"),
    ("observations", condition("string", "name", "ends with", "2"), "ends with"),
    ("observations", condition("string", "type", "starts with", "GEN"), "starts with"),
    ("observations", condition("string", "colour", "=", "red"), "colour"),
    ("observations", condition("number", "name", "=", 1), "name"),
    ("observations", condition("number", "latency", "=", "1"), "latency"),
    ("observations", condition("number", "totalCost", "=", 1e300), "totalCost"),
    ("observations", condition("datetime", "startTime", ">", "soon"), "startTime"),
    ("observations", condition("arrayOptions", "tags", "any of", []), "tags"),
    ("observations", condition("arrayOptions", "tags", "all of", [5]), "tags"),
    ("observations", condition("stringObject", "metadata", "=", "free"), "metadata"),
    ("observations", condition("stringObject", "metadata", "is set", key="plan"), "is set"),
    ("observations", condition("boolean", "isRootObservation", "=", "yes"), "isRootObservation"),
    ("observations", condition("string", "level", "=", "LOUD"), "LOUD"),
    ("traces", condition("stringOptions", "userId", "none of", ["ada"]), "none of"),
    ("traces", condition("null", "userId", "is null"), "is null"),
    ("traces", condition("number", "totalCost", ">", 1), "totalCost"),
    ("traces", condition("number", "scores_avg", ">", 1, key="good"), "scores_avg"),
]


async def test_a_condition_that_cannot_be_asked_is_refused_by_name(stand: Stand) -> None:
    for path, said, word in REFUSED:
        status, body = await asked(stand, path, said)
        assert (status, word in body["message"]) == (400, True), body
    async with stand.client() as client:
        for broken in ("{", "{}", "[5]", "[{}]"):
            answer = await client.get("/api/public/v2/observations", params={"filter": broken})
            assert answer.status_code == 400, broken


@given(
    said=st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ("string", "number", "datetime", "stringOptions", "arrayOptions", "null", "boolean")
            ),
            "column": st.sampled_from((*OBSERVATIONS.known, *TRACES.known, "x")),
            "operator": st.sampled_from(
                ("=", "<>", ">", "any of", "none of", "all of", "is null", "starts with", "like")
            ),
            "value": st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.lists(st.text(), max_size=3),
        }
    ),
    columns=st.sampled_from((OBSERVATIONS, TRACES)),
)
def test_any_condition_makes_a_question_that_can_be_asked_or_is_refused(
    said: Mapping[str, object], columns: Columns
) -> None:
    try:
        (made,) = conditions([said], columns)
    except BadRequest:
        return
    checked(Find(window=Window(project="x", since_ns=0, until_ns=1), where=made))
