"""One try at one deployment: write the request, send it, read what comes back."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from msgspec import Struct, structs

from switchgear.kernel.call import Call
from switchgear.kernel.capture import KeptFrames
from switchgear.kernel.chat import Chat, Completion, Start, Usage
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import StreamOptions, Tally, Untelling
from switchgear.kernel.errors import Internal, SwitchgearError, UnsupportedField, UpstreamError, UpstreamGarbled
from switchgear.kernel.estimate import estimate_tokens
from switchgear.kernel.fold import fold, unfold
from switchgear.kernel.pricing import Price
from switchgear.kernel.record import Attempt
from switchgear.kernel.reply import Headers, Reply
from switchgear.kernel.retrieval import Embed, Embeddings, Ranking
from switchgear.kernel.upstream import Timers, UpstreamReply
from switchgear.routing.accounting import see, settle_unsure, untold_usage
from switchgear.routing.causes import cause_of
from switchgear.routing.credentials import classified
from switchgear.routing.deployment import Deployment, Plan
from switchgear.routing.frames import Relaying, StreamBody, Translating, no_content
from switchgear.routing.health import Health
from switchgear.routing.kept import keeping, to_keep
from switchgear.routing.places import in_the_clients_words
from switchgear.routing.retry_after import retry_after_seconds
from switchgear.routing.telling import Telling
from switchgear.routing.whole_as_stream import WholeAsStream
from switchgear.wire.json_body import leave_out

MAX_REPLY_BYTES: Final = 256 * 1024 * 1024
MAX_ERROR_BYTES: Final = 1024 * 1024
_NANOSECONDS: Final = 1_000_000_000
_FIRST_OTHER_STATUS: Final = 300
_FIRST_ERROR_STATUS: Final = 400
_FORWARDED_HEADERS: Final = frozenset((b"openai-processing-ms", b"x-switchgear-simulator", b"x-switchgear-estimated"))
_UPSTREAM_IDS: Final = frozenset((b"x-request-id", b"request-id", b"x-amzn-requestid"))
_MOST_ID_BYTES: Final = 128


Named = TypeVar("Named", Completion, Start, Embeddings, Ranking)


class Manner(Struct, frozen=True, kw_only=True):
    """How an attempt differs from the first one of an ordinary call."""

    why: str = ""
    timers: Timers | None = None
    """None: the deployment's own."""
    has_place: bool = False
    """The place at the deployment's gate is taken already."""
    telling: Telling | None = None
    """Keeps what is told of a stream, so that another attempt can go on with it."""


FIRST: Final = Manner()

_BATCH = "batch"
"""The vendors' name of the class of service."""


