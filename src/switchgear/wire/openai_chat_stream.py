"""Reading a streamed OpenAI chat completion into canonical events.

OpenAI's deltas name no parts, so parts are synthesised: a delta opens the part it belongs to and closes an open one
of another kind; tool calls stay open until their choice ends, for their deltas may interleave. The reader forgives
what compatible servers do differently (no tool index, repeated roles and ids, usage on the last choice chunk, legacy
``function_call``) but never a stream without ``[DONE]``: that one was cut off.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import (
    ChoiceStop,
    Delta,
    DeltaKind,
    Done,
    Event,
    Failure,
    Logprobs,
    PartKind,
    PartStart,
    PartStop,
    Start,
    UsageReport,
)
from switchgear.kernel.errors import SwitchgearError, UpstreamGarbled, UpstreamTruncated
from switchgear.wire.json_body import ABSENT, decode_answer, said
from switchgear.wire.openai_chat_parts import ThinkingBlock, WireToolCall
from switchgear.wire.openai_chat_reply import WireAnswer, split_content
from switchgear.wire.openai_errors import read_stream_error
from switchgear.wire.openai_usage import WireUsage, read_finish, read_stop_sequence, read_usage
from switchgear.wire.sse import FrameSplitter, read_events

DONE: Final = b"[DONE]"
_LEGACY_INDEX: Final = -1


class ChunkChoice(Struct):
    delta: WireAnswer | None = None
    text: str | None = None
    """Legacy completions stream their text here."""
    index: int = 0
    finish_reason: str | None = None
    logprobs: Raw = ABSENT
    stop_reason: str | int | None = None
    matched_stop: str | int | None = None


class Chunk(Struct):
    choices: list[ChunkChoice] | None = None
    id: str | None = None
    created: float | None = None
    model: str | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    error: Raw = ABSENT
    object: str | None = None


class _OpenTool(Struct):
    part: int
    id: str
    """As the server gave it; empty when it gave none."""


class _OpenChoice:
    """The parts of one choice that are open, and how the wire's tool indices map to them."""

    __slots__ = ("_by_index", "_index", "_open_kind", "_open_part", "_parts", "_thinks_in_blocks", "_tools", "stopped")

    def __init__(self, index: int) -> None:
        self._index = index
        self._parts = 0
        self._open_kind: PartKind | None = None
        self._open_part = 0
        self._thinks_in_blocks = False
        self._tools: list[_OpenTool] = []
        self._by_index: dict[int, _OpenTool] = {}
        self.stopped = False

    def read(self, choice: ChunkChoice) -> Iterator[Event]:
        """The events of one choice of one chunk."""
        if self.stopped:
            return
        if choice.text:
            yield from self._more("text", "text", choice.text)
        if choice.delta is not None:
            yield from self._read_delta(choice.delta)
        logprobs = said(choice.logprobs)
        if logprobs is not None:
            yield Logprobs(value=logprobs, choice=self._index)
        if choice.finish_reason is not None:
            yield from self.stop(choice.finish_reason, read_stop_sequence(choice.stop_reason, choice.matched_stop))

    def stop(self, reason: str, stop_sequence: str | None = None) -> Iterator[Event]:
        """Close every open part in order of opening, and the choice."""
        yield from self._close_open()
        for tool in self._tools:
            yield PartStop(part=tool.part, choice=self._index)
        self.stopped = True
        finish = read_finish(reason, stop_sequence, calls=bool(self._tools))
        told = stop_sequence if finish == "stop_sequence" else None
        yield ChoiceStop(finish=finish, choice=self._index, stop_sequence=told)

    def _read_delta(self, delta: WireAnswer) -> Iterator[Event]:
        thought, text = split_content(delta.content)
        reasoning = delta.reasoning_content or delta.reasoning or thought
        if reasoning:
            yield from self._more("thinking", "thinking", reasoning)
        for block in delta.thinking_blocks or ():
            yield from self._read_block(block)
        if text:
            yield from self._more("text", "text", text)
        if delta.refusal:
            yield from self._more("refusal", "refusal", delta.refusal)
        if delta.audio is not None:
            yield from self._more("audio", "audio", delta.audio.data or "", delta.audio.id or "")
            yield from self._more("audio", "transcript", delta.audio.transcript or "")
        for citation in (*(delta.annotations or ()), *(delta.citations or ())):
            yield from self._more("text", "citation", json.encode(citation).decode())
        for call in delta.tool_calls or ():
            yield from self._read_tool_call(call)
        if delta.function_call is not None:
            yield from self._read_tool_call(WireToolCall(function=delta.function_call, index=_LEGACY_INDEX))

    def _open(self, kind: PartKind, data: str = "") -> Iterator[Event]:
        yield from self._close_open()
        self._open_kind = kind
        self._open_part = self._parts
        self._thinks_in_blocks = False
        self._parts += 1
        yield PartStart(part=self._open_part, kind=kind, choice=self._index, data=data)

    def _more(self, kind: PartKind, delta: DeltaKind, piece: str, data: str = "") -> Iterator[Event]:
        if self._open_kind != kind:
            yield from self._open(kind, data)
        if piece:
            yield Delta(part=self._open_part, kind=delta, text=piece, choice=self._index)

    def _close_open(self) -> Iterator[Event]:
        if self._open_kind is not None:
            self._open_kind = None
            yield PartStop(part=self._open_part, choice=self._index)

    def _read_block(self, block: ThinkingBlock) -> Iterator[Event]:
        """A block repeats what ``reasoning_content`` said already; new in it are signatures and redacted thinking."""
        if block.type == "redacted_thinking":
            yield from self._open("redacted_thinking", block.data or "")
            yield from self._close_open()
            return
        opens = self._open_kind != "thinking"
        if block.thinking and (opens or self._thinks_in_blocks):
            yield from self._more("thinking", "thinking", block.thinking)
            self._thinks_in_blocks = True
        if block.signature:
            yield from self._more("thinking", "signature", block.signature)
            yield from self._close_open()

    def _read_tool_call(self, call: WireToolCall) -> Iterator[Event]:
        tool = self._known_tool(call)
        if tool is None:
            yield from self._close_open()
            tool = _OpenTool(part=self._parts, id=call.id or "")
            self._parts += 1
            self._tools.append(tool)
            if call.index is not None:
                self._by_index[call.index] = tool
            yield PartStart(
                part=tool.part,
                kind="tool_call",
                choice=self._index,
                tool_id=tool.id or f"call_{len(self._tools) - 1}",
                tool_name=call.function.name or "",
            )
        if call.function.arguments:
            yield Delta(part=tool.part, kind="arguments", text=call.function.arguments, choice=self._index)

    def _known_tool(self, call: WireToolCall) -> _OpenTool | None:
        """Which open tool call a delta belongs to: by index, else by id, else the latest; None for a new one."""
        if call.index is not None:
            tool = self._by_index.get(call.index)
            # Gemini gives every call the index 0: another id is another call.
            return None if tool is not None and tool.id and call.id and tool.id != call.id else tool
        if call.id:
            return next((tool for tool in self._tools if tool.id == call.id), None)
        return self._tools[-1] if self._tools and not call.function.name else None


