"""The registry over the management API: read, put, moved, reverted; nobody overwrites what they have not seen."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from switchgear.app.database import ControlDatabase
from switchgear.app.registry.api import registry_routes
from switchgear.app.registry.prices import price_routes
from switchgear.app.registry.service import Registry
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.rest.api import Api, Surroundings
from switchgear.rest.objects import Objects
from switchgear.rest.principal import EVERYWHERE, Asker, Place, Principal
from tests.registry.stand import FILE, Noon

SPEC: Mapping[str, object] = {"deployments": [{"model": "sim/echo"}]}
SLASHED = "team/model"


class Everybody:
    """May do all."""

    kind = "operator"
    name = "ann"

    def may(self, permission: str, place: Place) -> bool:
        return True

    def places(self, permission: str) -> tuple[Place, ...]:
        return (EVERYWHERE,)


async def anybody(asker: Asker) -> Principal:
    return Everybody()


def somebody(request: object) -> Asker:
    headers = dict(getattr(request, "headers", {}))
    return Asker(method="", path="", headers=headers, cookies={}, address="", local=True)


@asynccontextmanager
async def client(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    clock = Noon()
    surroundings = Surroundings(
        version="1",
        database=database,
        resolvers=(anybody,),
        asker=somebody,
        clock=clock,
        ids=Ids(clock, seeded_bits()),
    )
    app = FastAPI(openapi_url=None)
    objects, file = Objects(clock), "switchgear.yaml"
    routes = (
        *registry_routes(Registry(objects, lambda: FILE, clock), file),
        *price_routes(objects, lambda: FILE, file),
    )
    Api(routes, surroundings).mount(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api/api/v1") as made:
        yield made


async def test_the_files_models_are_listed_beside_those_of_the_database(database: ControlDatabase) -> None:
    async with client(database) as api:
        made = await api.post("/models", json={"name": "m", "spec": SPEC})
        assert (made.status_code, made.headers["etag"]) == (201, '"1"')
        listed = {one["name"]: one["source"] for one in (await api.get("/models")).json()["data"]}
        assert listed == {"house": "file", "m": "database"}


async def test_what_the_file_has_cannot_be_changed_here(database: ControlDatabase) -> None:
    async with client(database) as api:
        for answer in (
            await api.put("/models/house", json={"spec": SPEC}),
            await api.delete("/models/house"),
            await api.post("/models/house/stage", json={"stage": "deprecated"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "owned_by_file")


async def test_a_model_whose_name_has_a_slash_is_moved_and_reverted(database: ControlDatabase) -> None:
    async with client(database) as api:
        await api.post("/models", json={"name": SLASHED, "spec": SPEC})
        one = f"/models/{SLASHED}"
        moved = await api.post(f"{one}/stage", json={"stage": "deprecated"}, headers={"if-match": '"1"'})
        assert moved.json()["spec"]["card"]["dates"]["deprecated"] == "2026-11-26"
        versions = (await api.get(f"{one}/versions")).json()["data"]
        assert [version["action"] for version in versions] == ["move to deprecated", "create"]
        back = await api.post(f"{one}/revert", json={"version": 1}, headers={"if-match": moved.headers["etag"]})
        assert back.status_code == 200
        assert "stage" not in back.json()["spec"].get("card", {})


async def test_nobody_moves_what_they_have_not_seen(database: ControlDatabase) -> None:
    async with client(database) as api:
        await api.post("/models", json={"name": "m", "spec": SPEC})
        said = {"stage": "deprecated"}
        assert (await api.post("/models/m/stage", json=said)).status_code == 428
        assert (await api.post("/models/m/stage", json=said, headers={"if-match": '"9"'})).status_code == 412
        assert (await api.post("/models/nobody/stage", json=said, headers={"if-match": "*"})).status_code == 404


async def test_what_disagrees_is_refused_and_nothing_is_changed(database: ControlDatabase) -> None:
    async with client(database) as api:
        wrong = {"deployments": [{"model": "acme/m"}]}
        answer = await api.post("/models", json={"name": "m", "spec": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "disagreement")
        assert answer.json()["errors"] == [{"message": "unknown provider 'acme'; known: openai, sim", "model": "m"}]
        assert (await api.get("/models/m")).status_code == 404
        unknown = await api.post("/models", json={"name": "m", "spec": {**SPEC, "nonsense": 1}})
        assert unknown.status_code == 422


async def test_a_stage_that_would_be_skipped_is_refused(database: ControlDatabase) -> None:
    async with client(database) as api:
        await api.post("/models", json={"name": "m", "spec": SPEC})
        answer = await api.post("/models/m/stage", json={"stage": "retired"}, headers={"if-match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_stage")


async def test_every_route_is_in_the_document(database: ControlDatabase) -> None:
    async with client(database) as api:
        paths = json.loads((await api.get("/openapi.json")).content)["paths"]
        assert "/api/v1/models/{name}/stage" in paths


async def test_prices_are_changed_checked_and_reverted(database: ControlDatabase) -> None:
    async with client(database) as api:
        made = await api.post("/prices", json={"name": "openai/gpt-4o", "spec": {"input": "2", "output": "8"}})
        assert made.status_code == 201
        cheaper = {"spec": {"input": "1", "output": "4"}}
        changed = await api.put("/prices/openai/gpt-4o", json=cheaper, headers={"if-match": '"1"'})
        assert changed.json()["spec"]["input"] == "1"
        back = await api.post("/prices/openai/gpt-4o/revert", json={"version": 1}, headers={"if-match": '"2"'})
        assert back.json()["spec"]["input"] == "2"
        listed = {one["name"]: one["source"] for one in (await api.get("/prices")).json()["data"]}
        assert listed == {"openai/gpt-4o": "database", "sim/echo": "file"}


async def test_a_price_that_cannot_be_used_or_is_nobodys_is_refused(database: ControlDatabase) -> None:
    async with client(database) as api:
        for name, spec, status in (
            ("acme/m", {"input": "1", "output": "1"}, 422),
            ("openai/m", {"input": "0.0000001", "output": "1"}, 422),
            ("openai/m", {"input": "-1", "output": "1"}, 422),
            ("openai", {"input": "1", "output": "1"}, 422),
            ("sim/echo", {"input": "1", "output": "1"}, 409),
        ):
            answer = await api.post("/prices", json={"name": name, "spec": spec})
            assert answer.status_code == status, (name, spec)
