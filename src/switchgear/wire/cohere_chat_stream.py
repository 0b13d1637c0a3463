"""Reading a stream of Cohere's chat (docs.cohere.com/docs/streaming).

Content blocks and tool calls are numbered each for themselves; the plan has no number. A text stays open until
something else begins, since its citations may come after its end. Events of unknown types are passed over.
"""

from typing import Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

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
from switchgear.kernel.errors import UpstreamError, UpstreamGarbled, UpstreamTruncated
from switchgear.wire.cohere_chat_parts import CalledFunction, WireToolCall
from switchgear.wire.cohere_chat_reply import WireBlock
from switchgear.wire.cohere_errors import is_error_event, read_disguised
from switchgear.wire.cohere_logprobs import read_logprobs
from switchgear.wire.cohere_usage import WireUsage, read_finish, read_usage
from switchgear.wire.json_body import ABSENT, excerpt, said
from switchgear.wire.sse import FrameSplitter, read_events

DONE: Final = b"[DONE]"
_KNOWN: Final = frozenset(
    (
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "citation-start",
        "message-end",
    )
)


class WireMessage(Struct):
    """``delta.message`` of any event; that of ``message-start`` has empty lists."""

    content: WireBlock | list[Raw] | None = None
    tool_plan: str | None = None
    tool_calls: WireToolCall | list[Raw] | None = None
    citations: Raw = ABSENT


class WireDelta(Struct):
    message: WireMessage | None = None
    finish_reason: str | None = None
    error: str | None = None
    usage: WireUsage | None = None


class WireEvent(Struct):
    """Any event of a stream."""

    type: str = ""
    id: str | None = None
    index: int | None = None
    delta: WireDelta | None = None
    logprobs: Raw = ABSENT


class _EventType(Struct):
    type: str


def read_event(name: bytes, data: bytes) -> WireEvent | None:
    """One event; None for one of an unknown type.

    Raises UpstreamGarbled when it cannot be read, UpstreamRefused when it is an error object.
    """
    try:
        found = json.decode(data, type=WireEvent)
        if not found.type and is_error_event(data):
            raise read_disguised(data)
    except ValidationError as error:
        if _is_foreign(data):
            return None
        raise UpstreamGarbled(f"an event of the upstream's stream does not fit its dialect: {error}") from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled(f"an event of the upstream's stream is not JSON: {excerpt(data)}") from None
    if not found.type:
        found.type = name.decode("utf-8", "replace")
    return found if found.type in _KNOWN else None


def _is_foreign(data: bytes) -> bool:
    """Whether an event that does not fit is of a type this gateway does not know, whose fields may be anything."""
    try:
        return json.decode(data, type=_EventType).type not in _KNOWN
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return False


class _Tool(Struct):
    part: int
    told: bool = False
    """Its arguments have begun."""
    ended: bool = False


