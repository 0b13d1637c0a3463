"""Identity over the management API: made, changed, isolated by project; who asks is a key, a browser, or nobody."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, Request
from msgspec import Struct, json

from switchgear.app.database import ControlDatabase
from switchgear.app.identity.api import identity_routes
from switchgear.app.identity.resolvers import KeyResolver, SessionResolver
from switchgear.app.identity.service import Identity, identity
from switchgear.app.keys import ring_of
from switchgear.auth.directory import Directory
from switchgear.auth.roles import Binding
from switchgear.auth.sessions import LOOPBACK_COOKIE, SECURE_COOKIE, Sessions
from switchgear.config.effective import Effective
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids, secret_hex, seeded_bits
from switchgear.rest.api import Api, Surroundings
from switchgear.rest.objects import Wanted
from switchgear.rest.principal import EVERYWHERE, Asker
from switchgear.rest.route import Route
from tests.app.test_keys import ADA, MASTER, declared, master
from tests.console.stand import SIGNING_KEY

FILE = """
providers: {sim: {kind: simulator}}
projects: {bots: {}, labs: {}}
teams: {support: {project: bots}, research: {project: labs}}
users: {ada: {teams: [support]}, eve: {}}
keys:
  - {name: root, key: sk-sg-root-0123456789}
  - {name: bots-admin, key: sk-sg-bots-0123456789}
  - {name: labs-admin, key: sk-sg-labs-0123456789}
  - {name: nobody, key: sk-sg-none-0123456789}
  - {name: at-home, key: sk-sg-home-0123456789, ip_ranges: [192.0.2.1]}
