"""Drift over the management API: checked for whoever may, in their own project alone."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from msgspec import structs

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.kernel.query import Aggregate, Group
from switchgear.traces.drift import store as store_of_reports
from switchgear.traces.drift.report import Report, Stretch
from switchgear.traces.drift.store import Kept
from tests.management import SOURCES, as_, bind, client, management
from tests.memory_spans import MemorySpans
from tests.traces.spans import NOW_NS, kept


class Gone(MemorySpans):
    """A store that stopped answering."""

    gone = False

    async def aggregate(self, question: Aggregate) -> list[Group]:
        if self.gone:
            raise OSError("gone")
        return await super().aggregate(question)


@pytest.fixture
async def store() -> Gone:
    made = Gone()
    await made.write([kept(1, 1, kind="llm", request_model="support", started_ns=NOW_NS - 1)])
    return made


@pytest.fixture
async def api(database: ControlDatabase, store: Gone) -> AsyncGenerator[httpx.AsyncClient]:
    sources = type(SOURCES)(
        version="1", models=list, metrics=str, newest=SOURCES.newest, routes=SOURCES.routes, spans=store
    )
    async with client(control(sources, management(database))) as made:
        await bind(made, "ada", "user:ada", "engineer", project="shop")
        await bind(made, "eve", "user:eve", "engineer", project="other")
        await bind(made, "vic", "user:vic", "viewer", project="shop")
        yield made


async def test_an_engineer_checks_their_project_and_is_told_why_nothing_can_be_said(api: httpx.AsyncClient) -> None:
    answer = await api.post("/drift", json={"project": "shop"}, headers=as_("user:ada"))
    assert answer.status_code == 200, answer.text
    report = answer.json()["report"]
    (compared,) = report["compared"]
    assert (compared["model"], compared["current_calls"], compared["drifted"]) == ("support", 1, False)
    assert {result["verdict"] for result in compared["results"]} == {"too_few"}
    assert report["current"]["until"].startswith("2023-11-14T22:13:20")


@pytest.mark.parametrize("who", ["user:eve", "user:vic"])
async def test_nobody_else_does(api: httpx.AsyncClient, who: str) -> None:
    assert (await api.post("/drift", json={"project": "shop"}, headers=as_(who))).status_code == 403


@pytest.mark.parametrize("body", [{"current_hours": 0}, {"reference_days": 32}, {"project": "x" * 300}, {"modle": "x"}])
async def test_windows_are_bounded_and_unknown_words_refused(api: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await api.post("/drift", json=body)).status_code == 422


async def test_a_store_that_does_not_answer_is_told(api: httpx.AsyncClient, store: Gone) -> None:
    store.gone = True
    answer = await api.post("/drift", json={"project": "shop"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_checks_are_kept_and_listed_newest_first_to_who_may_read_them(api: httpx.AsyncClient) -> None:
    made = [
        (await api.post("/drift", json={"project": "shop", "model": name}, headers=as_("user:ada"))).json()
        for name in ("first", "second")
    ]
    first = (await api.get("/drift", params={"project": "shop", "limit": "1"}, headers=as_("user:vic"))).json()
    assert first["data"] == [made[1]]
    assert made[1]["made_by"] == "user:ada"
    query = {"project": "shop", "limit": "1", "cursor": first["next"]}
    second = (await api.get("/drift", params=query, headers=as_("user:vic"))).json()
    assert (second["data"], second["next"]) == ([made[0]], None)
    assert (await api.get("/drift", params={"project": "shop", "drifted": "true"})).json()["data"] == []
    assert (await api.get("/drift", params={"project": "shop"}, headers=as_("user:eve"))).status_code == 403


async def test_of_a_project_the_newest_checks_of_90_days_are_kept(database: ControlDatabase) -> None:
    stretch = Stretch(since="", until="")
    report = Report(project="shop", reference=stretch, current=stretch, compared=(), left_out=0, embedder="")
    other = structs.replace(report, project="other")
    async with database.write() as connection:
        for day, of in ((1, report), (2, other), (50, report), (95, report)):
            await store_of_reports.keep(
                connection, Kept(id=f"{day}", at_ns=day * 86_400_000_000_000, made_by="user:ada", report=of)
            )
        kept = await store_of_reports.find(connection, "shop", 9, drifted=False)
        assert [one.id for one in kept] == ["95", "50"]
        assert [one.id for one in await store_of_reports.find(connection, "other", 9, drifted=False)] == ["2"]