class AttemptLog:
    """Writes one attempt's entry, and what it tells of the deployment: opened at its start, closed exactly once."""

    __slots__ = ("_call", "_clock", "_closed", "_health", "_is_probe", "_started_monotonic_ns", "asked",
                 "batch_prices", "entry", "price", "telling")  # fmt: skip

    def __init__(self, call: Call, clock: Clock, entry: Attempt, health: Health, *, has_place: bool = False) -> None:
        self.entry = entry
        self.asked: Chat | None = None
        """The request in its canonical form, of a call that is translated."""
        self.telling: Telling | None = None
        self.price: Price | None = None
        self.batch_prices = False
        """Whether a line of a batch is billed as the class of service ``batch``."""
        self._call = call
        self._clock = clock
        self._health = health
        self._started_monotonic_ns = clock.monotonic_ns()
        self._closed = False
        call.attempts.append(entry)
        self._is_probe = health.begin(self._started_monotonic_ns, has_place=has_place)

    def estimate(self, tally: Tally) -> Usage:
        """The usage of this attempt as far as the gateway can tell by itself."""
        return untold_usage(self._call, tally)

    def classified(self, error: SwitchgearError) -> SwitchgearError:
        """What the client and the record are told of ``error``."""
        return classified(error, self.entry.deployment)

    def named(self, said: Named) -> Named:
        """A translated answer, or its start: under the gateway's own id where the client may refer to it later.

        Some vendors name neither an answer nor its model, and say no time: then the call's and the deployment's serve.
        """
        call = self._call
        known = {"id": call.answer_id or said.id or call.id, "model": said.model or self.entry.model}
        if isinstance(said, Embeddings | Ranking):
            return structs.replace(said, **known)
        created_seconds = said.created_seconds or call.started_wall_ns // _NANOSECONDS
        return structs.replace(said, **known, created_seconds=created_seconds)

    def seconds(self) -> float:
        """Since the attempt began."""
        return (self._clock.monotonic_ns() - self._started_monotonic_ns) / _NANOSECONDS

    def first_byte(self) -> None:
        """The first byte of the answer's body is here."""
        self.entry.first_byte_ns = self._clock.monotonic_ns() - self._started_monotonic_ns

    def first_token(self) -> None:
        """The first piece of content is here, or the whole answer."""
        now_ns = self._clock.monotonic_ns()
        elapsed_ns = self.entry.first_token_ns = now_ns - self._started_monotonic_ns
        self._health.first_token(elapsed_ns, now_ns, streamed=self._call.stream, probe=self._is_probe)
        self._is_probe = False

    def close(self, tally: Tally | None, error: SwitchgearError | None = None, *, cancelled: bool = False) -> None:
        """Declare the outcome; only the first word counts."""
        if self._closed:
            return
        self._closed = True
        entry = self.entry
        health = self._health
        now_ns = self._clock.monotonic_ns()
        entry.duration_ns = now_ns - self._started_monotonic_ns
        if tally is not None:
            entry.usage = tally.usage or (untold_usage(self._call, tally) if _answered(tally, error) else None)
            entry.finish = tally.finish or ""
        if error is not None:
            entry.outcome = "failed"
            entry.error = f"{error.code}: {error.message}"
            cause = cause_of(error, answered=entry.status != 0)
            entry.cause = cause
            health.failed(cause, now_ns, error, probe=self._is_probe, late=entry.first_token_ns != 0)
        elif cancelled:
            entry.outcome = "cancelled"
            health.left(probe=self._is_probe)
        self._settle(tally)
        usage = entry.usage
        health.end(usage.total_input + usage.total_output if usage is not None and health.counts_tokens else 0, now_ns)

    def _settle(self, tally: Tally | None) -> None:
        """Say what the attempt cost."""
        entry, usage, price = self.entry, self.entry.usage, self.price
        if price is not None and price.later:
            price = price.at(entry.started_ns)
        if self.batch_prices and self._call.batched:
            entry.service = _BATCH
        elif tally is not None and tally.service is not None:
            entry.service = tally.service
        if usage is None or usage.estimated or self._call.dialect.family == "count_tokens":
            settle_unsure(self._call, entry, price, tally)
        elif price is None:
            entry.cost, entry.reason = "unknown", "unpriced"
        else:
            entry.cost_nano_usd = cost = price.cost(usage, entry.service)
            told = cost or usage.total_input or not price.standard.rates.input
            # An upstream that counts something else than tokens, which has no rate: that is not free.
            entry.cost, entry.price, entry.reason = (
                ("settled", price.version, "") if told else ("unknown", "", "untold")
            )


def _answered(tally: Tally, error: SwitchgearError | None) -> bool:
    """Whether the upstream did work that may be billed."""
    worked = tally.content_frames > 0 or tally.content_bytes > 0 or tally.usage_at_start is not None
    return error is None or worked


