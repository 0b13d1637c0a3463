"""Limits in the control database: over the management API, on the command line's way, and in the feed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from switchgear.app.database import ControlDatabase
from switchgear.app.identity.compiling import compiled
from switchgear.app.limit_objects import kept_limits, limit_routes
from switchgear.config.effective import laid_over
from switchgear.config.limits import LimitEntry
from switchgear.config.loading import parse
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.rest.api import Api, Surroundings
from switchgear.rest.objects import Objects
from switchgear.rest.problem import Refused
from tests.registry.stand import AUTHOR
from tests.registry.test_api import anybody, somebody

FILE = """
providers: {sim: {kind: simulator}}
teams: {support: {project: bots}}
projects: {bots: {}}
limits: {house: {scope: {team: support}, usd: "5", per: day}}
"""
MONEY: Mapping[str, object] = {"scope": {"team": "support"}, "usd": "10", "per": "month"}


@asynccontextmanager
async def client(database: ControlDatabase, file: str = FILE) -> AsyncGenerator[httpx.AsyncClient]:
    clock = SystemClock()
    config = parse(file, "switchgear.yaml", {})
    surroundings = Surroundings(
        version="1",
        database=database,
        resolvers=(anybody,),
        asker=somebody,
        clock=clock,
        ids=Ids(clock, seeded_bits()),
    )
    app = FastAPI(openapi_url=None)
    Api(limit_routes(Objects(clock), lambda: config, "switchgear.yaml"), surroundings).mount(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api/api/v1") as made:
        yield made


async def test_limits_are_made_changed_and_brought_back_and_the_files_are_read_only(database: ControlDatabase) -> None:
    async with client(database) as api:
        assert (await api.post("/limits", json={"name": "more", "spec": MONEY})).status_code == 201
        listed = {one["name"]: one["source"] for one in (await api.get("/limits")).json()["data"]}
        assert listed == {"house": "file", "more": "database"}
        changed = await api.put("/limits/more", json={"spec": {**MONEY, "usd": "20"}}, headers={"if-match": '"1"'})
        assert changed.json()["spec"]["usd"] == "20"
        back = await api.post("/limits/more/revert", json={"version": 1}, headers={"if-match": '"2"'})
        assert back.json()["spec"]["usd"] == "10"
        refused = await api.put("/limits/house", json={"spec": MONEY})
        assert (refused.status_code, refused.json()["code"]) == (409, "owned_by_file")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"usd": "-1"}, "usd"),
        ({"requests": 0}, "requests"),
        ({"per": "fortnight"}, "per"),
        ({"usd": "0"}, "allows no cent"),
        ({"per": None}, "has no 'per'"),
        ({"window": "sliding"}, "cannot slide"),
        ({"scope": {"team": "suport"}}, "did you mean"),
        ({"scope": {"key": "nobody"}}, "not declared"),
        ({"scope": {"model": "acme/large"}}, "not declared"),
        ({"scope": {"planet": "earth"}}, "scope"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_a_limit_that_cannot_hold_is_refused(
    database: ControlDatabase, wrong: Mapping[str, object], said: str
) -> None:
    async with client(database) as api:
        answer = await api.post("/limits", json={"name": "l", "spec": {**MONEY, **wrong}})
        assert answer.status_code == 422
        assert said in answer.text
        assert (await api.get("/limits/l")).status_code == 404


async def test_where_several_workers_count_alone_none_is_made(database: ControlDatabase) -> None:
    alone = "server: {workers: 2}" + FILE[: FILE.index("limits:")]
    async with client(database, alone) as api:
        answer = await api.post("/limits", json={"name": "l", "spec": MONEY})
        assert answer.status_code == 422
        assert "engine: redis" in answer.json()["errors"][0]["message"]


async def test_gateways_are_told_and_the_files_limit_of_a_name_counts(database: ControlDatabase) -> None:
    objects, config = Objects(SystemClock()), parse(FILE, "switchgear.yaml", {})
    limits = kept_limits(objects, lambda: config)
    async with database.write() as connection:
        await limits.put(connection, "more", LimitEntry(requests=5, per="hour"), AUTHOR)
        with pytest.raises(Refused, match="only there"):
            await limits.put(connection, "house", LimitEntry(requests=5, per="hour"), AUTHOR)
        feed = await compiled(connection, objects)
    effective = laid_over(config, feed, Path("feed"), None)
    assert set(effective.limits) == {"house", "more"}
    async with database.write() as connection:
        await limits.delete(connection, "more", AUTHOR)
        assert not (await compiled(connection, objects)).limits
        await limits.revert(connection, "more", 1, AUTHOR)
        assert [one.action for one in await limits.history(connection, "more")] == ["revert", "delete", "create"]
