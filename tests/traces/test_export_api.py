"""Spans exported over the management API: each once and whole, also across pages, and nobody else's."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.app.management import Sources
from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.chat import Usage
from switchgear.kernel.span import Content, SpanEvent
from tests.management import SOURCES, as_, bind, client, management
from tests.traces.spans import NOW_NS, SECOND_NS, kept

ADA = as_("user:ada")
WHOLE = kept(
    1,
    1,
    kind="llm",
    user="carol",
    usage=Usage(input=10, output=5),
    cost_nano_usd=7,
    tags=("beta",),
    input=Content(parts=(b'{"role":"user","parts":["a blue whale"]}',), is_messages=True, preview="a blue whale"),
    attributes={"gen_ai.request.model": "gpt-5"},
    resource={"service.name": "shop"},
    events=(SpanEvent(name="retried", at_ns=NOW_NS, attributes={"after": 2}),),
)
LARGE = Content(parts=(json.dumps("x" * 500_000).encode(),))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteSpans]:
    made = SqliteSpans(tmp_path / "spans.db")
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def api(database: ControlDatabase, store: SqliteSpans) -> AsyncGenerator[httpx.AsyncClient]:
    """Spans of seven traces that all began in the same moment, one that began before, and one of another project."""
    await store.write([WHOLE, *(kept(at, at % 7 + 1, parent_id=f"{1:016x}") for at in range(2, 31))])
    await store.write([kept(40, 40, name="early", started_ns=NOW_NS - 9 * SECOND_NS)])
    await store.write([kept(50, 50, project="default", name="hidden")])
    sources = Sources(version="1", models=list, metrics=str, newest=SOURCES.newest, routes=SOURCES.routes, spans=store)
    async with client(control(sources, management(database))) as made:
        await bind(made, "ada", "user:ada", "viewer", project="shop")
        yield made


async def exported(api: httpx.AsyncClient, **query: str) -> list[list[dict[str, Any]]]:
    """The lines of each page."""
    found: list[list[dict[str, Any]]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await api.get("/traces/export", params={**query, "cursor": cursor}, headers=ADA)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-ndjson"
        found.append([json.loads(line) for line in answer.text.splitlines()])
        cursor = answer.headers.get("x-next-cursor")
    return found


@pytest.mark.parametrize("limit", ["1", "7", "13", "200"])
async def test_every_span_is_there_once_across_pages_and_the_oldest_first(api: httpx.AsyncClient, limit: str) -> None:
    pages = await exported(api, limit=limit)
    spans = [line["span"] for page in pages for line in page]
    assert spans[0]["name"] == "early"
    assert sorted(int(span["span_id"], 16) for span in spans) == [*range(1, 31), 40]
    assert max(len(page) for page in pages) <= int(limit)


async def test_a_span_is_whole_as_it_is_told_alone(api: httpx.AsyncClient) -> None:
    where = json.dumps({"type": "tagged", "name": "beta"})
    ((line,),) = await exported(api, where=where)
    alone = await api.get(f"/traces/{1:032x}/spans/{1:016x}", headers=ADA)
    assert line == alone.json()
    assert (line["events"][0]["name"], line["span"]["usage"]["input"]) == ("retried", 10)


async def test_a_page_ends_when_it_is_large_enough(api: httpx.AsyncClient, store: SqliteSpans) -> None:
    await store.write([kept(at, at, name="large", input=LARGE) for at in range(100, 115)])
    pages = await exported(api, where=json.dumps({"type": "compare", "field": "name", "value": "large"}), limit="200")
    assert [len(page) for page in pages] == [10, 5]


async def test_only_the_time_that_was_asked_for(api: httpx.AsyncClient) -> None:
    ((early,),) = await exported(api, until="2023-11-14T22:13:15Z")
    assert early["span"]["name"] == "early"
    assert await exported(api, since="2024-01-01T00:00:00Z") == [[]]


async def test_a_foreign_project_and_a_foreign_cursor_are_refused(api: httpx.AsyncClient) -> None:
    assert (await api.get("/traces/export", params={"project": "default"}, headers=ADA)).status_code == 403
    first = await api.get("/traces/export", params={"limit": "1"}, headers=ADA)
    other = {"cursor": first.headers["x-next-cursor"], "until": "2024-01-01T00:00:00Z"}
    assert (await api.get("/traces/export", params=other, headers=ADA)).json()["code"] == "invalid_cursor"
    assert (await api.get("/traces/export", params={"where": "{"}, headers=ADA)).json()["code"] == "invalid_filter"
