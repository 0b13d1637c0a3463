"""The bodies of streamed answers.

A :class:`StreamBody` reads an upstream's bytes, cuts them into complete frames, has a converter turn them into the
client's, and settles the reply *before* the frame that completes it goes out: whoever has seen the end of an answer
can rely on its record. The converter is either a relay (same dialect, bytes untouched) or a translation.
"""

import asyncio
from typing import Final, Protocol

from switchgear.kernel.chat import Done, Event, Failure, Start, Usage, UsageReport
from switchgear.kernel.dialect import Dialect, EventReader, EventWriter, Relay, Splitter, Tally
from switchgear.kernel.errors import Internal, SwitchgearError, UpstreamError, UpstreamTimeout, UpstreamTruncated
from switchgear.kernel.reply import Frame, Reply, Send
from switchgear.kernel.upstream import UpstreamReply, pusher
from switchgear.routing.accounting import see

_TAIL_SECONDS: Final = 0.25
"""How long a finished stream waits for the transfer itself to end, so that the connection can be used again."""


class Log(Protocol):
    """The attempt's entry in the record."""

    def classified(self, error: SwitchgearError) -> SwitchgearError:
        """What the client and the record are told of ``error``."""
        ...

    def first_byte(self) -> None:
        """The first byte of the answer's body is here."""
        ...

    def first_token(self) -> None:
        """The first piece of content is here."""
        ...

    def close(self, tally: Tally | None, error: SwitchgearError | None = None, *, cancelled: bool = False) -> None:
        """Declare the outcome; only the first word counts."""
        ...


class Narrator(Protocol):
    """Knows of an answer what its upstream may leave untold."""

    def estimate(self, tally: Tally) -> Usage:
        """The usage as far as the gateway can tell by itself."""
        ...

    def named(self, said: Start) -> Start:
        """The start with an id, a model and a time."""
        ...


class Converter(Protocol):
    """Turns an upstream's frames into the client's, and keeps the tally."""

    tally: Tally

    def convert(self, frames: bytes) -> bytes:
        """The client's bytes for complete frames of the upstream."""
        ...

    def at_end(self) -> bytes:
        """The transfer ended before the dialect's end mark: the client's last bytes, or UpstreamTruncated."""
        ...

    def failure(self, error: SwitchgearError) -> bytes:
        """The client's last bytes, in place of what :meth:`convert` gave for an error."""
        ...

    def frame(self, raw: bytes) -> Frame:
        """A frame of the client's bytes that :meth:`convert` gave last."""
        ...


class Relaying:
    """Same dialect on both sides: the upstream's frames go through as they are."""

    __slots__ = ("_dialect", "_end_mark", "_reader", "_relay", "tally")

    def __init__(self, dialect: Dialect, relay: Relay, end_mark: bytes) -> None:
        self.tally = relay.tally
        self._relay = relay
        self._dialect = dialect
        self._end_mark = end_mark
        self._reader: EventReader | None = None

    def convert(self, frames: bytes) -> bytes:
        return self._relay.forward(frames)

    def at_end(self) -> bytes:
        if self._end_mark and self.tally.finish is not None:
            return self._relay.forward(self._end_mark)
        if self.tally.complete_at_end:
            self.tally.complete = True
            return b""
        raise _truncated()

    def failure(self, error: SwitchgearError) -> bytes:
        return self._dialect.write_failure(error, "")

    def frame(self, raw: bytes) -> Frame:
        return Frame(raw, self._decode)

    def _decode(self, raw: bytes) -> list[Event]:
        if self._reader is None:
            self._reader = self._dialect.events()
        return self._reader.feed(raw)


