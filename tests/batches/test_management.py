"""Batches over the management API: read page by page, cancelled once, and only by those whose project's they are."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from switchgear.app.database import ControlDatabase
from tests.batches.stand import Stand, keep_batch, line
from tests.management import application, as_, bind, client

ADA, EVE = as_("user:ada"), as_("user:eve")
SECOND = 1_000_000_000
FIRST = 1_700_000_000 * SECOND


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    """As the operator; ada is an engineer of project a, eve one of project b."""
    async with client(application(database)) as made:
        assert (await made.post("/organisations", json={"name": "acme", "spec": {}})).status_code == 201
        for project, spec in (("a", {"organisation": "acme"}), ("b", {})):
            assert (await made.post("/projects", json={"name": project, "spec": spec})).status_code == 201
        await bind(made, "ada", "user:ada", "engineer", project="a")
        await bind(made, "eve", "user:eve", "engineer", project="b")
        yield made


async def ids(api: httpx.AsyncClient, headers: dict[str, str] | None = None, **query: str) -> list[str]:
    """All pages of a list, one batch at a time."""
    found: list[str] = []
    cursor = ""
    while True:
        answer = await api.get("/batches", params={"limit": "1", "cursor": cursor, **query}, headers=headers)
        assert answer.status_code == 200, answer.text
        found += [one["id"] for one in answer.json()["data"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_batches_of_all_doors_are_listed_newest_first_and_by_state(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    await keep_batch(database, "msgbatch_1", door="anthropic", created_ns=FIRST)
    await keep_batch(database, "batch_2", created_ns=FIRST + SECOND, status="completed")
    await keep_batch(database, "batch_3", created_ns=FIRST + SECOND, status="cancelling", project="a")
    await keep_batch(database, "msgbatch_4", door="anthropic", created_ns=FIRST + 2 * SECOND)
    assert await ids(api) == ["msgbatch_4", "batch_3", "batch_2", "msgbatch_1"]
    assert await ids(api, status="active") == ["msgbatch_4", "batch_3", "msgbatch_1"]
    assert await ids(api, status="completed") == ["batch_2"]
    assert await ids(api, project="a") == ["batch_3"]
    assert (await api.get("/batches", params={"status": "sleeping"})).status_code == 422


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient, database: ControlDatabase) -> None:
    for number in range(2):
        await keep_batch(database, f"batch_{number}")
    cursor = (await api.get("/batches", params={"limit": 1})).json()["next"]
    answer = await api.get("/batches", params={"cursor": cursor, "status": "active"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_each_sees_and_cancels_what_is_their_projects_and_for_all_else_there_is_nothing(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    for number, project in enumerate(("a", "b", "", "a", "b", "b", "a")):
        await keep_batch(database, f"batch_{number}", project=project, created_ns=FIRST + number)
    assert await ids(api, dict(ADA)) == ["batch_6", "batch_3", "batch_0"]
    assert await ids(api, dict(EVE), project="b") == ["batch_5", "batch_4", "batch_1"]
    assert (await api.get("/batches", params={"project": "a"}, headers=EVE)).status_code == 403
    for batch in ("batch_0", "batch_2", "batch_99"):
        assert (await api.get(f"/batches/{batch}", headers=EVE)).status_code == 404
        stopped = await api.post(f"/batches/{batch}/cancel", headers=EVE)
        assert (stopped.status_code, stopped.json()["code"]) == (404, "not_found")
    assert (await api.post("/batches/batch_0/cancel", headers=ADA)).json()["status"] == "cancelling"


async def test_an_organisations_people_see_the_batches_of_its_projects(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    await bind(api, "org", "user:bob", "engineer", organisation="acme")
    for number, project in enumerate(("a", "b", "")):
        await keep_batch(database, f"batch_{number}", project=project)
    bob = as_("user:bob")
    assert await ids(api, dict(bob)) == ["batch_0"]
    assert (await api.get("/batches/batch_1", headers=bob)).status_code == 404
    assert (await api.post("/batches/batch_0/cancel", headers=bob)).status_code == 200


async def test_whom_a_project_is_denied_to_sees_none_of_its_batches(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    assert (await api.post("/roles", json={"name": "not", "spec": {"deny": ["batch:read"]}})).status_code == 201
    await bind(api, "all", "user:bob", "engineer")
    await bind(api, "but", "user:bob", "not", project="a")
    for number in range(6):
        await keep_batch(database, f"batch_{number}", project="a" if number % 3 else "b", created_ns=FIRST + number)
    assert await ids(api, dict(as_("user:bob"))) == ["batch_3", "batch_0"]


async def test_who_may_only_read_does_not_cancel(api: httpx.AsyncClient, database: ControlDatabase) -> None:
    await bind(api, "bob", "user:bob", "viewer", project="a")
    await keep_batch(database, "batch_1", project="a")
    bob = as_("user:bob")
    assert (await api.get("/batches/batch_1", headers=bob)).status_code == 200
    assert (await api.post("/batches/batch_1/cancel", headers=bob)).status_code == 403


async def test_one_is_shown_with_what_was_wrong_with_it_and_told_when_nothing_changed(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    async with Stand(database) as stand:
        failed = await stand.ended(await stand.begun(b"{no json}\n"))
    answer = await api.get(f"/batches/{failed.id}")
    told = answer.json()
    assert (told["status"], told["key"], told["project"]) == ("failed", "ada", None)
    assert told["errors"][0]["code"] == "invalid_json_line"
    assert told["created_at"].startswith("2023-11-14T22:13:20")
    again = await api.get(f"/batches/{failed.id}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    stopped = await api.post(f"/batches/{failed.id}/cancel")
    assert (stopped.status_code, stopped.json()["code"]) == (409, "batch_over")
    assert "is failed and cannot be cancelled any more" in stopped.json()["detail"]


async def test_a_cancelled_batch_begins_no_more_lines_and_the_audit_log_knows_who_did_it_once(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    async with Stand(database) as stand:
        pace, stand.pace = stand.pace, None
        waiting = await stand.begun([line(1), line(2)])
        before = (await api.get(f"/batches/{waiting.id}")).headers["etag"]
        first = await api.post(f"/batches/{waiting.id}/cancel", headers={"idempotency-key": "k"})
        again = await api.post(f"/batches/{waiting.id}/cancel", headers={"idempotency-key": "k"})
        assert (first.status_code, first.json()["status"]) == (200, "cancelling")
        assert first.headers["etag"] != before
        assert again.headers["idempotent-replayed"] == "true"
        assert (await api.post(f"/batches/{waiting.id}/cancel")).status_code == 200
        stand.pace = pace
        ended = await stand.ended(waiting)
        assert (ended.status, stand.gateway.numbers) == ("cancelled", [])
    rows = (await api.get("/audit", params={"kind": "batch"})).json()["data"]
    assert [(row["action"], row["name"], row["who"]) for row in rows] == [("cancel", waiting.id, "local")]
    assert rows[0]["after"]["status"] == "cancelling"
