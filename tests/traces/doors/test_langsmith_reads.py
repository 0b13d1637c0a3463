"""LangSmith's second version of reading: runs and traces by project, only the fields and runs that are asked for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from switchgear.app.database import ControlDatabase
from switchgear.traces.doors.langsmith_runs import span_id_of
from switchgear.traces.doors.langsmith_sessions import session_id
from switchgear.traces.doors.langsmith_shown import FIELDS
from tests.memory_spans import MemorySpans
from tests.traces.doors.stand import KEY, OTHER_KEY, SENDING_KEY, Stand

SHOP = session_id("blue", "shop")
OTHER = session_id("blue", "other")
RUNS = [f"018f4a2e-7c1{digit}-7abc-8def-0123456789ab" for digit in range(4)]
ROOT, ASKED, LATER, ELSEWHERE = RUNS
EXAMPLE, DATASET, EXPERIMENT = (f"{digit}0000000-0000-4000-8000-000000000000" for digit in (1, 2, 3))
BEGAN = "2027-01-15T06:00:00+00:00"
"""Two hours before the stand's clock."""
GOLDEN = Path(__file__).with_name("langsmith_run.json")
"""A run with all that is known of it, as it is shown; what is not known is null."""


@pytest.fixture
def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path, MemorySpans())


def order(run: str, minute: int = 0) -> str:
    return f"20270115T06{minute:02}00000000Z{run}"


SENT: Sequence[Mapping[str, Any]] = (
    {
        "id": ROOT,
        "trace_id": ROOT,
        "dotted_order": order(ROOT),
        "name": "answer",
        "run_type": "chain",
        "session_name": "shop",
        "start_time": BEGAN,
        "end_time": "2027-01-15T06:00:02+00:00",
        "inputs": {"q": "hi"},
        "outputs": {"a": "hello"},
        "tags": ["nightly"],
        "extra": {"metadata": {"thread_id": "chat-7"}},
    },
    {
        "id": ASKED,
        "trace_id": ROOT,
        "parent_run_id": ROOT,
        "dotted_order": f"{order(ROOT)}.{order(ASKED, 1)}",
        "name": "ask",
        "run_type": "llm",
        "session_name": "shop",
        "start_time": "2027-01-15T06:01:00+00:00",
        "end_time": "2027-01-15T06:01:01.500000+00:00",
        "outputs": {
            "content": "hello",
            "usage_metadata": {
                "input_tokens": 12,
                "output_tokens": 3,
                "total_tokens": 15,
                "input_token_details": {"cache_read": 4},
            },
        },
        "events": [{"name": "start"}, {"name": "new_token", "time": "2027-01-15T06:01:00.250000+00:00"}],
        "extra": {"metadata": {"ls_model_name": "gpt-x", "ls_provider": "openai"}},
    },
    {
        "id": LATER,
        "trace_id": LATER,
        "dotted_order": order(LATER, 5),
        "name": "failed",
        "run_type": "tool",
        "session_name": "shop",
        "start_time": "2027-01-15T06:05:00+00:00",
        "end_time": "2027-01-15T06:05:01+00:00",
        "error": "ValueError",
        "reference_example_id": EXAMPLE,
    },
    {
        "id": ELSEWHERE,
        "trace_id": ELSEWHERE,
        "dotted_order": order(ELSEWHERE, 6),
        "name": "elsewhere",
        "run_type": "chain",
        "session_name": "other",
        "start_time": "2027-01-15T06:06:00+00:00",
    },
)


async def sent(stand: Stand, runs: Sequence[Mapping[str, Any]] = SENT) -> None:
    async with stand.client() as client:
        assert (await client.post("/runs/batch", json={"post": runs})).json()["refused"] == []


async def ask(stand: Stand, path: str, body: Mapping[str, Any] | None = None, key: str = KEY) -> httpx.Response:
    """GET, or POST what there is of a body."""
    async with stand.client({"x-api-key": key}) as client:
        url = f"/api/v2/{path}"
        return await client.get(url) if body is None else await client.post(url, json=body)


