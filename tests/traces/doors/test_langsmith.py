"""LangSmith's door: what a patch says is put to what the post said, and what is wrong is refused by itself."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard

from switchgear.app.database import ControlDatabase
from tests.traces.doors.stand import OTHER_KEY, Stand

RUN = "018f4a2e-7c11-7abc-8def-0123456789ab"
OTHER = "018f4a2e-7c12-7abc-8def-0123456789ab"
ORDER = f"20261126T100000000000Z{RUN}"
POST: Mapping[str, object] = {
    "id": RUN,
    "trace_id": RUN,
    "dotted_order": ORDER,
    "name": "answer",
    "run_type": "chain",
    "start_time": "2026-11-26T10:00:00+00:00",
    "inputs": {"q": "hi"},
    "extra": {"metadata": {"a": 1}},
}
PATCH: Mapping[str, object] = {
    "id": RUN,
    "trace_id": RUN,
    "dotted_order": ORDER,
    "end_time": "2026-11-26T10:00:02+00:00",
    "outputs": {"a": "hello"},
    "extra": {"metadata": {"b": 2}},
}
BOUNDARY = "----LangSmithFormBoundary"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path)


def part(name: str, value: object) -> bytes:
    content = json.dumps(value).encode()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: application/json\r\n\r\n'
    return head.encode() + content + b"\r\n"


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("acts", [("post", "patch"), ("patch", "post")])
async def test_a_run_told_in_two_requests_is_one_span_in_either_order(stand: Stand, acts: tuple[str, str]) -> None:
    said = {"post": POST, "patch": PATCH}
    async with stand.client() as client:
        for act in acts:
            assert (await client.post("/runs/batch", json={act: [said[act]]})).status_code == 202
            assert len(stand.memory.told) == 1, "it is seen from its first word on"
    span = stand.memory.named("answer")
    assert (span.trace_id, span.span_id) == (RUN.replace("-", ""), "018f4a2e7c117abc")
    assert (span.ended_ns - span.started_ns, span.status) == (2_000_000_000, "ok")
    assert span.attributes["gen_ai.prompt"] == '{"q":"hi"}'
    assert (span.attributes["langsmith.metadata.a"], span.attributes["langsmith.metadata.b"]) == (1, 2)
    assert "langsmith.run.pending" not in span.attributes


async def test_of_half_a_form_the_whole_runs_are_kept(stand: Stand) -> None:
    first = (part(f"post.{RUN}", POST), part(f"post.{RUN}.outputs", {"a": 1}))
    second = part(f"post.{OTHER}", {**POST, "id": OTHER, "name": "cut"})
    async with stand.client() as client:
        answer = await client.post("/runs/multipart", content=b"".join((*first, second)) + second[:60], headers=FORM)
    assert answer.status_code == 422
    assert [refused["name"] for refused in answer.json()["refused"]] == [f"post.{OTHER}"]
    assert [span.name for span in stand.memory.told.values()] == ["answer"]


async def test_a_bad_part_is_refused_alone(stand: Stand) -> None:
    broken = part("post.no-uuid", {"name": "x"}) + part(f"patch.{OTHER}", [1]) + part("dance.1", {})
    body = whole(broken, part(f"post.{RUN}", POST), part(f"feedback.{RUN}", {"key": "k", "run_id": "no", "score": 1}))
    async with stand.client() as client:
        headers = {**FORM, "content-encoding": "zstd"}
        answer = await client.post("/runs/multipart", content=zstandard.compress(body), headers=headers)
    assert answer.status_code == 202
    assert len(answer.json()["refused"]) == 4
    assert stand.counts.refused == {("langsmith", "unreadable"): 2}
    assert stand.memory.named("answer")


@pytest.mark.parametrize("path", ["/runs", "/runs/batch", "/runs/multipart", "/runs/query", "/feedback", "/sessions"])
async def test_no_body_is_a_server_error(stand: Stand, path: str) -> None:
    bodies = (b"", b"[]", b"{", b'{"post":5}', b"\xff", b"[" * 100_000, b'{"id":"' + RUN.encode() + b'","extra":5}')
    async with stand.client() as client:
        for body in bodies:
            for headers in ({}, FORM, {"content-encoding": "zstd"}, {"content-encoding": "magic"}):
                assert (await client.post(path, content=body, headers=headers)).status_code < 500
        bomb = zstandard.compress(bytes(200 * 1024 * 1024))
        answer = await client.post("/runs/multipart", content=bomb, headers={**FORM, "content-encoding": "zstd"})
        assert answer.status_code == 413


async def test_runs_are_listed_by_a_filter_in_langsmiths_own_language(stand: Stand) -> None:
    async with stand.client() as client:
        await client.post(
            "/runs/batch", json={"post": [POST, {**POST, "id": OTHER, "trace_id": OTHER, "name": "other"}]}
        )
        for said, names in (('eq(name, "other")', ["other"]), ('and(eq(name, "other"), eq(run_type, "llm"))', [])):
            runs = (await client.post("/runs/query", json={"filter": said})).json()["runs"]
            assert [run["name"] for run in runs] == names
        refused = await client.post("/runs/query", json={"filter": 'like(name, "o")'})
        assert refused.status_code == 400
        assert "like(...) is not understood" in refused.text


async def test_another_project_reads_nothing(stand: Stand) -> None:
    async with stand.client() as client:
        await client.post("/runs", json=POST)
        assert (await client.get(f"/runs/{RUN}")).json()["status"] == "pending"
    async with stand.client({"x-api-key": OTHER_KEY}) as stranger:
        assert (await stranger.get(f"/runs/{RUN}")).status_code == 404
        assert (await stranger.post("/runs/query", json={})).json()["runs"] == []
        assert (await stranger.get("/info")).json()["batch_ingest_config"]["use_multipart_endpoint"] is True