class ChatEventReader:
    """The EventReader of OpenAI's streams, chat and legacy completions alike."""

    __slots__ = ("_choices", "_ended", "_splitter", "_started")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._choices: dict[int, _OpenChoice] = {}
        self._started = False
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        return self._guarded(lambda: self._read_frames(self._splitter.feed(data)))

    def close(self) -> list[Event]:
        return self._guarded(self._read_rest)

    def _guarded(self, read: Callable[[], Iterator[Event]]) -> list[Event]:
        """All events that ``read`` gives; an error ends the stream as its last event."""
        events: list[Event] = []
        if self._ended:
            return events
        try:
            for event in read():
                events.append(event)  # noqa: PERF402 (what came before an error must stay)
        except SwitchgearError as error:
            self._ended = True
            events.append(Failure(error=error))
        return events

    def _read_frames(self, frames: bytes) -> Iterator[Event]:
        for _, data in read_events(frames):
            yield from self._read_data(data)
            if self._ended:
                return

    def _read_rest(self) -> Iterator[Event]:
        """What came without its blank line counts only when it is the end mark."""
        if self._splitter.unfinished.strip() != b"data: [DONE]":
            raise UpstreamTruncated("the upstream's stream ended without [DONE]")
        return self._finish()

    def _read_data(self, data: bytes) -> Iterator[Event]:
        if data.startswith(DONE):
            yield from self._finish()
            return
        chunk = decode_answer(Chunk, data)
        if chunk.error or chunk.object == "error":
            raise_stream_error(chunk, data)
        choices = chunk.choices or ()
        if not self._started and (choices or chunk.id):
            yield self._start(chunk)
        for choice in choices:
            yield from self._choice(choice.index).read(choice)
        if chunk.usage is not None:
            yield UsageReport(usage=read_usage(chunk.usage))

    def _start(self, chunk: Chunk) -> Start:
        self._started = True
        return Start(
            id=chunk.id or "",
            model=chunk.model or "",
            created_seconds=int(chunk.created or 0),
            service_tier=chunk.service_tier,
            system_fingerprint=chunk.system_fingerprint,
        )

    def _choice(self, index: int) -> _OpenChoice:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _OpenChoice(index)
        return found

    def _finish(self) -> Iterator[Event]:
        if not self._started:
            raise UpstreamGarbled("the upstream's stream ended before it began")
        for choice in self._choices.values():
            if not choice.stopped:
                yield from choice.stop("stop")
        self._ended = True
        yield Done()


def raise_stream_error(chunk: Chunk, data: bytes) -> None:
    """Raise UpstreamRefused for a chunk that is an error; an ``error`` that says nothing is none."""
    error = json.decode(chunk.error) if chunk.error else None
    if chunk.object == "error" or error:
        raise read_stream_error(json.decode(data, type=dict[str, object]))
