"""The door for OTLP: who is let in, by which header, and what each kind of bad request is told."""

import asyncio
import base64
import gzip
import json
from collections.abc import Mapping, Sequence

import httpx
import pytest
from fastapi import FastAPI

from switchgear.app.asker import asker_of
from switchgear.auth.model import KeyRing, VirtualKey, digest_of, key_ring
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.query import Find, Window
from switchgear.kernel.span import Span, ToldSpan
from switchgear.traces.doors import otlp
from switchgear.traces.doors.entrance import Entrance, Limits
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser
from switchgear.wire import otlp_json, otlp_protobuf
from tests.traces.spans import ToldStore, told

KEY = "sk-of-the-shop"
RESTRICTED, TRACES_ONLY = "sk-chat-only", "sk-traces-only"
JSON, PROTOBUF = {"content-type": "application/json"}, {"content-type": "application/x-protobuf"}
KEYS = (
    VirtualKey(name="shop", digest=digest_of(KEY), project="shop"),
    VirtualKey(name="chat", digest=digest_of(RESTRICTED), doors=("openai",)),
    VirtualKey(name="spans", digest=digest_of(TRACES_ONLY), doors=("traces",)),
)


def as_it_is(span: Span) -> Span:
    return span


class Door:
    """The door over a store, without a socket."""

    def __init__(self, *keys: VirtualKey, store: ToldStore | None = None, limits: Limits | None = None) -> None:
        self.store = ToldStore() if store is None else store
        self.ring: KeyRing = key_ring(keys, allow_anonymous_loopback=not keys)
        self.ingest = Ingest(self.store, Normaliser(), as_it_is, FrozenClock())
        entrance = Entrance(lambda: self.ring, asker_of, FrozenClock(), limits)
        self.app = FastAPI()
        self.app.include_router(otlp.router(self.ingest, entrance, self.ingest.counts))

    async def post(
        self, body: bytes, headers: Mapping[str, str], path: str = "/v1/traces", address: str = "203.0.113.7"
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, content=body, headers=dict(headers))

    async def projects(self) -> dict[str, str]:
        """What the sender calls its project, by ours."""
        found: dict[str, str] = {}
        for project in ("default", "shop"):
            window = Window(project=project, since_ns=0, until_ns=1 << 62)
            for row in (await self.store.find(Find(window=window))).spans:
                (span,) = await self.store.read(project, row.trace_id, [row.span_id])
                found[project] = span.metadata.get("project", "")
        return found


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


BODY = otlp_protobuf.write([told()])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"authorization": f"ApiKey {KEY}"},
        {"authorization": KEY},
        {"authorization": basic("pk-public", KEY)},
        {"authorization": basic("api", KEY)},
        {"x-api-key": KEY},
        {"api_key": KEY},
        {"api-key": KEY},
        {"wandb-api-key": KEY},
    ],
)
async def test_a_key_is_found_wherever_clients_of_tracing_products_put_it(headers: Mapping[str, str]) -> None:
    door = Door(*KEYS)
    answer = await door.post(BODY, {**PROTOBUF, **headers})
    assert (answer.status_code, answer.content) == (200, b"")
    assert await door.projects() == {"shop": ""}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic %%%"},
        {"authorization": "Digest a=b"},
        {"authorization": basic(KEY, "wrong")},
        {"x-api-key": "wrong"},
    ],
)
async def test_strangers_get_401_in_the_form_in_which_they_asked(headers: Mapping[str, str]) -> None:
    door = Door(*KEYS)
    for form in (PROTOBUF, JSON):
        for address in ("127.0.0.1", "203.0.113.7"):
            answer = await door.post(BODY, {**form, **headers}, address=address)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == form["content-type"]
    assert json.loads(answer.content)["code"] == 16
    assert door.store.writes == []


async def test_a_key_for_other_doors_may_not_use_this_one() -> None:
    door = Door(*KEYS)
    assert (await door.post(BODY, {**PROTOBUF, "x-api-key": RESTRICTED})).status_code == 403
    assert (await door.post(BODY, {**PROTOBUF, "x-api-key": TRACES_ONLY})).status_code == 200
    assert await door.projects() == {"default": ""}


