"""Traces over the management API: lists, pages, filters, and nobody else's project."""

import json
from collections.abc import AsyncGenerator, Sequence

import httpx
import pytest

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.kernel.chat import Usage
from switchgear.kernel.query import Find, Found
from switchgear.kernel.span import Content, Span
from tests.management import SOURCES, as_, bind, client, management
from tests.memory_spans import MemorySpans
from tests.traces.spans import NOW_NS, SECOND_NS, kept

SPANS: Sequence[Span] = (
    kept(1, 1, name="plan", user="ada", kind="agent", tags=("beta",)),
    kept(
        2,
        1,
        parent_id=f"{1:016x}",
        kind="llm",
        model="gpt-5",
        usage=Usage(input=10, output=5),
        cost_nano_usd=7,
        input=Content(parts=(b'{"role":"user","parts":["a blue whale"]}',), is_messages=True, preview="a blue whale"),
        attributes={"gen_ai.request.model": "gpt-5"},
    ),
    kept(3, 2, name="other", status="error", started_ns=NOW_NS - 2 * SECOND_NS),
    kept(4, 3, project="default", name="of the default project"),
)


class Broken(MemorySpans):
    """A store that does not answer."""

    async def find(self, question: Find) -> Found:
        raise OSError("gone")


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    store = MemorySpans()
    await store.write(SPANS)
    sources = type(SOURCES)(
        version="1", models=list, metrics=str, newest=SOURCES.newest, routes=SOURCES.routes, spans=store
    )
    async with client(control(sources, management(database))) as made:
        await bind(made, "ada", "user:ada", "viewer", project="shop")
        await bind(made, "eve", "user:eve", "viewer", project="default")
        yield made


async def listed(api: httpx.AsyncClient, path: str, who: str = "user:ada", **query: str) -> list[str]:
    """Names of all pages, two at a time."""
    found: list[str] = []
    cursor = ""
    while True:
        answer = await api.get(path, params={"limit": "2", "cursor": cursor, **query}, headers=as_(who))
        assert answer.status_code == 200, answer.text
        found += [row["name"] for row in answer.json()["data"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_traces_are_listed_newest_first_with_their_sums(api: httpx.AsyncClient) -> None:
    assert await listed(api, "/traces") == ["plan", "other"]
    assert await listed(api, "/traces", order="oldest") == ["other", "plan"]
    (plan, _) = (await api.get("/traces", headers=as_("user:ada"))).json()["data"]
    assert (plan["span_count"], plan["input_tokens"], plan["output_tokens"], plan["cost_nano_usd"]) == (2, 10, 5, 7)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "plan"}, ["plan"]),
        ({"kind": "llm"}, ["chat"]),
        ({"model": "gpt-5"}, ["chat"]),
        ({"status": "error"}, ["other"]),
        ({"user": "ada"}, ["plan"]),
        ({"tag": "beta"}, ["plan"]),
        ({"text": "WHALE blue"}, ["chat"]),
        ({"where": json.dumps({"type": "compare", "field": "input_tokens", "op": ">", "value": 9})}, ["chat"]),
        ({"since": "2023-11-14T22:13:19Z"}, ["chat", "plan"]),
        ({"until": "2023-11-14T22:13:19+00:00"}, ["other"]),
        ({"until": "1800-01-01T00:00:00Z"}, []),
    ],
)
async def test_spans_are_found_by_what_they_are(
    api: httpx.AsyncClient, query: dict[str, str], names: list[str]
) -> None:
    assert await listed(api, "/spans", **query) == names


