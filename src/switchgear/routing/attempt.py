"""One try at one deployment: write the request, send it, read what comes back."""

import asyncio
from typing import Final, TypeVar

from msgspec import structs

from switchgear.kernel.call import Call
from switchgear.kernel.chat import Chat, Completion, Start, Usage
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import StreamOptions, Tally
from switchgear.kernel.errors import Internal, SwitchgearError, UpstreamError, UpstreamGarbled
from switchgear.kernel.fold import fold, unfold
from switchgear.kernel.record import Attempt
from switchgear.kernel.reply import Headers, Reply
from switchgear.kernel.upstream import UpstreamReply
from switchgear.routing.accounting import estimate_tokens, estimated_usage, see
from switchgear.routing.frames import Relaying, StreamBody, Translating, WholeAsStream
from switchgear.routing.model import Deployment, Plan
from switchgear.routing.retry_after import retry_after_seconds

MAX_REPLY_BYTES: Final = 256 * 1024 * 1024
MAX_ERROR_BYTES: Final = 1024 * 1024
_FIRST_OTHER_STATUS: Final = 300
_FIRST_ERROR_STATUS: Final = 400
_FORWARDED_HEADERS: Final = frozenset((b"openai-processing-ms", b"x-switchgear-simulator", b"x-switchgear-estimated"))


Named = TypeVar("Named", Completion, Start)


class AttemptLog:
    """Writes one attempt's entry: opened when it starts, closed exactly once."""

    __slots__ = ("_call", "_clock", "_closed", "_started_monotonic_ns", "entry")

    def __init__(self, call: Call, clock: Clock, entry: Attempt) -> None:
        self.entry = entry
        self._call = call
        self._clock = clock
        self._started_monotonic_ns = clock.monotonic_ns()
        self._closed = False
        call.attempts.append(entry)

    def estimate(self, tally: Tally) -> Usage:
        """The usage of this attempt as far as the gateway can tell by itself."""
        return estimated_usage(self._call, tally)

    def named(self, said: Named) -> Named:
        """An answer whose vendor names neither it nor its model, called by the ids of the call and the deployment."""
        return structs.replace(said, id=said.id or self._call.id, model=said.model or self.entry.model)

    def first_byte(self) -> None:
        """The first byte of the answer's body is here."""
        self.entry.first_byte_ns = self._clock.monotonic_ns() - self._started_monotonic_ns

    def close(self, tally: Tally | None, error: SwitchgearError | None = None, *, cancelled: bool = False) -> None:
        """Declare the outcome; only the first word counts."""
        if self._closed:
            return
        self._closed = True
        entry = self.entry
        entry.duration_ns = self._clock.monotonic_ns() - self._started_monotonic_ns
        if tally is not None:
            entry.usage = tally.usage or (estimated_usage(self._call, tally) if _answered(tally, error) else None)
            entry.finish = tally.finish or ""
        if error is not None:
            entry.outcome = "failed"
            entry.error = f"{error.code}: {error.message}"
        elif cancelled:
            entry.outcome = "cancelled"


def _answered(tally: Tally, error: SwitchgearError | None) -> bool:
    """Whether the upstream did work that may be billed."""
    return error is None or tally.content_frames > 0 or tally.content_bytes > 0


async def attempt(call: Call, deployment: Deployment, plan: Plan, clock: Clock) -> Reply:
    """Try ``call`` once at ``deployment``; the entry in ``call.attempts`` says how it went.

    Raises BadRequest or UnsupportedField when the request cannot be written for the upstream, UpstreamError when the
    upstream fails.
    """
    if plan.same_dialect:
        body = plan.dialect.prepare(call.body, deployment.model, stream=call.stream)
    else:
        body = plan.dialect.write_request(_for_upstream(call, deployment))
    entry = Attempt(
        deployment=deployment.name,
        provider=deployment.provider_name,
        model=deployment.model,
        started_ns=clock.wall_ns(),
    )
    log = AttemptLog(call, clock, entry)
    connected = deployment.connected
    upstream: UpstreamReply | None = None
    try:
        provider = connected.provider
        extra = provider.forwarded_headers(call.headers) if provider.forwards else ()
        target = plan.stream_target if call.stream else plan.target
        if target.sign is not None:
            extra = (*extra, *target.sign(target.path, body))
        upstream = await connected.transport.send(target, body, deployment.timers, extra)
        entry.status = upstream.status
        return await _read(call, plan, upstream, log)
    except SwitchgearError as error:
        if upstream is not None:
            upstream.close()
        log.close(None, error)
        raise
    except BaseException as error:
        if upstream is not None:
            upstream.close()
        defect = None if isinstance(error, asyncio.CancelledError) else Internal(f"a defect: {type(error).__name__}")
        log.close(None, defect, cancelled=defect is None)
        raise


