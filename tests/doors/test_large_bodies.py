"""Large JSON goes up while it arrives; its model is found, renamed and allowed first, wherever it stands."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from switchgear.config.model import Key, PassThroughEntry
from switchgear.config.secret import Secret
from switchgear.doors.bounds import Bounds
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.testing.transport_upload_contract import chunked_request
from tests.doors.house import KEY, configured, parse, running, serving
from tests.doors.test_uploads import Listener
from tests.doors.vendors import PICTURE, Told, vendor

PADDING = "x" * 1_500_000
PATH = "/v1/images/edits"


def head(size: int | None, path: str = PATH) -> bytes:
    framing = "transfer-encoding: chunked" if size is None else f"content-length: {size}"
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\nconnection: close\r\n{framing}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("path", [PATH, "/passthrough/vendor/images", "/my/vendor/images"])
async def test_it_goes_up_while_it_comes(path: str) -> None:
    listener = Listener()
    body = json.dumps({"model": "picture", "image": PADDING}).encode()
    mounts = (PassThroughEntry(path="/my/vendor/", provider="vendor"),)
    async with ScriptedUpstream(listener) as upstream:
        config = replace(configured(vendor(upstream), {"picture": PICTURE}), passthrough=mounts)
        async with serving(config) as house:
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(head(len(body), path) + body[:1_300_000])
            await asyncio.wait_for(listener.begun.wait(), 5)
            writer.write(body[1_300_000:])
            status, *_ = parse(await reader.read())
            writer.close()
    assert status == 200
    expected = body.replace(b"picture", b"gpt-image-1") if path == PATH else body
    assert listener.body == expected
    (record,) = house.journal.records
    assert (record.model, record.request_bytes) == ("picture" if path == PATH else "", len(body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"image": PADDING, "model": "picture"}, {"image": PADDING, "model": "gpt-image-1"}),
        ({"image": {"model": "no"}, "more": PADDING, "model": "picture"}, None),
        ({"image": PADDING}, {"image": PADDING}),
        ({"image": PADDING, "model": None}, {"image": PADDING, "model": None}),
    ],
)
async def test_its_model_may_stand_behind_megabytes(
    body: dict[str, object], expected: dict[str, object] | None
) -> None:
    told = Told()
    async with (
        ScriptedUpstream(told) as upstream,
        running(providers=vendor(upstream), models={"picture": PICTURE}) as house,
    ):
        status, *_ = await house.post(PATH, body)
    assert status == 200
    assert json.loads(told.bodies[0]) == (expected or {**body, "model": "gpt-image-1"})


@pytest.mark.parametrize("path", [PATH, "/passthrough/vendor/images"])
async def test_in_chunks_a_small_one_is_whole_before_it_goes_up(path: str) -> None:
    told = Told()
    body = b'{"model":"picture"}'
    async with (
        ScriptedUpstream(told) as upstream,
        running(providers=vendor(upstream), models={"picture": PICTURE}) as house,
    ):
        answer = await house.raw(head(None, path) + in_chunks(body, 1))
    assert parse(answer)[0] == 200
    assert told.bodies == [b'{"model":"gpt-image-1"}' if path == PATH else body]


@pytest.mark.parametrize("path", [PATH, "/passthrough/vendor/images"])
async def test_in_chunks_a_large_one_goes_up_in_chunks(path: str) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await chunked_request(peer))
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    body = json.dumps({"model": "picture", "image": PADDING}).encode()
    async with (
        ScriptedUpstream(script) as upstream,
        running(providers=vendor(upstream), models={"picture": PICTURE}) as house,
    ):
        answer = await house.raw(head(None, path) + in_chunks(body, 100_000))
    assert parse(answer)[0] == 200
    assert seen == [body.replace(b"picture", b"gpt-image-1") if path == PATH else body]


def in_chunks(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


NARROW = f"{KEY}-narrower"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"model":"picture","x":"%s"}', 200),
        ('{"model":"other","x":"%s"}', 403),
        ('{"x":"%s"}', 403),
        ('{"x":"%s","model":"other"}', 403),
        ('{"model":"picture","x":"%s","model":"other"}', 400),
        ('{"model":"picture","x":"%s","mod\\u0065l":"other"}', 400),
        ('{"model":"picture","x":"%s"', 400),
        ('{"model":"picture","x":"%s"}{"model":"other"}', 400),
        ('[{"model":"picture"},"%s"]', 403),
        ('{"model":7,"x":"%s"}', 400),
    ],
)
async def test_a_key_for_some_models_reaches_no_other_this_way(body: str, status: int) -> None:
    told = Told()
    async with ScriptedUpstream(told) as upstream:
        config = configured(vendor(upstream), {"picture": PICTURE})
        key = Key(name="narrower", key=Secret(NARROW), models=("picture",))
        async with serving(replace(config, keys=(*config.keys, key))) as house:
            got, *_ = await house.post(PATH, (body % PADDING).encode(), authorization=f"Bearer {NARROW}")
    assert got == status
    assert len(told.bodies) == (status == 200)


async def test_it_keeps_to_the_bound_of_bodies() -> None:
    bounds = Bounds(max_body_bytes=2_000_000, max_upload_bytes=50_000_000)
    body = json.dumps({"model": "picture", "image": PADDING * 2}).encode()

    async def patient(peer: Peer) -> None:
        await chunked_request(peer)

    async with (
        ScriptedUpstream(patient) as upstream,
        running(bounds, providers=vendor(upstream), models={"picture": PICTURE}) as house,
    ):
        answer = await house.raw(head(len(body)) + body)
        assert b"max_body_bytes" in answer
        answer = await house.raw(head(None) + b"%x\r\n" % len(body) + body)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"max_body_bytes" in answer
