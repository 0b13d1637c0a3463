"""Traces deleted over the management API: one, or all of a user, with their scores, and noted without a name."""

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.app.management import Sources
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.query import Doomed
from switchgear.traces.deletion import MOST_TRACES
from switchgear.traces.doors.langfuse_ids import trace_id
from switchgear.traces.drafts import Drafts, Word
from switchgear.traces.media import Expected, Media
from switchgear.traces.scores.model import as_it_is
from tests.management import SOURCES, as_, bind, client, management
from tests.memory_spans import MemorySpans
from tests.traces.spans import kept

ADA, EVE, VIEWER = as_("user:ada"), as_("user:eve"), as_("user:viewer")


class Stuck(MemorySpans):
    """A store that cannot delete until it is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    async def delete(self, doomed: Doomed) -> int:
        if self.broken:
            raise OSError("the disk is full")
        return await super().delete(doomed)


@pytest.fixture
async def store() -> Stuck:
    made = Stuck()
    await made.write([kept(1, 1, user="carol"), kept(2, 1, parent_id=f"{1:016x}"), kept(3, 2, user="carol")])
    await made.write([kept(4, 3, user="dave"), kept(5, 4, project="default", user="carol")])
    return made


@pytest.fixture
async def api(database: ControlDatabase, store: Stuck) -> AsyncGenerator[httpx.AsyncClient]:
    """Ada is an admin of the project shop, eve of another; a viewer of shop only reads."""
    sources = Sources(version="1", models=list, metrics=str, newest=SOURCES.newest, routes=SOURCES.routes, spans=store)
    async with client(control(sources, management(database))) as made:
        await bind(made, "ada", "user:ada", "admin", project="shop")
        await bind(made, "eve", "user:eve", "admin", project="other")
        await bind(made, "viewer", "user:viewer", "viewer", project="shop")
        for trace in (1, 3):
            said = {"project": "shop", "name": "good", "trace_id": f"{trace:032x}", "number": trace}
            assert (await made.post("/scores", json=said)).status_code == 201
            said = {"project": "shop", "trace_id": f"{trace:032x}", "text": "why?"}
            assert (await made.post("/comments", json=said)).status_code == 201
        yield made


async def left(api: httpx.AsyncClient, project: str = "shop") -> list[str]:
    answer = await api.get("/traces", params={"project": project, "order": "oldest", "limit": "200"})
    return [row["trace_id"][-1] for row in answer.json()["data"]]


async def test_media_go_with_the_last_trace_that_told_of_them(
    api: httpx.AsyncClient, database: ControlDatabase, tmp_path: Path
) -> None:
    media = Media(database, tmp_path, FrozenClock(), secret_hex, as_it_is)
    for trace, name in ((1, "own"), (1, "shared"), (3, "shared")):
        coming = Expected(id=name, digest="0" * 64, content_type="image/png", bytes=1, trace_id=f"{trace:032x}")
        await media.expect("shop", coming)
    assert (await api.delete(f"/traces/{1:032x}", params={"project": "shop"})).status_code == 200
    assert (await media.find("shop", "own"), await media.find("shop", "shared") is None) == (None, False)
    assert (await api.delete("/traces", params={"project": "shop", "user": "dave"})).status_code == 200
    assert await media.find("shop", "shared") is None


async def scored(api: httpx.AsyncClient) -> list[float]:
    return [one["number"] for one in (await api.get("/scores", params={"project": "shop"})).json()["data"]]


async def give(api: httpx.AsyncClient, name: str, **place: str) -> None:
    said = {"project": "shop", "id": name, "name": name, "data_type": "text", "text": "joe is ill", **place}
    assert (await api.post("/scores", json=said)).status_code == 201


async def named(api: httpx.AsyncClient) -> list[str]:
    found = (await api.get("/scores", params={"project": "shop"})).json()["data"]
    return sorted(one["name"] for one in found)


async def noted(api: httpx.AsyncClient, kind: str) -> list[tuple[str, str, str, object]]:
    entries = (await api.get("/audit", params={"kind": kind})).json()["data"]
    return [(one["who"], one["name"], one["project"], one["after"]) for one in entries]


async def test_a_trace_goes_with_its_spans_and_scores_and_is_noted(api: httpx.AsyncClient) -> None:
    answer = await api.delete(f"/traces/{1:032x}", headers=ADA)
    assert (answer.status_code, answer.json()) == (
        200,
        {"traces": 1, "spans": 2, "scores": 1, "comments": 1, "more": False},
    )
    assert (await left(api), await scored(api)) == (["2", "3"], [3])
    assert await noted(api, "trace") == [("ada", f"{1:032x}", "shop", {"traces": 1})]


async def test_deleting_it_again_is_no_error(api: httpx.AsyncClient) -> None:
    told = [(await api.delete(f"/traces/{3:032X}", headers=ADA)).json() for _ in range(2)]
    assert [one["spans"] for one in told] == [1, 0]
    assert told[1] == {"traces": 0, "spans": 0, "scores": 0, "comments": 0, "more": False}


async def test_all_traces_of_a_user_go_and_nobody_reads_the_name_in_the_log(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/traces", params={"user": "carol"}, headers=ADA)
    assert answer.json() == {"traces": 2, "spans": 3, "scores": 1, "comments": 1, "more": False}
    assert (await left(api), await left(api, "default"), await scored(api)) == (["3"], ["4"], [3])
    digest = f"sha256:{hashlib.sha256(b'carol').hexdigest()}"
    assert await noted(api, "trace_user") == [("ada", digest, "shop", {"traces": 2})]
    assert "carol" not in (await api.get("/audit")).text


async def test_scores_that_name_a_span_alone_go_with_its_trace(api: httpx.AsyncClient, store: Stuck) -> None:
    await store.write([kept(span, 5) for span in range(1_000, 2_002)])
    for span in (1_000, 2_001, 4):
        await give(api, f"on {span}", span_id=f"{span:016x}")
    await give(api, "of a session", session="s")
    answer = await api.delete(f"/traces/{5:032x}", headers=ADA)
    assert (answer.json()["spans"], answer.json()["scores"]) == (1_002, 2)
    assert await named(api) == ["good", "good", "of a session", "on 4"]


async def test_scores_that_name_a_span_alone_go_with_its_user(api: httpx.AsyncClient) -> None:
    for span in (1, 2, 3, 4, 5):
        await give(api, f"on {span}", span_id=f"{span:016x}")
    assert (await api.delete("/traces", params={"user": "carol"}, headers=ADA)).json()["scores"] == 4
    assert await named(api) == ["good", "on 4", "on 5"]


async def test_what_a_score_said_before_does_not_come_back_when_it_goes(api: httpx.AsyncClient) -> None:
    await give(api, "moved", span_id=f"{4:016x}")
    await give(api, "moved", span_id=f"{1:016x}", trace_id=f"{1:032x}")
    await give(api, "left", trace_id=f"{1:032x}")
    await give(api, "left", session="s")
    assert (await api.delete(f"/traces/{1:032x}", headers=ADA)).json()["scores"] == 4
    assert await named(api) == ["good", "left"]


async def test_one_call_does_a_bounded_piece_and_says_that_there_is_more(api: httpx.AsyncClient, store: Stuck) -> None:
    await store.write([kept(at, at, user="many") for at in range(100, 101 + MOST_TRACES)])
    told = [(await api.delete("/traces", params={"user": "many"}, headers=ADA)).json() for _ in range(3)]
    assert [(one["traces"], one["more"]) for one in told] == [(MOST_TRACES, True), (1, False), (0, False)]
    assert sorted(await left(api)) == ["1", "2", "3"]


async def test_what_broke_off_is_finished_by_the_same_call(api: httpx.AsyncClient, store: Stuck) -> None:
    store.broken = True
    assert (await api.delete("/traces", params={"user": "carol"}, headers=ADA)).status_code == 503
    store.broken = False
    await give(api, "meanwhile", span_id=f"{2:016x}")
    answer = (await api.delete("/traces", params={"user": "carol"}, headers=ADA)).json()
    assert (answer["traces"], answer["scores"]) == (2, 1)
    assert len(await noted(api, "trace_user")) == 2


async def test_who_only_reads_or_belongs_elsewhere_deletes_nothing(api: httpx.AsyncClient) -> None:
    shop = {"project": "shop"}
    for who, one, all_of_user in ((VIEWER, 403, 403), (EVE, 404, 403), (as_("user:nobody"), 403, 403)):
        assert (await api.delete(f"/traces/{1:032x}", params=shop, headers=who)).status_code == one
        answer = await api.delete("/traces", params={**shop, "user": "carol"}, headers=who)
        assert answer.status_code == all_of_user
    assert len(await left(api)) == 3
    assert await noted(api, "trace") == await noted(api, "trace_user") == []


async def test_nothing_is_deleted_without_saying_whose(api: httpx.AsyncClient) -> None:
    for query in ({}, {"user": ""}, {"usr": "carol"}):
        assert (await api.delete("/traces", params=query, headers=ADA)).status_code == 422
    assert (await api.delete("/traces/not-an-id", headers=ADA)).status_code == 404
    assert len(await left(api)) == 3


async def test_what_was_told_of_it_in_pieces_goes_too(api: httpx.AsyncClient, database: ControlDatabase) -> None:
    words = [
        ("langfuse", "a", f"{1:032x}"),
        ("langfuse", "b", str(UUID(int=1))),
        ("langfuse", "c", "chat of monday"),
        ("langfuse", "alone", ""),
        ("langsmith", "d", str(UUID(int=1))),
        ("langsmith", "e", str(UUID(int=2))),
    ]
    doors = {
        door: Drafts(database, FrozenClock(), door, lambda _, fields: fields) for door in ("langfuse", "langsmith")
    }
    for door, name, trace in words:
        await doors[door].take("shop", [Word(id=name, trace=trace, fields={"name": name})])
    await doors["langfuse"].take("other", [Word(id="theirs", trace=f"{1:032x}", fields={})])
    for trace in (f"{1:032x}", trace_id("chat of monday"), trace_id("alone")):
        assert (await api.delete(f"/traces/{trace}", headers=ADA)).status_code == 200
    left_there = [draft.id for door in doors.values() for draft in await door.newest("shop", 10)]
    assert left_there == ["e"]
    assert len(await doors["langfuse"].newest("other", 10)) == 1
