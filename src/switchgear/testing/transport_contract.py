"""The contract of the transport seam: subclass :class:`TransportContract` in a test module and give it a transport.

::

    class TestAcmeTransport(TransportContract):
        def make(self, limits: PoolLimits) -> Transport:
            return AcmeTransport(limits)

The upstream is a real socket that misbehaves by script. Durations decide nothing here but "not before its limit".
"""

import asyncio
import gzip
import tempfile
import zlib

from switchgear.kernel.errors import (
    BadRequest,
    Overloaded,
    UpstreamGarbled,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from switchgear.kernel.upstream import Origin, Target
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.testing.transport_patience_contract import TransportPatienceContract
from switchgear.testing.transport_stand import (
    CHUNKED,
    LIMIT_BYTES,
    OK,
    PATIENT,
    Stand,
    answering,
    chunk,
    refusal,
    sized,
)
from switchgear.testing.transport_upload_contract import TransportUploadContract
from switchgear.upstream.pool import PoolLimits


class TransportContract(TransportUploadContract, TransportPatienceContract):
    """What routing and the doors rely on, for every transport."""

    # ------------------------------------------------------------------------------------------------------ requests

    async def test_a_request_carries_the_targets_head_the_calls_headers_and_the_body(self) -> None:
        seen: list[tuple[bytes, bytes]] = []

        async def script(peer: Peer) -> None:
            seen.append(await peer.request())
            await peer.send(sized(b"ok"))
            await peer.gone()

        async with self.stand(script) as stand:
            await (await stand.send(b'{"a":1}', extra=(("x-more", "é"),))).read_all(LIMIT_BYTES)
            authority = stand.upstream.origin.authority.encode()
        head, body = seen[0]
        lines = head.rstrip().split(b"\r\n")
        names = [line.partition(b":")[0].lower() for line in lines[1:]]
        fields = dict(zip(names, (line.partition(b": ")[2] for line in lines[1:]), strict=True))
        assert lines[0] == b"POST /v1/x?y=z HTTP/1.1"
        assert fields[b"host"] == authority
        assert fields[b"content-length"] == b"7"
        assert fields[b"x-own"] == b"1"
        assert fields[b"accept-encoding"] == b"identity"
        assert len(names) == len(set(names))
        assert body == b'{"a":1}'

    async def test_a_request_without_a_body_announces_none(self) -> None:
        seen: list[bytes] = []

        async def script(peer: Peer) -> None:
            seen.append((await peer.request())[0])
            await peer.send(sized(b"ok"))

        async with self.stand(script) as stand:
            assert await (await stand.send(b"", method="GET")).read_all(LIMIT_BYTES) == b"ok"
        assert b"content-length" not in seen[0].lower()
        assert b"transfer-encoding" not in seen[0].lower()

    async def test_a_header_that_would_split_the_request_is_never_sent(self) -> None:
        async with self.stand(answering(sized(b"ok"))) as stand:
            for name, value in (("a", "b\r\nc: d"), ("a", "b\nc"), ("a", "\0"), ("a b", "c"), ("Content-Length", "9")):
                await refusal(BadRequest, stand.send(extra=((name, value),)))
            assert stand.upstream.connections == 0

    async def test_a_large_body_arrives_whole(self) -> None:
        received: list[int] = []

        async def script(peer: Peer) -> None:
            received.append(len((await peer.request())[1]))
            await peer.send(sized(b"ok"))
            await peer.gone()

        async with self.stand(script) as stand:
            assert await (await stand.send(b"x" * 3_000_000)).read_all(LIMIT_BYTES) == b"ok"
        assert received == [3_000_000]

    # ------------------------------------------------------------------------------------------------------- answers

    async def test_status_and_headers_come_first_with_names_in_lower_case(self) -> None:
        answer = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"
        async with self.stand(answering(answer)) as stand:
            reply = await stand.send()
            assert reply.status == 429
            assert (b"retry-after", b"7") in reply.headers
            assert await reply.read_all(LIMIT_BYTES) == b"no"
            assert await reply.read() == b""

    async def test_a_streamed_body_arrives_piece_by_piece(self) -> None:
        onward = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(CHUNKED + chunk(b"one"))
            await onward.wait()
            await peer.send(chunk(b"two") + chunk(b"three") + chunk(b""))
            await peer.gone()

        async with self.stand(script) as stand:
            reply = await stand.send()
            assert await reply.read() == b"one"
            onward.set()
            assert await reply.read_all(LIMIT_BYTES) == b"twothree"
            assert await reply.read() == b""

    async def test_a_body_without_a_length_ends_with_the_connection(self) -> None:
        for version in (b"HTTP/1.0", b"HTTP/1.1"):
            answer = version + b" 200 OK\r\n\r\nuntil the end"
            async with self.stand(answering(answer, then_close=True)) as stand:
                assert await stand.fetch() == b"until the end"

    async def test_interim_answers_are_skipped(self) -> None:
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        async with self.stand(answering(interim + sized(b"ok", b"x-last: 1"))) as stand:
            reply = await stand.send()
            assert reply.status == 200
            assert b"link" not in dict(reply.headers)
            assert await reply.read_all(LIMIT_BYTES) == b"ok"

    async def test_answers_without_a_body_are_complete_with_their_head(self) -> None:
        for status in (b"204 No Content", b"304 Not Modified"):
            async with self.stand(answering(b"HTTP/1.1 " + status + b"\r\n\r\n", sized(b"ok"))) as stand:
                assert await stand.fetch() == b""
                assert await stand.fetch() == b"ok"
        async with self.stand(answering(OK + b"content-length: 999\r\n\r\n", sized(b"ok"))) as stand:
            assert await (await stand.send(b"", method="HEAD")).read_all(LIMIT_BYTES) == b""
            assert await stand.fetch() == b"ok"

    async def test_a_body_over_the_callers_limit_is_refused(self) -> None:
        async with self.stand(answering(sized(b"x" * 5000))) as stand:
            await refusal(UpstreamGarbled, (await stand.send()).read_all(4999))

    async def test_compressed_bodies_are_decoded_and_no_longer_announced(self) -> None:
        plain = b"hello " * 100_000
        raw = zlib.compressobj(wbits=-15)
        codings = (
            (b"gzip", gzip.compress(plain)),
            (b"deflate", zlib.compress(plain)),
            (b"deflate", raw.compress(plain) + raw.flush()),
        )
        for coding, packed in codings:
            async with self.stand(answering(sized(packed, b"Content-Encoding: " + coding))) as stand:
                reply = await stand.send()
                assert {b"content-encoding", b"content-length"}.isdisjoint(dict(reply.headers))
                assert await reply.read_all(LIMIT_BYTES) == plain

    async def test_a_compression_bomb_is_refused_at_the_callers_limit(self) -> None:
        bomb = gzip.compress(b"\0" * 20_000_000)
        async with self.stand(answering(sized(bomb, b"content-encoding: gzip"))) as stand:
            await refusal(UpstreamGarbled, (await stand.send()).read_all(LIMIT_BYTES))

    async def test_codings_that_were_not_asked_for_are_garbled(self) -> None:
        for coding in (b"br", b"zstd"):
            async with self.stand(answering(sized(b"?", b"content-encoding: " + coding))) as stand:
                await refusal(UpstreamGarbled, stand.fetch())

    # ---------------------------------------------------------------------------------------------- broken answers

    async def test_an_answer_that_ends_early_is_truncated(self) -> None:
        packed = gzip.compress(b"hello " * 1000)[:-9]
        beginnings = (
            OK + b"content-length: 10\r\n\r\nabc",
            CHUNKED + chunk(b"abc"),
            CHUNKED + b"9\r\nabc",
            sized(packed, b"content-encoding: gzip"),
        )
        for beginning in beginnings:
            async with self.stand(answering(beginning, then_close=True)) as stand:
                await refusal(UpstreamTruncated, stand.fetch())

    async def test_what_came_before_the_break_can_be_read(self) -> None:
        async with self.stand(answering(CHUNKED + chunk(b"abc"), then_close=True)) as stand:
            reply = await stand.send()
            assert await reply.read() == b"abc"
            await refusal(UpstreamTruncated, reply.read())
            await refusal(UpstreamTruncated, reply.read())

    async def test_a_connection_closed_before_the_answer_is_truncated_and_not_tried_again(self) -> None:
        async def close(peer: Peer) -> None:
            await peer.request()

        async def reset(peer: Peer) -> None:
            await peer.request()
            peer.reset()

        for script in (close, reset):
            async with self.stand(script) as stand:
                await refusal(UpstreamTruncated, stand.send())
                assert stand.upstream.connections == 1

    async def test_bytes_that_are_not_http_are_garbled(self) -> None:
        for answer in (b"SSH-2.0-OpenSSH_9.2\r\n", CHUNKED + b"zz\r\nabc\r\n", b"HTTP/1.1 abc\r\n\r\n"):
            async with self.stand(answering(answer, then_close=True)) as stand:
                await refusal(UpstreamGarbled, stand.fetch())

    async def test_two_lengths_are_garbled(self) -> None:
        for lines in (
            b"content-length: 2\r\ncontent-length: 3\r\n",
            b"content-length: 2\r\ntransfer-encoding: chunked\r\n",
        ):
            async with self.stand(answering(OK + lines + b"\r\nok", then_close=True)) as stand:
                await refusal(UpstreamGarbled, stand.fetch())

    async def test_a_huge_head_is_garbled(self) -> None:
        huge = OK + b"x-huge: " + b"y" * 100_000 + b"\r\ncontent-length: 2\r\n\r\nok"
        async with self.stand(answering(huge)) as stand:
            await refusal(UpstreamGarbled, stand.fetch())

    # -------------------------------------------------------------------------------------------------- connections

    async def test_a_connection_is_used_again_after_a_whole_answer(self) -> None:
        answers = (sized(b"1"), CHUNKED + chunk(b"2") + chunk(b""), sized(b""), sized(b"4"))
        async with self.stand(answering(*answers)) as stand:
            assert [await stand.fetch() for _ in answers] == [b"1", b"2", b"", b"4"]
            assert stand.upstream.connections == 1

    async def test_a_connection_that_the_upstream_gives_up_is_not_used_again(self) -> None:
        async with self.stand(answering(sized(b"ok", b"connection: close"), sized(b"again"))) as stand:
            assert [await stand.fetch(), await stand.fetch()] == [b"ok", b"ok"]
            assert stand.upstream.connections == 2

    async def test_unix_sockets_are_reached_by_path(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            transport = self.make(PoolLimits())
            async with ScriptedUpstream(answering(sized(b"ok")), socket_path=f"{folder}/control.sock") as upstream:
                assert await Stand(transport, upstream).fetch() == b"ok"
                await transport.aclose()

    async def test_what_cannot_be_connected_to_is_unreachable(self) -> None:
        async with self.stand(answering()) as stand:
            closed = stand.upstream.origin
        missing = Origin(scheme="http", host="localhost", port=80, socket_path="/nonexistent/control.sock")
        nameless = Origin(scheme="http", host="x" * 64 + ".invalid", port=80)
        transport = self.make(PoolLimits())
        for origin in (closed, missing, nameless):
            target = Target(origin=origin, method="POST", path="/", headers=(), dialect="any")
            await refusal(UpstreamUnreachable, transport.send(target, b"", PATIENT))
        await transport.aclose()

    async def test_a_closed_transport_takes_no_calls(self) -> None:
        async with self.stand(answering(sized(b"ok"))) as stand:
            await stand.transport.aclose()
            await refusal(Overloaded, stand.send())
