"""Reading a stream of Gemini's: chunks that are answers themselves, each with more of the parts.

There is no end mark, and a finish reason is none: it may stand on every chunk, and thoughts' signatures may follow it.
Only the end of the transfer ends the answer, and only after every candidate has told its finish. Parts have no
numbers, so they are synthesised: text goes on in the open part of its kind, a function call comes whole.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import DecodeError, Raw, json

from switchgear.kernel.chat import (
    Audio,
    ChoiceStop,
    Completion,
    Delta,
    Done,
    Event,
    Failure,
    Finish,
    Logprobs,
    Part,
    PartKind,
    PartStart,
    PartStop,
    RedactedThinking,
    Start,
    Text,
    Thinking,
    ToolCall,
    UsageReport,
)
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled, UpstreamTruncated
from switchgear.kernel.fold import fold
from switchgear.wire.gemini_errors import read_stream_error
from switchgear.wire.gemini_logprobs import read_logprobs
from switchgear.wire.gemini_reply import (
    BLOCKED,
    Answer,
    Candidate,
    checked_finish,
    content_parts,
    decode_chunk,
    made_up_id,
    read_answer_part,
)
from switchgear.wire.gemini_usage import WireUsage, read_usage
from switchgear.wire.json_body import decode_answer, said
from switchgear.wire.sse import FrameSplitter, read_events

_FRAME_END: Final = b"\n\n"


class _OpenCandidate:
    """The parts of one candidate so far, and its finish once it is told."""

    __slots__ = ("_calls", "_index", "_open_kind", "_parts", "finish")

    def __init__(self, index: int) -> None:
        self._index = index
        self._parts = 0
        self._calls = 0
        self._open_kind: PartKind | None = None
        self.finish: Finish | None = None

    def read(self, candidate: Candidate, response_id: str) -> Iterator[Event]:
        """The events of one candidate of one chunk."""
        for part in content_parts(candidate):
            call_id = made_up_id(response_id, self._index, self._calls)
            self._calls += part.function_call is not None
            for found in read_answer_part(part, call_id):
                yield from self._part(found, goes_on=part.thought is True)
        for citation in candidate.citations() if self._open_kind == "text" else ():
            yield self._delta(Delta(part=self._parts - 1, kind="citation", text=_text_of(citation)))
        logprobs = said(candidate.logprobs_result)
        if logprobs is not None:
            yield Logprobs(value=read_logprobs(logprobs), choice=self._index)
        self.finish = checked_finish(candidate, calls=self._calls > 0) or self.finish

    def stop(self) -> Iterator[Event]:
        """Close what is open, and the choice."""
        yield from self._close()
        yield ChoiceStop(finish=self.finish or "stop", choice=self._index)

    def _part(self, part: Part, *, goes_on: bool) -> Iterator[Event]:
        match part:
            case Text():
                yield from self._more("text", part.text)
            case Thinking():
                yield from self._thinking(part, goes_on=goes_on)
            case Audio():
                yield from self._more("audio", part.data)
            case ToolCall():
                yield from self._open("tool_call", tool_id=part.id, tool_name=part.name)
                yield self._delta(Delta(part=self._parts - 1, kind="arguments", text=part.arguments))
                yield from self._close()
            case RedactedThinking():
                yield from self._open("redacted_thinking", data=part.data)
                yield from self._close()
            case _:
                pass

    def _more(self, kind: PartKind, piece: str) -> Iterator[Event]:
        if self._open_kind != kind:
            yield from self._open(kind)
        if piece:
            delta = "text" if kind == "text" else "thinking" if kind == "thinking" else "audio"
            yield self._delta(Delta(part=self._parts - 1, kind=delta, text=piece))

    def _thinking(self, part: Thinking, *, goes_on: bool) -> Iterator[Event]:
        """More of the open thought; a signature ends it, and one of another part is a thought of its own."""
        if not goes_on:
            yield from self._close()
        yield from self._more("thinking", part.text)
        if part.signature is not None:
            yield self._delta(Delta(part=self._parts - 1, kind="signature", text=part.signature))
            yield from self._close()

    def _open(self, kind: PartKind, *, tool_id: str = "", tool_name: str = "", data: str = "") -> Iterator[Event]:
        yield from self._close()
        self._open_kind = kind
        opening = PartStart(
            part=self._parts, kind=kind, choice=self._index, tool_id=tool_id, tool_name=tool_name, data=data
        )
        self._parts += 1
        yield opening

    def _close(self) -> Iterator[Event]:
        if self._open_kind is not None:
            self._open_kind = None
            yield PartStop(part=self._parts - 1, choice=self._index)

    def _delta(self, delta: Delta) -> Delta:
        if not self._index:
            return delta
        return Delta(part=delta.part, kind=delta.kind, text=delta.text, choice=self._index)


class GeminiEventReader:
    """The EventReader of Gemini's dialect."""

    __slots__ = ("_blocked", "_candidates", "_ended", "_response_id", "_splitter", "_started", "_usage")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._candidates: dict[int, _OpenCandidate] = {}
        self._usage: WireUsage | None = None
        self._response_id = ""
        self._blocked = False
        self._started = False
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self._ended:
            return events
        try:
            for _, payload in read_events(self._splitter.feed(data)):
                self.take(payload, events)
        except SwitchgearError as error:
            self._fail(error, events)
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        if self._ended:
            return events
        try:
            self._read_rest(events)
            self.finish(events)
        except SwitchgearError as error:
            self._fail(error, events)
        return events

    def take(self, payload: bytes, events: list[Event]) -> None:
        """Read one chunk. Raises what stands in it as an error."""
        chunk = decode_chunk(payload)
        self._start(chunk, events)
        for at, candidate in enumerate(chunk.candidates or ()):
            index = at if candidate.index is None else candidate.index
            found = self._candidates.get(index)
            if found is None:
                found = self._candidates[index] = _OpenCandidate(index)
            for event in found.read(candidate, self._response_id):
                events.append(event)  # noqa: PERF402 (what came before an error must stay)
        self._blocked = self._blocked or chunk.is_blocked
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata

    def finish(self, events: list[Event]) -> None:
        """The end of the answer. Raises UpstreamTruncated while a candidate has not told its finish."""
        if not self._candidates and self._blocked:
            blocked = self._candidates[0] = _OpenCandidate(0)
            blocked.finish = BLOCKED
        if not self._candidates or any(candidate.finish is None for candidate in self._candidates.values()):
            raise UpstreamTruncated("the upstream's stream ended before a finishReason")
        for candidate in self._candidates.values():
            events += candidate.stop()
        self._report(events)
        self._ended = True
        events.append(Done())

    def _start(self, chunk: Answer, events: list[Event]) -> None:
        if self._started:
            return
        self._started = True
        self._response_id = chunk.response_id or ""
        usage = None if chunk.usage_metadata is None else read_usage(chunk.usage_metadata)
        events.append(Start(id=self._response_id, model=chunk.model_version or "", usage=usage))

    def _read_rest(self, events: list[Event]) -> None:
        """What came without its blank line counts when it is whole: a last chunk, or an error outside any event."""
        rest = self._splitter.unfinished.strip()
        payload = next((data for _, data in read_events(rest + _FRAME_END)), rest)
        try:
            json.decode(payload)
        except (DecodeError, UnicodeDecodeError, RecursionError):
            return
        if payload is rest:
            raise read_stream_error(rest)
        self.take(payload, events)

    def _fail(self, error: SwitchgearError, events: list[Event]) -> None:
        self._ended = True
        # Each chunk counts all tokens so far: what was written before the break is known, and paid for.
        self._report(events)
        events.append(Failure(error=error))

    def _report(self, events: list[Event]) -> None:
        if self._usage is not None:
            events.append(UsageReport(usage=read_usage(self._usage)))


def _text_of(citation: Raw) -> str:
    try:
        return bytes(citation).decode()
    except UnicodeDecodeError:
        raise UpstreamGarbled("a citation in the upstream's answer is not valid UTF-8") from None


def read_array(body: bytes) -> Completion:
    """The answer that a JSON array of chunks tells, as servers stream it that were not asked for events.

    Raises UpstreamGarbled, UpstreamTruncated, or UpstreamRefused for an error among them.
    """
    reader = GeminiEventReader()
    events: list[Event] = []
    for chunk in decode_answer(list[Raw], body):
        reader.take(bytes(chunk), events)
    reader.finish(events)
    return fold(events)
