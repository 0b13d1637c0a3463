"""What Langfuse's clients read back: traces, sessions and observations, as they asked for them and no others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchgear.app.database import ControlDatabase
from switchgear.kernel.span import ToldSpan
from switchgear.rest.written import moment
from switchgear.traces.intake import Origin
from tests.memory_spans import MemorySpans
from tests.traces.doors.stand import KEY, OTHER_KEY, Stand

Asked = Sequence[tuple[Mapping[str, Any], list[str]]]
"""What is asked for, and the names of what is found."""
SECOND_NS = 1_000_000_000
BEGAN_NS = 1_799_000_000 * SECOND_NS
BLUE = Origin(project="blue", door="langfuse")


@pytest.fixture
def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path, MemorySpans())


def told(trace: int, span: int, /, parent: int = 0, **attributes: object) -> ToldSpan:
    """A span of Langfuse's SDK, one second after the one before."""
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    failed = named.pop("failed", False)
    return ToldSpan(
        trace_id=f"{trace:032x}",
        span_id=f"{span:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        name=str(named.pop("name", f"step {span}")),
        started_ns=BEGAN_NS + span * SECOND_NS,
        ended_ns=BEGAN_NS + (span + 1) * SECOND_NS,
        status="error" if failed else "unset",
        attributes=named,
        scope_name="langfuse-sdk",
    )


TALK: Mapping[str, Any] = {
    "user__id": "ada",
    "session__id": "chat/7",
    "langfuse__trace__name": "talk",
    "langfuse__trace__tags": ["a", "b"],
}
SPANS = (
    told(1, 1, langfuse__observation__type="agent", langfuse__observation__input='{"q":1}', **TALK),
    told(
        *(1, 2),
        parent=1,
        langfuse__observation__type="generation",
        langfuse__observation__input='[{"role":"user","content":"hi"}]',
        langfuse__observation__output='{"role":"assistant","tool_calls":[{"id":"c","type":"function",'
        '"function":{"name":"look","arguments":"{\\"at\\":1}"}}]}',
        langfuse__observation__usage_details='{"input":7,"output":2}',
        langfuse__observation__cost_details='{"total":0.5}',
        langfuse__observation__prompt__name="greet",
        langfuse__observation__prompt__version=3,
        **TALK,
    ),
    told(1, 3, parent=1, langfuse__observation__type="tool", failed=True, **TALK),
    told(2, 4, name="alone", langfuse__environment="staging", session__id="other", langfuse__version="1.2"),
)


