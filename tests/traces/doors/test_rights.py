"""Which keys may send spans, and which may read back and delete what others sent."""

from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from msgspec import structs

from switchgear.app.database import ControlDatabase
from switchgear.app.tool_doors import tool_doors
from switchgear.auth.model import VirtualKey, digest_of, key_ring
from tests.traces.doors.stand import APPLICATION_KEY, KEY, READING_KEY, SENDING_KEY, Stand

BEFORE_SENDING = {
    ("GET", "/api/public/health"),
    ("GET", "/api/public/projects"),
    ("GET", "/info"),
    ("GET", "/sessions"),
    ("GET", "/sessions/{id}"),
    ("GET", "/arize_phoenix_version"),
}
"""What clients ask before they send: names and versions, and nothing of spans."""
LINK = ("GET", "/api/public/media/{id}/content")
"""The link is the permission."""


@pytest.fixture
def stand(database: ControlDatabase, tmp_path: Path) -> Stand:
    return Stand(database, tmp_path)


async def reached(stand: Stand, key: str) -> set[tuple[str, str]]:
    """Of all that is read or deleted here, what does not refuse the key."""
    found: set[tuple[str, str]] = set()
    routes = [route for router in tool_doors(stand.doors) for route in router.routes if isinstance(route, APIRoute)]
    asked = {(method, route.path) for route in routes for method in route.methods or ()} - {LINK}
    asked = {(method, path) for method, path in asked if method in ("GET", "DELETE") or path.endswith("/query")}
    async with stand.client({"authorization": f"Bearer {key}"}) as client:
        for method, path in asked:
            answer = await client.request(method, path.replace("{id}", "0" * 32), json={} if method == "POST" else None)
            if answer.status_code != 403:
                found.add((method, path))
    return found


@pytest.mark.parametrize("key", [APPLICATION_KEY, SENDING_KEY])
async def test_a_key_that_does_not_name_it_reads_nothing_and_deletes_nothing(stand: Stand, key: str) -> None:
    assert await reached(stand, key) == BEFORE_SENDING


async def test_a_key_that_names_it_reads_all_of_its_project(stand: Stand) -> None:
    everything = await reached(stand, KEY)
    assert everything > BEFORE_SENDING
    assert {("POST", "/runs/query"), ("GET", "/api/public/traces"), ("DELETE", "/feedback/{id}")} < everything


async def test_a_key_that_may_only_read_sends_nothing(stand: Stand) -> None:
    async with stand.client({"authorization": f"Bearer {READING_KEY}"}) as client:
        answer = await client.post("/api/public/ingestion", json={"batch": []})
    assert (answer.status_code, "'traces'" in answer.json()["message"]) == (403, True)


@pytest.mark.parametrize("key", [APPLICATION_KEY, SENDING_KEY])
async def test_an_application_s_key_sends_to_every_door(stand: Stand, key: str) -> None:
    async with stand.client({"x-api-key": key}) as client:
        sent = (
            await client.post("/api/public/ingestion", json={"batch": []}),
            await client.post("/runs/batch", json={"post": []}),
            await client.post("/v1/projects/shop/spans", json={"data": []}),
        )
    assert [answer.status_code for answer in sent] == [207, 202, 202]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (VirtualKey(name="app", digest=b""), "doors: [traces, traces_read] and the doors of its calls, such as openai"),
        (VirtualKey(name="app", digest=b"", doors=("openai",)), "give it doors: [openai, traces_read] under 'keys'"),
    ],
)
async def test_a_refusal_says_in_every_tool_s_words_what_to_name(stand: Stand, key: VirtualKey, told: str) -> None:
    stand.ring = key_ring([structs.replace(key, digest=digest_of(KEY))], allow_anonymous_loopback=False)
    async with stand.client() as client:
        for path, member in (
            ("/api/public/traces", "message"),
            ("/feedback", "detail"),
            ("/v1/projects/p/spans", "detail"),
        ):
            answer = await client.get(path)
            assert answer.status_code == 403
            assert "key 'app' may not read traces, or take back what was said of them" in answer.json()[member]
            assert told in answer.json()[member]


async def test_of_a_key_that_the_database_keeps_it_says_where_to_change_it(stand: Stand) -> None:
    kept = VirtualKey(name="app", digest=digest_of(KEY), lookup=b"0123456789ab")
    ring = key_ring([kept], allow_anonymous_loopback=False)
    stand.ring = structs.replace(ring, callers={kept.digest: (kept, kept.caller())})
    async with stand.client() as client:
        assert "by PUT /api/v1/keys/app" in (await client.get("/api/public/traces")).json()["message"]


async def test_without_keys_callers_on_this_machine_send_and_read(stand: Stand) -> None:
    stand.ring = key_ring([], allow_anonymous_loopback=True)
    async with stand.client({}) as client:
        assert (await client.post("/api/public/ingestion", json={"batch": []})).status_code == 207
        assert (await client.get("/api/public/traces")).status_code == 200
