"""Rows and statements over the management API: pages, filters, and nobody else's money."""

from collections.abc import Mapping

import httpx
import pytest
from fastapi import FastAPI, Request
from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids
from switchgear.ledger.api import ledger_routes
from switchgear.rest.api import Api, Surroundings
from switchgear.rest.principal import EVERYWHERE, Asker, Place
from tests.ledger.samples import NOON_NS, record, taken


class Reader(Struct, frozen=True):
    """Somebody who may read the ledger of one place."""

    place: Place
    kind: str = "user"
    name: str = "reader"

    def may(self, permission: str, place: Place) -> bool:
        return permission == "ledger:read" and self.place in {EVERYWHERE, place}

    def places(self, permission: str) -> tuple[Place, ...]:
        return (self.place,)


def asker_of(request: Request) -> Asker:
    return Asker(method="GET", path="", headers={}, cookies={}, address="", local=True)


class Client:
    """The API as somebody sees it."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database
        self.place = EVERYWHERE

    async def get(self, path: str, **query: object) -> tuple[int, Mapping[str, object]]:
        async def resolver(asker: Asker) -> Reader:
            return Reader(self.place)

        clock = FrozenClock(NOON_NS)
        surroundings = Surroundings(
            version="1",
            database=self._database,
            resolvers=(resolver,),
            asker=asker_of,
            clock=clock,
            ids=Ids(clock, lambda _: 1),
        )
        app = FastAPI()
        Api(ledger_routes(), surroundings).mount(app)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answer = await http.get(f"/api/v1{path}", params={name: str(value) for name, value in query.items()})
        return answer.status_code, answer.json()


@pytest.fixture
async def client(database: ControlDatabase) -> Client:
    await taken(database, *(record(n, team="support" if n % 2 else "sales", tags=("t",)) for n in range(7)))
    return Client(database)


async def ids(client: Client, **query: object) -> list[int]:
    """What all pages of a list hold."""
    found: list[int] = []
    while True:
        status, body = await client.get("/ledger", limit=2, **query)
        assert status == 200, body
        data = body["data"]
        assert isinstance(data, list)
        found += [int(row["call_id"], 16) for row in data]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if body["next"] is None:
            return found
        query["cursor"] = body["next"]


async def test_rows_come_newest_first_by_pages(client: Client) -> None:
    assert await ids(client) == [6, 5, 4, 3, 2, 1, 0]
    assert await ids(client, scope="team", name="support") == [5, 3, 1]
    assert await ids(client, scope="tag", name="t", **{"from": "2026-11-26", "to": "2026-11-27"}) == [
        6,
        5,
        4,
        3,
        2,
        1,
        0,
    ]
    assert await ids(client, to="2026-11-26") == []
    assert await ids(client, call=f"req_{3:032x}") == [3]


async def test_statements_come_by_pages_too(client: Client) -> None:
    span = {"from": "2026-11-01", "to": "2026-12-01", "scope": "team", "limit": 1}
    _, first = await client.get("/statements", **span)
    _, second = await client.get("/statements", **span, cursor=first["next"])
    lines = [*first["data"], *second["data"]]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
    assert [(line["name"], line["calls"], line["cost_nano_usd"]) for line in lines] == [  # pyright: ignore[reportUnknownVariableType]
        ("sales", 4, 4 * 345),
        ("support", 3, 3 * 345),
    ]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/ledger", {"scope": "team"}, 400),
        ("/ledger", {"name": "x"}, 400),
        ("/ledger", {"scope": "session", "name": "x"}, 422),
        ("/ledger", {"cursor": "made up"}, 400),
        ("/ledger", {"from": "yesterday"}, 422),
        ("/ledger", {"limit": 0}, 422),
        ("/ledger", {"unknown": 1}, 422),
        ("/statements", {}, 422),
        ("/statements", {"from": "2001-01-01", "to": "2026-01-01", "period": "day"}, 400),
        ("/statements", {"from": "2026-01-01", "to": "2026-02-01", "scope": "x"}, 422),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    client: Client, path: str, query: Mapping[str, object], status: int
) -> None:
    assert (await client.get(path, **query))[0] == status


async def test_who_may_read_a_teams_ledger_reads_that_and_no_other(client: Client) -> None:
    client.place = Place(team="support")
    assert await ids(client, scope="team", name="support") == [5, 3, 1]
    span = {"from": "2026-11-01", "to": "2026-12-01"}
    assert (await client.get("/statements", **span, scope="team", name="support"))[0] == 200
    for query in ({}, {"scope": "team", "name": "sales"}, {"scope": "key", "name": "bot"}, {"call": f"{2:032x}"}):
        status, body = await client.get("/ledger", **query)
        assert status in {403, 404}, body
        assert "sales" not in str(body.get("data"))
    for query in ({}, {"scope": "team"}, {"scope": "team", "name": "sales"}, {"scope": "project", "name": "shop"}):
        assert (await client.get("/statements", **span, **query))[0] in {403, 404}