async def found(stand: Stand, **body: Any) -> list[str]:
    """The names of the runs that are found, in their order."""
    answer = await ask(stand, "runs/query", {"project_ids": [SHOP], "selects": ["NAME"], **body})
    assert answer.status_code == 200, answer.text
    return [run["name"] for run in answer.json()["items"]]


FOUND: Sequence[tuple[Mapping[str, Any], list[str]]] = [
    ({}, ["failed", "ask", "answer"]),
    ({"project_ids": [SHOP, OTHER]}, ["elsewhere", "failed", "ask", "answer"]),
    ({"project_ids": [EXAMPLE]}, []),
    ({"ids": [ROOT, ELSEWHERE]}, ["answer"]),
    ({"trace_id": ROOT}, ["ask", "answer"]),
    ({"is_root": True}, ["failed", "answer"]),
    ({"is_root": False}, ["ask"]),
    ({"has_error": True}, ["failed"]),
    ({"has_error": False}, ["ask", "answer"]),
    ({"project_ids": [OTHER], "has_error": False}, []),
    ({"run_type": "LLM"}, ["ask"]),
    ({"reference_examples": [EXAMPLE]}, ["failed"]),
    ({"min_start_time": "2027-01-15T06:01:00Z"}, ["failed", "ask"]),
    ({"max_start_time": "2027-01-15T06:01:00Z"}, ["ask", "answer"]),
    ({"filter": 'and(eq(run_type, "llm"), gt(latency, 1))'}, ["ask"]),
    ({"trace_filter": 'has(tags, "nightly")'}, ["ask", "answer"]),
    ({"trace_filter": 'has(tags, "nightly")', "filter": 'eq(name, "ask")'}, ["ask"]),
]


@pytest.mark.parametrize(("body", "names"), FOUND)
async def test_only_the_runs_that_are_asked_for_are_found(
    stand: Stand, body: Mapping[str, Any], names: list[str]
) -> None:
    await sent(stand)
    assert await found(stand, **body) == names


async def test_runs_of_more_than_a_day_ago_are_found_where_they_are_asked_for(stand: Stand) -> None:
    await sent(stand)
    stand.clock.advance(23 * 3600)
    assert await found(stand) == []
    assert await found(stand, min_start_time=BEGAN) == ["failed", "ask", "answer"]


async def test_pages_hold_every_run_once_though_more_come(stand: Stand) -> None:
    await sent(stand)
    body: dict[str, Any] = {"project_ids": [SHOP], "page_size": 2}
    first = (await ask(stand, "runs/query", body)).json()
    await sent(stand, [{**SENT[3], "session_name": "shop"}])
    second = (await ask(stand, "runs/query", {**body, "cursor": first["next_cursor"]})).json()
    assert [run["id"] for page in (first, second) for run in page["items"]] == [LATER, ASKED, ROOT]
    assert second["next_cursor"] is None
    assert first["items"][0] == {"id": LATER}, "without selects it is the id alone"


async def test_a_run_is_shown_with_all_that_is_known_of_it(stand: Stand) -> None:
    await sent(stand)
    feedback = {"run_id": ASKED, "trace_id": ROOT, "key": "good", "score": 0.5, "comment": "half"}
    async with stand.client() as client:
        for score in (0.5, 1):
            assert (await client.post("/feedback", json={**feedback, "score": score})).status_code == 200
    (span,) = await stand.doors.store.read("blue", ROOT.replace("-", ""), [span_id_of(ASKED)])
    await stand.doors.store.write([structs.replace(span, cost_nano_usd=250_000_000)], replace=True)
    selects = "&".join(f"selects={name}" for name in FIELDS)
    shown = (await ask(stand, f"runs/{ASKED}?project_id={SHOP}&{selects}")).json()
    assert set(shown) == {name.lower() for name in FIELDS}
    told = {name: value for name, value in shown.items() if value is not None}
    assert told == json.loads(GOLDEN.read_text())