class CohereEventReader:
    """The EventReader of Cohere's dialect; ``message-end`` completes a stream, and ``[DONE]`` after it says nothing."""

    __slots__ = ("_blocks", "_ended", "_open_kind", "_open_part", "_parts", "_plan", "_splitter",
                 "_started", "_tools")  # fmt: skip

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._blocks: dict[int, int] = {}
        """The part of each content block."""
        self._tools: dict[int, _Tool] = {}
        self._plan: int | None = None
        self._parts = 0
        self._open_kind: PartKind | None = None
        self._open_part = 0
        self._started = False
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for name, payload in read_events(self._splitter.feed(data)):
                if self._ended:
                    break
                self._take(name, payload, events)
        except UpstreamError as error:
            self._fail(error, events)
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        if not self._ended:
            self._fail(UpstreamTruncated("the upstream's stream ended before message-end"), events)
        return events

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        if not self._ended:
            self._ended = True
            events.append(Failure(error=error))

    def _take(self, name: bytes, payload: bytes, events: list[Event]) -> None:
        event = None if payload.startswith(DONE) else read_event(name, payload)
        if event is None:
            return
        if not self._started:
            self._started = True
            events.append(Start(id=event.id or "", model=""))
        delta = event.delta or WireDelta()
        message = delta.message or WireMessage()
        match event.type:
            case "content-delta" | "content-start":
                block = message.content if isinstance(message.content, WireBlock) else WireBlock()
                self._content(event, block, events)
            case "tool-plan-delta":
                self._tool_plan(message.tool_plan or "", events)
            case "citation-start":
                self._cite(message.citations, events)
            case "message-end":
                self._end(delta, events)
            case _:
                self._call(event, message, events)

    def _call(self, event: WireEvent, message: WireMessage, events: list[Event]) -> None:
        call = message.tool_calls if isinstance(message.tool_calls, WireToolCall) else WireToolCall()
        index = event.index or 0
        match event.type:
            case "tool-call-start":
                self._begin_call(index, call, events)
            case "tool-call-delta":
                self._argue(index, call, events)
            case "tool-call-end":
                self._stop_call(self._open_tool(index), events)
            case _:
                pass

    def _content(self, event: WireEvent, block: WireBlock, events: list[Event]) -> None:
        begins = event.type == "content-start"
        if block.data is not None:
            self._open("redacted_thinking", events, data=block.data)
        elif begins or block.text or block.thinking or block.signature:
            thinks = block.type == "thinking" or bool(block.thinking or block.signature)
            kind: PartKind = "thinking" if thinks else "text"
            index = event.index or 0
            if begins or self._open_kind != kind or self._blocks.get(index) != self._open_part:
                self._open(kind, events)
                self._blocks[index] = self._open_part
            self._tell("thinking", block.thinking or "", events)
            self._tell("text", block.text or "", events)
            self._tell("signature", block.signature or "", events)
        logprobs = said(event.logprobs)
        if logprobs is not None:
            events.append(Logprobs(value=read_logprobs(logprobs)))

    def _tool_plan(self, piece: str, events: list[Event]) -> None:
        if piece and (self._open_kind != "text" or self._plan != self._open_part):
            self._open("text", events)
            self._plan = self._open_part
        self._tell("text", piece, events)

    def _tell(self, kind: DeltaKind, piece: str, events: list[Event]) -> None:
        if piece:
            events.append(Delta(part=self._open_part, kind=kind, text=piece))

    def _open(self, kind: PartKind, events: list[Event], data: str = "") -> None:
        self._close(events)
        self._open_kind = kind
        self._open_part = self._parts
        self._parts += 1
        events.append(PartStart(part=self._open_part, kind=kind, data=data))

    def _close(self, events: list[Event]) -> None:
        if self._open_kind is not None:
            self._open_kind = None
            events.append(PartStop(part=self._open_part))

    def _begin_call(self, index: int, call: WireToolCall, events: list[Event]) -> None:
        if index in self._tools:
            raise UpstreamGarbled(f"the upstream's stream starts the call {index} twice")
        self._close(events)
        tool = self._tools[index] = _Tool(part=self._parts)
        self._parts += 1
        function = call.function or CalledFunction()
        tool_id = call.id or f"call_{len(self._tools) - 1}"
        events.append(PartStart(part=tool.part, kind="tool_call", tool_id=tool_id, tool_name=function.name or ""))
        self._argue(index, call, events)

    def _argue(self, index: int, call: WireToolCall, events: list[Event]) -> None:
        tool = self._open_tool(index)
        arguments = "" if call.function is None else call.function.arguments or ""
        if arguments:
            tool.told = True
            events.append(Delta(part=tool.part, kind="arguments", text=arguments))

    def _open_tool(self, index: int) -> _Tool:
        tool = self._tools.get(index)
        if tool is None or tool.ended:
            raise UpstreamGarbled(f"the upstream's stream continues the call {index}, which is not open")
        return tool

    def _stop_call(self, tool: _Tool, events: list[Event]) -> None:
        if not tool.told:
            # A call without arguments is an empty object in a whole answer, so it is one here.
            events.append(Delta(part=tool.part, kind="arguments", text="{}"))
        tool.ended = True
        events.append(PartStop(part=tool.part))

    def _cite(self, citations: Raw, events: list[Event]) -> None:
        """A citation is told of the text that is open; one that comes when none is has lost its place."""
        given = said(citations)
        if given is None or self._open_kind != "text":
            return
        try:
            found = json.decode(given, type=list[Raw]) if bytes(given).startswith(b"[") else [given]
            texts = [bytes(citation).decode() for citation in found]
        except UnicodeDecodeError:
            raise UpstreamGarbled("a citation in the upstream's stream is not valid UTF-8") from None
        events += [Delta(part=self._open_part, kind="citation", text=text) for text in texts]

    def _end(self, delta: WireDelta, events: list[Event]) -> None:
        self._close(events)
        for tool in self._tools.values():
            if not tool.ended:
                self._stop_call(tool, events)
        usage = None if delta.usage is None else read_usage(delta.usage)
        if usage is not None:
            events.append(UsageReport(usage=usage))
        events.append(ChoiceStop(finish=read_finish(delta.finish_reason, delta.error)))
        self._ended = True
        events.append(Done())
