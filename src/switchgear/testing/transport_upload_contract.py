"""The part of the transport contract that is about bodies which are sent while they arrive."""

import asyncio
from collections.abc import Iterable

from switchgear.kernel.errors import BodyTimeout, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.upstream import Timers
from switchgear.testing.scripted_upstream import Peer
from switchgear.testing.transport_stand import LIMIT_BYTES, TransportStand, answering, refusal, sized

PIECE = b"p" * 65_536
SHORT_SECONDS = 0.06


class Pieces:
    """An upload of these pieces; where it has none left it waits for ``more``, then fails, or ends with ``last``."""

    def __init__(
        self, pieces: Iterable[bytes], size_bytes: int | None = None, *, waits: bool = False, last: bytes = b""
    ) -> None:
        self.size_bytes = size_bytes
        self.taken = 0
        self.error: BodyTimeout | None = None
        self.more = asyncio.Event()
        self._waits = waits
        self._last = last
        self._pieces = iter(pieces)

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> bytes:
        piece = next(self._pieces, None)
        if piece is not None:
            self.taken += 1
            return piece
        if self._waits:
            await self.more.wait()
        if self.error is not None:
            raise self.error
        last, self._last = self._last, b""
        if last:
            return last
        raise StopAsyncIteration


async def chunked_request(peer: Peer) -> bytes:
    """The body of a request that is sent in chunks."""
    head = await peer.until(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"content-length" not in head.lower()
    body = b""
    while size := int(await peer.until(b"\r\n"), 16):
        body += (await peer.exactly(size + 2))[:-2]
    await peer.until(b"\r\n")
    return body


class TransportUploadContract(TransportStand):
    """A body goes up as it comes, at the pace of the slower side, and its end is everybody's."""

    async def test_an_upload_of_known_size_arrives_whole_and_leaves_the_connection_for_the_next(self) -> None:
        seen: list[bytes] = []

        async def script(peer: Peer) -> None:
            for _ in range(2):
                head, body = await peer.request()
                assert b"transfer-encoding" not in head.lower()
                seen.append(body)
                await peer.send(sized(b"ok"))
            await peer.gone()

        async with self.stand(script) as stand:
            for _ in range(2):
                reply = await stand.send(Pieces([b"ab", PIECE, b"c"], len(PIECE) + 3))
                assert await reply.read_all(LIMIT_BYTES) == b"ok"
            assert stand.upstream.connections == 1
        assert seen == [b"ab" + PIECE + b"c"] * 2

    async def test_an_upload_of_unknown_size_goes_in_chunks(self) -> None:
        seen: list[bytes] = []

        async def script(peer: Peer) -> None:
            seen.append(await chunked_request(peer))
            await peer.send(sized(b"ok"))
            await peer.gone()

        async with self.stand(script) as stand:
            reply = await stand.send(Pieces([b"ab", PIECE, b"c"]))
            assert await reply.read_all(LIMIT_BYTES) == b"ok"
        assert seen == [b"ab" + PIECE + b"c"]

    async def test_an_upstream_that_does_not_read_holds_the_upload_back_until_idle_fires(self) -> None:
        released = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.until(b"\r\n\r\n")
            await released.wait()

        upload = Pieces([PIECE] * 1000, 1000 * len(PIECE))
        async with self.stand(script) as stand:
            timers = Timers(idle_seconds=SHORT_SECONDS, first_byte_seconds=SHORT_SECONDS)
            error = await refusal(UpstreamTimeout, stand.send(upload, timers))
            assert error.phase in {"idle", "first_byte"}
            assert upload.taken < 1000
            released.set()

    async def test_a_slow_sender_fires_no_timer_of_the_upstreams(self) -> None:
        upload = Pieces([b"abc"], 6, waits=True, last=b"def")
        async with self.stand(answering(sized(b"ok"))) as stand:
            timers = Timers(idle_seconds=SHORT_SECONDS, first_byte_seconds=SHORT_SECONDS)
            sending = asyncio.ensure_future(stand.send(upload, timers))
            done, _ = await asyncio.wait((sending,), timeout=3 * SHORT_SECONDS)
            assert not done
            upload.more.set()
            assert await (await sending).read_all(LIMIT_BYTES) == b"ok"

    async def test_what_an_upload_raises_is_raised_and_the_upstream_let_go(self) -> None:
        gone = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.until(b"\r\n\r\n")
            await peer.gone()
            gone.set()

        upload = Pieces([b"abc"], 100, waits=True)
        upload.error = BodyTimeout("too slow")
        upload.more.set()
        async with self.stand(script) as stand:
            assert await refusal(BodyTimeout, stand.send(upload)) is upload.error
            await asyncio.wait_for(gone.wait(), 5)

    async def test_whoever_leaves_in_the_middle_takes_the_connection_along(self) -> None:
        begun, gone = asyncio.Event(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.until(b"\r\n\r\n")
            begun.set()
            await peer.gone()
            gone.set()

        async with self.stand(script) as stand:
            sending = asyncio.ensure_future(stand.send(Pieces([b"abc"], 100, waits=True)))
            await begun.wait()
            sending.cancel()
            await asyncio.wait((sending,))
            assert sending.cancelled()
            await asyncio.wait_for(gone.wait(), 5)

    async def test_an_early_answer_ends_the_upload_and_the_connection(self) -> None:
        async def script(peer: Peer) -> None:
            await peer.until(b"\r\n\r\n")
            await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno!")
            await peer.gone()

        async with self.stand(script) as stand:
            for _ in range(2):
                reply = await stand.send(Pieces([b"abc"], 100, waits=True))
                assert (reply.status, await reply.read_all(LIMIT_BYTES)) == (413, b"no!")
            assert stand.upstream.connections == 2

    async def test_a_connection_that_breaks_under_an_upload_is_truncated(self) -> None:
        async def script(peer: Peer) -> None:
            await peer.until(b"\r\n\r\n")
            peer.reset()

        async with self.stand(script) as stand:
            await refusal(UpstreamTruncated, stand.send(Pieces([b"abc"], 100, waits=True)))
