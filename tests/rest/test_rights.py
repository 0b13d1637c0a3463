"""Who may do what: every route names its permission, and a foreign project's people meet 404 or 403 on every one."""

import httpx
import pytest
from msgspec import Struct
from starlette.routing import Route as Mounted

from switchgear.app.asker import asker_of
from switchgear.app.database import ControlDatabase
from switchgear.app.management import resources, routes
from switchgear.auth.roles import BUILT_IN
from switchgear.kernel.clock import FrozenClock
from switchgear.rest.api import DOCUMENT_PATH, Api, Surroundings
from switchgear.rest.principal import Place
from switchgear.rest.resource import Body, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import PREFIX, Answer, Asked, Route
from tests.batches.stand import keep_batch
from tests.management import SOURCES, application, as_, bind, client, management

FOREIGNER = "user:eve"
SPECS = {
    "alert-rules": {"project": "a", "measure": "calls", "above": 5},
    "bindings": {"subject": "user:eve", "role": "viewer", "project": "a"},
    "keys": {"project": "a"},
    "limits": {"scope": {"project": "a"}, "per": "minute", "requests": 5},
    "models": {"deployments": [{"model": "sim/echo"}]},
    "organisations": {},
    "prices": {"input": "1", "output": "2"},
    "projects": {"organisation": "acme"},
    "roles": {"allow": ["model:read"]},
    "service_accounts": {"project": "a"},
    "sheets": {"project": "a", "text": "the plan"},
    "teams": {"project": "a"},
    "views": {"status": "error"},
    "users": {"teams": ["a-team"]},
}
"""Of every kind, something that belongs to project a, or to everybody."""
WORDS = {
    "revert": {"version": 1},
    "rotate": {},
    "stage": {"stage": "production"},
    "secrets": {"value": "v"},
    "silences": {"why": "because", "project": "a", "for_seconds": 60},
    "comments": {"project": "a", "session": "s-1", "text": "why?"},
    "scores": {"project": "a", "name": "good", "session": "s-1", "number": 1},
    "query": {"project": "a", "measures": [{"reduction": "count"}]},
    "drift": {"project": "a"},
    "import": {"spans": ["theirs"]},
}
"""What is said where no object is."""
QUERIES = {
    "DELETE /traces": "?project=a&user=ada",
    "DELETE /traces/{id}": "?project=a",
    "POST /traces/import": "?project=a",
}
"""What changes things by a query: whose is meant."""


def path_of(route: Route, name: str) -> str:
    return route.path.replace("{name:path}", name).replace("{name}", name).replace("{id}", name)


async def nothing(asked: Asked) -> Answer:
    return Answer()


@pytest.mark.parametrize(
    "permission", ["", "role", "role:", ":read", "role:fly", "Role:read", "role:read:all", "*:read"]
)
def test_a_route_without_a_permission_cannot_be_made(permission: str) -> None:
    with pytest.raises(ValueError, match="is no permission"):
        Route(method="GET", path="/x", permission=permission, summary="", handler=nothing)


class Loose(Struct):
    name: str = ""


def test_a_route_or_a_resource_that_takes_unknown_fields_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="must forbid unknown fields"):
        Route(method="POST", path="/x", permission="role:write", summary="", handler=nothing, body=Loose)
    with pytest.raises(ValueError, match="must forbid unknown fields"):
        Resource(kind="loose", plural="looses", type=Loose, about="")


async def test_every_path_below_the_prefix_is_one_of_the_declared_routes(database: ControlDatabase) -> None:
    declared = {PREFIX + route.path for route in routes(SOURCES, management(database))}
    mounted = {
        each.path for each in application(database).routes if isinstance(each, Mounted) and each.path.startswith("/api")
    }
    assert mounted == declared | {DOCUMENT_PATH}


async def test_a_stranger_gets_401_on_every_route(database: ControlDatabase) -> None:
    async with client(application(database), "203.0.113.7") as stranger:
        for route in routes(SOURCES, management(database)):
            answer = await stranger.request(route.method, path_of(route, "x"))
            assert answer.status_code == 401, route


