"""Traces that Langfuse's clients delete: only under a key that may, with what hangs on them, and noted."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from switchgear.app.database import ControlDatabase
from switchgear.auth.model import key_ring
from switchgear.kernel.query import Find, Window
from switchgear.kernel.span import ToldSpan
from switchgear.rest.tables import AUDIT
from switchgear.traces.intake import Origin
from switchgear.traces.scores.store import Sought
from tests.memory_spans import MemorySpans
from tests.traces.doors.stand import DELETING_KEY, KEY, OTHER_KEY, READING_KEY, SENDING_KEY, Stand

BEGAN_NS = 1_799_000_000_000_000_000
TRACES = [f"{number:032x}" for number in range(1, 5)]


@pytest.fixture
async def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    """Four traces of one span, one of them of another project."""
    made = Stand(database, tmp_path, MemorySpans())
    for place, trace in enumerate(TRACES):
        span = ToldSpan(trace_id=trace, span_id=f"{1:016x}", name="x", started_ns=BEGAN_NS, ended_ns=BEGAN_NS + 1)
        await made.intake.take(Origin(project="red" if place == 3 else "blue", door="langfuse"), [span])
    async with made.client() as client:
        for trace in TRACES[:2]:
            await client.post("/api/public/scores", json={"name": "good", "value": 1, "traceId": trace})
    return made


async def delete(stand: Stand, path: str = "", body: Any = None, key: str = DELETING_KEY) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}", "user-agent": "langfuse-python"} if key else {}
    async with stand.client(headers) as client:
        return await client.request("DELETE", f"/api/public/traces{path}", json=body)


async def left(stand: Stand, project: str = "blue") -> list[str]:
    window = Window(project=project, since_ns=0, until_ns=BEGAN_NS + 1)
    rows = (await stand.doors.store.find(Find(window=window, of="traces", newest_first=False))).traces
    return [row.trace_id for row in rows]


async def noted(database: ControlDatabase) -> list[tuple[Any, ...]]:
    asked = select(AUDIT.c.who_kind, AUDIT.c.who, AUDIT.c.kind, AUDIT.c.name, AUDIT.c.project, AUDIT.c.after)
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(asked.order_by(AUDIT.c.number))]


async def test_a_trace_goes_with_its_scores_and_who_had_it_deleted_is_noted(
    stand: Stand, database: ControlDatabase
) -> None:
    answer = await delete(stand, f"/{TRACES[0]}")
    assert (answer.status_code, "traces 1, spans 1" in answer.json()["message"]) == (200, True), answer.text
    assert await left(stand) == TRACES[1:3]
    (score,) = await stand.doors_scores.find(Sought(project="blue"))
    assert score.trace_id == TRACES[1]
    assert await noted(database) == [("key", "shredder", "trace", TRACES[0], "blue", '{"traces":1}')]


async def test_what_other_tools_said_of_its_spans_alone_goes_too(stand: Stand) -> None:
    run = f"{1:016x}{1:016x}"
    note = {"span_id": f"{1:016X}", "note": "joe is ill"}
    label = {**note, "name": "mood", "annotator_kind": "HUMAN", "result": {"label": "glad"}}
    async with stand.client() as client:
        for path, body in (
            ("/v1/span_notes", {"data": note}),
            ("/v1/span_notes", {"data": {**note, "span_id": f"{2:016x}"}}),
            ("/v1/span_annotations", {"data": [label]}),
            ("/feedback", {"run_id": run, "key": "good", "score": 1}),
        ):
            assert (await client.post(path, json=body)).status_code == 200
    await delete(stand, f"/{TRACES[0]}")
    found = await stand.doors_scores.find(Sought(project="blue", target="span"))
    assert [score.span_id for score in found] == [f"{2:016x}"]


async def test_traces_go_by_their_ids_in_the_body_each_noted_by_itself(stand: Stand, database: ControlDatabase) -> None:
    answer = await delete(stand, body={"traceIds": [TRACES[0], TRACES[2], TRACES[0], TRACES[3], "no such"]})
    assert (answer.status_code, "traces 2, spans 2" in answer.json()["message"]) == (200, True), answer.text
    assert (await left(stand), await left(stand, "red")) == ([TRACES[1]], [TRACES[3]])
    counts = [(name, after) for _, _, _, name, _, after in await noted(database)]
    assert counts[:3] == [(TRACES[0], '{"traces":1}'), (TRACES[2], '{"traces":1}'), (TRACES[3], '{"traces":0}')]
    assert len(counts) == 4


async def test_a_trace_of_an_older_client_goes_by_the_name_that_it_gave(stand: Stand) -> None:
    async with stand.client() as client:
        body = {"id": "my trace", "name": "old", "timestamp": "2027-01-10T10:00:00Z"}
        event = {"id": "e", "type": "trace-create", "timestamp": "2027-01-10T10:00:00Z", "body": body}
        assert (await client.post("/api/public/ingestion", json={"batch": [event]})).json()["errors"] == []
        assert (await client.get("/api/public/traces/my trace")).status_code == 200
        assert (await delete(stand, "/my trace")).status_code == 200
        assert (await client.get("/api/public/traces/my trace")).status_code == 404


async def test_a_trace_that_is_gone_is_no_error(stand: Stand) -> None:
    for _ in range(2):
        assert (await delete(stand, f"/{TRACES[0]}")).status_code == 200


@pytest.mark.parametrize("key", [KEY, OTHER_KEY, SENDING_KEY, READING_KEY])
async def test_a_key_that_does_not_name_the_right_deletes_nothing(
    stand: Stand, database: ControlDatabase, key: str
) -> None:
    for answer in (
        await delete(stand, f"/{TRACES[0]}", key=key),
        await delete(stand, body={"traceIds": TRACES}, key=key),
    ):
        assert (answer.status_code, "'traces_delete'" in answer.json()["message"]) == (403, True), answer.text
    assert (await left(stand), await noted(database)) == (TRACES[:3], [])


async def test_nobody_deletes_without_a_key_and_who_may_delete_does_nothing_else(stand: Stand) -> None:
    async with stand.client({"authorization": f"Bearer {DELETING_KEY}"}) as client:
        assert (await client.get(f"/api/public/traces/{TRACES[0]}")).status_code == 403
        assert (await client.post("/api/public/scores", json={"name": "x", "value": 1})).status_code == 403
    stand.ring = key_ring([], allow_anonymous_loopback=True)
    assert (await delete(stand, f"/{TRACES[0]}", key="")).status_code == 401


@pytest.mark.parametrize(
    "body", [None, [], {}, {"traceIds": []}, {"traceIds": [""]}, {"traceIds": [5]}, {"traceIds": 5}]
)
async def test_a_body_without_ids_is_refused(stand: Stand, body: object) -> None:
    assert (await delete(stand, body=body)).status_code == 400
    assert (await delete(stand, body={"traceIds": ["x"] * 1001})).status_code == 400
    assert await left(stand) == TRACES[:3]
