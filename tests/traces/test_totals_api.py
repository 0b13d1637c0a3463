"""Sessions and end users over the management API: totals, pages, bounds, and nobody else's project."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from switchgear.app.asker import asker_of
from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.app.management import Sources
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.kernel.chat import Usage
from switchgear.kernel.query import Aggregate, Group
from switchgear.kernel.span import Span
from switchgear.rest.api import Api, Surroundings
from switchgear.traces.totals_api import total_routes
from tests.management import SOURCES, as_, bind, client, management
from tests.memory_spans import MemorySpans
from tests.traces.spans import NOW_NS, SECOND_NS, kept

LONG = "s/ö " + "x" * 2000


def at(second: int, span: int, trace: int, **changes: Any) -> Span:
    return kept(span, trace, started_ns=NOW_NS + second * SECOND_NS, ended_ns=NOW_NS + second * SECOND_NS, **changes)


SPANS = (
    at(0, 1, 1, session="a/b", user="ada", usage=Usage(input=10, output=5), cost_nano_usd=7, cost_source="computed"),
    at(9, 2, 2, session="a/b", user="bob", status="error", usage=Usage(input=1, output=2), cost_source="unknown"),
    at(3, 3, 2, session="a/b"),
    at(5, 4, 3, session="late", user="ada"),
    at(5, 5, 4, session="later", user="ada"),
    at(5, 6, 5, session=LONG),
    at(7, 7, 6, user="cy"),
    at(8, 8, 7, project="default", session="of others", user="dan"),
)


class Broken(MemorySpans):
    """A store that does not answer."""

    async def aggregate(self, question: Aggregate) -> list[Group]:
        raise OSError("gone")


@pytest.fixture
async def api(database: ControlDatabase, tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    store = SqliteSpans(tmp_path / "spans.db")
    await store.start()
    await store.write(SPANS)
    async with client(control(sources(store), management(database))) as made:
        await bind(made, "ada", "user:ada", "viewer", project="shop")
        await bind(made, "eve", "user:eve", "viewer", project="default")
        yield made
    await store.aclose()


def sources(store: Any) -> Sources:
    return type(SOURCES)(
        version="1", models=list, metrics=str, newest=SOURCES.newest, routes=SOURCES.routes, spans=store
    )


async def listed(api: httpx.AsyncClient, path: str, **query: str) -> list[str]:
    """Ids of all pages, one at a time."""
    found: list[str] = []
    cursor = ""
    while True:
        answer = await api.get(path, params={"limit": "1", "cursor": cursor, **query}, headers=as_("user:ada"))
        assert answer.status_code == 200, answer.text
        found += [row["id"] for row in answer.json()["data"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_sessions_are_listed_page_by_page_those_seen_last_first(api: httpx.AsyncClient) -> None:
    found = await listed(api, "/sessions")
    assert (found[0], sorted(found[1:])) == ("a/b", ["late", "later", LONG])
    assert await listed(api, "/sessions", user="bob") == ["a/b"]
    assert await listed(api, "/sessions", until="2023-11-14T22:13:21Z") == ["a/b"]
    assert await listed(api, "/end-users") == ["bob", "cy", "ada"]


async def test_a_session_tells_its_totals(api: httpx.AsyncClient) -> None:
    told = (await api.get("/sessions/a/b", headers=as_("user:ada"))).json()
    assert told == {
        "id": "a/b",
        "traces": 2,
        "spans": 3,
        "errors": 1,
        "input_tokens": 11,
        "output_tokens": 7,
        "cost_nano_usd": 7,
        "unpriced": 1,
        "first_seen_ns": NOW_NS,
        "last_seen_ns": NOW_NS + 9 * SECOND_NS,
        "users": 2,
    }
    page = (await api.get("/sessions", params={"limit": "1"}, headers=as_("user:ada"))).json()
    assert page["data"] == [told]


async def test_an_end_user_tells_in_how_many_sessions_they_were(api: httpx.AsyncClient) -> None:
    told = (await api.get("/end-users/ada", headers=as_("user:ada"))).json()
    assert (told["spans"], told["traces"], told["sessions"], told["unpriced"]) == (3, 3, 3, 0)


async def test_what_is_not_in_a_project_that_one_may_read_is_not_there(api: httpx.AsyncClient) -> None:
    for path in ("/sessions/of others", "/sessions/nobody", "/end-users/dan"):
        for project in ("", "default"):
            answer = await api.get(quote(path), params={"project": project}, headers=as_("user:ada"))
            assert answer.status_code == 404
    assert (await api.get("/sessions", params={"project": "default"}, headers=as_("user:ada"))).status_code == 403
    assert (await api.get("/sessions", headers=as_("user:eve"))).json()["data"][0]["id"] == "of others"


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient) -> None:
    cursor = (await api.get("/sessions", params={"limit": "1"}, headers=as_("user:ada"))).json()["next"]
    answer = await api.get("/end-users", params={"limit": "1", "cursor": cursor}, headers=as_("user:ada"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_a_store_that_does_not_answer_is_503(database: ControlDatabase) -> None:
    async with client(control(sources(Broken()), management(database))) as made:
        assert (await made.get("/sessions")).status_code == 503
        assert (await made.get("/end-users/ada")).status_code == 503


async def test_a_list_with_too_many_sessions_says_where_it_ends(database: ControlDatabase) -> None:
    store, made = MemorySpans(), management(database)
    await store.write(SPANS)
    async with client(control(SOURCES, made)) as api:
        await bind(api, "ada", "user:ada", "viewer", project="shop")
    app = FastAPI()
    surroundings = Surroundings(
        version="1", database=database, resolvers=made.resolvers, asker=asker_of, clock=made.clock, ids=made.ids
    )
    Api(total_routes(store, most_listed=2), surroundings).mount(app)
    async with client(app) as api:
        first = (await api.get("/sessions", headers=as_("user:ada"))).json()
        assert len(first["data"]) == 2
        end = await api.get("/sessions", params={"cursor": first["next"]}, headers=as_("user:ada"))
    assert end.status_code == 400
    assert "its first 2: ask for a shorter time" in end.text
