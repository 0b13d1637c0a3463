"""Drift over the management API: checked for whoever may, in their own project alone."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.kernel.query import Aggregate, Group
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
    (compared,) = answer.json()["compared"]
    assert (compared["model"], compared["current_calls"], compared["drifted"]) == ("support", 1, False)
    assert {result["verdict"] for result in compared["results"]} == {"too_few"}
    assert answer.json()["current"]["until"].startswith("2023-11-14T22:13:20")


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