async def test_without_keys_callers_on_this_machine_are_the_default_project_and_others_nobody() -> None:
    door = Door()
    assert (await door.post(BODY, {**PROTOBUF, "x-api-key": "any"}, address="127.0.0.1")).status_code == 200
    assert (await door.post(BODY, PROTOBUF)).status_code == 401
    assert await door.projects() == {"default": ""}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("langsmith-project", "bot"),
        ("x-project-name", "bot"),
        ("x-mlflow-experiment-id", "bot"),
        ("projectName", "bot"),
        ("x-bt-parent", "project_name:bot"),
        ("project_id", "bot"),
    ],
)
async def test_what_a_client_calls_its_project_is_kept_beside_ours(header: str, value: str) -> None:
    door = Door(*KEYS)
    await door.post(BODY, {**PROTOBUF, "x-api-key": KEY, header: value})
    assert await door.projects() == {"shop": "bot"}


async def test_other_content_types_and_encodings_get_415_and_broken_bodies_400() -> None:
    door = Door()
    for body, headers, status in (
        (BODY, {"content-type": "text/plain"}, 415),
        (BODY, {}, 415),
        (BODY, {**PROTOBUF, "content-encoding": "br"}, 415),
        (BODY, {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (BODY[:-1], PROTOBUF, 400),
        (b"{", JSON, 400),
        (b'{"resourceLogs": [{}]}', JSON, 400),
        (gzip.compress(bytes(60_000_000)), {**PROTOBUF, "content-encoding": "gzip"}, 413),
    ):
        answer = await door.post(body, headers, address="127.0.0.1")
        assert answer.status_code == status, (headers, answer.content)
        assert answer.content
    assert (
        "gzip"
        in (await door.post(BODY, {**PROTOBUF, "content-encoding": "br"}, address="127.0.0.1")).headers[
            "accept-encoding"
        ]
    )
    assert 'switchgear_span_requests_turned_away_total{door="otlp",reason="unsupported_media_type"} 4' in (
        door.ingest.counts.exposition()
    )


async def test_bodies_over_the_bound_get_413() -> None:
    door = Door(limits=Limits(max_body_bytes=100))
    assert (await door.post(bytes(101), PROTOBUF, address="127.0.0.1")).status_code == 413


async def test_while_too_many_bodies_are_held_senders_are_told_to_come_again() -> None:
    go_on = asyncio.Event()
    door = Door(store=ToldStore(go_on.wait), limits=Limits(max_held_bytes=len(BODY) + 10))
    first = asyncio.create_task(door.post(BODY, PROTOBUF, address="127.0.0.1"))
    while not door.store.writes:
        await asyncio.sleep(0)
    answer = await door.post(BODY, PROTOBUF, address="127.0.0.1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    go_on.set()
    assert (await first).status_code == 200
    assert (await door.post(BODY, PROTOBUF, address="127.0.0.1")).status_code == 200


async def test_a_store_that_cannot_write_is_told_with_retry_after() -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    answer = await Door(store=ToldStore(full)).post(BODY, JSON | PROTOBUF, address="127.0.0.1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert b"No space left" in answer.content


async def test_refused_spans_are_told_by_reason_and_the_rest_is_taken() -> None:
    door = Door()
    spans: Sequence[ToldSpan] = [told(1), told(2, parent_id=f"{2:016x}"), told(3, started_ns=1), told(4, started_ns=1)]
    answer = await door.post(otlp_json.write(list(spans)), JSON, address="127.0.0.1")
    partial = json.loads(answer.content)["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "3")
    assert "1 × its_own_parent" in partial["errorMessage"]
    assert "2 × bad_times" in partial["errorMessage"]


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs", "/api/public/otel/v1/metrics"])
async def test_metrics_and_logs_are_refused_for_good_and_told_how_to_switch_them_off(path: str) -> None:
    door = Door()
    plain, binary = await door.post(b"{}", JSON, path), await door.post(b"", PROTOBUF, path)
    assert (plain.status_code, binary.status_code) == (404, 404)
    assert (plain.json()["code"], binary.content[:2]) == (12, b"\x08\x0c")
    assert "OTEL_METRICS_EXPORTER=none" in plain.json()["message"]
    assert plain.json()["message"].encode() in binary.content


async def test_an_empty_export_is_taken() -> None:
    door = Door()
    assert (await door.post(b"", PROTOBUF, address="127.0.0.1")).content == b""
    assert (
        await door.post(b"{}", {"content-type": "application/json; charset=utf-8"}, address="127.0.0.1")
    ).json() == {}
