"""Every endpoint of every door, walked: nothing answers without a key, and nothing answers without a record."""

import pytest
from msgspec.structs import replace

from switchgear.config.model import PassThroughEntry, ProviderEntry
from switchgear.doors.endpoint import Endpoint, Request
from switchgear.kernel.call import Call
from switchgear.kernel.record import CallRecord
from switchgear.kernel.reply import Reply
from tests.doors.house import KEY, House, configured, running, serving

CAPTURED = {"/{path}": "mounted/things", "/passthrough/{path}": "sim/files"}
BODY = b'{"model": "sim/echo"}'
UNAUTHENTICATED = 401


async def call(house: House, endpoint: Endpoint, key: str) -> tuple[int, CallRecord]:
    """One call of the endpoint, read to its end; its status, and the only record that it left."""
    headers = {b"host": b"gateway.example", b"content-type": b"application/json"}
    if key:
        headers[b"authorization"] = f"Bearer {key}".encode()
    captured = CAPTURED.get(endpoint.path, "sim/echo" if endpoint.names_model else "some_id")
    request = Request(endpoint.method, endpoint.path, "", headers, loopback=True)
    request.endpoint = endpoint
    request.captured = captured if "{" in endpoint.path else ""
    request.body = BODY if endpoint.method != "GET" else b""
    house.journal.records.clear()
    reply = await house.server.gateway.answer(request)
    if reply.frames is not None:
        async for _ in reply.frames:
            pass
    reply.close()
    assert len(house.journal.records) == 1, f"{len(house.journal.records)} records"
    return reply.status, house.journal.records[0]


async def check(house: House, endpoint: Endpoint) -> None:
    """What holds for every endpoint."""
    status, record = await call(house, endpoint, "")
    assert (status, record.status, record.key) == (UNAUTHENTICATED, UNAUTHENTICATED, "")
    status, record = await call(house, endpoint, KEY)
    assert status != UNAUTHENTICATED
    assert (record.key, record.status) == ("tester", status)
    assert (record.door, record.operation) == (endpoint.door, endpoint.operation)


async def test_every_endpoint_asks_for_a_key_and_leaves_one_record_that_names_operation_and_key() -> None:
    opened = {"sim": ProviderEntry(kind="simulator", passthrough=True)}
    mounts = (PassThroughEntry(path="/mounted/", provider="sim"),)
    async with serving(replace(configured(opened), passthrough=mounts)) as house:
        endpoints = house.server.gateway.endpoints
        assert len(endpoints) > 100
        for endpoint in endpoints:
            try:
                await check(house, endpoint)
            except AssertionError as error:
                raise AssertionError(f"{endpoint.door}: {endpoint.method} {endpoint.path}: {error}") from error


async def answer(call: Call) -> Reply:
    """A handler without any stage around it."""
    return Reply(200, [], b"{}")


async def test_an_endpoint_that_goes_around_the_stages_is_caught() -> None:
    async with running() as house:
        sound = house.server.gateway.endpoints[0]
        await check(house, sound)
        with pytest.raises(AssertionError, match="0 records"):
            await check(house, replace(sound, pipeline=answer))
        with pytest.raises(AssertionError):
            await check(house, replace(sound, pipeline=sound.bad_request))
