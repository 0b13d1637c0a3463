"""Saved views over the management API: of a project, seen and changed by its people alone, and always askable."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from switchgear.app.database import ControlDatabase
from tests.management import application, as_, bind, client

ADA, VIEWER, EVE = as_("user:ada"), as_("user:viewer"), as_("user:eve")
FAILED = {"spec": {"status": "error", "where": {"type": "starts_with", "field": "model", "prefix": "gpt-5"}}}


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    """Ada is an engineer of shop, eve of another project; a viewer of shop only reads."""
    async with client(application(database)) as made:
        await bind(made, "ada", "user:ada", "engineer", project="shop")
        await bind(made, "viewer", "user:viewer", "viewer", project="shop")
        await bind(made, "eve", "user:eve", "engineer", project="other")
        yield made


async def save(api: httpx.AsyncClient, name: str, who: dict[str, str]) -> int:
    headers = {**who, "if-none-match": "*"}
    return (await api.put(f"/views/{name}", json=FAILED, headers=headers)).status_code


async def test_a_view_is_saved_read_changed_and_deleted(api: httpx.AsyncClient) -> None:
    assert await save(api, "shop/failed", dict(ADA)) == 201
    found = await api.get("/views/shop/failed", headers=VIEWER)
    assert found.json()["spec"] == FAILED["spec"]
    any_version = {**ADA, "if-match": "*"}
    changed = await api.put("/views/shop/failed", json={"spec": {"tag": "beta"}}, headers=any_version)
    assert (changed.status_code, changed.json()["spec"]) == (200, {"tag": "beta"})
    assert (await api.delete("/views/shop/failed", headers=any_version)).status_code in (200, 204)
    assert (await api.get("/views/shop/failed", headers=ADA)).status_code == 404


async def test_two_projects_have_views_of_the_same_name_and_see_only_their_own(api: httpx.AsyncClient) -> None:
    assert await save(api, "shop/failed", dict(ADA)) == await save(api, "other/failed", dict(EVE)) == 201
    for who, name in ((ADA, "shop/failed"), (VIEWER, "shop/failed"), (EVE, "other/failed")):
        listed = (await api.get("/views", headers=who)).json()["data"]
        assert [one["name"] for one in listed] == [name]
    assert (await api.get("/views/shop/failed", headers=EVE)).status_code == 404
    assert await save(api, "shop/mine", dict(EVE)) in (403, 404)
    assert await save(api, "shop/mine", dict(VIEWER)) == 403


@pytest.mark.parametrize(
    "spec",
    [
        {"where": {"type": "compare", "field": "nonsense", "value": 1}},
        {"where": {"type": "compare", "field": "name", "value": 1}},
        {"since": "yesterday"},
        {"nonsense": 1},
    ],
)
async def test_a_view_that_could_not_be_asked_is_not_saved(api: httpx.AsyncClient, spec: dict[str, object]) -> None:
    headers = {**ADA, "if-none-match": "*"}
    assert (await api.put("/views/shop/bad", json={"spec": spec}, headers=headers)).status_code == 422
    assert (await api.get("/views/shop/bad", headers=ADA)).status_code == 404
