"""Reading a stream of Anthropic's Messages API (docs.claude.com/en/docs/build-with-claude/streaming).

Events of unknown types are passed over, and so are blocks of server tools: their deltas and their stop are not told.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.chat import (
    ChoiceStop,
    Delta,
    DeltaKind,
    Done,
    Event,
    Failure,
    PartKind,
    PartStart,
    PartStop,
    Ping,
    Start,
    UsageReport,
)
from switchgear.kernel.errors import UpstreamError, UpstreamGarbled, UpstreamTruncated
from switchgear.wire.anthropic_errors import read_stream_error
from switchgear.wire.anthropic_reply import WireMessage, read_input, read_wire_block
from switchgear.wire.anthropic_usage import WireUsage, merged_usage, read_finish, read_tier, read_usage
from switchgear.wire.json_body import ABSENT, excerpt, said
from switchgear.wire.sse import FrameSplitter, read_events

_KNOWN: Final = frozenset(
    (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    )
)
_KINDS: Final[Mapping[str, PartKind]] = {
    "text": "text",
    "thinking": "thinking",
    "redacted_thinking": "redacted_thinking",
    "tool_use": "tool_call",
}


class WireDelta(Struct):
    """``delta`` of a block or of the message; the fields that its kind does not have stay at their defaults."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    citation: Raw = ABSENT
    stop_reason: str | None = None
    stop_sequence: str | None = None

    def content(self) -> tuple[DeltaKind, str]:
        """What a block's delta adds; no text for kinds that are not known."""
        match self.type:
            case "text_delta":
                return "text", self.text
            case "thinking_delta":
                return "thinking", self.thinking
            case "signature_delta":
                return "signature", self.signature
            case "input_json_delta":
                return "arguments", self.partial_json
            case _:
                citation = said(self.citation)
                return "citation", "" if citation is None else bytes(citation).decode()


class WireEvent(Struct):
    """Any event of a stream."""

    type: str = ""
    index: int = 0
    message: WireMessage | None = None
    content_block: Raw = ABSENT
    delta: WireDelta | None = None
    usage: WireUsage | None = None
    error: Raw = ABSENT


class _EventType(Struct):
    type: str


class _OpenBlock:
    """A block that is carried: its number as a part, and whether a tool's arguments have begun."""

    __slots__ = ("kind", "part", "told")

    def __init__(self, part: int, kind: PartKind) -> None:
        self.part = part
        self.kind: PartKind = kind
        self.told = False


_DECODER: Final = json.Decoder(WireEvent)


def read_event(name: bytes, data: bytes) -> WireEvent | None:
    """One event; None for one of an unknown type. Raises UpstreamGarbled when it cannot be read."""
    try:
        found = _DECODER.decode(data)
    except ValidationError as error:
        if _is_foreign(data):
            return None
        raise UpstreamGarbled(f"an event of the upstream's stream does not fit its dialect: {error}") from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled(f"an event of the upstream's stream is not JSON: {excerpt(data)}") from None
    if not found.type:
        found.type = "error" if said(found.error) is not None else name.decode("utf-8", "replace")
    return found if found.type in _KNOWN else None


def _is_foreign(data: bytes) -> bool:
    """Whether an event that does not fit is of a type this gateway does not know, whose fields may be anything."""
    try:
        return json.decode(data, type=_EventType).type not in _KNOWN
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return False


