"""Reading a stream of OpenAI's Responses API (platform.openai.com/docs/api-reference/responses-streaming).

The reader takes what servers leave out: a part opens with its first event whichever that is, what came in no delta is
taken from the event that is done with it, and an item closes what is still open in it. Events of unknown types are
passed over, and so are the items of hosted tools. A stream without a final response was cut off.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

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
from switchgear.wire.json_body import NULL, decode_answer
from switchgear.wire.openai_responses_parts import read_annotation
from switchgear.wire.openai_responses_reply import WireItem, WirePart, WireResponse, read_item
from switchgear.wire.openai_responses_usage import read_error_event, read_failure, read_finish, read_usage
from switchgear.wire.sse import FrameSplitter, read_events

FINAL: Final = ("response.completed", "response.incomplete")
FAILED: Final = ("response.failed", "error")
_BEGINNING: Final = ("response.created", "response.queued", "response.in_progress")
_PARAGRAPH: Final = "\n\n"
_PIECES: Final[dict[str, tuple[PartKind, DeltaKind]]] = {
    "response.output_text.delta": ("text", "text"),
    "response.refusal.delta": ("refusal", "refusal"),
    "response.function_call_arguments.delta": ("tool_call", "arguments"),
    "response.reasoning_summary_text.delta": ("thinking", "thinking"),
    "response.reasoning_text.delta": ("thinking", "thinking"),
}
_KINDS: Final[dict[str, PartKind]] = {"output_text": "text", "refusal": "refusal", "reasoning_text": "thinking"}


class WireEvent(Struct):
    """Any event; the fields that its type does not have stay at their defaults."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str = ""
    text: str = ""
    refusal: str = ""
    arguments: str = ""
    logprobs: list[Raw] | None = None
    annotation: dict[str, Raw] | None = None
    part: WirePart | None = None
    item: Raw = Raw(NULL)
    response: WireResponse | None = None


class EventKind(Struct):
    type: str = ""


def read_kind(name: bytes, data: bytes) -> str:
    """The type of an event: its own, or the name it came under. Raises UpstreamGarbled when it is no object."""
    return decode_answer(EventKind, data).type or name.decode("utf-8", "replace")


class _OpenPart:
    """One canonical part that is being told; a reasoning item is one, however many pieces its summary has."""

    __slots__ = ("cited", "closed", "kind", "number", "piece", "told")

    def __init__(self, number: int, kind: PartKind, piece: tuple[str, int]) -> None:
        self.number = number
        self.kind: PartKind = kind
        self.piece = piece
        """Which piece of a summary or of a reasoning's content is being told."""
        self.told = False
        self.cited = False
        self.closed = False


