"""Reading a stream of ConverseStream (Amazon Bedrock API Reference, API_runtime_ConverseStreamOutput).

A block of text or thinking has no start of its own: its first delta opens it. Events of unknown types are passed over,
and so are blocks of server tools. ``metadata``, which holds the usage, comes last.
"""

from base64 import b64decode, b64encode
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
    Start,
    UsageReport,
)
from switchgear.kernel.errors import UpstreamError, UpstreamGarbled, UpstreamTruncated
from switchgear.wire.bedrock_converse_reply import read_more
from switchgear.wire.bedrock_converse_usage import WireUsage, read_finish, read_usage
from switchgear.wire.bedrock_errors import read_exception
from switchgear.wire.event_stream import Message, MessageSplitter, read_messages
from switchgear.wire.json_body import ABSENT, excerpt, said

EVENT: Final = "event"
FAULTS: Final = ("exception", "error")
_BLOCK_EVENTS: Final = ("contentBlockStart", "contentBlockDelta", "contentBlockStop")
_KNOWN: Final = frozenset(("messageStart", *_BLOCK_EVENTS, "messageStop", "metadata"))


class StartedCall(Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    type: str | None = None
    """Set for tools that run at the model's own provider."""


class WireStart(Struct, rename="camel"):
    tool_use: StartedCall | None = None
    image: Raw = ABSENT


class CallDelta(Struct):
    input: str = ""


class ReasoningDelta(Struct, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class WireDelta(Struct, rename="camel"):
    """One member is set; none for kinds that are not known."""

    text: str | None = None
    tool_use: CallDelta | None = None
    reasoning_content: ReasoningDelta | None = None
    citation: Raw = ABSENT

    def content(self) -> tuple[PartKind, DeltaKind, str] | None:
        """The kind of block that the delta belongs to, what it adds, and the text."""
        if self.text is not None:
            return "text", "text", self.text
        if self.tool_use is not None:
            return "tool_call", "arguments", self.tool_use.input
        citation = said(self.citation)
        if citation is not None:
            return "text", "citation", bytes(citation).decode()
        thought = self.reasoning_content
        if thought is None or thought.redacted_content is not None:
            return None
        if thought.signature is not None:
            return "thinking", "signature", thought.signature
        return "thinking", "thinking", thought.text or ""


class WireEvent(Struct, rename="camel"):
    """Any event of a stream; the fields that its type does not have stay at their defaults."""

    content_block_index: int = 0
    start: WireStart | None = None
    delta: WireDelta | None = None
    stop_reason: str | None = None
    additional_model_response_fields: Raw = ABSENT
    usage: WireUsage | None = None


class _OpenBlock:
    """A block that is carried: its number as a part, and whether a tool's arguments have begun."""

    __slots__ = ("kind", "part", "told")

    def __init__(self, part: int, kind: PartKind) -> None:
        self.part = part
        self.kind: PartKind = kind
        self.told = False


_DECODER: Final = json.Decoder(WireEvent)


def read_event(message: Message) -> WireEvent | None:
    """One event; None for one of an unknown type. Raises UpstreamGarbled when it cannot be read."""
    if message.word(":event-type") not in _KNOWN:
        return None
    try:
        return _DECODER.decode(message.payload)
    except ValidationError as error:
        raise UpstreamGarbled(f"an event of the upstream's stream does not fit its dialect: {error}") from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamGarbled(f"an event of the upstream's stream is not JSON: {excerpt(message.payload)}") from None


class ConverseEventReader:
    """The EventReader of Converse."""

    __slots__ = ("_blocks", "_ended", "_parts", "_redacted", "_splitter", "_started", "_stopped")

    def __init__(self) -> None:
        self._splitter = MessageSplitter()
        self._blocks: dict[int, _OpenBlock | None] = {}
        self._redacted: dict[int, list[str]] = {}
        """Redacted thinking by its block, until it is whole."""
        self._parts = 0
        self._started = False
        self._stopped = False
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        try:
            for message in read_messages(self._splitter.feed(data)):
                if self._ended:
                    break
                self._take(message, events)
        except UpstreamError as error:
            self._fail(error, events)
        except UnicodeDecodeError:
            self._fail(UpstreamGarbled("a citation in the upstream's stream is not valid UTF-8"), events)
        return events

    def close(self) -> list[Event]:
        """A stream that told why the model stopped is whole, even where ``metadata`` is missing."""
        events: list[Event] = []
        if self._stopped and not self._ended:
            self._ended = True
            events.append(Done())
        elif not self._ended:
            self._fail(UpstreamTruncated("the upstream's stream ended before messageStop"), events)
        return events

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        if not self._ended:
            self._ended = True
            events.append(Failure(error=error))

    def _take(self, message: Message, events: list[Event]) -> None:
        if message.word(":message-type") in FAULTS:
            raise read_exception(message)
        event = read_event(message)
        if event is None:
            return
        name = message.word(":event-type")
        if name == "messageStart":
            if not self._started:
                self._started = True
                events.append(Start(id="", model=""))
            return
        if not self._started:
            raise UpstreamGarbled(f"the upstream's stream has {name} before messageStart")
        if name in _BLOCK_EVENTS:
            self._block(name, event, events)
        elif name == "messageStop":
            self._stop_message(event, events)
        else:
            self._end(event, events)

    def _block(self, name: str, event: WireEvent, events: list[Event]) -> None:
        if name == "contentBlockDelta":
            self._delta(event.content_block_index, event.delta or WireDelta(), events)
        elif name == "contentBlockStart":
            self._start(event.content_block_index, event.start or WireStart(), events)
        else:
            self._stop(event.content_block_index, events)

    def _start(self, index: int, start: WireStart, events: list[Event]) -> None:
        if index in self._blocks:
            raise UpstreamGarbled(f"the upstream's stream starts block {index} twice")
        if said(start.image) is not None:
            raise UpstreamGarbled("the upstream's stream holds an image, which no other dialect's stream can")
        call = start.tool_use
        if call is None or call.type is not None:
            self._blocks[index] = None
        else:
            self._open(
                index, PartStart(part=0, kind="tool_call", tool_id=call.tool_use_id, tool_name=call.name), events
            )

    def _open(self, index: int, opening: PartStart, events: list[Event]) -> _OpenBlock:
        opened = self._blocks[index] = _OpenBlock(self._parts, opening.kind)
        self._parts += 1
        events.append(
            PartStart(
                part=opened.part,
                kind=opening.kind,
                tool_id=opening.tool_id,
                tool_name=opening.tool_name,
                data=opening.data,
            )
        )
        return opened

    def _delta(self, index: int, delta: WireDelta, events: list[Event]) -> None:
        thought = delta.reasoning_content
        if thought is not None and thought.redacted_content is not None:
            self._redacted.setdefault(index, []).append(thought.redacted_content)
            return
        content = delta.content()
        if content is None or (index in self._blocks and self._blocks[index] is None):
            return
        kind, adds, text = content
        opened = self._blocks.get(index)
        if opened is None:
            if kind == "tool_call":
                raise UpstreamGarbled(f"the upstream's stream continues the tool call {index}, which is not open")
            opened = self._open(index, PartStart(part=0, kind=kind), events)
        if opened.kind != kind:
            raise UpstreamGarbled(f"the upstream's stream mixes {opened.kind} and {kind} in block {index}")
        self._tell(opened, adds, text, events)

    def _tell(self, opened: _OpenBlock, kind: DeltaKind, text: str, events: list[Event]) -> None:
        if text:
            opened.told = True
            events.append(Delta(part=opened.part, kind=kind, text=text))

    def _stop(self, index: int, events: list[Event]) -> None:
        redacted = self._redacted.pop(index, None)
        if redacted is not None:
            opened = self._open(index, PartStart(part=0, kind="redacted_thinking", data=_joined(redacted)), events)
        elif index not in self._blocks:
            # A text without a character has neither a start nor a delta.
            opened = self._open(index, PartStart(part=0, kind="text"), events)
        else:
            opened = self._blocks[index]
        if opened is None:
            return
        if opened.kind == "tool_call" and not opened.told:
            # A call without arguments is an empty object in a whole answer, so it is one here.
            self._tell(opened, "arguments", "{}", events)
        events.append(PartStop(part=opened.part))

    def _stop_message(self, event: WireEvent, events: list[Event]) -> None:
        self._stopped = True
        stop_sequence, _ = read_more(event.additional_model_response_fields)
        events.append(ChoiceStop(finish=read_finish(event.stop_reason or ""), stop_sequence=stop_sequence))

    def _end(self, event: WireEvent, events: list[Event]) -> None:
        if not self._stopped:
            raise UpstreamGarbled("the upstream's stream has metadata before messageStop")
        self._ended = True
        if event.usage is not None:
            events.append(UsageReport(usage=read_usage(event.usage)))
        events.append(Done())


def _joined(pieces: list[str]) -> str:
    """One base64 text for all; a single piece stays as it came."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(b64decode(piece, validate=True) for piece in pieces)).decode()
    except ValueError:
        raise UpstreamGarbled("redacted thinking in the upstream's stream is not base64") from None
