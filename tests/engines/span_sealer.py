"""A process to be killed: does what it is told to a store of spans, line by line, while it seals without end."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct, json

from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.engines.sqlite_spans.making import Maker
from switchgear.kernel.chat import Usage
from switchgear.kernel.query import Doomed
from switchgear.kernel.span import Content, Span
from switchgear.processes.sealer_process import SealerProcess
from switchgear.testing.trace_store_samples import BEGIN_NS, sample

DAY_NS: Final = 86_400_000_000_000
_BETWEEN_TURNS: Final = 8
"""What is done between two turns of sealing, so that a turn finds something."""


class Order(Struct, frozen=True, kw_only=True):
    """Something to be done, to one trace, or to all of a user."""

    number: int
    do: Literal["write", "replace", "delete trace", "delete user"]
    trace: int
    user: str
    spans: tuple[int, ...] = ()
    version: int = 0

    @property
    def project(self) -> str:
        return "pq"[self.trace % 2]

    def words(self) -> set[str]:
        """What only these spans say."""
        return {f"t{self.trace}s{number}v{self.version}" for number in self.spans}


async def do(store: SqliteSpans, order: Order) -> None:
    """Do it; on return it is acknowledged."""
    if order.do == "delete trace":
        await store.delete(Doomed(project=order.project, trace_ids=(f"{order.trace:032x}",)))
    elif order.do == "delete user":
        await store.delete(Doomed(project=order.project, user=order.user))
    else:
        await store.write([_span(order, number) for number in order.spans], replace=order.do == "replace")


def opened(folder: Path) -> SqliteSpans:
    """The store with its segments, not started."""
    return SqliteSpans(folder / "traces.db", SealedSpans(folder / "traces.sealed"))


def _span(order: Order, number: int) -> Span:
    word = f"t{order.trace}s{number}v{order.version}"
    return sample(
        order.trace,
        number,
        project=order.project,
        parent_id=f"{1:016x}" if number > 1 else "",
        user=order.user,
        model=f"m{number % 3}",
        kind="llm",
        status="error" if number % 5 == 0 else "ok",
        started_ns=BEGIN_NS + order.trace % 3 * DAY_NS + 1_000 * order.trace + number,
        ended_ns=BEGIN_NS + order.trace % 3 * DAY_NS + 1_000 * order.trace + 977 * number % 5_000 + number,
        usage=Usage(input=number, output=order.version),
        cost_nano_usd=order.trace + number,
        input=Content(parts=(b'"what all say"', f'"only {word}"'.encode())),
        tags=(f"tag {number % 4}",),
        metadata={"version": str(order.version)},
    )


class _Sealer:
    def __init__(self, store: SqliteSpans, maker: Maker | None) -> None:
        self._store = store
        self._maker = maker
        self._done = asyncio.Semaphore(0)

    async def do(self, order: Order) -> None:
        await do(self._store, order)
        os.write(1, f"{order.number}\n".encode())
        self._done.release()

    async def seal(self) -> None:
        turn = 0
        while True:
            for _ in range(_BETWEEN_TURNS):
                await self._done.acquire()
            turn += 1
            await self._store.seal(turn, turn, maker=self._maker)


async def main(folder: Path, *, beside: bool) -> None:
    """``beside``: files are made by a process of its own."""
    store = opened(folder)
    await store.start()
    sealer = _Sealer(store, SealerProcess(folder / "traces.db") if beside else None)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with asyncio.TaskGroup() as group:
        group.create_task(sealer.seal())
        while line := await lines.readline():
            group.create_task(sealer.do(json.decode(line, type=Order)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), beside="beside" in sys.argv[2:]))
