"""One client connection: requests in, a call to the gateway for each, HTTP/1.1 out.

The intake delivers requests, a task that lives as long as the connection answers one at a time (a task for each would
cost two microseconds more), pipelined ones wait their turn. Losing the connection cancels the task, which closes the
upstream. Whatever breaks a bound is refused and the connection closed, after a moment in which the client's own bytes
are read and thrown away: closing at once would reset the connection and destroy the answer on its way.
"""

import asyncio
from collections import deque
from typing import Final, cast

from switchgear.doors.early import behind_its_head, failure_frame
from switchgear.doors.endpoint import Request
from switchgear.doors.hub import Hub
from switchgear.doors.intake import Intake
from switchgear.doors.loopback import peer_address
from switchgear.doors.response import CHUNKED, CONTINUE, NO_BODY, SWITCHING, BodyWriter, relay
from switchgear.kernel.call import Call
from switchgear.kernel.errors import BodyTimeout, Overloaded, SwitchgearError
from switchgear.kernel.reply import Frames, Reply

_LINGER_SECONDS: Final = 2.0
_NEVER: Final = float("inf")
_SLOWEST_BYTES_PER_SECOND: Final = 1024
"""A client that sends more slowly runs out of time, however small its pauses: connections are not for the keeping."""
_COLON: Final = b": ".join
_RESTARTS: Final = "the gateway is restarting and could not wait any longer"
_SLICE_BYTES: Final = 8 * 1024


