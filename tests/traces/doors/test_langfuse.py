"""Langfuse's door: older events become spans, scores are kept once, and what is wrong is refused by itself."""

from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from switchgear.app.database import ControlDatabase
from switchgear.traces.scores.store import Sought
from switchgear.traces.tables import MEDIA_USES
from tests.traces.doors.stand import KEY, OTHER_KEY, Stand

AT = "2026-11-26T10:00:0{}.000Z"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path)


def event(kind: str, second: int, **body: object) -> dict[str, object]:
    """One of a batch."""
    return {"id": f"{kind}-{second}", "type": kind, "timestamp": AT.format(second), "body": body}


async def ingest(stand: Stand, *events: object) -> dict[str, list[dict[str, object]]]:
    async with stand.client() as client:
        answer = await client.post("/api/public/ingestion", json={"batch": list(events)})
    assert answer.status_code == 207, answer.text
    return answer.json()


GENERATION = event(
    "generation-create",
    1,
    id="gen",
    traceId="my trace",
    name="ask",
    startTime=AT.format(1),
    model="gpt-x",
    input=[{"role": "user", "content": "hi"}],
    usage={"promptTokens": 7, "completionTokens": 2},
)
UPDATE = event(
    "generation-update", 3, id="gen", traceId="my trace", endTime=AT.format(3), output="hello", level="ERROR"
)
WHOLE = event("trace-create", 2, id="my trace", name="chat", userId="ada", sessionId="s-1", tags=["a"])


@pytest.mark.parametrize(
    "order", [(GENERATION, UPDATE, WHOLE), (WHOLE, UPDATE, GENERATION), (UPDATE, GENERATION, WHOLE)]
)
async def test_a_trace_told_in_pieces_is_the_same_in_any_order(
    stand: Stand, order: tuple[dict[str, object], ...]
) -> None:
    for one in order:
        await ingest(stand, one)
    ask, chat = sorted(stand.memory.told.values(), key=lambda span: span.name)
    assert (ask.name, ask.ended_ns - ask.started_ns, ask.status) == ("ask", 2_000_000_000, "error")
    assert ask.parent_id == chat.span_id
    assert ask.attributes["langfuse.observation.usage_details"] == '{"input":7,"output":2}'
    assert ask.attributes["langfuse.observation.output"] == "hello"
    assert ask.attributes["langfuse.observation.type"] == "generation"
    named = ("user.id", "session.id", "langfuse.trace.name")
    assert [ask.attributes[name] for name in named] == ["ada", "s-1", "chat"]
    assert chat.name == "chat"
    assert chat.ended_ns == ask.ended_ns, "the trace ends with its last observation"


async def test_a_bad_event_is_refused_alone(stand: Stand) -> None:
    told = await ingest(
        stand,
        GENERATION,
        {"id": "e-2", "type": "dance-create", "body": {}},
        {"id": "e-3", "type": "span-create", "body": {"name": "no id"}},
        "no object",
        event("score-create", 4, id="s", traceId=TRACE, name="x", value="word", dataType="NUMERIC"),
        event("sdk-log", 5, log={}),
        event("span-create", 6, id="old", traceId="my trace", name="old", startTime="1970-01-02T00:00:00Z"),
    )
    assert [one["id"] for one in told["successes"]] == ["generation-create-1", "sdk-log-5"]
    assert [one["id"] for one in told["errors"]] == ["e-2", "e-3", "3", "score-create-4", "span-create-6"]
    assert all(one["message"] and one["status"] == 400 for one in told["errors"])
    assert stand.counts.refused == {("langfuse", "unreadable"): 1}
    assert stand.memory.named("ask")


async def test_a_score_sent_twice_is_one_and_changed_is_another_version(stand: Stand) -> None:
    score = event("score-create", 1, id="s-1", traceId=TRACE, name="good", value=1)
    for one in (score, score, event("score-create", 2, id="s-1", traceId=TRACE, name="good", value=0.5)):
        await ingest(stand, one)
    (found,) = await stand.doors_scores.find(Sought(project="blue"))
    assert (found.number, found.version) == (0.5, 1)


