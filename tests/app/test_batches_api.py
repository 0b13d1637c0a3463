"""What gateways ask of the control process for files and batches, and whose word counts there."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx

from switchgear.app.batches import BatchWork, batch_work
from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.config.batches import BatchesEntry
from switchgear.config.model import Config
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids, seeded_bits
from tests.batches.stand import CHAT, MEDIA, form, jsonl, line
from tests.management import SOURCES, management

ON = Config(batches=BatchesEntry(max_file_bytes=2000))
ADA = {"x-switchgear-gateway-key": "ada", "x-switchgear-gateway-origin": "https://gateway.example"}


def work_of(database: ControlDatabase, config: Config = ON) -> BatchWork:
    clock = FrozenClock()
    return batch_work(database, lambda: config, clock, Ids(clock, seeded_bits()), None, "")


@asynccontextmanager
async def asking(
    database: ControlDatabase, config: Config = ON, *, host: str = "", headers: Mapping[str, str] = ADA
) -> AsyncGenerator[httpx.AsyncClient]:
    """A gateway at the control process' socket, where callers have no address."""
    app = control(SOURCES, management(database), routers=work_of(database, config).routers)
    transport = httpx.ASGITransport(app, client=(host, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        yield client


async def uploaded(client: httpx.AsyncClient) -> str:
    body = form(jsonl([line(1)]))
    answer = await client.post("/v1/files", content=body, headers={"content-type": MEDIA})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def test_only_a_gateway_can_say_who_asks_and_only_at_the_socket(database: ControlDatabase) -> None:
    for path in ("/v1/files", "/v1/batches", "/v1/messages/batches"):
        async with asking(database) as gateway:
            assert (await gateway.get(path)).status_code == 200
        async with asking(database, host="127.0.0.1") as forger:
            assert (await forger.get(path)).status_code == 404
        async with asking(database, headers={}) as nobody:
            assert (await nobody.get(path)).status_code == 404


async def test_without_the_section_nothing_is_kept(database: ControlDatabase) -> None:
    async with asking(database, Config()) as gateway:
        answer = await gateway.get("/v1/files")
        assert answer.status_code == 400
        assert "no section 'batches'" in answer.json()["message"]


async def test_a_batch_is_told_as_openai_tells_it(database: ControlDatabase) -> None:
    async with asking(database) as gateway:
        file = await uploaded(gateway)
        asked = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h", "metadata": {"a": "b"}}
        made = (await gateway.post("/v1/batches", json=asked)).json()
        assert made == {
            "id": made["id"],
            "object": "batch",
            "endpoint": CHAT,
            "input_file_id": file,
            "completion_window": "24h",
            "status": "validating",
            "created_at": 1_700_000_000,
            "expires_at": 1_700_086_400,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": {"a": "b"},
            "errors": None,
            "output_file_id": None,
            "error_file_id": None,
            **{
                f"{moment}_at": None
                for moment in (
                    "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
                )
            },
        }  # fmt: skip
        listed = (await gateway.get("/v1/batches")).json()
        assert listed == {
            "object": "list", "data": [made], "has_more": False, "first_id": made["id"], "last_id": made["id"],
        }  # fmt: skip


async def test_lists_are_read_page_by_page(database: ControlDatabase) -> None:
    async with asking(database) as gateway:
        made = {await uploaded(gateway) for _ in range(5)}
        found: list[str] = []
        page = (await gateway.get("/v1/files?limit=2")).json()
        found += [each["id"] for each in page["data"]]
        while page["has_more"]:
            page = (await gateway.get(f"/v1/files?limit=2&after={found[-1]}")).json()
            found += [each["id"] for each in page["data"]]
        assert (len(found), set(found)) == (5, made)
        ascending = (await gateway.get("/v1/files?order=asc")).json()["data"]
        assert [each["id"] for each in ascending] == found[::-1]
        assert (await gateway.get("/v1/files?purpose=batch_output")).json()["data"] == []


async def test_message_batches_are_read_in_both_directions(database: ControlDatabase) -> None:
    async with asking(database) as gateway:
        one = {"custom_id": "a", "params": {"model": "echo"}}
        made = [(await gateway.post("/v1/messages/batches", json={"requests": [one]})).json() for _ in range(3)]
        path = "/v1/messages/batches"
        first, middle, last = [each["id"] for each in (await gateway.get(path)).json()["data"]]
        assert {first, middle, last} == {each["id"] for each in made}
        after = (await gateway.get(f"{path}?after_id={first}&limit=1")).json()
        assert ([each["id"] for each in after["data"]], after["has_more"]) == ([middle], True)
        before = (await gateway.get(f"{path}?before_id={last}")).json()
        assert ([each["id"] for each in before["data"]], before["has_more"]) == ([first, middle], False)
        assert made[0]["request_counts"]["processing"] == 1
        assert made[0]["created_at"] == "2023-11-14T22:13:20Z"
        assert (await gateway.get(f"{path}/{first}/results")).status_code == 400


NOTHING: Mapping[str, object] = {}
NO_LIST: Sequence[object] = ()
BATCH = {"input_file_id": "file-0", "endpoint": CHAT, "completion_window": "24h"}


WRONG: Sequence[tuple[str, str, object, tuple[int, str | None]]] = [
    ("GET", "/v1/files?limit=0", None, (400, "limit")),
    ("GET", "/v1/files?limit=²", None, (400, "limit")),
    ("GET", "/v1/files?order=up", None, (400, "order")),
    ("GET", "/v1/files/file-%00", None, (404, "file_id")),
    ("GET", "/v1/batches?limit=101", None, (400, "limit")),
    ("GET", "/v1/batches?after=%00", None, (200, None)),
    ("POST", "/v1/batches", {**BATCH, "completion_window": "1h"}, (400, "completion_window")),
    ("POST", "/v1/batches", {**BATCH, "endpoint": "/v1/videos"}, (400, "endpoint")),
    ("POST", "/v1/batches", BATCH, (404, "input_file_id")),
    ("POST", "/v1/batches", {**BATCH, "input_file_id": "\0"}, (404, "input_file_id")),
    ("POST", "/v1/batches", {**BATCH, "metadata": {str(each): "" for each in range(17)}}, (400, "metadata")),
    ("POST", "/v1/batches", {**BATCH, "metadata": {"a": "b" * 513}}, (400, "metadata[...]")),
    ("POST", "/v1/batches", NO_LIST, (400, None)),
    ("GET", "/v1/messages/batches?before_id=a&after_id=b", None, (400, "before_id")),
    ("POST", "/v1/messages/batches", {"requests": NO_LIST}, (400, "requests")),
    ("POST", "/v1/messages/batches", {"requests": [{"custom_id": "a b", "params": NOTHING}]},
     (400, "requests[0].custom_id")),
    ("POST", "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": NOTHING}]}, (400, "requests.0")),
    ("POST", "/v1/messages/batches", {"requests": ["x" * 3000]}, (413, None)),
]  # fmt: skip


async def test_what_is_asked_wrongly_is_told_and_changes_nothing(database: ControlDatabase) -> None:
    async with asking(database) as gateway:
        for method, path, body, expected in WRONG:
            answer = await gateway.request(method, path, json=body)
            assert (answer.status_code, answer.json().get("param")) == expected, (path, body)
            assert answer.json().get("message") or answer.status_code == 200
        assert (await work_of(database).service.progress()).batches == {}
