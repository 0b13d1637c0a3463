"""Measures of spans over the management API: by group and time, within bounds, of nobody else's project."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.app.management import Sources
from switchgear.kernel.query import Aggregate, Group
from tests.management import SOURCES, as_, bind, client, management
from tests.memory_spans import MemorySpans
from tests.traces.spans import NOW_NS, SECOND_NS, kept

HOUR_NS = 3600 * SECOND_NS
WINDOW = {"since": "2023-11-14T00:00:00Z", "until": "2023-11-15T00:00:00Z"}
COUNT = {"reduction": "count"}
ADA = as_("user:ada")


class Broken(MemorySpans):
    """A store that does not answer."""

    async def aggregate(self, question: Aggregate) -> list[Group]:
        raise OSError("gone")


def sources(store: MemorySpans) -> Sources:
    return Sources(version="1", models=list, metrics=str, newest=SOURCES.newest, routes=SOURCES.routes, spans=store)


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    store = MemorySpans()
    calls = (("small", 1, 5), ("small", 3, 7), ("large", 2, 30))
    await store.write(
        [
            kept(at, at, model=model, user="ada", cost_nano_usd=cost, ended_ns=NOW_NS - SECOND_NS + at * 1_000_000)
            for at, (model, _, cost) in enumerate(calls, 1)
        ]
    )
    await store.write([kept(4, 4, model="small", user="eve", started_ns=NOW_NS - 2 * HOUR_NS, cost_nano_usd=1)])
    await store.write([kept(5, 5, project="default", model="hidden")])
    async with client(control(sources(store), management(database))) as made:
        await bind(made, "ada", "user:ada", "viewer", project="shop")
        yield made


async def lines(api: httpx.AsyncClient, **question: object) -> list[dict[str, Any]]:
    answer = await api.post("/metrics/query", json={**WINDOW, "measures": [COUNT], **question}, headers=ADA)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_a_latency_by_model_and_hour(api: httpx.AsyncClient) -> None:
    p95 = {"reduction": "quantile", "field": "duration_ns", "q": 0.95}
    found = await lines(api, measures=[p95, COUNT], by=["model"], bucket="hour")
    assert [(line["by"], line["bucket"], line["measures"]) for line in found] == [
        ({"model": "small"}, "2023-11-14T20:00:00+00:00", [2 * HOUR_NS, 1]),
        ({"model": "small"}, "2023-11-14T22:00:00+00:00", [2_000_000, 2]),
        ({"model": "large"}, "2023-11-14T22:00:00+00:00", [3_000_000, 1]),
    ]


async def test_the_cost_of_each_user_and_only_of_what_fits(api: httpx.AsyncClient) -> None:
    cost = {"reduction": "sum", "field": "cost_nano_usd"}
    found = await lines(api, measures=[cost], by=["user"])
    assert [(line["by"]["user"], line["bucket"], line["measures"]) for line in found] == [
        ("ada", None, [42]),
        ("eve", None, [1]),
    ]
    small = {"type": "compare", "field": "model", "value": "small"}
    assert [line["measures"] for line in await lines(api, measures=[cost], where=small)] == [[13]]
    assert len(await lines(api, measures=[cost], by=["user"], limit=1)) == 1


async def test_without_a_time_it_is_the_last_day(api: httpx.AsyncClient) -> None:
    answer = (await api.post("/metrics/query", json={"measures": [COUNT]}, headers=ADA)).json()
    assert (answer["since"][:10], answer["until"][:10]) == ("2023-11-13", "2023-11-14")


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"measures": []}, 422),
        ({"measures": [{"reduction": "sum", "field": "model"}]}, 400),
        ({"measures": [{"reduction": "sum", "field": "nonsense"}]}, 400),
        ({"measures": [{"reduction": "quantile", "field": "duration_ns", "q": 2}]}, 400),
        ({"by": ["nonsense"]}, 400),
        ({"by": ["model"] * 9}, 422),
        ({"where": {"type": "compare", "field": "name", "value": 1}}, 400),
        ({"bucket": "minute", "since": "1970-01-01T00:00:00Z"}, 400),
        ({"bucket": "minute", "by": ["model"], "limit": 1000}, 400),
        ({"limit": 1001}, 422),
        ({"nonsense": 1}, 422),
    ],
)
async def test_what_no_store_should_answer_is_refused(
    api: httpx.AsyncClient, wrong: dict[str, object], status: int
) -> None:
    answer = await api.post("/metrics/query", json={**WINDOW, "measures": [COUNT], **wrong}, headers=ADA)
    assert answer.status_code == status, answer.text


async def test_a_foreign_project_is_not_measured(api: httpx.AsyncClient) -> None:
    for who, project in ((ADA, "default"), (as_("user:nobody"), "shop")):
        asked = {**WINDOW, "measures": [COUNT], "project": project}
        assert (await api.post("/metrics/query", json=asked, headers=who)).status_code == 403


async def test_a_store_that_does_not_answer_is_told_as_503(database: ControlDatabase) -> None:
    async with client(control(sources(Broken()), management(database))) as api:
        assert (await api.post("/metrics/query", json={"measures": [COUNT]})).status_code == 503