async def test_somebody_without_any_role_gets_403_on_every_route(database: ControlDatabase) -> None:
    async with client(application(database), "203.0.113.7") as eve:
        for route in routes(SOURCES, management(database)):
            path = path_of(route, "x")
            answer = await eve.request(route.method, path, headers=as_(FOREIGNER))
            assert answer.status_code == 403, route


class Sheet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that belongs to a project."""

    project: str
    text: str = ""


def place_of(name: str, sheet: Body) -> Place:
    return Place(project=sheet.project)


SHEETS = Resource(kind="sheet", plural="sheets", type=Sheet, about="A sheet.", place=place_of)
SHEET = {"name": "plan", "spec": SPECS["sheets"]}
MOVED = {"spec": {"project": "b"}}


def body_for(route: Route) -> object:
    """A body that is as it should be, so that nothing but who asks can be wrong."""
    if route.body is None:
        return None
    words = route.path.strip("/").split("/")
    if (route.method, words[0]) == ("PUT", "comments"):
        return {"text": "because"}
    said = WORDS.get(words[-1], WORDS.get(words[0]))
    if said is not None:
        return said
    spec = {"spec": SPECS[words[0]]}
    name = {"prices": "sim/new", "views": "a/new"}.get(words[0], "new")
    return {"name": name, **spec} if route.method == "POST" else spec


async def foreign(api: httpx.AsyncClient, route: Route) -> int:
    name = {"sheets": "plan", "limits": "of-a", "batches": "batch_of-a"}.get(route.path.split("/")[1], "theirs")
    path = path_of(route, name) + QUERIES.get(f"{route.method} {route.path}", "")
    headers = {**as_(FOREIGNER), "if-match": "*"} if route.changes else as_(FOREIGNER)
    answer = await api.request(route.method, path, json=body_for(route), headers=headers)
    assert "the plan" not in answer.text
    return answer.status_code


async def test_every_route_is_closed_to_the_people_of_a_foreign_project(database: ControlDatabase) -> None:
    """The matrix: an admin of project b before everything of project a, and of the installation."""
    made = management(database)
    app = application(database)
    extra = resource_routes(SHEETS, made.identity.objects)
    surroundings = Surroundings(
        version="1", database=database, resolvers=made.resolvers, asker=asker_of, clock=FrozenClock(), ids=made.ids
    )
    Api(extra, surroundings).mount(app)
    async with client(app) as api:
        await bind(api, "mine", FOREIGNER, "admin", project="b")
        await bind(api, "theirs", "user:ada", "admin", project="a")
        await bind(api, "root", "user:root", "owner")
        made_sheet = await api.post("/sheets", json=SHEET, headers=as_("user:ada"))
        assert made_sheet.status_code == 201, made_sheet.text
        for path in ("/projects/a", "/projects/b"):
            assert (await api.put(path, json={"spec": {}}, headers={"if-none-match": "*"})).status_code == 201
        limit = await api.put("/limits/of-a", json={"spec": SPECS["limits"]}, headers={"if-none-match": "*"})
        assert limit.status_code == 201, limit.text
        await keep_batch(database, "batch_of-a", project="a")
        for route in (*extra, *made_routes(database)):
            status = await foreign(api, route)
            key = f"{route.method} {route.path}"
            if route.method == "GET" and route.by_place and not route.parameters:
                assert status in (200, 403, 422), key  # their own, none of these; or what they ask for must be named
            else:
                assert status in (403, 404), (key, status)
        limits = (await api.get("/limits", headers=as_(FOREIGNER))).json()["data"]
        assert [one["name"] for one in limits] == []
        assert (await api.get("/batches", headers=as_(FOREIGNER))).json() == {"data": [], "next": None}
        sheets = (await api.get("/sheets", headers=as_(FOREIGNER))).json()
        assert sheets == {"data": [], "next": None}
        bindings = (await api.get("/bindings", headers=as_(FOREIGNER))).json()["data"]
        assert [one["name"] for one in bindings] == ["mine"]
        assert (await api.get("/sheets", params={"project": "a"}, headers=as_(FOREIGNER))).status_code == 403
        assert (
            await api.put("/sheets/plan", json=MOVED, headers={**as_("user:ada"), "if-match": "*"})
        ).status_code in (
            403,
            404,
        )
        assert (await api.get("/sheets/plan", headers=as_("user:ada"))).json()["spec"]["project"] == "a"


def made_routes(database: ControlDatabase) -> tuple[Route, ...]:
    return routes(SOURCES, management(database))


async def test_the_last_owner_cannot_be_locked_out(api: httpx.AsyncClient) -> None:
    await bind(api, "root", "user:root", "owner")
    any_version = {"if-match": "*"}
    viewer = {"spec": {"subject": "user:root", "role": "viewer"}}
    narrow = {"spec": {"subject": "user:root", "role": "owner", "project": "a"}}
    refused = [
        await api.delete("/bindings/root", headers=any_version),
        await api.put("/bindings/root", json=viewer, headers=any_version),
        await api.put("/bindings/root", json=narrow, headers=any_version),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(409, "last_owner")] * 3
    await api.post("/roles", json={"name": "none", "spec": {"deny": ["role:write"]}})
    locked = await api.post("/bindings", json={"name": "trap", "spec": {"subject": "user:root", "role": "none"}})
    assert (locked.status_code, locked.json()["code"]) == (409, "last_owner")
    await bind(api, "second", "user:ada", "owner")
    assert (await api.delete("/bindings/root", headers=any_version)).status_code == 204
    assert (await api.delete("/bindings/second", headers=any_version)).status_code == 409


async def test_nobody_gives_what_they_do_not_have(api: httpx.AsyncClient) -> None:
    await bind(api, "eve", FOREIGNER, "admin")
    me = as_(FOREIGNER)
    owner = {"name": "up", "spec": {"subject": FOREIGNER, "role": "owner"}}
    assert (await api.post("/bindings", json=owner, headers=me)).status_code == 403
    everything = {"name": "all", "spec": {"allow": ["*:*"]}}
    assert (await api.post("/roles", json=everything, headers=me)).status_code == 403
    engineer = {"name": "ok", "spec": {"subject": "user:bob", "role": "engineer"}}
    assert (await api.post("/bindings", json=engineer, headers=me)).status_code == 201


async def test_a_role_that_is_bound_is_not_deleted_and_one_that_is_not_there_is_not_bound(
    api: httpx.AsyncClient,
) -> None:
    await api.post("/roles", json={"name": "reader", "spec": {"allow": ["model:read"]}})
    await bind(api, "b", "user:ada", "reader")
    used = await api.delete("/roles/reader", headers={"if-match": "*"})
    assert (used.status_code, used.json()["code"]) == (409, "role_in_use")
    missing = await api.post("/bindings", json={"name": "c", "spec": {"subject": "user:ada", "role": "nobody"}})
    assert (missing.status_code, missing.json()["code"]) == (422, "unknown_role")
    both = {"subject": "user:ada", "role": "reader", "project": "a", "team": "t"}
    assert (await api.post("/bindings", json={"name": "d", "spec": both})).status_code == 422


async def test_a_role_works_from_the_next_request_on_and_until_it_is_taken_away(api: httpx.AsyncClient) -> None:
    ada = as_("user:ada")
    assert (await api.get("/models", headers=ada)).status_code == 403
    await bind(api, "b", "user:ada", "viewer")
    assert (await api.get("/models", headers=ada)).status_code == 200
    assert (await api.get("/audit", headers=ada)).status_code == 403
    await api.delete("/bindings/b", headers={"if-match": "*"})
    assert (await api.get("/models", headers=ada)).status_code == 403


def test_a_viewer_reads_what_there_is_to_read_but_the_audit_log() -> None:
    assert not any("audit" in pattern for pattern in BUILT_IN["viewer"].allow)


async def test_the_kinds_that_are_managed_have_each_one_name(database: ControlDatabase) -> None:
    kinds = [resource.kind for resource in resources(management(database))]
    assert len(kinds) == len(set(kinds))
