"""What our own transport promises beyond the contract: pool state, back-pressure, clean connections."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchgear.kernel.errors import ConfigError, UpstreamGarbled, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.upstream import Origin, Pushing, Target, Timers, UpstreamReply
from switchgear.testing.scripted_upstream import Peer, Script, ScriptedUpstream
from switchgear.testing.transport_stand import CHUNKED, LIMIT_BYTES, OK, Stand, answering, chunk, refusal, sized
from switchgear.upstream.client import PREPARED_TARGETS, HttpTransport
from switchgear.upstream.pool import PoolLimits, PoolStats
from switchgear.upstream.tls import client_context

# The system's authorities take longer to read than most of these tests.
AUTHORITIES: Final = client_context()


async def with_stand(
    script: Script, check: Callable[[Stand, HttpTransport], Awaitable[None]], limits: PoolLimits | None = None
) -> None:
    transport = HttpTransport(limits, AUTHORITIES)
    async with ScriptedUpstream(script) as upstream:
        try:
            await check(Stand(transport, upstream), transport)
        finally:
            await transport.aclose()


async def test_a_reset_in_the_body_is_truncated_even_without_a_length() -> None:
    read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\nabc")
        await read.wait()
        peer.reset()

    async def check(stand: Stand, transport: HttpTransport) -> None:
        reply = await stand.send()
        assert await reply.read() == b"abc"
        read.set()
        await refusal(UpstreamTruncated, reply.read())

    await with_stand(script, check)


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\n", b"junk", sized(b"planted")])
async def test_bytes_after_an_answer_never_meet_the_next_caller(surplus: bytes) -> None:
    async def check(stand: Stand, transport: HttpTransport) -> None:
        assert [await stand.fetch(), await stand.fetch()] == [b"ok", b"ok"]
        assert stand.upstream.connections == 2

    await with_stand(answering(sized(b"ok") + surplus, sized(b"stolen")), check)


async def test_bytes_on_an_idle_connection_close_it() -> None:
    speak, closed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sized(b"ok"))
        await speak.wait()
        await peer.send(sized(b"planted"))
        await peer.gone()
        closed.set()

    async def check(stand: Stand, transport: HttpTransport) -> None:
        assert await stand.fetch() == b"ok"
        speak.set()
        await closed.wait()
        assert transport.stats() == {}
        assert await stand.fetch() == b"ok"

    await with_stand(script, check)


async def test_stats_tell_what_the_pool_holds() -> None:
    async def check(stand: Stand, transport: HttpTransport) -> None:
        origin = stand.upstream.origin
        assert transport.stats() == {}
        reply = await stand.send()
        waiting = asyncio.create_task(stand.fetch())
        await asyncio.sleep(0)
        assert transport.stats() == {origin: PoolStats(idle=0, active=1, waiting=1)}
        reply.close()
        assert await waiting == b"abc"
        assert transport.stats() == {origin: PoolStats(idle=1, active=0, waiting=0)}

    served: list[bytes] = [OK + b"content-length: 3\r\n\r\n", sized(b"abc")]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(served.pop(0))
        await peer.gone()

    await with_stand(script, check, PoolLimits(max_connections=1))


@pytest.mark.parametrize(
    ("header", "limits"),
    [(b"keep-alive: timeout=0", PoolLimits()), (b"x-plain: 1", PoolLimits(keepalive_seconds=0.0))],
)
async def test_a_connection_is_not_kept_longer_than_both_sides_want(header: bytes, limits: PoolLimits) -> None:
    async def check(stand: Stand, transport: HttpTransport) -> None:
        assert [await stand.fetch(), await stand.fetch()] == [b"ok", b"ok"]
        assert stand.upstream.connections == 2

    await with_stand(answering(sized(b"ok", header), sized(b"late")), check, limits)


async def test_a_pooled_connection_that_the_upstream_closed_is_replaced_in_silence() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sized(b"ok"))

    async def emptied(transport: HttpTransport) -> None:
        while transport.stats():
            await asyncio.sleep(0)

    async def check(stand: Stand, transport: HttpTransport) -> None:
        for count in range(1, 4):
            assert await stand.fetch() == b"ok"
            await emptied(transport)
            assert stand.upstream.connections == count

    await with_stand(script, check)


async def test_an_unread_body_stops_the_upstream_and_reading_sets_it_going_again() -> None:
    piece = chunk(b"x" * 65536)
    sent = 0
    body_pieces = 400

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(body_pieces):
            await peer.send(piece)
            sent += 1
        await peer.send(chunk(b""))
        await peer.gone()

    async def check(stand: Stand, transport: HttpTransport) -> None:
        # The reader's own slowness must not count as the upstream's silence.
        reply = await stand.send(timers=Timers(idle_seconds=0.3))
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.4)
        assert sent < body_pieces
        total = 0
        while part := await reply.read():
            total += len(part)
        assert total == body_pieces * 65536

    await with_stand(script, check)


async def test_an_upload_that_gets_stuck_fires_idle_with_its_reason() -> None:
    async def deaf(peer: Peer) -> None:
        await asyncio.Event().wait()

    async def check(stand: Stand, transport: HttpTransport) -> None:
        error = await refusal(UpstreamTimeout, stand.send(b"x" * 30_000_000, Timers(idle_seconds=0.05)))
        assert error.phase == "idle"
        assert "of the request" in error.message

    await with_stand(deaf, check)


async def test_a_body_that_inflates_without_end_is_cut_at_the_transports_limit() -> None:
    sizes: list[int] = []

    async def drain(reply: UpstreamReply) -> None:
        while part := await reply.read():
            sizes.append(len(part))

    async def check(stand: Stand, transport: HttpTransport) -> None:
        await refusal(UpstreamGarbled, drain(await stand.send()))
        assert 0 < max(sizes) <= 256 * 1024

    bomb = sized(gzip.compress(b"\0" * 5_000_000), b"content-encoding: gzip")
    await with_stand(answering(bomb), check, PoolLimits(max_inflated_bytes=1_000_000))


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + chunk(b"x") + b"0\r\nx-trailer: " + b"y" * 200_000,
        CHUNKED + b"1;" + b"e" * 200_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000,
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        OK + b"transfer-encoding: gzip\r\n\r\n",
    ],
    ids=[
        "endless trailer",
        "endless chunk extension",
        "endless interim answers",
        "switch of protocol",
        "foreign coding",
    ],
)
async def test_framing_without_end_or_sense_is_garbled(answer: bytes) -> None:
    async def check(stand: Stand, transport: HttpTransport) -> None:
        await refusal(UpstreamGarbled, stand.fetch())
        assert transport.stats() == {}

    await with_stand(answering(answer), check)


@pytest.mark.parametrize(
    "target",
    [
        Target(origin=Origin(scheme="http", host="h", port=1), method=method, path=path, headers=headers, dialect="any")
        for method, path, headers in [
            ("GET /", "/", ()),
            ("GET", "/a b", ()),
            ("GET", "/\r\nx: y", ()),
            ("GET", "/", (("authorization", "Bearer secret-token\r\nx: y"),)),
            ("GET", "/", (("host", "elsewhere"),)),
            ("GET", "/", (("x", "€"),)),
        ]
    ],
)
async def test_a_target_that_http_cannot_carry_is_a_configuration_error(target: Target) -> None:
    transport = HttpTransport(tls=AUTHORITIES)
    error = await refusal(ConfigError, transport.send(target, b"", Timers()))
    assert "secret-token" not in error.message
    await transport.aclose()


async def test_targets_made_for_one_call_do_not_pile_up() -> None:
    async def check(stand: Stand, transport: HttpTransport) -> None:
        for _ in range(PREPARED_TARGETS + 50):
            assert await stand.fetch() == b"ok"
        assert len(transport._prepared) == PREPARED_TARGETS

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(sized(b"ok"))

    await with_stand(script, check)


Fate = st.sampled_from(["read", "close", "cancel now", "cancel later"])


async def meet(fate: str, stand: Stand, turns: int) -> None:
    call = asyncio.create_task(stand.send())
    for _ in range(0 if fate == "cancel now" else turns):
        await asyncio.sleep(0)
    if fate.startswith("cancel"):
        call.cancel()
    outcome = (await asyncio.gather(call, return_exceptions=True))[0]
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, asyncio.CancelledError)
    elif fate == "read":
        assert await outcome.read_all(LIMIT_BYTES) == b"ok"
    else:
        outcome.close()


@settings(max_examples=60, deadline=None)
@given(fates=st.lists(st.tuples(Fate, st.integers(0, 12)), max_size=12), max_connections=st.integers(1, 3))
def test_no_slot_is_lost_whatever_becomes_of_the_calls(fates: list[tuple[str, int]], max_connections: int) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(OK + b"content-length: 2\r\n\r\n")
            await peer.send(b"ok")

    async def check(stand: Stand, transport: HttpTransport) -> None:
        await asyncio.gather(*[meet(fate, stand, turns) for fate, turns in fates])
        stats = transport.stats().get(stand.upstream.origin, PoolStats(idle=0, active=0, waiting=0))
        assert (stats.active, stats.waiting) == (0, 0)
        assert stats.idle <= max_connections
        assert await asyncio.gather(*[stand.fetch() for _ in range(max_connections + 1)]) == [b"ok"] * (
            max_connections + 1
        )

    asyncio.run(with_stand(script, check, PoolLimits(max_connections=max_connections)))


async def test_body_bytes_are_pushed_as_they_arrive_until_no_more_are_wanted() -> None:
    taken = [asyncio.Event() for _ in range(3)]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for number, event in enumerate(taken):
            await peer.send(chunk(b"%d" % number))
            await event.wait()
        await peer.send(b"0\r\n\r\n")

    async def check(stand: Stand, transport: HttpTransport) -> None:
        reply = await stand.send()
        assert isinstance(reply, Pushing)
        pushed: list[bytes] = []

        def sink(data: bytes) -> bool:
            pushed.append(data)
            if data:
                taken[int(data)].set()
            return data not in {b"1", b""}

        await reply.push(sink)
        assert pushed == [b"0", b"1"]
        await reply.push(sink)
        assert pushed == [b"0", b"1", b"2", b""]

    await with_stand(script, check)


async def test_what_breaks_a_pushed_body_is_raised() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 9\r\n\r\nabc")

    async def check(stand: Stand, transport: HttpTransport) -> None:
        reply = await stand.send()
        assert isinstance(reply, Pushing)
        pushed: list[bytes] = []

        def sink(data: bytes) -> bool:
            pushed.append(data)
            return True

        await refusal(UpstreamTruncated, reply.push(sink))
        assert pushed == [b"abc"]

    await with_stand(script, check)


async def test_whoever_leaves_a_pushed_body_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"abc"))
        await peer.gone()
        gone.set()

    async def check(stand: Stand, transport: HttpTransport) -> None:
        reply = await stand.send()
        assert isinstance(reply, Pushing)
        arrived = asyncio.Event()

        def sink(data: bytes) -> bool:
            arrived.set()
            return bool(data)

        pushing = asyncio.ensure_future(reply.push(sink))
        await arrived.wait()
        await asyncio.sleep(0)
        pushing.cancel()
        await gone.wait()

    await with_stand(script, check)


async def test_a_compressed_body_is_pushed_in_plain() -> None:
    packed = gzip.compress(b"abc" * 100)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED[:-2] + b"content-encoding: gzip\r\n\r\n" + chunk(packed) + b"0\r\n\r\n")

    async def check(stand: Stand, transport: HttpTransport) -> None:
        reply = await stand.send()
        assert isinstance(reply, Pushing)
        pushed: list[bytes] = []

        def sink(data: bytes) -> bool:
            pushed.append(data)
            return bool(data)

        await reply.push(sink)
        assert b"".join(pushed) == b"abc" * 100
        assert pushed[-1] == b""

    await with_stand(script, check)