class _OpenItem:
    """One output item: its parts by content index (thinking and calls stand at 0)."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.parts: dict[int, _OpenPart] = {}


class ResponsesEventReader:
    """The EventReader of OpenAI's Responses API."""

    __slots__ = ("_calls", "_ended", "_items", "_parts", "_splitter", "_started")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._items: dict[int, _OpenItem] = {}
        self._parts = 0
        self._calls = False
        self._started = False
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        return self._guarded(lambda: self._read_frames(self._splitter.feed(data)))

    def close(self) -> list[Event]:
        return self._guarded(self._cut_off)

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
        except UnicodeDecodeError:
            self._ended = True
            events.append(Failure(error=UpstreamGarbled("an annotation in the upstream's stream is not valid UTF-8")))
        return events

    def _cut_off(self) -> Iterator[Event]:
        raise UpstreamTruncated("the upstream's stream ended without a final response")
        yield

    def _read_frames(self, frames: bytes) -> Iterator[Event]:
        for name, data in read_events(frames):
            if data.startswith(b"[DONE]"):
                continue  # some servers end every stream with it
            yield from self._read(name, data)
            if self._ended:
                return

    def _read(self, name: bytes, data: bytes) -> Iterator[Event]:
        kind = read_kind(name, data)
        if kind == "error":
            raise read_error_event(data)
        if kind in _PIECES:
            yield from self._delta(decode_answer(WireEvent, data), kind)
        elif kind.startswith("response.output_item."):
            yield from self._item(decode_answer(WireEvent, data), kind)
        elif kind in (*_BEGINNING, *FINAL, "response.failed"):
            yield from self._lifecycle(decode_answer(WireEvent, data), kind)
        else:
            yield from self._within(kind, data)

    def _lifecycle(self, event: WireEvent, kind: str) -> Iterator[Event]:
        response = event.response
        if response is None:
            raise UpstreamGarbled(f"the upstream's stream has {kind} without a response")
        if kind == "response.failed":
            raise read_failure(response.error)
        yield from self._start(response)
        if kind in FINAL:
            yield from self._finish(response, kind)

    def _start(self, response: WireResponse) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield Start(
                id=response.id,
                model=response.model,
                created_seconds=int(response.created_at or 0),
                service_tier=response.service_tier,
            )

    def _finish(self, response: WireResponse, kind: str) -> Iterator[Event]:
        for index, raw in enumerate(response.output or ()):
            item = read_item(raw)
            if item is not None and index not in self._items:
                yield from self._close_item(self._open_item(index, item), item)
        for item in self._items.values():
            yield from self._close_parts(item)
        status = kind.removeprefix("response.")
        finish = read_finish(status, response.incomplete_details, calls=self._calls)
        yield ChoiceStop(finish=finish or "stop")
        if response.usage is not None:
            yield UsageReport(usage=read_usage(response.usage))
        self._ended = True
        yield Done()

    def _item(self, event: WireEvent, kind: str) -> Iterator[Event]:
        self._demand_start(kind)
        found = None if bytes(event.item) == NULL else read_item(event.item)
        if found is None:
            return
        item = self._items.get(event.output_index) or self._open_item(event.output_index, found)
        if found.type == "function_call" and 0 not in item.parts:
            yield from self._open(item, "tool_call", found)
        if kind.endswith(".done"):
            yield from self._close_item(item, found)

    def _open_item(self, index: int, found: WireItem) -> _OpenItem:
        item = self._items[index] = _OpenItem(found.type)
        return item

    def _open(
        self, item: _OpenItem, kind: PartKind, found: WireItem | None = None, at: int = 0, data: str = ""
    ) -> Iterator[Event]:
        item.parts[at] = _OpenPart(self._parts, kind, ("", 0))
        self._parts += 1
        call = found if kind == "tool_call" else None
        self._calls = self._calls or kind == "tool_call"
        yield PartStart(
            part=item.parts[at].number,
            kind=kind,
            tool_id="" if call is None else call.call_id or call.id or "",
            tool_name="" if call is None else call.name or "",
            data=data,
        )

    def _delta(self, event: WireEvent, kind: str) -> Iterator[Event]:
        part_kind, delta = _PIECES[kind]
        yield from self._more(event, part_kind, delta, event.delta)
        if event.logprobs:
            yield Logprobs(value=Raw(json.encode({"content": event.logprobs})))

    def _more(self, event: WireEvent, kind: PartKind, delta: DeltaKind, text: str) -> Iterator[Event]:
        """More of a part, which opens when it is not open yet."""
        self._demand_start(kind)
        item = self._items.get(event.output_index)
        if item is None:
            raise UpstreamGarbled(f"the upstream's stream continues item {event.output_index}, which is not open")
        at = event.content_index if kind in ("text", "refusal") else 0
        if at not in item.parts:
            yield from self._open(item, kind, at=at)
        part = item.parts[at]
        if part.kind != kind or (part.closed and text):
            raise UpstreamGarbled(f"the upstream's stream continues item {event.output_index} with what it cannot hold")
        if kind == "thinking":
            yield from self._next_thought(part, event)
        if text:
            part.told = part.told or delta != "citation"
            part.cited = part.cited or delta == "citation"
            yield Delta(part=part.number, kind=delta, text=text)

    def _next_thought(self, part: _OpenPart, event: WireEvent) -> Iterator[Event]:
        """A paragraph between two pieces of one item's thinking."""
        side: Literal["summary", "content"] = "summary" if "summary" in event.type else "content"
        piece = (side, event.summary_index if side == "summary" else event.content_index)
        if part.piece not in (piece, ("", 0)):
            yield Delta(part=part.number, kind="thinking", text=_PARAGRAPH)
        part.piece = piece

    def _within(self, kind: str, data: bytes) -> Iterator[Event]:
        """Events between the first and the last of an item that are not deltas."""
        match kind:
            case "response.content_part.added":
                event = decode_answer(WireEvent, data)
                opened = None if event.part is None else _KINDS.get(event.part.type)
                if opened is not None:
                    yield from self._more(event, opened, "text", "")
            case "response.reasoning_summary_part.added":
                yield from self._more(decode_answer(WireEvent, data), "thinking", "thinking", "")
            case "response.output_text.done":
                event = decode_answer(WireEvent, data)
                yield from self._untold(event, "text", "text", event.text)
            case "response.refusal.done":
                event = decode_answer(WireEvent, data)
                yield from self._untold(event, "refusal", "refusal", event.refusal)
            case "response.output_text.annotation.added":
                event = decode_answer(WireEvent, data)
                yield from self._more(event, "text", "citation", _citation(event.annotation or {}))
            case "response.content_part.done":
                yield from self._part_done(decode_answer(WireEvent, data))
            case _:
                return

    def _untold(self, event: WireEvent, kind: PartKind, delta: DeltaKind, text: str) -> Iterator[Event]:
        """All of a part that came in no delta."""
        item = self._items.get(event.output_index)
        part = None if item is None else item.parts.get(event.content_index)
        if part is None or not part.told:
            yield from self._more(event, kind, delta, text)

    def _part_done(self, event: WireEvent) -> Iterator[Event]:
        item = self._items.get(event.output_index)
        part = None if item is None else item.parts.get(event.content_index)
        if part is None or part.closed or part.kind not in ("text", "refusal"):
            return
        if event.part is not None and not part.cited:
            for annotation in event.part.annotations or ():
                yield Delta(part=part.number, kind="citation", text=_citation(annotation))
        part.closed = True
        yield PartStop(part=part.number)

    def _close_item(self, item: _OpenItem, found: WireItem) -> Iterator[Event]:
        """What the finished item says beyond what was told, and the end of its parts."""
        match found.type:
            case "reasoning":
                yield from self._close_thought(item, found)
            case "function_call":
                if 0 not in item.parts:
                    yield from self._open(item, "tool_call", found)
                part = item.parts[0]
                if part.kind == "tool_call" and not part.told and not part.closed and found.arguments:
                    yield Delta(part=part.number, kind="arguments", text=found.arguments)
            case _:
                yield from self._close_message(item, found.content or ())
        yield from self._close_parts(item)

    def _close_thought(self, item: _OpenItem, found: WireItem) -> Iterator[Event]:
        texts = [piece.text for piece in (*(found.summary or ()), *(found.content or ()))]
        encrypted = found.encrypted_content or ""
        if 0 not in item.parts and not texts:
            if encrypted:
                yield from self._open(item, "redacted_thinking", data=encrypted)
            return
        if 0 not in item.parts:
            yield from self._open(item, "thinking")
        part = item.parts[0]
        if part.kind != "thinking" or part.closed:
            return
        if not part.told and any(texts):
            yield Delta(part=part.number, kind="thinking", text=_PARAGRAPH.join(texts))
        if encrypted:
            yield Delta(part=part.number, kind="signature", text=encrypted)

    def _close_message(self, item: _OpenItem, content: Sequence[WirePart]) -> Iterator[Event]:
        """The parts of a message that no event told of."""
        for at, part in enumerate(content):
            kind = _KINDS.get(part.type)
            if kind not in ("text", "refusal") or at in item.parts:
                continue
            yield from self._open(item, kind, at=at)
            text = part.text if kind == "text" else part.refusal
            if text:
                yield Delta(part=item.parts[at].number, kind=kind, text=text)
            yield from self._close_parts(item)

    def _close_parts(self, item: _OpenItem) -> Iterator[Event]:
        for part in item.parts.values():
            if not part.closed:
                part.closed = True
                yield PartStop(part=part.number)

    def _demand_start(self, what: str) -> None:
        if not self._started:
            raise UpstreamGarbled(f"the upstream's stream has {what} before response.created")


def _citation(annotation: dict[str, Raw]) -> str:
    return json.encode(read_annotation(annotation)).decode()