async def get(stand: Stand, path: str, key: str = KEY, **params: Any) -> Any:
    async with stand.client({"authorization": f"Bearer {key}"}) as client:
        answer = await client.get(f"/api/public/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(stand: Stand, path: str, **params: Any) -> list[str]:
    """Of what is listed, in its order."""
    return [str(one.get("name") or one["id"]) for one in (await get(stand, path, **params))["data"]]


async def refused(stand: Stand, path: str, key: str = KEY, **params: str) -> httpx.Response:
    async with stand.client({"authorization": f"Bearer {key}"}) as client:
        return await client.get(f"/api/public/{path}", params=params)


async def test_a_trace_is_read_with_its_observations_and_scores(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    async with stand.client() as client:
        await client.post("/api/public/scores", json={"name": "good", "value": 1, "traceId": f"{1:032x}"})
    trace = await get(stand, f"traces/{1:032x}")
    assert (trace["name"], trace["userId"], trace["sessionId"]) == ("talk", "ada", "chat/7")
    assert (trace["input"], trace["tags"], trace["latency"], trace["totalCost"]) == ({"q": 1}, ["a", "b"], 3, 0.5)
    assert [score["name"] for score in trace["scores"]] == ["good"]
    agent, generation, tool = trace["observations"]
    assert (agent["type"], generation["type"], tool["type"]) == ("AGENT", "GENERATION", "TOOL")
    assert (agent["parentObservationId"], tool["parentObservationId"]) == (None, agent["id"])
    assert (agent["level"], tool["level"]) == ("DEFAULT", "ERROR")
    assert generation["input"] == [{"role": "user", "content": "hi"}]
    (call,) = generation["output"]["tool_calls"]
    assert call == {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}}
    assert generation["usageDetails"] == {"input": 7, "output": 2, "total": 9}
    assert (generation["usage"]["total"], generation["calculatedTotalCost"]) == (9, 0.5)
    assert (generation["promptName"], generation["promptVersion"]) == ("greet", 3)


async def test_of_a_trace_only_what_was_asked_for_is_told(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    for trace in (
        await get(stand, f"traces/{1:032x}", fields="core,scores"),
        (await get(stand, "traces", fields="core", name="talk"))["data"][0],
    ):
        told = (trace["input"], trace["observations"], trace["latency"], trace["totalCost"], trace["name"])
        assert told == (None, [], -1, -1, "talk")


FOUND_TRACES: Asked = [
    ({}, ["alone", "talk"]),
    ({"orderBy": "timestamp.asc"}, ["talk", "alone"]),
    ({"userId": "ada"}, ["talk"]),
    ({"sessionId": "other"}, ["alone"]),
    ({"name": "alone"}, ["alone"]),
    ({"name": "step 1"}, []),
    ({"version": "1.2"}, ["alone"]),
    ({"version": "1"}, []),
    ({"tags": ["a", "b"]}, ["talk"]),
    ({"tags": ["a", "c"]}, []),
    ({"environment": "staging"}, ["alone"]),
    ({"environment": "default"}, ["talk"]),
    ({"fromTimestamp": moment(BEGAN_NS + 4 * SECOND_NS)}, ["alone"]),
    ({"toTimestamp": moment(BEGAN_NS + 4 * SECOND_NS)}, ["talk"]),
    ({"limit": "1"}, ["alone"]),
    ({"limit": "1", "page": "2"}, ["talk"]),
    ({"limit": "1", "page": "3"}, []),
]


async def test_traces_are_found_by_what_clients_ask_for(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    for asked, found in FOUND_TRACES:
        assert await names(stand, "traces", **asked) == found, asked


FOUND_OBSERVATIONS: Asked = [
    ({}, ["alone", "step 3", "step 2", "step 1"]),
    ({"type": "GENERATION"}, ["step 2"]),
    ({"type": "DANCE"}, []),
    ({"level": "ERROR"}, ["step 3"]),
    ({"level": "DEFAULT"}, ["alone", "step 2", "step 1"]),
    ({"traceId": f"{2:032x}"}, ["alone"]),
    ({"version": "1.2"}, ["alone"]),
    ({"parentObservationId": f"{1:016x}"}, ["step 3", "step 2"]),
    ({"userId": "ada", "name": "step 2"}, ["step 2"]),
    ({"fromStartTime": moment(BEGAN_NS + 3 * SECOND_NS)}, ["alone", "step 3"]),
]


async def test_observations_are_found_by_what_clients_ask_for(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    for asked, found in FOUND_OBSERVATIONS:
        assert await names(stand, "observations", **asked) == found, asked
        assert await names(stand, "v2/observations", **asked) == found, asked


async def test_observations_go_on_by_cursor_with_the_fields_that_were_asked_for(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    first = await get(stand, "v2/observations", limit="3", fields="io")
    assert set(first["data"][0]) == {
        *("id", "traceId", "startTime", "endTime", "projectId", "parentObservationId", "type", "input", "output")
    }
    rest = await get(stand, "v2/observations", limit="3", fields="io", cursor=first["meta"]["cursor"])
    assert (rest["data"][0]["input"], rest["meta"]) == ('{"q":1}', {})
    roots = await get(stand, "v2/observations", isRootObservation="true")
    assert [one["name"] for one in roots["data"]] == ["alone", "step 1"]


async def test_a_version_is_shown_as_such_and_not_among_metadata(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    for path in (f"observations/{4:016x}", f"traces/{2:032x}"):
        shown = await get(stand, path)
        assert (shown["version"], shown["metadata"]) == ("1.2", {})


async def test_one_observation_is_read_by_its_id(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    assert (await get(stand, f"observations/{2:016x}"))["traceId"] == f"{1:032x}"


async def test_sessions_are_listed_and_read_with_their_traces(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    assert await names(stand, "sessions") == ["other", "chat/7"]
    assert await names(stand, "sessions", environment="staging") == ["other"]
    session = await get(stand, "sessions/chat%2F7")
    assert (session["createdAt"], session["environment"]) == (moment(BEGAN_NS + SECOND_NS), "default")
    assert [(trace["name"], trace["input"]) for trace in session["traces"]] == [("talk", {"q": 1})]


async def test_a_trace_of_an_older_sdk_is_read_by_its_own_name(stand: Stand) -> None:
    at = "2026-11-26T10:00:00Z"
    batch = [
        {"id": "1", "type": "trace-create", "timestamp": at, "body": {"id": "my trace", "name": "chat", "input": "in"}},
        {"id": "2", "type": "span-create", "timestamp": at, "body": {"id": "s", "traceId": "my trace", "name": "look"}},
    ]
    async with stand.client() as client:
        await client.post("/api/public/ingestion", json={"batch": batch})
    trace = await get(stand, "traces/my trace")
    assert (trace["name"], trace["input"]) == ("chat", "in")
    assert [(one["name"], one["parentObservationId"]) for one in trace["observations"]] == [("look", None)]
    assert (await get(stand, "observations/s"))["traceId"] == trace["id"]


NOT_UNDERSTOOD: Sequence[tuple[str, Mapping[str, str]]] = [
    ("traces", {"filter": '[{"type":"string"}]'}),
    ("traces", {"orderBy": "name.asc"}),
    ("traces", {"fields": "core,everything"}),
    ("traces", {"fromTimestamp": "yesterday"}),
    ("traces", {"limit": "100", "page": "101"}),
    ("v2/observations", {"fields": "all"}),
    ("v2/observations", {"cursor": "nonsense"}),
    ("v2/observations", {"parseIoAsJson": "true"}),
    ("observations", {"level": "LOUD"}),
]


async def test_what_is_not_understood_is_refused_by_name(stand: Stand) -> None:
    for path, asked in NOT_UNDERSTOOD:
        answer = await refused(stand, path, **asked)
        assert answer.status_code == 400, asked
        assert answer.json()["message"]


async def test_what_is_not_there_is_not_found_and_other_projects_see_nothing(stand: Stand) -> None:
    await stand.intake.take(BLUE, SPANS)
    for path in (f"traces/{1:032x}", f"observations/{1:016x}", "sessions/other"):
        assert (await refused(stand, path, OTHER_KEY)).status_code == 404
        assert (await refused(stand, f"{path}0")).status_code == 404
    for path in ("traces", "observations", "v2/observations", "sessions"):
        assert (await get(stand, path, OTHER_KEY))["data"] == []