class Connection(asyncio.Protocol):
    """The protocol object of one client connection."""

    __slots__ = ("_backlog", "_busy", "_deadline", "_discarding", "_expired", "_hub", "_idle", "_intake",
                 "_keepalive_frame", "_now", "_out", "_request", "_task", "_transport", "_waiting",
                 "_writable", "_wrote_at")  # fmt: skip

    def __init__(self, hub: Hub["Connection"]) -> None:
        self._hub = hub
        self._now = hub.loop.time
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._intake: Intake = cast("Intake", None)
        self._request: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._busy = False
        self._waiting: deque[Request] = deque()
        self._backlog = b""
        self._writable: asyncio.Future[None] | None = None
        self._discarding = False
        self._expired = False
        self._out: BodyWriter | None = None
        self._keepalive_frame = b""
        self._wrote_at = 0.0
        self._deadline = self._now() + hub.bounds.request_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._intake = Intake(
            self._hub.room,
            self._hub.gateway.find,
            deliver=self._accept,
            invite=self._invite,
            pause=self._transport.pause_reading,
            peer=peer_address(transport),
        )
        self._hub.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.closed(self)
        self._waiting.clear()
        self._backlog = b""
        self._intake.close()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if len(data) <= _SLICE_BYTES and not self._backlog:
            self._read(data)
            return
        backlog, at = self._backlog + data, 0
        # Thousands of requests at once must neither hold up all other clients while they are read, nor pile up.
        while at < len(backlog) and len(self._waiting) < self._hub.bounds.max_pipelined:
            end = at + max(_SLICE_BYTES, self._intake.expected_bytes)
            self._read(backlog[at:end])
            at = end
        self._backlog = backlog[at:]

    def _read(self, data: bytes) -> None:
        if self._discarding:
            return
        begun = self._intake.receiving
        refused = self._intake.feed(data)
        if refused is not None:
            self._accept_last(refused)
        elif not self._busy or self._uploading():
            self._put_off(len(data), begun=begun)
        elif self._request is not None and self._request.upload is not None and self._writable is None:
            # The client has done its part, or is made to wait.
            self._deadline = _NEVER

    def _put_off(self, byte_count: int, *, begun: bool) -> None:
        """More of a request has arrived; line ends before one are nothing."""
        if self._intake.receiving:
            latest = self._now() + self._hub.bounds.request_seconds
            earned = self._deadline + byte_count / _SLOWEST_BYTES_PER_SECOND
            self._deadline = min(latest, earned) if begun else latest

    def _invite(self) -> None:
        if not self._busy:
            self._put(CONTINUE)

    def _put(self, data: bytes) -> None:
        self._hub.outbox.put(self._transport, data)

    def _accept(self, request: Request) -> None:
        if self._hub.draining:
            request.keep_alive = False
        if not self._busy:
            self._start(request)
            return
        self._waiting.append(request)
        if len(self._waiting) >= self._hub.bounds.max_pipelined:
            self._transport.pause_reading()

    def _accept_last(self, request: Request) -> None:
        """Take a request that is refused: nothing after it can be read."""
        self._discarding = True
        request.keep_alive = False
        if request.upload is not None:
            return  # its call has begun, and learns of the refusal where it reads
        self._hub.gateway.adopt(request)
        self._accept(request)

    def _uploading(self) -> bool:
        """Whether a call waits for more of its body."""
        upload = None if self._request is None else self._request.upload
        return upload is not None and not (upload.ended or upload.paused or upload.endless)

    def _resume(self) -> None:
        """The call has taken what had arrived of its body: the client may go on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()
            if self._uploading():
                self._deadline = self._now() + self._hub.bounds.request_seconds

    def _leave_upload(self, request: Request) -> None:
        """The call is answered; what has not arrived of its body by now is thrown away, and the connection with it."""
        upload = request.upload
        if upload is None or upload.ended:
            return
        request.keep_alive = False
        self._discarding = True
        self._deadline = _NEVER
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _start(self, request: Request) -> None:
        self._request = request
        self._busy = True
        if self._writable is None:
            self._deadline = _NEVER
        if request.upload is not None:
            request.upload.on_resume(self._resume)
            if self._uploading():
                self._deadline = self._now() + self._hub.bounds.request_seconds
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.set_result(None)
        elif self._task is None:
            self._task = self._hub.loop.create_task(self._work())

    async def _work(self) -> None:
        """Answer one request after another until the connection is lost, which cancels this."""
        while True:
            # No name for the request here: it would keep it, with its body, as long as the connection is idle.
            if self._busy and self._request is not None:
                await self._serve(self._request)
            else:
                self._idle = idle = self._hub.loop.create_future()
                await idle

    async def _serve(self, request: Request) -> None:
        try:
            reply = await self._hub.gateway.answer(request)
            request.awaited = None
            if request.early is not None:
                reply = behind_its_head(reply)
            if reply.status != SWITCHING:
                self._leave_upload(request)
            try:
                if reply.frames is None:
                    self._write_whole(request, reply)
                else:
                    await self._write_frames(request, reply, reply.frames)
            finally:
                reply.close()
            if self._writable is not None or self._waiting:
                await self._before_the_next()
        except asyncio.CancelledError:
            if not self._expired:
                raise
            await self._give_up(request)
        except Exception as error:  # noqa: BLE001 (the server's edge: one broken answer must not end the process)
            self._hub.failed(error)
            self._transport.abort()
        else:
            if reply.status == SWITCHING:
                request.keep_alive = False
        self._answered(request)

    async def _before_the_next(self) -> None:
        """Answers to a client that does not read must not pile up, nor those to one that asks fast hold up others."""
        if self._writable is None:
            await self._hub.turns.wait()
            return
        self._deadline = self._now() + self._hub.bounds.stalled_seconds
        await self._writable

    async def _give_up(self, request: Request) -> None:
        """The call was cancelled before it was answered, because the server stops."""
        early = request.early
        # A body that has ended already is not to be followed by anything.
        if early is None or early.frames is None or self._out is None:
            self._transport.abort()
        else:
            await self._write_frames(request, early, early.frames)

    def _write_whole(self, request: Request, reply: Reply) -> None:
        body = reply.body
        bodiless = request.method == "HEAD" or reply.status in NO_BODY
        # The length of an answer to HEAD is told where it is known.
        length = b"" if bodiless and not body else b"content-length: %d\r\n" % len(body)
        whole = self._head(request, reply, length) + (b"" if bodiless else body)
        self._put(whole)
        if self._waiting:
            self._hub.outbox.flush()

    def _head(self, request: Request, reply: Reply, framing: bytes) -> bytes:
        lines = b"\r\n".join(map(_COLON, reply.headers))
        last = b"\r\n" if request.keep_alive else b"connection: close\r\n\r\n"
        return b"".join((self._hub.status_lines[reply.status], lines, b"\r\n" if lines else b"", framing, last))

    async def _write_frames(self, request: Request, reply: Reply, frames: Frames) -> None:
        with_body = request.method != "HEAD" and reply.status not in NO_BODY
        chunked = request.chunked_reply and with_body and reply.status != SWITCHING
        out = self._out
        if out is None:
            request.keep_alive = request.keep_alive and request.chunked_reply
            out = self._begin_body(self._head(request, reply, CHUNKED if chunked else b""), chunked=chunked)
        if not with_body:
            self._out = None
            out.flush()
            return
        self._hub.loop.call_soon(out.flush)
        self._wrote_at = self._now()
        if request.endpoint is not None and not reply.opaque:
            self._keepalive_frame = request.endpoint.dialect.keepalive

        def send(raw: bytes) -> bool:
            out.send(raw)
            self._wrote_at = self._now()
            return self._writable is None

        try:
            await relay(frames, send, lambda: self._writable)
        except SwitchgearError as error:
            self._write_failure(out, request, reply, error)
        except asyncio.CancelledError:
            if not self._expired:
                raise
            reply.close()
            self._write_failure(out, request, reply, Overloaded(_RESTARTS))
        finally:
            self._keepalive_frame = b""
            self._out = None
        out.end()

    def _begin_body(self, head: bytes, *, chunked: bool) -> BodyWriter:
        """Whatever writes to this body, keep-alives too, does so by the one writer: nothing comes before its head."""
        self._out = out = BodyWriter(self._hub.outbox, self._transport, head, chunked=chunked)
        return out

    def _write_failure(self, out: BodyWriter, request: Request, reply: Reply, error: SwitchgearError) -> None:
        if request.endpoint is None or reply.opaque:
            # Broken off is the one way to say it that no reader takes for content.
            out.flush()
            self._hub.outbox.flush()
            self._transport.abort()
        else:
            out.send(failure_frame(request.endpoint, reply, error))

    def _answered(self, request: Request) -> None:
        self._busy = False
        self._request = None
        transport = self._transport
        if transport.is_closing():
            return
        if not request.keep_alive:
            self._finish(transport)
        elif self._waiting:
            self._start(self._waiting.popleft())
            if len(self._waiting) < self._hub.bounds.max_pipelined:
                transport.resume_reading()
                if self._backlog:
                    self.data_received(b"")
        else:
            receiving, bounds = self._intake.receiving, self._hub.bounds
            self._deadline = self._now() + (bounds.request_seconds if receiving else bounds.keepalive_seconds)

    def _finish(self, transport: asyncio.Transport) -> None:
        if not self._discarding:
            self._close(transport)
            return
        self._hub.outbox.flush()
        if transport.can_write_eof():
            transport.write_eof()
        self._deadline = self._now() + _LINGER_SECONDS

    def _close(self, transport: asyncio.Transport) -> None:
        """Close once all is written; what nobody reads in time is thrown away."""
        self._hub.outbox.flush()
        transport.close()
        self._deadline = self._now() + self._hub.bounds.stalled_seconds

    def pause_writing(self) -> None:
        self._writable = self._hub.loop.create_future()
        self._deadline = self._now() + self._hub.bounds.stalled_seconds

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)
        if self._busy:
            self._deadline = _NEVER

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered."""
        return self._busy or self._intake.receiving

    def tick(self, now: float, keepalive_after_seconds: float) -> None:
        """Act on what has taken too long; the server calls this about twice a second."""
        if now >= self._deadline:
            self._overdue()
        elif self._keepalive_frame and now - self._wrote_at >= keepalive_after_seconds and self._writable is None:
            self._keep_alive(now)
        elif self._request is not None and self._request.awaited is not None:
            self._hold(self._request, self._request.awaited, now)

    def _keep_alive(self, now: float) -> None:
        if self._out is not None:
            self._out.send(self._keepalive_frame)
            self._wrote_at = now

    def _hold(self, request: Request, call: Call, now: float) -> None:
        """Let a stream's head wait for its first content, but not for ever."""
        hold_seconds = 0.0 if self._transport.is_closing() else self._hub.bounds.hold_seconds
        reply = self._hub.gateway.early_reply(call, hold_seconds) if hold_seconds else None
        if reply is None:
            return
        request.awaited = None
        request.early = reply
        request.keep_alive = request.keep_alive and request.chunked_reply
        chunked = request.chunked_reply
        self._begin_body(self._head(request, reply, CHUNKED if chunked else b""), chunked=chunked)
        self._keepalive_frame = call.dialect.keepalive
        self._keep_alive(now)

    def _overdue(self) -> None:
        self._deadline = _NEVER
        if self._writable is not None or self._transport.is_closing():
            self._transport.abort()
        elif self._intake.receiving and not self._discarding:
            late = BodyTimeout("the request did not arrive in time; send it without pauses")
            self._accept_last(self._intake.refuse(late))
        else:
            self._close(self._transport)

    def drain(self) -> None:
        """Finish what is under way, then close; called once when the server stops."""
        if self._busy and self._request is not None and not self._waiting:
            self._request.keep_alive = False

    def expire(self) -> None:
        """End what is still under way with an honest failure, or close at once."""
        if not self._busy or self._task is None:
            self._close(self._transport)
            return
        self._expired = True
        self._task.cancel()