class Translating:
    """Different dialects: upstream bytes become canonical events, and those the client's bytes."""

    __slots__ = ("_end_mark", "_events", "_log", "_reader", "_writer", "tally")

    def __init__(self, reader: EventReader, writer: EventWriter, log: Narrator, end_mark: bytes) -> None:
        self.tally = Tally()
        self._reader = reader
        self._writer = writer
        self._log = log
        self._end_mark = end_mark
        self._events: list[Event] = []

    def convert(self, frames: bytes) -> bytes:
        return self.write(self._reader.feed(frames))

    def at_end(self) -> bytes:
        if self._end_mark and self.tally.finish is not None:
            return self.write(self._reader.feed(self._end_mark))
        return self.write(self._reader.close())

    def failure(self, error: SwitchgearError) -> bytes:
        self._events = [Failure(error=error)]
        return self._writer.write(self._events[0])

    def frame(self, raw: bytes) -> Frame:
        return Frame(raw, _undecoded, self._events)

    def write(self, events: list[Event]) -> bytes:
        """The client's bytes for ``events``."""
        self._events = events
        return b"".join([self._write_one(event) for event in events])

    def _write_one(self, event: Event) -> bytes:
        see(self.tally, event)
        if isinstance(event, Start):
            return self._writer.write(self._log.named(event))
        if isinstance(event, Done):
            self.tally.complete = True
            return self._usage_if_untold() + self._writer.write(event)
        return self._writer.write(event)

    def _usage_if_untold(self) -> bytes:
        if self.tally.usage is not None:
            return b""
        self.tally.usage = self._log.estimate(self.tally)
        return self._writer.write(UsageReport(usage=self.tally.usage))


def _nowhere(_: bytes) -> bool:
    return False