async def test_lists_of_scores_are_answered_for_one_by_one_and_read_back_by_page(stand: Stand) -> None:
    async with stand.client() as client:
        scores: list[object] = [{"name": f"n{number}", "value": number, "traceId": TRACE} for number in range(3)]
        answer = await client.post("/api/public/scores", json=[*scores, {"name": "nothing", "value": 1}, 5])
        assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (207, 3, 2)
        assert (await client.post("/api/public/scores", json=scores)).status_code == 202
        one = await client.post("/api/public/scores", json={"name": "x", "value": "y", "sessionId": "s"})
        assert (await client.get(f"/api/public/scores/{one.json()['id']}")).json()["stringValue"] == "y"
        first = (await client.get("/api/public/v3/scores", params={"limit": 5})).json()
        rest = (
            await client.get("/api/public/v3/scores", params={"limit": 5, "cursor": first["meta"]["cursor"]})
        ).json()
        assert len({score["id"] for score in (*first["data"], *rest["data"])}) == 7
        assert "cursor" not in rest["meta"]
        assert (await client.delete(f"/api/public/scores/{one.json()['id']}")).status_code == 202
        paged = (await client.get("/api/public/v2/scores", params={"limit": 4, "page": 2})).json()
        assert (len(paged["data"]), paged["meta"]["totalPages"]) == (2, 2)


async def test_projects_do_not_see_each_other(stand: Stand) -> None:
    await ingest(stand, event("score-create", 1, id="s-1", traceId=TRACE, name="good", value=1))
    async with stand.client({"authorization": f"Bearer {OTHER_KEY}"}) as client:
        assert (await client.get("/api/public/v2/scores")).json()["data"] == []
        assert (await client.get("/api/public/scores/s-1")).status_code == 404
        assert (await client.delete("/api/public/scores/s-1")).status_code == 404
        assert (await client.get("/api/public/projects")).json()["data"][0]["id"] == "red"


async def test_who_has_no_key_is_told_so(stand: Stand) -> None:
    async with stand.client({}) as client:
        assert (await client.get("/api/public/health")).json()["status"] == "OK"
        answer = await client.post("/api/public/ingestion", json={"batch": []})
        assert answer.status_code == 401
        assert "virtual key" in answer.json()["message"]
        basic = httpx.BasicAuth("pk-of-nobody", KEY)
        assert (await client.get("/api/public/projects", auth=basic)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"batch":{}}', b"\xff", b"[" * 100_000, b'{"batch":[NaN]}'])
async def test_no_body_is_a_server_error(stand: Stand, body: bytes) -> None:
    async with stand.client() as client:
        for path in ("/api/public/ingestion", "/api/public/scores", "/api/public/media"):
            assert (await client.post(path, content=body)).status_code < 500


async def test_media_are_taken_only_as_announced_and_by_their_link(stand: Stand) -> None:
    digest = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="  # of b"test"
    async with stand.client() as client:
        said = {
            "contentType": "text/plain",
            "contentLength": 4,
            "sha256Hash": digest,
            "field": "input",
            "traceId": TRACE,
        }
        made = (await client.post("/api/public/media", json=said)).json()
        assert (await client.put(made["uploadUrl"], content=b"toast")).status_code == 400
        assert (await client.put(made["uploadUrl"].replace("token=", "token=0"), content=b"test")).status_code == 403
        assert (await client.put(made["uploadUrl"], content=b"test")).status_code == 200
        assert (await client.post("/api/public/media", json=said)).json()["uploadUrl"] is None
        patch = {"uploadedAt": AT.format(1), "uploadHttpStatus": 200}
        assert (await client.patch(f"/api/public/media/{made['mediaId']}", json=patch)).status_code == 200
        link = (await client.get(f"/api/public/media/{made['mediaId']}")).json()["url"]
        assert (await client.get(link)).content == b"test"
        async with stand.doors.database.read() as connection:
            (use,) = (await connection.execute(select(MEDIA_USES))).all()
        assert tuple(use) == ("blue", made["mediaId"], TRACE)
        stand.clock.advance(7200)
        assert (await client.get(link)).status_code == 403
        huge = {**said, "contentLength": 1 << 40}
        assert (await client.post("/api/public/media", json=huge)).status_code == 413
    async with stand.client({"authorization": f"Bearer {OTHER_KEY}"}) as stranger:
        assert (await stranger.get(f"/api/public/media/{made['mediaId']}")).status_code == 404
        again = (await stranger.post("/api/public/media", json=said)).json()
        assert again["uploadUrl"] is not None, "who has not the bytes does not get them by their name"
