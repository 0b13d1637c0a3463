"""Scores over the management API: given and read by those whose project's they are, and by nobody else."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from switchgear.app.database import ControlDatabase
from tests.management import application, as_, bind, client

TRACE = "0af7651916cd43dd8448eb211c80319c"
ADA, EVE = as_("user:ada"), as_("user:eve")


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    """As the operator; ada is an engineer of project a, eve a viewer of project b."""
    async with client(application(database)) as made:
        for project in ("a", "b"):
            assert (await made.post("/projects", json={"name": project, "spec": {}})).status_code == 201
        await bind(made, "ada", "user:ada", "engineer", project="a")
        await bind(made, "eve", "user:eve", "viewer", project="b")
        yield made


async def test_a_score_given_again_takes_the_place_of_the_one_before(api: httpx.AsyncClient) -> None:
    said = {"id": "mine", "project": "a", "name": "good", "trace_id": TRACE, "number": 0.5}
    for number in (0.5, 0.5, 0.75):
        assert (await api.post("/scores", json={**said, "number": number}, headers=ADA)).status_code == 201
    (found,) = (await api.get("/scores", params={"project": "a", "trace_id": TRACE}, headers=ADA)).json()["data"]
    assert (found["number"], found["author"], found["target"]) == (0.75, "ada", "trace")


async def test_pages_hold_every_score_once(api: httpx.AsyncClient) -> None:
    for number in range(5):
        said = {"name": f"n{number}", "session": "s", "data_type": "text", "text": "words"}
        assert (await api.post("/scores", json=said)).status_code == 201
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get("/scores", params={"limit": 2, "cursor": cursor})).json()
        found += [score["name"] for score in page["data"]]
        cursor = page["next"]
    assert sorted(found) == [f"n{number}" for number in range(5)]


async def test_a_foreign_project_is_closed(api: httpx.AsyncClient) -> None:
    said = {"project": "a", "name": "good", "trace_id": TRACE, "number": 1}
    assert (await api.post("/scores", json=said, headers=EVE)).status_code == 403
    assert (await api.post("/scores", json={**said, "project": "b"}, headers=EVE)).status_code == 403
    assert (await api.get("/scores", params={"project": "a"}, headers=EVE)).status_code == 403
    assert (await api.get("/scores", params={"project": "b"}, headers=EVE)).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{}, {"trace_id": "x"}, {"trace_id": TRACE, "number": None}, {"trace_id": TRACE, "data_type": "boolean"}]
)
async def test_what_is_no_score_is_refused_with_a_reason(api: httpx.AsyncClient, wrong: dict[str, object]) -> None:
    answer = await api.post("/scores", json={"name": "good", "number": 5, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_score")