"""
BINDINGS = {
    "root": Binding(subject="key:root", role="owner"),
    "home": Binding(subject="key:at-home", role="owner"),
    "bots": Binding(subject="key:bots-admin", role="admin", project="bots"),
    "labs": Binding(subject="key:labs-admin", role="admin", project="labs"),
    "ada": Binding(subject="user:ada", role="admin", project="bots"),
}


class Desk(Struct):
    """The API, and what stands behind it."""

    app: FastAPI
    services: Identity
    sessions: Sessions
    routes: tuple[Route, ...]

    @asynccontextmanager
    async def asking(self, key: str = "", **headers: str) -> AsyncGenerator[httpx.AsyncClient]:
        """Somebody with a key, or with headers of their own."""
        given = {"authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(self.app)
        said = {**given, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with httpx.AsyncClient(transport=transport, base_url="https://x/api/v1", headers=said) as client:
            yield client


def asker(request: Request) -> Asker:
    return Asker(
        method=request.method,
        path=request.url.path,
        headers=dict(request.headers),
        cookies=request.cookies,
        address="203.0.113.7",
        local=False,
    )


@pytest.fixture
async def desk(database: ControlDatabase) -> Desk:
    clock = FrozenClock()
    services = identity(database, declared(FILE), master(MASTER), clock)
    directory = Directory(services.objects)
    async with database.write() as connection:
        for name, binding in BINDINGS.items():
            body = json.encode(binding).decode()
            await services.objects.put(connection, Wanted(kind="binding", name=name, place=EVERYWHERE, body=body), ADA)
    file = declared(FILE)()
    ring = ring_of(Effective(**{field: getattr(file, field) for field in file.__struct_fields__}))
    sessions = Sessions(database, SIGNING_KEY, clock, secret_hex)
    surroundings = Surroundings(
        version="1",
        database=database,
        resolvers=(
            KeyResolver(database, directory, lambda: ring, clock),
            SessionResolver(database, directory, sessions, lambda user: user != "eve"),
        ),
        asker=asker,
        clock=clock,
        ids=Ids(clock, seeded_bits()),
    )
    app = FastAPI(openapi_url=None)
    routes = identity_routes(services, "switchgear.yaml")
    Api(routes, surroundings).mount(app)
    return Desk(app, services, sessions, routes)


ROOT, BOTS, LABS = "sk-sg-root-0123456789", "sk-sg-bots-0123456789", "sk-sg-labs-0123456789"


async def test_an_organisation_is_built_from_the_top_and_named_by_its_keys(desk: Desk) -> None:
    async with desk.asking(ROOT) as api:
        for kind, name, spec in (
            ("organisations", "acme", {}),
            ("projects", "web", {"organisation": "acme"}),
            ("teams", "shop", {"project": "web"}),
            ("users", "kim", {"teams": ["shop"], "email": "kim@example.com"}),
            ("service_accounts", "crawler", {"team": "shop"}),
        ):
            assert (await api.post(f"/{kind}", json={"name": name, "spec": spec})).status_code == 201
        made = await api.post("/keys", json={"name": "kim-1", "spec": {"user": "kim", "tags": ["nightly"]}})
        assert made.status_code == 201
        assert made.json()["key"].startswith("sk-sg-")
        shown = (await api.get("/keys/kim-1")).json()
        assert (shown["spec"]["user"], shown["spec"]["hashes"][0]["hash"]) == ("kim", "****")
        feed = await desk.services.compiler()
        assert [key.name for key in feed.keys] == ["kim-1"]
        assert feed.teams["shop"].project == "web"


@pytest.mark.parametrize(
    ("path", "spec", "told"),
    [
        ("/teams", {"project": "nowhere"}, "unknown project 'nowhere'"),
        ("/projects", {"organisation": "nobody"}, "unknown organisation 'nobody'"),
        ("/users", {"teams": ["suport"]}, "unknown team 'suport'"),
        ("/service_accounts", {"team": "support", "project": "labs"}, "is in the project 'bots'"),
        ("/keys", {"user": "ada", "team": "research"}, "is not in the team 'research'"),
    ],
)
async def test_what_disagrees_is_refused(desk: Desk, path: str, spec: dict[str, object], told: str) -> None:
    async with desk.asking(ROOT) as api:
        answer = await api.post(path, json={"name": "new", "spec": spec})
        assert (answer.status_code, answer.json()["code"]) == (422, "disagreement")
        assert told in answer.json()["detail"]
        assert (await api.get(f"{path}/new")).status_code == 404


@pytest.mark.parametrize(
    "spec",
    [{"models": ["a b"]}, {"models": [""]}, {"doors": ["front"]}, {"tags": [""]}, {"user": "a b"}, {"team": "a" * 65}],
)
async def test_a_key_that_no_file_could_declare_is_refused(desk: Desk, spec: dict[str, object]) -> None:
    async with desk.asking(ROOT) as api:
        assert (await api.post("/keys", json={"name": "old", "spec": {}})).status_code == 201
        for answer in (
            await api.post("/keys", json={"name": "new", "spec": spec}),
            await api.put("/keys/old", json={"spec": spec}, headers={"if-match": "*"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body"), answer.text
        assert (await api.get("/keys/new")).status_code == 404


async def test_what_others_refer_to_cannot_be_deleted(desk: Desk) -> None:
    async with desk.asking(ROOT) as api:
        await api.post("/teams", json={"name": "shop", "spec": {}})
        await api.post("/keys", json={"name": "one", "spec": {"team": "shop"}})
        answer = await api.delete("/teams/shop", headers={"if-match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (422, "disagreement")
        assert (await api.delete("/keys/one", headers={"if-match": "*"})).status_code == 204
        assert (await api.delete("/teams/shop", headers={"if-match": "*"})).status_code == 204


async def test_what_the_file_has_is_changed_there(desk: Desk) -> None:
    async with desk.asking(ROOT) as api:
        for method, path in (
            ("PUT", "/teams/support"),
            ("PUT", "/keys/root"),
            ("POST", "/keys/root/rotate"),
            ("POST", "/keys/root/revoke"),
            ("DELETE", "/keys/root"),
        ):
            body: dict[str, object] = {} if path.endswith("rotate") else {"spec": {}}
            answer = await api.request(method, path, json=body, headers={"if-match": "*"})
            assert (answer.status_code, answer.json()["code"]) == (409, "owned_by_file"), path
        assert "key" not in (await api.get("/keys/root")).json()["spec"]


async def test_fields_that_are_not_the_caller_s_to_set_are_refused_by_name(desk: Desk) -> None:
    """Mass assignment: hashes, seals and versions are the program's own."""
    async with desk.asking(ROOT) as api:
        attempts: tuple[tuple[str, dict[str, object]], ...] = (
            ("/keys", {"name": "k", "spec": {"hashes": [{"lookup": "x", "hash": "00"}]}}),
            ("/keys", {"name": "k", "spec": {}, "version": 7}),
            ("/keys", {"name": "k", "spec": {"hash": "sha256:00"}}),
            ("/users", {"name": "k", "spec": {"password_hash": "x"}}),
        )
        for path, body in attempts:
            assert (await api.post(path, json=body)).status_code == 422
        sealed = await api.put("/secrets/s", json={"value": "v", "sealed": {}})
        assert sealed.status_code == 422
        assert (await api.put("/secrets/a b", json={"value": "v"})).status_code == 422