def _for_upstream(call: Call, deployment: Deployment) -> Chat:
    """The canonical request, addressed to the deployment; a stream always tells its usage."""
    if call.dialect.family != "chat":
        return structs.replace(call.chat(), model=deployment.model)
    return structs.replace(call.chat(), model=deployment.model, include_usage=call.stream)


async def _read(call: Call, plan: Plan, upstream: UpstreamReply, log: AttemptLog) -> Reply:
    if upstream.status >= _FIRST_OTHER_STATUS:
        raise await _read_refusal(plan, upstream)
    headers: Headers = []
    event_stream = False
    stream_media = plan.stream_media
    for header in upstream.headers:
        if header[0] == b"content-type":
            event_stream = header[1][: len(stream_media)].lower() == stream_media
        elif header[0] in _FORWARDED_HEADERS:
            headers.append(header)
    # In a request of any other family `stream` means nothing.
    streamed = call.dialect.family == "chat"
    if streamed and event_stream:
        if call.stream:
            return await _read_stream(call, plan, upstream, log, headers)
        return await _fold_stream(call, plan, upstream, log, headers)
    body = await upstream.read_all(MAX_REPLY_BYTES)
    log.first_byte()
    tally = plan.dialect.glance(body)
    if streamed and call.stream:
        return _tell_as_stream(call, plan, body, log, headers)
    if tally.usage is None and not tally.content_bytes:
        tally.content_bytes = len(body)
    log.close(tally)
    if not plan.same_dialect:
        completion = log.named(plan.dialect.read_reply(body))
        body = call.dialect.write_reply(
            structs.replace(completion, usage=completion.usage or log.entry.usage), call.chat()
        )
    return Reply(200, headers, body)


async def _read_refusal(plan: Plan, upstream: UpstreamReply) -> UpstreamError:
    if upstream.status < _FIRST_ERROR_STATUS:
        return UpstreamGarbled(
            f"the upstream answered with status {upstream.status}; is the provider's base_url right?"
        )
    body = await upstream.read_all(MAX_ERROR_BYTES)
    return plan.dialect.read_error(upstream.status, body, retry_after_seconds(upstream.headers))


async def _read_stream(call: Call, plan: Plan, upstream: UpstreamReply, log: AttemptLog, headers: Headers) -> Reply:
    options = _stream_options(call, plan)
    end_mark = plan.missing_end_mark
    if plan.same_dialect:
        converter = Relaying(plan.dialect, plan.dialect.relay(options), end_mark)
    else:
        converter = Translating(plan.dialect.events(), call.dialect.writer(options), log, end_mark)
    frames = StreamBody(upstream, log, plan.dialect.splitter(), converter)
    await frames.start()
    reply = Reply(200, headers, frames=frames)
    frames.bind(reply)
    return reply


async def _fold_stream(call: Call, plan: Plan, upstream: UpstreamReply, log: AttemptLog, headers: Headers) -> Reply:
    """The client asked for one answer and the upstream streams: read it all, then say it whole."""
    reader = plan.dialect.events()
    events = reader.feed(await upstream.read_all(MAX_REPLY_BYTES))
    log.first_byte()
    tally = Tally()
    for event in events:
        see(tally, event)
    if plan.missing_end_mark and tally.finish is not None:
        events += reader.feed(plan.missing_end_mark)
    completion = log.named(fold([*events, *reader.close()]))
    log.close(tally)
    completion = structs.replace(completion, usage=completion.usage or log.entry.usage)
    return Reply(200, headers, call.dialect.write_reply(completion, None if plan.same_dialect else call.chat()))


def _tell_as_stream(call: Call, plan: Plan, body: bytes, log: AttemptLog, headers: Headers) -> Reply:
    """The client asked for a stream and the upstream answered whole: tell the answer event by event."""
    events = unfold(plan.dialect.read_reply(body))
    translation = Translating(plan.dialect.events(), call.dialect.writer(_stream_options(call, plan)), log, b"")
    raw = translation.write(events)
    log.close(translation.tally)
    reply = Reply(200, headers, frames=WholeAsStream(raw, events))
    reply.settle()
    return reply


def _stream_options(call: Call, plan: Plan) -> StreamOptions:
    asked = call.head.stream_options
    return StreamOptions(
        include_usage=asked is not None and asked.include_usage is True,
        input_tokens_estimate=estimate_tokens(len(call.body)),
        asked=None if plan.same_dialect else call.chat(),
    )