async def test_a_run_is_read_only_in_its_project(stand: Stand) -> None:
    await sent(stand)
    assert (await ask(stand, f"runs/{ROOT}?project_id={SHOP}")).json() == {"id": ROOT}
    for path in (f"runs/{ROOT}?project_id={OTHER}", f"runs/{EXAMPLE}?project_id={SHOP}", f"runs/x?project_id={SHOP}"):
        assert (await ask(stand, path)).status_code == 404
    missing = await ask(stand, f"runs/{ROOT}")
    assert (missing.status_code, "project_id" in missing.text) == (400, True)


async def test_a_runs_address_is_that_of_its_span(stand: Stand) -> None:
    await sent(stand)
    told = (await ask(stand, f"runs/{ASKED}/url?project_id={SHOP}&trace_id={ROOT}")).json()
    address = f"/api/v1/traces/{ROOT.replace('-', '')}/spans/{span_id_of(ASKED)}?project=blue"
    assert told["url"] == f"http://localhost{address}"


async def test_a_stream_of_runs_is_one_patch_and_its_end(stand: Stand) -> None:
    await sent(stand)
    async with stand.client({"x-api-key": KEY, "accept": "text/event-stream"}) as client:
        answer = await client.post("/api/v2/runs/query", json={"project_ids": [SHOP], "is_root": False})
    assert answer.headers["content-type"].startswith("text/event-stream")
    patch = [{"op": "add", "path": "", "value": {"items": [{"id": ASKED}], "next_cursor": None}}]
    told = json.dumps(patch, separators=(",", ":"))
    assert answer.text == f"event: data\ndata: {told}\n\nevent: end\ndata: {{}}\n\n"


async def test_what_was_never_shared_is_not_shared_any_more(stand: Stand) -> None:
    async with stand.client() as client:
        answer = await client.request("DELETE", f"/api/v2/runs/{ROOT}/share", json={"session_id": SHOP})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_an_experiments_runs_are_found_by_its_own_id_and_by_its_dataset(stand: Stand) -> None:
    async with stand.client() as client:
        session = {"id": EXPERIMENT, "name": "trial", "reference_dataset_id": DATASET}
        await client.post("/sessions", json=session)
        await sent(stand, [{**SENT[2], "session_name": "trial"}])
        listed = (await client.get("/sessions", params={"name": "trial"})).json()
    assert [one["id"] for one in listed] == [EXPERIMENT]
    assert await found(stand, project_ids=[EXPERIMENT]) == ["failed"]
    body = {"reference_dataset_id": DATASET, "selects": ["PROJECT_ID", "REFERENCE_DATASET_ID"]}
    (run,) = (await ask(stand, "runs/query", body)).json()["items"]
    assert run == {"id": LATER, "project_id": EXPERIMENT, "reference_dataset_id": DATASET}


async def test_traces_are_shown_by_their_first_run_and_their_sums(stand: Stand) -> None:
    await sent(stand)
    selects = ["NAME", "TOTAL_TOKENS", "FIRST_TOKEN_TIME"]
    body = {"project_id": SHOP, "selects": selects, "page_size": 1}
    first = (await ask(stand, "traces/query", body)).json()
    second = (await ask(stand, "traces/query", {**body, "cursor": first["next_cursor"]})).json()
    assert first["items"][0]["root_run"] == {"id": LATER, "name": "failed"}
    assert second == {
        "items": [
            {
                "root_run": {"id": ROOT, "name": "answer"},
                "trace_aggregates": {"total_tokens": 15, "first_token_time": "2027-01-15T06:01:00.250000+00:00"},
            }
        ],
        "next_cursor": None,
    }
    (one,) = (await ask(stand, "traces/query", {"project_id": SHOP, "trace_ids": [ROOT]})).json()["items"]
    assert one == {"root_run": {"id": ROOT}}
    passing = {"project_id": SHOP, "trace_filter": 'eq(status, "error")'}
    assert [one["root_run"]["id"] for one in (await ask(stand, "traces/query", passing)).json()["items"]] == [LATER]