class StreamBody:
    """The frames of one answer, from the first to the one that completes or breaks it."""

    __slots__ = (
        "_broken",
        "_convert",
        "_converter",
        "_failure",
        "_feed",
        "_finished",
        "_frame",
        "_held",
        "_log",
        "_made_bytes",
        "_read",
        "_reply",
        "_roomy",
        "_send",
        "_upstream",
    )

    def __init__(self, upstream: UpstreamReply, log: Log, splitter: Splitter, converter: Converter) -> None:
        self._upstream = upstream
        self._read = upstream.read
        self._log = log
        self._converter = converter
        self._convert = converter.convert
        self._frame = converter.frame
        self._feed = splitter.feed
        self._reply: Reply | None = None
        self._held: Frame | None = None
        self._finished = False
        self._made_bytes = 0
        self._failure: SwitchgearError | None = None
        self._send: Send = _nowhere
        self._roomy = True
        self._broken: Exception | None = None

    def bind(self, reply: Reply) -> None:
        """Tie the body to the reply whose outcome it settles."""
        self._reply = reply
        if self._finished:
            reply.streamed_bytes = self._made_bytes
            reply.settle()

    async def start(self, first_token_seconds: float | None, passed_seconds: float) -> None:
        """Wait for the first content, so that an upstream that fails before it can be replaced unseen.

        ``passed_seconds`` have gone by since the request was sent.

        What comes before content (lifecycle events, pings, empty deltas) is held back and goes out with it. Raises
        UpstreamError; an error object under status 200 is raised as what it says.
        """
        if first_token_seconds is None:
            await self._hold()
            return
        try:
            async with asyncio.timeout(max(0.0, first_token_seconds - passed_seconds)):
                await self._hold()
        except TimeoutError:
            error = no_content(first_token_seconds)
            self._fail(error)
            raise error from None

    async def _hold(self) -> None:
        frame = await self._next()
        self._log.first_byte()
        held = [] if frame is None else [frame]
        tally = self._converter.tally
        while not (tally.content_frames or frame is None or tally.finish is not None or self._finished):
            frame = await self._next()
            if frame is not None:
                held.append(frame)
        if self._failure is not None:
            # Even behind content: as long as nothing has gone out, it is as if nothing had come.
            raise self._failure
        self._log.first_token()
        if held:
            self._held = held[0] if len(held) == 1 else _joined(held)

    def __aiter__(self) -> "StreamBody":
        return self

    async def __anext__(self) -> Frame:
        frame = self._held
        if frame is not None:
            self._held = None
            return frame
        frame = await self._next()
        if frame is None:
            raise StopAsyncIteration
        return frame

    async def push(self, send: Send) -> bool:
        """Convert and send what arrives where it arrives: to wake a task for each token costs more than the token."""
        frame, self._held = self._held, None
        if frame is not None and not send(frame.raw):
            return True
        push = pusher(self._upstream)
        if push is None:
            return await self._pull(send)
        self._send = send
        try:
            while not self._finished:
                await push(self._pushed)
                if self._broken is not None:
                    raise self._broken
                if not (self._roomy or self._finished):
                    return True
        except UpstreamError as error:
            self._fail(error)
            raise
        await self._end_transfer()
        return False

    def _pushed(self, data: bytes) -> bool:
        """Whether more is wanted. Nothing is raised into the loop, where nobody would hear it."""
        try:
            out = self._step(data)
        except Exception as error:  # noqa: BLE001 (raised again by whoever waits)
            self._broken = error
            return False
        self._roomy = not out or self._send(out)
        return self._roomy and not self._finished

    async def _pull(self, send: Send) -> bool:
        """The same for an answer that can only be read."""
        while (frame := await self._next()) is not None:
            if not send(frame.raw):
                return True
        return False

    async def _next(self) -> Frame | None:
        try:
            while not self._finished:
                data = await self._read()
                out = self._step(data)
                if out:
                    return self._frame(out)
        except UpstreamError as error:
            self._fail(error)
            raise
        await self._end_transfer()
        return None

    def _step(self, data: bytes) -> bytes:
        """Convert what came; at the end of the transfer, what is left to say. Settles when that ends the answer."""
        if data:
            frames = self._feed(data)
            if not frames:
                return b""
            out = self._convert(frames)
        else:
            out = self._converter.at_end()
        self._made_bytes += len(out)
        tally = self._converter.tally
        if tally.error is not None:
            error = self._log.classified(tally.error)
            if error is not tally.error:
                out = self._converter.failure(error)
            self._fail(error)
        elif tally.complete:
            self._settle(None)
        elif not data:
            raise _truncated()
        return out

    def _settle(self, error: SwitchgearError | None, *, cancelled: bool = False) -> None:
        if self._finished:
            return
        self._finished = True
        self._log.close(self._converter.tally, error, cancelled=cancelled)
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.streamed_bytes = self._made_bytes
            reply.settle(error, cancelled=cancelled)

    def _fail(self, error: SwitchgearError) -> None:
        self._failure = error
        self._settle(error)
        self._upstream.close()

    async def _end_transfer(self) -> None:
        if self._failure is not None:
            return
        # Closing ends a read that waits, and costs a third of what asyncio.timeout does.
        patience = asyncio.get_running_loop().call_later(_TAIL_SECONDS, self._upstream.close)
        try:
            while await self._read():
                pass
        except UpstreamError:
            self._upstream.close()
        finally:
            patience.cancel()

    def close(self) -> None:
        """Let go of the upstream at once; an answer that was not complete is settled as cancelled."""
        self._held = None
        self._upstream.close()
        self._settle(None, cancelled=True)


def _joined(frames: list[Frame]) -> Frame:
    """Frames that were held back, as one."""
    return Frame(
        b"".join([frame.raw for frame in frames]), lambda _: [event for frame in frames for event in frame.events()]
    )


def _undecoded(raw: bytes) -> list[Event]:
    raise Internal("a translated frame knows its events")


def no_content(first_token_seconds: float) -> UpstreamTimeout:
    """The timer of the first token fired."""
    return UpstreamTimeout(f"no content within {first_token_seconds:g} s, whatever else was sent", phase="first_token")


def _truncated() -> UpstreamTruncated:
    return UpstreamTruncated("the upstream's stream ended before its end mark; what came is not a complete answer")
