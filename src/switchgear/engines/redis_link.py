"""One connection to Redis on which everything is pipelined, and what is made of a server that does not answer.

Replies come in the order of the commands, so the oldest command alone tells how the server does. When it has waited
for a fifth of the timeout, the server is *stalled*: ``MOST_WAITING`` commands go on waiting, the others are told, and
new ones are refused at once. When it has waited for the timeout, the connection is given up.

A timer that fires late proves nothing: the reply may lie in the socket already. So whatever a timer finds is looked at
a second time, after the loop has read.

Protocol: RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/), by hiredis.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import hiredis
from hiredis import HiredisError, Reader, ReplyError

from switchgear.engines.stalled import Stalled

MOST_WAITING: Final = 5
_STALL_SHARE: Final = 0.2
_SECOND_LOOK_SECONDS: Final = 0.002
_INCOMPLETE: Final = object()

Word = str | bytes | int
Answer = bytes | int | None | list["Answer"]
# Its stub takes tuples of one word only.
_pack = cast("Callable[[tuple[Word, ...]], bytes]", hiredis.pack_command)


class RedisRefused(OSError):
    """The server answered with an error: ``code`` is its first word."""

    def __init__(self, message: str) -> None:
        super().__init__(f"Redis answers: {message}")
        self.code = message.partition(" ")[0]


class Link(asyncio.Protocol):
    """Commands in, answers out. All of it on one loop."""

    def __init__(self, timeout_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_seconds = timeout_seconds
        self._reader = Reader(notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, asyncio.Future[Answer]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._looked = False
        self.stalled = False
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, *command: Word) -> "asyncio.Future[Answer]":
        """The answer to come. Raises ConnectionError or TimeoutError at once where none is to be expected."""
        if self.closed or self._transport is None:
            raise ConnectionError("the connection to Redis is lost")
        if self.stalled:
            raise Stalled("Redis is slow, and others wait for it already")
        packed = _pack(command)
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting.append((self._loop.time(), answer))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_seconds * _STALL_SHARE, self._look)
        self._transport.write(packed)
        return answer

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                self._answer(reply)
        except (HiredisError, IndexError):
            self.abort(ConnectionError("what Redis answers is not its protocol"))

    def _answer(self, reply: object) -> None:
        _, answer = self._waiting.popleft()
        self.stalled = False
        if answer.done():
            return
        if isinstance(reply, ReplyError):
            answer.set_exception(RedisRefused(str(reply)))
        else:
            answer.set_result(cast("Answer", reply))

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort(ConnectionError("Redis closed the connection"))

    def abort(self, error: OSError) -> None:
        """Give the connection up; whoever waits is told ``error``."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            _tell(self._waiting.popleft()[1], error)

    def _look(self) -> None:
        """Whether the oldest command has waited too long."""
        self._timer = None
        if not self._waiting:
            self._looked = False
            return
        age = self._loop.time() - self._waiting[0][0]
        stall_seconds = self._timeout_seconds * _STALL_SHARE
        if age < stall_seconds:
            self._looked = False
            self._look_in(stall_seconds - age)
        elif not self._looked:
            self._looked = True
            self._look_in(_SECOND_LOOK_SECONDS)
        elif age >= self._timeout_seconds:
            self.abort(TimeoutError(f"Redis did not answer within {self._timeout_seconds * 1e3:.0f} ms"))
        else:
            self._looked = False
            self._stall()
            self._look_in(self._timeout_seconds - age)

    def _look_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _stall(self) -> None:
        self.stalled = True
        for _, answer in list(self._waiting)[MOST_WAITING:]:
            _tell(answer, Stalled("Redis is slow, and others wait for it already"))


def _tell(answer: "asyncio.Future[Answer]", error: OSError) -> None:
    if not answer.done():
        answer.set_exception(error)


if TYPE_CHECKING:
    _: type[asyncio.Protocol] = Link
