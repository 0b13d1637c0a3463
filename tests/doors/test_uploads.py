"""Bodies that are passed on while they arrive: how far they got, who waits for whom, and how they end."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.config.secret import Secret
from switchgear.doors.bounds import Bounds
from switchgear.testing.scripted_upstream import Peer, Script, ScriptedUpstream
from tests.doors.house import KEY, House, parse, running

HEAD = b"--cut\r\ncontent-disposition: form-data; name="
MODEL = HEAD + b'"model"\r\n\r\nheard\r\n'
FILE = HEAD + b'"file"; filename="a.wav"\r\n\r\n'
END = b"\r\n--cut--\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"
PATH = "/v1/audio/transcriptions"


def head(size: int | None, path: str = PATH, key: str = KEY, more: str = "") -> bytes:
    """The head of an upload; ``size`` None: in chunks."""
    framing = "transfer-encoding: chunked" if size is None else f"content-length: {size}"
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
        f"content-type: multipart/form-data; boundary=cut\r\n{more}{framing}\r\n\r\n"
    ).encode()


@asynccontextmanager
async def house_before(script: Script, bounds: Bounds | None = None) -> AsyncGenerator[House]:
    """A gateway with one provider that follows a script."""
    async with ScriptedUpstream(script) as upstream:
        vendor = ProviderEntry(
            kind="openai_compatible",
            base_url=f"http://{upstream.origin.authority}/v1",
            api_key=Secret("upstream-secret"),
            passthrough=True,
        )
        heard = ModelEntry(deployments=(DeploymentEntry(model="vendor/whisper-1"),))
        async with running(bounds, providers={"vendor": vendor}, models={"heard": heard}) as house:
            yield house


class Listener:
    """An upstream that takes an upload in, piece by piece, and answers at its end."""

    def __init__(self) -> None:
        self.head = b""
        self.body = b""
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        try:
            while True:
                await self.hear(peer)
        finally:
            self.let_go.set()

    async def hear(self, peer: Peer) -> None:
        """One upload and its answer."""
        self.head = await peer.until(b"\r\n\r\n")
        size = int(self.head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.body = await peer.exactly(10)
        self.begun.set()
        self.body += await peer.exactly(size - 10)
        await peer.send(OK)


async def test_a_form_goes_up_while_it_comes_with_its_model_renamed_and_its_length_right() -> None:
    listener = Listener()
    body = MODEL + FILE + b"\0" * 100_000 + END
    async with house_before(listener) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head(len(body)) + body[:200])
        await asyncio.wait_for(listener.begun.wait(), 5)
        writer.write(body[200:] + head(len(body)) + body)
        answer = await reader.readuntil(b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert listener.body == body.replace(b"heard", b"whisper-1")
        # The connection goes on: the next upload on it is answered too.
        assert (await reader.readuntil(b"0\r\n\r\n")).startswith(b"HTTP/1.1 ")
        writer.close()
    record = house.journal.records[0]
    assert (record.model, record.operation, record.outcome) == ("heard", "audio_transcriptions", "ok")
    assert record.request_bytes == len(body)
    assert record.attempts[0].model == "whisper-1"


async def test_an_upload_in_chunks_goes_up_in_chunks() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.until(b"0\r\n\r\n"))
        await peer.send(OK)

    async with house_before(script) as house:
        body = FILE + b"x" + END
        sent = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
        answer = await house.raw(head(None, "/v1/files", more="connection: close\r\n") + sent + b"0\r\n\r\n")
    assert parse(answer)[0] == 200
    assert b"transfer-encoding: chunked" in seen[0].lower()


async def test_a_client_that_stalls_is_told_so_and_the_upstream_let_go() -> None:
    listener = Listener()
    async with house_before(listener, Bounds(request_seconds=0.05)) as house:
        answer = await house.raw(head(100_000) + MODEL + FILE)
        status, _, body = parse(answer)
        assert (status, json.loads(body)["error"]["code"]) == (408, "request_timeout")
        await asyncio.wait_for(listener.let_go.wait(), 5)
    (record,) = house.journal.records
    assert (record.status, record.outcome) == (408, "refused")


async def test_only_the_client_is_hurried_not_the_upstream() -> None:
    takes, answers = asyncio.Event(), asyncio.Event()
    body = MODEL + FILE + b"x" * 20_000_000 + END

    async def script(peer: Peer) -> None:
        head = await peer.until(b"\r\n\r\n")
        await takes.wait()
        await peer.exactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        await answers.wait()
        await peer.send(OK)

    async with house_before(script, Bounds(request_seconds=0.1)) as house:
        asking = asyncio.ensure_future(house.raw(head(len(body), more="connection: close\r\n") + body))
        for event in (takes, answers):
            done, _ = await asyncio.wait((asking,), timeout=0.4)
            assert not done
            event.set()
        assert (await asking).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_goes_takes_the_upstream_along() -> None:
    listener = Listener()
    async with house_before(listener) as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head(100_000) + MODEL + FILE)
        await asyncio.wait_for(listener.begun.wait(), 5)
        writer.transport.abort()
        await asyncio.wait_for(listener.let_go.wait(), 5)
    assert [record.outcome for record in house.journal.records] == ["cancelled"]


async def test_an_early_answer_reaches_the_client_and_ends_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.until(b"\r\n\r\n")
        await peer.send(b'HTTP/1.1 413 X\r\ncontent-length: 29\r\n\r\n{"error":{"message":"smaller"}}'[:-2] + b"}}")
        await peer.gone()

    async with house_before(script) as house:
        answer = await house.raw(head(100_000) + MODEL + FILE)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in answer
    assert len(house.journal.records) == 1


async def test_a_stranger_is_refused_before_the_upload() -> None:
    listener = Listener()
    async with house_before(listener) as house:
        answer = await house.raw(head(100_000, key="sk-nobody"))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert [record.status for record in house.journal.records] == [401]
    assert listener.head == b""


async def test_an_upload_over_the_bound_is_refused_by_its_length_and_by_its_bytes() -> None:
    listener = Listener()
    bounds = Bounds(max_body_bytes=1000, max_upload_bytes=5000)
    body = FILE + b"x" * 6000 + END
    async with house_before(listener, bounds) as house:
        answer = await house.raw(head(len(body)) + body)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"max_upload_bytes" in answer
        answer = await house.raw(head(None) + b"%x\r\n" % len(body) + body)
        assert answer.startswith(b"HTTP/1.1 413 ")
    assert [record.status for record in house.journal.records] == [413, 413]


async def test_what_is_no_form_keeps_to_the_smaller_bound() -> None:
    async with running(Bounds(max_body_bytes=1000, max_upload_bytes=5000)) as house:
        status, *_ = await house.post("/v1/images/generations", b" " * 2000)
        assert status == 413


async def test_a_model_behind_a_large_file_is_refused_and_behind_a_small_one_found() -> None:
    listener = Listener()
    async with house_before(listener) as house:
        small = FILE + b"x" * 1000 + b"\r\n" + MODEL + END[2:]
        answer = await house.raw(head(len(small), more="connection: close\r\n") + small)
        assert answer.startswith(b"HTTP/1.1 200 ")
        large = FILE + b"x" * 3_000_000 + b"\r\n" + MODEL + END[2:]
        answer = await house.raw(head(len(large), more="connection: close\r\n") + large)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"send the field 'model' first" in answer
        await asyncio.wait_for(listener.let_go.wait(), 5)


async def test_a_form_that_ends_too_early_never_ends_upstream() -> None:
    listener = Listener()
    async with house_before(listener) as house:
        body = MODEL + FILE + b"x" * 2000
        answer = await house.raw(head(len(body), more="connection: close\r\n") + body)
        assert answer.startswith(b"HTTP/1.1 400 ")
        await asyncio.wait_for(listener.let_go.wait(), 5)


async def test_a_client_waits_while_the_upstream_does_not_read() -> None:
    reading = asyncio.Event()
    size = 64 * 1024 * 1024

    async def script(peer: Peer) -> None:
        await peer.until(b"\r\n\r\n")
        await reading.wait()
        await peer.gone()

    async with house_before(script) as house:
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(head(size, "/passthrough/vendor/raw").replace(b"multipart/form-data; boundary=cut", b"a/b"))
        piece = b"x" * 1_000_000
        sent = 0
        while sent < size:
            writer.write(piece)
            try:
                await asyncio.wait_for(writer.drain(), 0.3)
            except TimeoutError:
                break
            sent += len(piece)
        assert sent < size - 10_000_000
        reading.set()
        writer.transport.abort()
