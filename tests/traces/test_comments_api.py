"""Comments over the management API: made by whoever may, changed by who wrote them, and noted without their words."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from switchgear.app.database import ControlDatabase
from tests.management import application, as_, bind, client

TRACE, SPAN = "ab" * 16, "cd" * 8
ON_SPAN = {"project": "shop", "trace_id": TRACE.upper(), "span_id": SPAN, "text": "Why was this so slow?"}


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    async with client(application(database)) as made:
        await bind(made, "ada", "user:ada", "engineer", project="shop")
        await bind(made, "bob", "user:bob", "engineer", project="shop")
        await bind(made, "cy", "user:cy", "admin", project="shop")
        await bind(made, "dan", "user:dan", "viewer", project="shop")
        await bind(made, "eve", "user:eve", "admin", project="other")
        yield made


async def said(api: httpx.AsyncClient, who: str = "user:ada", **changes: str) -> str:
    answer = await api.post("/comments", json={**ON_SPAN, **changes}, headers=as_(who))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def texts(api: httpx.AsyncClient, **query: str) -> list[str]:
    answer = await api.get("/comments", params={"project": "shop", **query}, headers=as_("user:dan"))
    return [each["text"] for each in answer.json()["data"]]


async def test_comments_are_found_on_what_they_are_about_page_by_page(api: httpx.AsyncClient) -> None:
    await said(api, text="first")
    await said(api, text="second", span_id="")
    await said(api, text="third", span_id="", trace_id="", session="s/1")
    assert await texts(api, trace_id=TRACE) == ["second", "first"]
    assert await texts(api, span_id=SPAN) == ["first"]
    assert await texts(api, session="s/1") == ["third"]
    page = (await api.get("/comments", params={"project": "shop", "limit": "2"})).json()
    assert await texts(api, limit="2", cursor=page["next"]) == ["first"]
    assert page["data"][0]["author"] == "user:ada"


async def test_its_author_and_administrators_change_and_delete_a_comment_and_nobody_else(
    api: httpx.AsyncClient,
) -> None:
    path = f"/comments/{await said(api)}"
    for who, status in (("user:bob", 403), ("user:dan", 403), ("user:eve", 404), ("user:ada", 200), ("user:cy", 200)):
        answer = await api.put(path, json={"text": f"by {who}"}, headers=as_(who))
        assert answer.status_code == status, answer.text
    assert await texts(api) == ["by user:cy"]
    for who, status in (("user:bob", 403), ("user:eve", 404), ("user:ada", 204), ("user:ada", 404)):
        assert (await api.delete(path, headers=as_(who))).status_code == status
    assert await texts(api) == []


async def test_the_audit_log_tells_of_comments_without_their_words(api: httpx.AsyncClient) -> None:
    path = f"/comments/{await said(api)}"
    await api.put(path, json={"text": "a secret"}, headers=as_("user:cy"))
    await api.delete(path, headers=as_("user:cy"))
    log = await api.get("/audit")
    told = [(entry["who"], entry["action"]) for entry in log.json()["data"] if entry["kind"] == "comment"]
    assert sorted(told) == [("ada", "create"), ("cy", "delete"), ("cy", "update")]
    assert "secret" not in log.text
    assert "slow" not in log.text


async def test_a_comment_without_words_or_on_nothing_is_refused(api: httpx.AsyncClient) -> None:
    nothing = {"trace_id": "", "span_id": ""}
    for changes, status in (
        ({"text": ""}, 422),
        ({"text": "x" * 10_001}, 422),
        ({"trace_id": ""}, 400),
        ({"session": "s"}, 400),
        (nothing, 400),
    ):
        answer = await api.post("/comments", json={**ON_SPAN, **changes}, headers=as_("user:ada"))
        assert answer.status_code == status, answer.text
    assert (await api.post("/comments", json=ON_SPAN, headers=as_("user:eve"))).status_code == 403
