"""The part of the transport contract that is about waiting: the four timers, standing in line, letting go."""

import asyncio

from msgspec import structs

from switchgear.kernel.errors import Overloaded, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.upstream import Target, Timers
from switchgear.testing.scripted_upstream import Peer, Script
from switchgear.testing.transport_stand import (
    CHUNKED,
    LIMIT_BYTES,
    OK,
    TransportStand,
    answering,
    chunk,
    refusal,
    sized,
)
from switchgear.upstream.pool import PoolLimits

LIMIT_SECONDS = 0.06
GRAIN_SECONDS = 0.002
"""Event loops count in milliseconds."""


def silent_after(*beginnings: bytes) -> Script:
    """A script that answers with ``beginnings`` and then says nothing more."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for beginning in beginnings:
            await peer.send(beginning)
        await peer.gone()

    return script


class TransportPatienceContract(TransportStand):
    """Timers fire, lines are bounded, and whoever leaves takes the connection along."""

    async def fires(self, script: Script, timers: Timers, limit_seconds: float) -> str:
        """The phase of the timer that ends a call, which must not be early."""
        async with self.stand(script) as stand:
            loop = asyncio.get_running_loop()
            began_at = loop.time()
            error = await refusal(UpstreamTimeout, stand.fetch(timers))
            assert loop.time() - began_at >= limit_seconds - GRAIN_SECONDS
            return error.phase

    async def test_silence_before_the_first_body_byte_fires_first_byte(self) -> None:
        timers = Timers(first_byte_seconds=LIMIT_SECONDS)
        head = OK + b"content-length: 5\r\n\r\n"
        for script in (silent_after(), silent_after(head), silent_after(CHUNKED), silent_after(OK, b"x-slow: ")):
            assert await self.fires(script, timers, LIMIT_SECONDS) == "first_byte"

    async def test_silence_between_body_bytes_fires_idle(self) -> None:
        timers = Timers(idle_seconds=LIMIT_SECONDS)
        for count in (1, 3):
            script = silent_after(CHUNKED, *[chunk(b"part")] * count)
            assert await self.fires(script, timers, LIMIT_SECONDS) == "idle"

    async def test_a_body_that_trickles_fires_total(self) -> None:
        async def trickle(peer: Peer) -> None:
            await peer.request()
            await peer.send(CHUNKED)
            while True:
                await peer.send(chunk(b"."))
                await asyncio.sleep(0.005)

        timers = Timers(first_byte_seconds=10, idle_seconds=10, total_seconds=2 * LIMIT_SECONDS)
        assert await self.fires(trickle, timers, 2 * LIMIT_SECONDS) == "total"

    async def test_a_head_that_trickles_fires_first_byte(self) -> None:
        async def trickle(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            while True:
                await peer.send(b"x-slow: 1\r\n")
                await asyncio.sleep(0.005)

        assert await self.fires(trickle, Timers(first_byte_seconds=LIMIT_SECONDS), LIMIT_SECONDS) == "first_byte"

    async def test_an_upstream_that_does_not_read_the_request_runs_into_a_timer(self) -> None:
        async def deaf(peer: Peer) -> None:
            await asyncio.Event().wait()

        timers = Timers(first_byte_seconds=LIMIT_SECONDS, idle_seconds=LIMIT_SECONDS)
        async with self.stand(deaf) as stand:
            error = await refusal(UpstreamTimeout, stand.send(b"x" * 30_000_000, timers))
            assert error.phase in {"first_byte", "idle"}

    async def test_a_timer_closes_the_connection(self) -> None:
        closed = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.gone()
            closed.set()

        async with self.stand(script) as stand:
            await refusal(UpstreamTimeout, stand.send(timers=Timers(first_byte_seconds=LIMIT_SECONDS)))
            await closed.wait()

    async def test_no_timer_fires_on_a_call_that_keeps_moving(self) -> None:
        async def steady(peer: Peer) -> None:
            await peer.request()
            await peer.send(CHUNKED)
            for _ in range(12):
                await peer.send(chunk(b"."))
                await asyncio.sleep(0.06)
            await peer.send(chunk(b""))
            await peer.gone()

        async with self.stand(steady) as stand:
            assert await stand.fetch(Timers(first_byte_seconds=0.5, idle_seconds=0.5)) == b"." * 12

    # --------------------------------------------------------------------------------------------------------- lines

    async def test_a_call_in_line_gets_the_connection_that_comes_free(self) -> None:
        answers = (sized(b"1"), sized(b"2"), sized(b"3"))
        async with self.stand(answering(*answers), PoolLimits(max_connections=1)) as stand:
            assert sorted(await asyncio.gather(*[stand.fetch() for _ in answers])) == [b"1", b"2", b"3"]
            assert stand.upstream.connections == 1

    async def test_a_call_too_many_in_line_is_refused(self) -> None:
        limits = PoolLimits(max_connections=1, max_waiters=1)
        async with self.stand(silent_after(OK + b"content-length: 2\r\n\r\n"), limits) as stand:
            first = await stand.send()
            second = asyncio.create_task(stand.send())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await refusal(Overloaded, stand.send())
            first.close()
            (await second).close()

    async def test_waiting_in_line_counts_as_connecting(self) -> None:
        limits = PoolLimits(max_connections=1)
        async with self.stand(silent_after(OK + b"content-length: 2\r\n\r\n"), limits) as stand:
            holder = await stand.send()
            error = await refusal(UpstreamTimeout, stand.send(timers=Timers(connect_seconds=LIMIT_SECONDS)))
            assert error.phase == "connect"
            error = await refusal(UpstreamTimeout, stand.send(timers=Timers(total_seconds=LIMIT_SECONDS)))
            assert error.phase == "total"
            holder.close()

    async def test_a_handshake_that_nobody_answers_counts_as_connecting(self) -> None:
        gone: asyncio.Queue[None] = asyncio.Queue()

        async def mute(peer: Peer) -> None:
            try:
                await peer.gone()
            finally:
                gone.put_nowait(None)

        async with self.stand(mute, PoolLimits(max_connections=1)) as stand:
            origin = structs.replace(stand.upstream.origin, scheme="https")
            target = Target(origin=origin, method="POST", path="/v1/x", headers=(), dialect="any")
            for phase in ("connect", "total"):
                timers = Timers(**{f"{phase}_seconds": LIMIT_SECONDS})
                error = await refusal(UpstreamTimeout, stand.transport.send(target, b"{}", timers))
                assert error.phase == phase
                await gone.get()
            assert stand.upstream.connections == 2

    async def test_a_call_that_leaves_the_line_leaves_no_trace(self) -> None:
        limits = PoolLimits(max_connections=1, max_waiters=1)
        async with self.stand(answering(OK + b"content-length: 2\r\n\r\n"), limits) as stand:
            first = await stand.send()
            for _ in range(3):
                waiting = asyncio.create_task(stand.send())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                waiting.cancel()
                assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
            first.close()
            (await stand.send()).close()

    # ---------------------------------------------------------------------------------------------------- letting go

    async def test_a_cancelled_call_closes_its_connection_at_once(self) -> None:
        for beginning in (b"", CHUNKED + chunk(b"one")):
            reached, closed = asyncio.Event(), asyncio.Event()

            async def script(
                peer: Peer,
                beginning: bytes = beginning,
                reached: asyncio.Event = reached,
                closed: asyncio.Event = closed,
            ) -> None:
                await peer.request()
                await peer.send(beginning)
                reached.set()
                await peer.gone()
                closed.set()

            async with self.stand(script, PoolLimits(max_connections=1)) as stand:
                call = asyncio.create_task(stand.fetch())
                await reached.wait()
                call.cancel()
                assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], asyncio.CancelledError)
                await closed.wait()

    async def test_closing_an_unread_answer_closes_its_connection(self) -> None:
        closed = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(CHUNKED + chunk(b"one"))
            await peer.gone()
            closed.set()

        async with self.stand(script, PoolLimits(max_connections=1)) as stand:
            reply = await stand.send()
            reply.close()
            reply.close()
            await closed.wait()
            (await stand.send()).close()

    async def test_an_answer_closed_before_its_end_never_looks_whole(self) -> None:
        async with self.stand(silent_after(OK + b"content-length: 5\r\n\r\n")) as stand:
            reply = await stand.send()
            reply.close()
            await refusal(UpstreamTruncated, reply.read_all(LIMIT_BYTES))

    async def test_closing_ends_a_read_that_waits(self) -> None:
        async with self.stand(silent_after(CHUNKED + chunk(b"one"))) as stand:
            reply = await stand.send()
            assert await reply.read() == b"one"
            asyncio.get_running_loop().call_later(0.01, reply.close)
            await refusal(UpstreamTruncated, reply.read())