class AnthropicEventReader:
    """The EventReader of Anthropic's dialect."""

    __slots__ = ("_blocks", "_ended", "_parts", "_splitter", "_started", "_usage")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._usage: WireUsage | None = None
        self._blocks: dict[int, _OpenBlock | None] = {}
        self._parts = 0
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
        except UnicodeDecodeError:
            self._fail(UpstreamGarbled("a citation in the upstream's stream is not valid UTF-8"), events)
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        if not self._ended:
            self._fail(UpstreamTruncated("the upstream's stream ended before message_stop"), events)
        return events

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        if not self._ended:
            self._ended = True
            events.append(Failure(error=error))

    def _take(self, name: bytes, payload: bytes, events: list[Event]) -> None:
        event = read_event(name, payload)
        if event is None:
            return
        match event.type:
            case "content_block_delta":
                self._delta(event, events)
            case "content_block_start":
                self._open(event, events)
            case "content_block_stop":
                self._stop(event, events)
            case "ping":
                events.append(Ping())
            case "error":
                raise read_stream_error(payload)
            case _:
                self._message(event, events)

    def _message(self, event: WireEvent, events: list[Event]) -> None:
        """The events of the message as a whole: its start, its delta and its stop."""
        if event.type == "message_start":
            self._start(event.message or WireMessage(), events)
            return
        self._demand_start(event)
        if event.type == "message_delta":
            self._message_delta(event, events)
        else:
            self._ended = True
            events.append(Done())

    def _start(self, message: WireMessage, events: list[Event]) -> None:
        if message.usage is not None:
            self._usage = merged_usage(self._usage, message.usage)
        if self._started:
            return
        self._started = True
        usage = None if self._usage is None else read_usage(self._usage)
        events.append(Start(id=message.id, model=message.model, usage=usage, service_tier=read_tier(self._usage)))

    def _message_delta(self, event: WireEvent, events: list[Event]) -> None:
        delta = event.delta
        if delta is not None and delta.stop_reason is not None:
            events.append(ChoiceStop(finish=read_finish(delta.stop_reason), stop_sequence=delta.stop_sequence))
        if event.usage is not None:
            self._usage = merged_usage(self._usage, event.usage)
            events.append(UsageReport(usage=read_usage(self._usage)))

    def _open(self, event: WireEvent, events: list[Event]) -> None:
        self._demand_start(event)
        given = said(event.content_block)
        if given is None or event.index in self._blocks:
            raise UpstreamGarbled(f"the upstream's stream starts block {event.index} twice or without a block")
        block = read_wire_block(given)
        if block is None:
            self._blocks[event.index] = None
            return
        opened = _OpenBlock(self._parts, _KINDS[block.type])
        self._blocks[event.index] = opened
        self._parts += 1
        events.append(
            PartStart(
                part=opened.part,
                kind=opened.kind,
                tool_id=block.id or "",
                tool_name=block.name or "",
                data=block.data or "",
            )
        )
        arguments = read_input(block)
        # Anthropic opens a call with an empty input and streams it; some servers give it whole at once.
        whole = arguments if arguments.strip("{} \t\r\n") else ""
        self._tell(opened, "text", block.text or "", events)
        self._tell(opened, "thinking", block.thinking or "", events)
        self._tell(opened, "arguments", whole, events)
        self._tell(opened, "signature", block.signature or "", events)

    def _delta(self, event: WireEvent, events: list[Event]) -> None:
        if event.index not in self._blocks or event.delta is None:
            raise UpstreamGarbled(f"the upstream's stream continues block {event.index}, which is not open")
        opened = self._blocks[event.index]
        if opened is not None:
            self._tell(opened, *event.delta.content(), events)

    def _tell(self, opened: _OpenBlock, kind: DeltaKind, text: str, events: list[Event]) -> None:
        if text:
            opened.told = True
            events.append(Delta(part=opened.part, kind=kind, text=text))

    def _stop(self, event: WireEvent, events: list[Event]) -> None:
        if event.index not in self._blocks:
            raise UpstreamGarbled(f"the upstream's stream stops block {event.index}, which is not open")
        opened = self._blocks[event.index]
        if opened is None:
            return
        if opened.kind == "tool_call" and not opened.told:
            # A call without arguments is an empty object in a whole answer, so it is one here.
            self._tell(opened, "arguments", "{}", events)
        events.append(PartStop(part=opened.part))

    def _demand_start(self, event: WireEvent) -> None:
        if not self._started:
            raise UpstreamGarbled(f"the upstream's stream has {event.type} before message_start")