async def attempt(call: Call, deployment: Deployment, plan: Plan, clock: Clock, how: Manner = FIRST) -> Reply:
    """Try ``call`` once at ``deployment``; the entry in ``call.attempts`` says how it went.

    Raises BadRequest or UnsupportedField for a request that the upstream cannot be asked, UpstreamError when it fails.
    """
    health = deployment.health
    try:
        body, dropped, asked = _written(call, deployment, plan)
    except BaseException:
        if how.has_place:
            health.gate.give_back()
        raise
    timers = how.timers or deployment.timers
    entry = Attempt(
        deployment=deployment.name,
        provider=deployment.provider_name,
        model=deployment.model,
        started_ns=clock.wall_ns(),
        why=how.why,
        dropped=dropped,
    )
    log = AttemptLog(call, clock, entry, health, has_place=how.has_place)
    log.asked, log.telling, log.price, log.batch_prices = asked, how.telling, deployment.price, deployment.batch_prices
    upstream: UpstreamReply | None = None
    try:
        provider = deployment.connected.provider
        extra = provider.forwarded_headers(call.headers) if provider.forwards else ()
        target = plan.stream_target if call.stream else plan.target
        if target.sign is not None:
            extra = (*extra, *target.sign(target.path, body))
        extra = extra if call.trace is None else (*extra, *call.trace_headers(entry))
        sending = deployment.connected.transport.send(target, body, timers, extra)
        limit = timers.first_token_seconds if call.stream else None
        upstream = await (sending if limit is None else _within(limit, sending))
        entry.status = upstream.status
        return await _read(call, plan, upstream, log, timers)
    except SwitchgearError as error:
        if upstream is not None:
            upstream.close()
        told = log.classified(error)
        log.close(None, told)
        if told is error:
            raise
        raise told from None
    except BaseException as error:
        if upstream is not None:
            upstream.close()
        defect = None if isinstance(error, asyncio.CancelledError) else Internal(f"a defect: {type(error).__name__}")
        log.close(None, defect, cancelled=defect is None)
        raise


async def _within(first_token_seconds: float, sending: Awaitable[UpstreamReply]) -> UpstreamReply:
    """An upstream that is silent from the start has no first token either."""
    try:
        async with asyncio.timeout(first_token_seconds):
            return await sending
    except TimeoutError:
        raise no_content(first_token_seconds) from None


def _written(call: Call, deployment: Deployment, plan: Plan) -> tuple[bytes, tuple[str, ...], Chat | None]:
    """The request's body for the upstream, the names of the fields left out of it, and the request if translated."""
    body = call.body
    dropped: tuple[str, ...] = ()
    if plan.drop:
        body, dropped = leave_out(body, plan.drop)
    if plan.same_dialect:
        return plan.dialect.prepare(body, deployment.model, stream=call.stream), dropped, None
    chat = call.read(body) if dropped else call.chat()
    if isinstance(chat, Embed) and isinstance(plan.dialect, Untelling):
        dropped += plan.dialect.untold(chat)
    try:
        return plan.dialect.write_request(_for_upstream(chat, call, deployment)), dropped, chat
    except UnsupportedField as error:
        raise in_the_clients_words(error, call) from None


def _for_upstream(chat: Chat, call: Call, deployment: Deployment) -> Chat:
    """The canonical request, addressed to the deployment; a stream always tells its usage."""
    if call.dialect.family != "chat":
        return structs.replace(chat, model=deployment.model)
    return structs.replace(chat, model=deployment.model, include_usage=call.stream)


async def _read(call: Call, plan: Plan, upstream: UpstreamReply, log: AttemptLog, timers: Timers) -> Reply:
    if upstream.status >= _FIRST_OTHER_STATUS:
        raise await _read_refusal(plan, upstream)
    headers, event_stream = _look(upstream.headers, plan.stream_media, log.entry)
    # In a request of any other family `stream` means nothing.
    streamed = call.dialect.family == "chat"
    if streamed and event_stream:
        if call.stream:
            kept = None if call.snapshot.capture is None else to_keep(call, log.telling)
            frames = _stream_body(call, plan, upstream, log, kept)
            await frames.start(timers.first_token_seconds, log.seconds())
            reply = Reply(200, headers, frames=frames, kept=kept)
            frames.bind(reply)
            return reply
        return await _fold_stream(call, plan, upstream, log, headers)
    body = await upstream.read_all(MAX_REPLY_BYTES)
    log.first_byte()
    tally = plan.dialect.glance(body)
    log.first_token()
    if streamed and call.stream:
        return _tell_as_stream(call, plan, body, log, headers)
    if tally.usage is None and not tally.content_bytes:
        tally.content_bytes = len(body)
    log.close(tally)
    if not plan.same_dialect:
        completion = log.named(plan.dialect.read_reply(body))
        completion = structs.replace(completion, usage=completion.usage or log.entry.usage)
        body = call.dialect.write_reply(completion, log.asked)
    return Reply(200, headers, body)