@pytest.mark.parametrize(
    "where",
    [
        "{",
        '{"type": "compare", "field": "nonsense", "value": 1}',
        '{"type": "compare", "field": "name", "value": 1}',
        '{"type": "compare", "field": "counted", "op": "<", "value": true}',
        '{"type": "one_of", "field": "status", "values": [1]}',
        '{"type": "not", "filter": ' * 30 + '{"type": "tagged", "name": "x"}' + "}" * 30,
    ],
)
async def test_a_filter_that_no_store_can_answer_is_refused(api: httpx.AsyncClient, where: str) -> None:
    answer = await api.get("/spans", params={"where": where}, headers=as_("user:ada"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_filter")


async def test_one_trace_comes_with_its_spans_in_pages_and_one_span_with_all_it_holds(api: httpx.AsyncClient) -> None:
    ada = as_("user:ada")
    first = (await api.get(f"/traces/{1:032x}", params={"limit": "1"}, headers=ada)).json()
    assert (first["trace"]["name"], [span["name"] for span in first["spans"]]) == ("plan", ["plan"])
    second = await api.get(f"/traces/{1:032x}", params={"limit": "1", "cursor": first["next"]}, headers=ada)
    assert [span["name"] for span in second.json()["spans"]] == ["chat"]
    assert second.json()["next"] is None
    span = (await api.get(f"/traces/{1:032x}/spans/{2:016x}", headers=ada)).json()
    said = {"is_messages": True, "parts": [{"role": "user", "parts": ["a blue whale"]}], "preview": "a blue whale"}
    assert span["input"] == said
    assert span["attributes"] == {"gen_ai.request.model": "gpt-5"}
    assert span["span"]["usage"]["input"] == 10


async def test_a_trace_of_a_foreign_project_is_not_there(api: httpx.AsyncClient) -> None:
    for who, trace, project in (("user:ada", 3, "default"), ("user:ada", 3, ""), ("user:eve", 1, "shop")):
        for path in (f"/traces/{trace:032x}", f"/traces/{trace:032x}/spans/{trace:016x}"):
            answer = await api.get(path, params={"project": project}, headers=as_(who))
            assert answer.status_code == 404, (who, path)
    answer = await api.get("/traces", params={"project": "default"}, headers=as_("user:ada"))
    assert answer.status_code == 403
    assert (await api.get("/traces", headers=as_("user:nobody"))).status_code == 403
    assert await listed(api, "/traces", "user:eve") == ["of the default project"]


async def test_the_operator_sees_every_project_by_its_name(api: httpx.AsyncClient) -> None:
    for project, names in (("", ["of the default project"]), ("shop", ["plan", "other"]), ("none", [])):
        answer = await api.get("/traces", params={"project": project})
        assert [row["name"] for row in answer.json()["data"]] == names


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient) -> None:
    page = (await api.get("/traces", params={"limit": "1"}, headers=as_("user:ada"))).json()
    asked = {"limit": "1", "cursor": page["next"], "name": "plan"}
    answer = await api.get("/traces", params=asked, headers=as_("user:ada"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_a_store_that_does_not_answer_is_told_as_503(database: ControlDatabase) -> None:
    sources = type(SOURCES)(
        version="1", models=list, metrics=str, newest=SOURCES.newest, routes=SOURCES.routes, spans=Broken()
    )
    async with client(control(sources, management(database))) as api:
        assert (await api.get("/traces")).status_code == 503


async def test_a_saved_view_is_asked_by_its_name_and_what_is_said_beside_it_goes_before(api: httpx.AsyncClient) -> None:
    views = {
        "failed": {"status": "error"},
        "late": {"since": "1s", "where": {"type": "compare", "field": "kind", "value": "llm"}},
        "planned": {"name": "plan", "user": "ada", "tag": "beta", "since": "7d"},
    }
    for name, spec in views.items():
        made = await api.put(f"/views/shop/{name}", json={"spec": spec}, headers={"if-none-match": "*"})
        assert made.status_code == 201, made.text
    assert await listed(api, "/traces", view="failed") == ["other"]
    assert await listed(api, "/spans", view="failed", status="unset") == ["chat", "plan"]
    assert await listed(api, "/spans", view="late") == ["chat"]
    compared = json.dumps({"type": "compare", "field": "kind", "value": "agent"})
    assert await listed(api, "/spans", view="late", where=compared) == ["plan"]
    assert await listed(api, "/spans", view="planned") == ["plan"]
    for who, name, status in (("user:ada", "none", 404), ("user:eve", "failed", 404), ("user:ada", "a/b", 422)):
        assert (await api.get("/traces", params={"view": name}, headers=as_(who))).status_code == status