async def test_every_route_refuses_the_key_of_another_project(desk: Desk) -> None:
    """A matrix: each route, with objects of the project ``bots``, asked by an admin of ``labs``."""
    async with desk.asking(BOTS) as mine:
        assert (await mine.post("/keys", json={"name": "mine", "spec": {"project": "bots"}})).status_code == 201
        assert (await mine.get("/keys/mine")).status_code == 200
    async with desk.asking(ROOT) as root:
        await root.post("/teams", json={"name": "mine", "spec": {"project": "bots"}})
        await root.post("/service_accounts", json={"name": "mine", "spec": {"project": "bots"}})
        await root.post("/projects", json={"name": "mine", "spec": {}})
        await root.post("/organisations", json={"name": "mine", "spec": {}})
        await root.post("/users", json={"name": "someone", "spec": {}})
        await root.put("/secrets/mine", json={"value": "v"})
    bodies: dict[str, object] = {"project": "bots"}
    async with desk.asking(LABS) as foreign:
        for route in desk.routes:
            path = route.path.replace("{name}", "someone" if "/users" in route.path else "mine")
            spec = bodies if route.path.startswith(("/keys", "/teams", "/service_accounts")) else {}
            body = {"name": "other", "spec": spec} if route.method == "POST" else {"spec": spec}
            body = {"version": 1} if path.endswith("/revert") else {} if path.endswith("/rotate") else body
            body = {"value": "v"} if route.method == "PUT" and "secrets" in path else body
            answer = await foreign.request(route.method, path, json=body, headers={"if-match": "*"})
            if route.method == "GET" and "{name}" not in route.path and answer.status_code == 200:
                assert [one["name"] for one in answer.json()["data"] if one["name"] in ("mine", "someone")] == []
            else:
                assert answer.status_code in (403, 404), f"{route.method} {path}: {answer.status_code}"


async def test_a_key_cannot_be_moved_to_another_project_by_who_may_not_write_there(desk: Desk) -> None:
    async with desk.asking(BOTS) as mine:
        await mine.post("/keys", json={"name": "mine", "spec": {"project": "bots"}})
        body = {"spec": {"project": "labs"}}
        assert (await mine.put("/keys/mine", json=body, headers={"if-match": "*"})).status_code in (403, 404)


@pytest.mark.parametrize(
    ("key", "status"),
    [("", 401), ("sk-sg-unknown-0123456789", 401), ("sk-sg-none-0123456789", 403), ("sk-sg-home-0123456789", 401)],
)
async def test_who_is_not_known_here_or_has_no_role_is_refused(desk: Desk, key: str, status: int) -> None:
    async with desk.asking(key) as api:
        assert (await api.get("/secrets")).status_code == status


async def test_a_browser_that_is_logged_in_needs_its_token_for_every_change(desk: Desk) -> None:
    cookie = await desk.sessions.begin("ada", "password", "")
    session = await desk.sessions.find(cookie)
    assert session is not None
    body = {"name": "of-ada", "spec": {"project": "bots"}}
    async with desk.asking(cookie=f"{SECURE_COOKIE}={cookie}") as browser:
        assert (await browser.get("/keys")).status_code == 200
        for headers in ({}, {"x-csrf-token": "0" * 64}, {"x-csrf-token": session.csrf, "sec-fetch-site": "cross-site"}):
            answer = await browser.post("/keys", json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
        assert (await browser.post("/keys", json=body, headers={"x-csrf-token": session.csrf})).status_code == 201


async def test_a_cookie_of_another_name_or_of_a_disabled_user_is_nobody_s(desk: Desk) -> None:
    cookie, of_eve = (
        await desk.sessions.begin("ada", "password", ""),
        await desk.sessions.begin("eve", "sso", "", ("owner",)),
    )
    for given in (f"{LOOPBACK_COOKIE}={cookie}", f"{SECURE_COOKIE}={of_eve}"):
        async with desk.asking(cookie=given) as browser:
            assert (await browser.get("/keys")).status_code == 401


async def test_single_sign_on_gives_the_roles_that_it_tells(desk: Desk) -> None:
    cookie = await desk.sessions.begin("kim", "sso", "", ("viewer", "no-such-role"))
    async with desk.asking(cookie=f"{SECURE_COOKIE}={cookie}") as browser:
        assert (await browser.get("/keys")).status_code == 200
        assert (await browser.get("/secrets")).status_code == 403


async def test_a_secret_is_kept_and_never_told(desk: Desk) -> None:
    async with desk.asking(ROOT) as api:
        kept = await api.put("/secrets/openai", json={"value": "sk-a-value-nobody-may-see", "description": "main"})
        assert (kept.status_code, kept.json()["description"]) == (200, "main")
        for answer in (kept, await api.get("/secrets"), await api.get("/secrets/openai")):
            assert "nobody-may-see" not in answer.text
        assert (await api.delete("/secrets/openai")).status_code == 204
        assert (await api.get("/secrets/openai")).status_code == 404


async def test_a_rotated_key_comes_with_its_new_text_and_a_revoked_one_is_disabled(desk: Desk) -> None:
    async with desk.asking(ROOT) as api:
        first = (await api.post("/keys", json={"name": "one"})).json()
        second = (await api.post("/keys/one/rotate", json={"grace_seconds": 60})).json()
        assert first["key"] != second["key"]
        assert len((await api.get("/keys/one")).json()["spec"]["hashes"]) == 2
        revoked = (await api.post("/keys/one/revoke")).json()
        assert (revoked["spec"]["disabled"], revoked["spec"]["hashes"]) == (True, [])
        assert [one["action"] for one in (await api.get("/keys/one/versions")).json()["data"]] == [
            "revoke",
            "rotate",
            "create",
        ]