def _look(said: Headers, stream_media: bytes, entry: Attempt) -> tuple[Headers, bool]:
    """Headers that the client is told too, and whether a stream follows."""
    headers: Headers = []
    event_stream = False
    for header in said:
        if header[0] == b"content-type":
            event_stream = header[1][: len(stream_media)].lower() == stream_media
        elif header[0] in _FORWARDED_HEADERS:
            headers.append(header)
        elif header[0] in _UPSTREAM_IDS:
            entry.upstream_id = header[1][:_MOST_ID_BYTES].decode("latin-1")
    return headers, event_stream


async def _read_refusal(plan: Plan, upstream: UpstreamReply) -> UpstreamError:
    if upstream.status < _FIRST_ERROR_STATUS:
        return UpstreamGarbled(
            f"the upstream answered with status {upstream.status}; is the provider's base_url right?"
        )
    body = await upstream.read_all(MAX_ERROR_BYTES)
    return plan.dialect.read_error(upstream.status, body, retry_after_seconds(upstream.headers))


def _stream_body(
    call: Call, plan: Plan, upstream: UpstreamReply, log: AttemptLog, kept: KeptFrames | None
) -> StreamBody:
    telling = log.telling
    if telling is not None and log.asked is None:
        log.asked = call.chat()
    options = _stream_options(call, log)
    end_mark = plan.missing_end_mark
    if telling is not None:
        writer = telling.begin(call.dialect.writer(options))
        converter = Translating(plan.dialect.events(), writer, log, end_mark)
    elif plan.same_dialect:
        converter = Relaying(plan.dialect, plan.dialect.relay(options), end_mark)
    else:
        converter = Translating(plan.dialect.events(), call.dialect.writer(options), log, end_mark)
    converter = converter if kept is None else keeping(converter, kept)
    return StreamBody(upstream, log, plan.dialect.splitter(), converter)


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
    completion = fold([*events, *reader.close()])
    if not plan.same_dialect:
        completion = log.named(completion)
    log.first_token()
    log.close(tally)
    completion = structs.replace(completion, usage=completion.usage or log.entry.usage)
    return Reply(200, headers, call.dialect.write_reply(completion, log.asked))


def _tell_as_stream(call: Call, plan: Plan, body: bytes, log: AttemptLog, headers: Headers) -> Reply:
    """The client asked for a stream and the upstream answered whole: tell the answer event by event."""
    events = unfold(plan.dialect.read_reply(body))
    translation = Translating(plan.dialect.events(), call.dialect.writer(_stream_options(call, log)), log, b"")
    raw = translation.write(events)
    log.close(translation.tally)
    kept = to_keep(call, None)
    if kept is not None:
        kept.add(raw)
    reply = Reply(200, headers, frames=WholeAsStream(raw, events), kept=kept)
    reply.streamed_bytes = len(raw)
    reply.settle()
    return reply


def _stream_options(call: Call, log: AttemptLog) -> StreamOptions:
    asked = call.head.stream_options
    return StreamOptions(
        include_usage=asked is not None and asked.include_usage is True,
        input_tokens_estimate=estimate_tokens(len(call.body)),
        asked=log.asked,
        answer_id="" if log.asked is None else call.answer_id,
        created_seconds=call.started_wall_ns // _NANOSECONDS,
    )
