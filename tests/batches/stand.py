"""A control process' hand in batches, on any database, with a clock that stands still and a gateway that is a list."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Self

from msgspec import convert, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.database import ControlDatabase
from switchgear.batches import store
from switchgear.batches.jobs import Runner
from switchgear.batches.model import Batch, Caller, File, Rules
from switchgear.batches.sending import Answer, Sent
from switchgear.batches.service import Batches, Wish
from switchgear.batches.shop import Shop
from switchgear.batches.tables import MOMENTS
from switchgear.batches.windows import Pace
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids, seeded_bits

ADA = Caller(key="ada")
RULES = Rules(max_file_bytes=100_000, max_files=5, max_batches=3, keep_seconds=30 * 86_400)
BOUNDARY = "----boundary"
MEDIA = f"multipart/form-data; boundary={BOUNDARY}"
CHAT = "/v1/chat/completions"
GOOD = Answer(status=200, request_id="req_1", body=b'{\n "object": "chat.completion"\n}')


class Faulty:
    """A database that refuses so many of the next writes."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database
        self.refusals = 0
        self.read = database.read
        self.changes = database.changes
        self.aclose = database.aclose

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("the database is away")
        async with self._database.write() as connection:
            yield connection


class Gateway:
    """Answers lines as it is told, and remembers them."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: Callable[[Sent], Answer] = lambda _: GOOD
        self.holds: Callable[[Sent], bool] = lambda _: False
        """Which lines are not answered before ``open`` is set."""
        self.open = asyncio.Event()

    async def __call__(self, line: Sent) -> Answer:
        self.sent.append(line)
        if self.holds(line):
            await self.open.wait()
        return self.answers(line)

    @property
    def numbers(self) -> list[int]:
        """Which lines came, in their order."""
        return [line.number for line in self.sent]


class Stand:
    """Everything of one installation; others may share its database."""

    def __init__(self, database: ControlDatabase, owner: str = "here", clock: FrozenClock | None = None) -> None:
        self.clock = clock or FrozenClock()
        self.gateway = Gateway()
        self.rules = RULES
        self.pace: Pace | None = Pace(concurrency=4, zone=UTC)
        ids = Ids(self.clock, seeded_bits())
        self.batches = Batches(database, lambda: self.rules, self.clock, ids)
        self.shop = Shop(database, self.gateway, lambda: self.pace, lambda: self.rules, self.clock, ids)
        self.shop.poll_seconds = 0.005
        self.runner = Runner(self.shop, owner, pause_seconds=0.01)
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.runner.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Let go of everything at once, as a process that dies does."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def file(self, lines: Sequence[object] | bytes, caller: Caller = ADA) -> File:
        """Upload a file."""
        content = lines if isinstance(lines, bytes) else jsonl(lines)
        return await self.batches.files.take(caller, MEDIA, pieces(form(content)))

    async def begun(self, lines: Sequence[object] | bytes, caller: Caller = ADA) -> Batch:
        """Upload a file and make a batch of it."""
        file = await self.file(lines, caller)
        return await self.batches.create(caller, Wish(endpoint=CHAT, input_file=file.id))

    async def look(self, batch: Batch) -> Batch:
        """How it stands."""
        return await self.batches.get(Caller(key=batch.key), batch.door, batch.id)

    async def until(self, batch: Batch, good: Callable[[Batch], bool]) -> Batch:
        """The batch once it is as wanted; the test's timeout bounds it."""
        while not good(found := await self.look(batch)):
            await asyncio.sleep(0.005)
        return found

    async def idle(self, sent: int = 0) -> None:
        """Until at least so many lines were sent, and none is under way."""
        while len(self.gateway.sent) < sent or self.runner.under_way:
            await asyncio.sleep(0.005)

    async def ended(self, batch: Batch) -> Batch:
        return await self.until(batch, lambda found: not found.is_active)

    async def lines(self, file: str) -> list[dict[str, object]]:
        """What a file of results holds."""
        content = b"".join([piece async for piece in await self.batches.files.content(ADA, file)])
        return [json.loads(line) for line in content.splitlines()]

    def declare(self, **values: object) -> None:
        """Go by another pace."""
        assert self.pace is not None
        self.pace = structs.replace(self.pace, **values)


async def keep_batch(database: ControlDatabase, name: str, *, project: str = "", **facts: object) -> Batch:
    """Have a batch in the database that nobody runs."""
    files = {"input_file": "file_1", "output_file": "", "error_file": ""}
    moments = dict.fromkeys(f"{moment}_ns" for moment in MOMENTS)
    counts = dict.fromkeys(("lease_until_ns", "results_keep_seconds", "total", "succeeded", "errored", "unfinished"), 0)
    texts = {
        "door": "openai",
        "endpoint": CHAT,
        "completion_window": "24h",
        "metadata": "{}",
        "errors": "",
        "owner": "",
    }
    times = {"created_ns": 1_700_000_000_000_000_000, "expires_ns": 1_700_086_400_000_000_000}
    whose = {"scope": Caller(key="ada", project=project).scope, "key": "ada", "status": "in_progress"}
    batch = convert({"id": name, **whose, **texts, **files, **times, **moments, **counts, **facts}, Batch)
    async with database.write() as connection:
        await store.add_batch(connection, batch)
    return batch


def line(number: int, **other: object) -> dict[str, object]:
    """A sound request."""
    body = {"model": "echo", "messages": [{"role": "user", "content": "a"}]}
    return {"custom_id": f"r{number}", "method": "POST", "url": CHAT, "body": body, **other}


def jsonl(lines: Sequence[object]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def form(content: bytes, purpose: str = "batch", *, name: str = "in.jsonl") -> bytes:
    """A form as SDKs send it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
    head += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


async def pieces(body: bytes, size: int = 7) -> AsyncIterator[bytes]:
    """A body as it comes in, in small pieces."""
    for at in range(0, len(body), size):
        yield body[at : at + size]
