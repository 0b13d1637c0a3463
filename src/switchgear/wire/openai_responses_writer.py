"""Writing canonical events as a stream of OpenAI's Responses API, the way the vendor's SDKs join it.

Every event is numbered, ``response.created`` comes first, and each item is told from ``output_item.added`` to
``output_item.done`` under its index, from 0 without gaps. Texts and refusals that follow each other are one message.
The last event holds the whole response once more, which is why all of it is kept here.
"""

from typing import Final

from msgspec import Raw, json

from switchgear.kernel.chat import (
    ChoiceStop,
    Delta,
    Done,
    Event,
    Failure,
    Logprobs,
    PartStart,
    Ping,
    RedactedThinking,
    Refusal,
    Start,
    Text,
    Thinking,
    ToolCall,
    Usage,
    UsageReport,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.kernel.estimate import estimated_usage
from switchgear.wire.json_body import text
from switchgear.wire.openai_chat_writer import KEEPALIVE
from switchgear.wire.openai_responses_object import Ending, Identity, response_object
from switchgear.wire.openai_responses_parts import Block, own_annotation, write_output_part
from switchgear.wire.openai_responses_reply import call_item, logprob_items, message_item, reasoning_item
from switchgear.wire.openai_responses_usage import write_failure, write_finish

_PREFIXES: Final = {"text": "msg", "refusal": "msg", "tool_call": "fc", "thinking": "rs", "redacted_thinking": "rs"}
_DELTA: Final = b'event: %b\ndata: {"type":"%b","sequence_number":%d,"item_id":%b,"output_index":%d,%b"delta":%b%b}\n\n'
_CONTENT: Final = b'"content_index":%d,'
_SUMMARY: Final = b'"summary_index":0,'


class _Part:
    """One canonical part on its way out: the item it belongs to, its place there, and what it has said."""

    __slots__ = (
        "annotated",
        "at",
        "citations",
        "item",
        "kind",
        "logprobs",
        "opening",
        "pieces",
        "signature",
        "stopped",
    )

    def __init__(self, opening: PartStart, item: "_Item", at: int) -> None:
        self.opening = opening
        self.item = item
        self.at = at
        self.pieces: list[str] = []
        self.citations: list[Raw] = []
        self.annotated = 0
        self.logprobs: list[Raw] = []
        self.signature = ""
        self.stopped = False

    @property
    def text(self) -> str:
        """All that was said so far."""
        return "".join(self.pieces)

    def content(self) -> Block:
        """A text or a refusal as content of a message."""
        if self.opening.kind == "refusal":
            return write_output_part(Refusal(text=self.text))
        citations = Raw(json.encode(self.citations)) if self.citations else None
        return write_output_part(Text(text=self.text, citations=citations)) | {"logprobs": self.logprobs}


class _Item:
    """One output item, with its parts in order."""

    __slots__ = ("done", "id", "index", "parts")

    def __init__(self, index: int, id: str) -> None:
        self.index = index
        self.id = id
        self.parts: list[_Part] = []
        self.done = False

    @property
    def is_message(self) -> bool:
        """Whether its parts are content of a message."""
        return self.parts[0].opening.kind in ("text", "refusal")

    def block(self, status: str) -> Block:
        """The item as it stands."""
        part = self.parts[0]
        match part.opening.kind:
            case "tool_call":
                call = ToolCall(id=part.opening.tool_id, name=part.opening.tool_name, arguments=part.text)
                return call_item(self.id, call, status)
            case "thinking":
                return reasoning_item(self.id, Thinking(text=part.text, signature=part.signature or None))
            case "redacted_thinking":
                return reasoning_item(self.id, RedactedThinking(data=part.opening.data))
            case _:
                return message_item(self.id, [part.content() for part in self.parts], status)


class ResponsesEventWriter:
    """The EventWriter of OpenAI's Responses API: whatever it is fed, the order of its events is legal.

    Raises UpstreamGarbled for what no response can hold: a second choice, sound, a delta of a part that is not open.
    """

    __slots__ = ("_content_bytes", "_content_frames", "_finish", "_held", "_identity", "_items", "_options", "_parts",
                 "_sequence", "_usage")  # fmt: skip

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._identity: Identity | None = None
        self._items: list[_Item] = []
        self._parts: dict[int, _Part] = {}
        self._finish: ChoiceStop | None = None
        self._usage: Usage | None = None
        self._held: Delta | None = None
        """A piece of text that waits for its log probabilities, which go into the same event."""
        self._sequence = 0
        self._content_frames = 0
        self._content_bytes = 0

    def write(self, event: Event) -> bytes:
        if isinstance(event, Logprobs):
            return self._logprobs(event)
        held, self._held = self._held, None
        before = b"" if held is None else self._piece(held)
        return before + self._write(event)

    def _write(self, event: Event) -> bytes:
        match event:
            case Delta():
                return self._delta(event)
            case Start():
                return self._begin(event)
            case PartStart():
                _check_choice(event.choice)
                return self._ensure_begun() + self._open(event)
            case ChoiceStop():
                _check_choice(event.choice)
                self._finish = event
                return self._ensure_begun()
            case Done():
                return self._ensure_begun() + self._end()
            case _:
                return self._aside(event)

    def _aside(self, event: Event) -> bytes:
        if isinstance(event, UsageReport):
            self._usage = event.usage
            return b""
        if isinstance(event, Failure):
            return write_failure(event.error, self._next())
        if isinstance(event, Ping):
            return KEEPALIVE
        part = self._parts.get(getattr(event, "part", -1))
        return b"" if part is None else self._stop(part)

    def _next(self) -> int:
        number = self._sequence
        self._sequence += 1
        return number

    def _event(self, kind: str, **fields: object) -> bytes:
        body = json.encode({"type": kind, "sequence_number": self._next(), **fields})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)

    def _begin(self, start: Start) -> bytes:
        if self._identity is not None:
            return b""
        self._usage = start.usage
        self._identity = Identity(
            id=self._options.answer_id or start.id,
            model=start.model,
            created_seconds=start.created_seconds or self._options.created_seconds,
            service_tier=start.service_tier,
        )
        response = response_object(self._identity, self._options.asked, ())
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def _ensure_begun(self) -> bytes:
        return b"" if self._identity is not None else self._begin(Start(id="", model=""))

    @property
    def _who(self) -> Identity:
        return self._identity or Identity(id="", model="", created_seconds=0)

    def _open(self, opening: PartStart) -> bytes:
        prefix = _PREFIXES.get(opening.kind)
        if prefix is None:
            raise UpstreamGarbled("the upstream's stream holds sound, which no response can")
        message = self._open_message() if prefix == "msg" else None
        before = b"" if message is not None else self._close_messages()
        item = message or _Item(len(self._items), self._who.item_id(prefix, len(self._items)))
        part = _Part(opening, item, len(item.parts))
        self._parts[opening.part] = part
        item.parts.append(part)
        if message is None:
            self._items.append(item)
            shown = message_item(item.id, [], "in_progress") if prefix == "msg" else self._shown(item)
            before += self._event("response.output_item.added", output_index=item.index, item=shown)
        return before + self._open_part(part)

    def _shown(self, item: _Item) -> Block:
        """An item that has just opened."""
        block = item.block("in_progress")
        if block["type"] == "reasoning":
            block["summary"] = []
        return block

    def _open_message(self) -> _Item | None:
        """The message that a text or a refusal goes on with: the last item, if it is one and nothing in it is open."""
        last = self._items[-1] if self._items else None
        if last is None or last.done or not last.is_message or not all(part.stopped for part in last.parts):
            return None
        return last

    def _open_part(self, part: _Part) -> bytes:
        match part.opening.kind:
            case "text" | "refusal":
                return self._event("response.content_part.added", **self._place(part), part=part.content())
            case "thinking":
                return self._event(
                    "response.reasoning_summary_part.added",
                    **self._place(part),
                    part={"type": "summary_text", "text": ""},
                )
            case _:
                return b""

    def _place(self, part: _Part) -> Block:
        place: Block = {"item_id": part.item.id, "output_index": part.item.index}
        match part.opening.kind:
            case "text" | "refusal":
                return place | {"content_index": part.at}
            case "thinking":
                return place | {"summary_index": 0}
            case _:
                return place

    def _delta(self, delta: Delta) -> bytes:
        part = self._parts.get(delta.part)
        if part is None or part.stopped:
            if not delta.text.strip():
                return b""
            raise UpstreamGarbled(f"the upstream's stream continues part {delta.part}, which is not open")
        self._content_frames += 1
        self._content_bytes += len(delta.text)
        match delta.kind:
            case "signature":
                part.signature += delta.text
                return b""
            case "citation":
                return self._citation(part, Raw(delta.text.encode()))
            case "text" if self._options.asked is not None and self._options.asked.logprobs:
                self._held = delta
                return b""
            case _:
                return self._piece(delta)

    def _piece(self, delta: Delta, logprobs: list[Raw] | None = None) -> bytes:
        part = self._parts[delta.part]
        part.pieces.append(delta.text)
        part.logprobs += logprobs or ()
        place, tail = b"", b""
        match part.opening.kind:
            case "text":
                kind, place = b"response.output_text.delta", _CONTENT % part.at
                tail = b',"logprobs":%b' % json.encode(logprobs or ())
            case "refusal":
                kind, place = b"response.refusal.delta", _CONTENT % part.at
            case "thinking":
                kind, place = b"response.reasoning_summary_text.delta", _SUMMARY
            case _:
                kind = b"response.function_call_arguments.delta"
        item = part.item
        return _DELTA % (kind, kind, self._next(), text(item.id), item.index, place, text(delta.text), tail)

    def _logprobs(self, event: Logprobs) -> bytes:
        """Into the event of the text they are of; those that come late are in the finished items alone."""
        _check_choice(event.choice)
        found = logprob_items(event.value)
        held, self._held = self._held, None
        if held is not None:
            return self._piece(held, found)
        texts = [part for part in self._parts.values() if part.opening.kind == "text"]
        if texts:
            texts[-1].logprobs += found
        return b""

    def _citation(self, part: _Part, citation: Raw) -> bytes:
        part.citations.append(citation)
        annotation = own_annotation(json.decode(citation, type=dict[str, Raw]))
        if annotation is None:
            return b""
        part.annotated += 1
        return self._event(
            "response.output_text.annotation.added",
            **self._place(part),
            annotation_index=part.annotated - 1,
            annotation=annotation,
        )

    def _stop(self, part: _Part, status: str = "completed") -> bytes:
        """The end of a part, and of its item, unless that is a message: a message may go on."""
        if part.stopped:
            return b""
        part.stopped = True
        place = self._place(part)
        said = part.text
        match part.opening.kind:
            case "text":
                done = self._event("response.output_text.done", **place, text=said, logprobs=part.logprobs)
                return done + self._event("response.content_part.done", **place, part=part.content())
            case "refusal":
                done = self._event("response.refusal.done", **place, refusal=said)
                return done + self._event("response.content_part.done", **place, part=part.content())
            case "thinking":
                done = self._event("response.reasoning_summary_text.done", **place, text=said) + self._event(
                    "response.reasoning_summary_part.done", **place, part={"type": "summary_text", "text": said}
                )
            case "tool_call":
                name = part.opening.tool_name
                done = self._event("response.function_call_arguments.done", **place, name=name, arguments=said)
            case _:
                done = b""
        return done + self._close(part.item, status)

    def _close(self, item: _Item, status: str = "completed") -> bytes:
        item.done = True
        return self._event("response.output_item.done", output_index=item.index, item=item.block(status))

    def _close_messages(self) -> bytes:
        """End the messages in which nothing is open: something else follows."""
        written = [
            self._close(item)
            for item in self._items
            if not item.done and item.is_message and all(part.stopped for part in item.parts)
        ]
        return b"".join(written)

    def _end(self) -> bytes:
        refused = any(part.opening.kind == "refusal" for part in self._parts.values())
        finish = None if self._finish is None else self._finish.finish
        status, reason = write_finish(finish, refused=refused)
        last = self._items[-1] if self._items else None
        written = [self._stop(part, status if part.item is last else "completed") for part in self._parts.values()]
        written += [self._close(item, status if item is last else "completed") for item in self._items if not item.done]
        output = [item.block(status if item is last else "completed") for item in self._items]
        usage = self._usage or estimated_usage(
            self._options.input_tokens_estimate, self._content_frames, self._content_bytes
        )
        ending = Ending(status=status, incomplete_reason=reason, usage=usage)
        response = response_object(self._who, self._options.asked, output, ending)
        return b"".join(written) + self._event(f"response.{status}", response=response)


def _check_choice(choice: int) -> None:
    if choice:
        raise UpstreamGarbled("the upstream gave several choices where one was asked for")