async def test_runs_of_a_trace_stand_in_the_order_in_which_they_began(stand: Stand) -> None:
    await sent(stand)
    path = f"traces/{ROOT}/runs?project_id={SHOP}&selects=NAME"
    assert [run["name"] for run in (await ask(stand, path)).json()["items"]] == ["answer", "ask"]
    (only,) = (await ask(stand, f'{path}&filter=eq(run_type,"llm")')).json()["items"]
    assert only["name"] == "ask"


REFUSED: Sequence[tuple[str, Mapping[str, Any], str]] = [
    ("runs/query", {}, "project_ids"),
    ("runs/query", {"project_ids": [SHOP], "reference_dataset_id": DATASET}, "project_ids"),
    ("runs/query", {"project_ids": ["shop"]}, "project_ids"),
    ("runs/query", {"project_ids": 5}, "project_ids"),
    ("runs/query", {"project_ids": [SHOP], "ai_search": "whales"}, "ai_search"),
    ("runs/query", {"project_ids": [SHOP], "sem_filter": "whales"}, "sem_filter"),
    ("runs/query", {"project_ids": [SHOP], "tree_filter": 'eq(name, "x")'}, "tree_filter"),
    ("runs/query", {"project_ids": [SHOP], "include_subtree_usage": True}, "include_subtree_usage"),
    ("runs/query", {"project_ids": [SHOP], "min_feedback_modified_at": BEGAN}, "min_feedback_modified_at"),
    ("runs/query", {"project_ids": [SHOP], "wizard": 1}, "wizard"),
    ("runs/query", {"project_ids": [SHOP], "selects": ["SOUL"]}, "SOUL"),
    ("runs/query", {"project_ids": [SHOP], "page_size": 0}, "page_size"),
    ("runs/query", {"project_ids": [SHOP], "page_size": 1001}, "page_size"),
    ("runs/query", {"project_ids": [SHOP], "is_root": "yes"}, "is_root"),
    ("runs/query", {"project_ids": [SHOP], "min_start_time": "soon"}, "min_start_time"),
    ("runs/query", {"project_ids": [SHOP], "cursor": "x"}, "cursor"),
    ("runs/query", {"project_ids": [SHOP], "filter": "like(name)"}, "like"),
    ("runs/query", {"project_ids": [SHOP], "run_type": ["LLM"]}, "run_type"),
    ("traces/query", {}, "project_id"),
    ("traces/query", {"project_id": SHOP, "page_size": 101}, "page_size"),
    ("traces/query", {"project_id": SHOP, "filter": "x"}, "filter"),
    (f"runs/{ROOT}/share", {"session_id": SHOP, "trace_id": ROOT}, "not shared"),
]


@pytest.mark.parametrize(("path", "body", "told"), REFUSED)
async def test_what_is_not_served_is_refused_by_its_name(
    stand: Stand, path: str, body: Mapping[str, Any], told: str
) -> None:
    answer = await ask(stand, path, body)
    assert (answer.status_code, told in answer.json()["message"]) == (400, True), answer.text


async def test_another_project_and_a_key_that_only_sends_read_nothing(stand: Stand) -> None:
    await sent(stand)
    body = {"project_ids": [SHOP, session_id("red", "shop")]}
    assert (await ask(stand, "runs/query", body, OTHER_KEY)).json()["items"] == []
    paths = (f"runs/{ROOT}?project_id={SHOP}", f"runs/{ROOT}/url?project_id={SHOP}&trace_id={ROOT}")
    for path in (*paths, f"traces/{ROOT}/runs?project_id={SHOP}"):
        assert (await ask(stand, path, None, SENDING_KEY)).status_code == 403
        refused = await ask(stand, path, None, OTHER_KEY)
        assert refused.status_code == 404 or refused.json() == {"items": []}
    for path in ("runs/query", "traces/query"):
        assert (await ask(stand, path, body, SENDING_KEY)).status_code == 403
