"""Writing canonical events as a streamed OpenAI chat completion, the way the vendor's SDKs join it.

The SDKs concatenate strings, add up integers and index lists: so role, tool ids and names are sent once, no number is
repeated in a delta, and every list entry has an ``index`` that counts from 0.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Raw, json
from msgspec.structs import replace

from switchgear.kernel.chat import (
    ChoiceStop,
    Delta,
    Done,
    Event,
    Failure,
    Logprobs,
    PartStart,
    Ping,
    Start,
    Usage,
    UsageReport,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.estimate import estimated_usage
from switchgear.wire.json_body import as_object, text
from switchgear.wire.openai_chat_parts import ThinkingBlock
from switchgear.wire.openai_errors import write_failure
from switchgear.wire.openai_usage import write_finish, write_usage

KEEPALIVE: Final = b": keepalive\n\n"
DONE_FRAME: Final = b"data: [DONE]\n\n"

_STRING_FIELDS: Final = {"text": b"content", "thinking": b"reasoning_content", "refusal": b"refusal"}


class ChunkFrame:
    """What every chunk of one stream has in common, encoded once."""

    __slots__ = ("_head", "_tail")

    def __init__(self, start: Start, kind: str, *, include_usage: bool) -> None:
        shared = {"id": start.id, "object": kind, "created": start.created_seconds, "model": start.model}
        if start.service_tier is not None:
            shared["service_tier"] = start.service_tier
        if start.system_fingerprint is not None:
            shared["system_fingerprint"] = start.system_fingerprint
        self._head = b"data: " + json.encode(shared)[:-1]
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"

    def choice(self, body: bytes) -> bytes:
        """A chunk with one choice, given as JSON text."""
        return b'%b,"choices":[%b]%b' % (self._head, body, self._tail)

    def usage(self, usage: Usage) -> bytes:
        """The last chunk before the end mark."""
        return b'%b,"choices":[],"usage":%b}\n\n' % (self._head, json.encode(write_usage(usage)))


class _ChoiceState:
    """What must be remembered of one choice: the numbers of its tools and blocks, and text that comes again."""

    __slots__ = ("blocks", "citations", "thinking", "tools")

    def __init__(self) -> None:
        self.tools: dict[int, int] = {}
        self.blocks = 0
        self.thinking: dict[int, list[str]] = {}
        self.citations: list[Raw] = []


class ChatEventWriter:
    """The EventWriter of OpenAI chat completions."""

    __slots__ = ("_choices", "_content_bytes", "_content_frames", "_frame", "_options", "_usage")

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._frame = ChunkFrame(Start(id="", model=""), "chat.completion.chunk", include_usage=options.include_usage)
        self._choices: dict[int, _ChoiceState] = {}
        self._usage: Usage | None = None
        self._content_frames = 0
        self._content_bytes = 0

    def write(self, event: Event) -> bytes:
        match event:
            case Delta():
                return self._delta(event)
            case Start():
                return self._start(event)
            case PartStart():
                return self._role(event.choice) + self._part(event)
            case ChoiceStop():
                return self._role(event.choice) + self._stop(event)
            case Logprobs():
                return self._role(event.choice) + self._chunk(event.choice, b"{}", bytes(event.value))
            case UsageReport():
                self._usage = event.usage
                return b""
            case Done():
                return self._done()
            case _:
                return self._aside(event)

    def _aside(self, event: Event) -> bytes:
        if isinstance(event, Failure):
            return write_failure(event.error)
        return KEEPALIVE if isinstance(event, Ping) else b""

    def _start(self, start: Start) -> bytes:
        self._usage = start.usage
        if not start.model and self._options.asked is not None:
            # Some upstreams do not say which model answers; OpenAI's chunks always do.
            start = replace(start, model=self._options.asked.model)
        self._frame = ChunkFrame(start, "chat.completion.chunk", include_usage=self._options.include_usage)
        return self._role(0)

    def _role(self, choice: int) -> bytes:
        """The first chunk of a choice, once."""
        if choice in self._choices:
            return b""
        self._choices[choice] = _ChoiceState()
        return self._chunk(choice, b'{"role":"assistant","content":""}')

    def _chunk(self, choice: int, delta: bytes, logprobs: bytes = b"null") -> bytes:
        return self._frame.choice(
            b'{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":null}' % (choice, delta, logprobs)
        )

    def _part(self, part: PartStart) -> bytes:
        state = self._choices[part.choice]
        if part.kind == "tool_call":
            at = state.tools[part.part] = len(state.tools)
            called = {"name": part.tool_name, "arguments": ""}
            call = {"index": at, "id": part.tool_id, "type": "function", "function": called}
            return self._chunk(part.choice, _one("tool_calls", [call]))
        if part.kind == "redacted_thinking":
            return self._block(part.choice, state, ThinkingBlock(type="redacted_thinking", data=part.data))
        if part.kind == "audio":
            return self._chunk(part.choice, _one("audio", {"id": part.data}))
        return b""

    def _delta(self, delta: Delta) -> bytes:
        self._content_frames += 1
        self._content_bytes += len(delta.text)
        state = self._choices[delta.choice]
        match delta.kind:
            case "text" | "refusal":
                return self._string(delta)
            case "thinking":
                state.thinking.setdefault(delta.part, []).append(delta.text)
                return self._string(delta)
            case "arguments":
                call = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}'
                return self._chunk(delta.choice, call % (state.tools[delta.part], text(delta.text)))
            case "signature":
                thought = "".join(state.thinking.pop(delta.part, ()))
                block = ThinkingBlock(type="thinking", thinking=thought, signature=delta.text)
                return self._block(delta.choice, state, block)
            case "citation":
                # Sent together at the end: a second list without indices would break the SDKs.
                state.citations.append(Raw(delta.text.encode()))
                return b""
            case "audio" | "transcript":
                name = "data" if delta.kind == "audio" else delta.kind
                return self._chunk(delta.choice, _one("audio", {name: delta.text}))

    def _string(self, delta: Delta) -> bytes:
        return self._chunk(delta.choice, b'{"%b":%b}' % (_STRING_FIELDS[delta.kind], text(delta.text)))

    def _block(self, choice: int, state: _ChoiceState, block: ThinkingBlock) -> bytes:
        block.index = state.blocks
        state.blocks += 1
        return self._chunk(choice, _one("thinking_blocks", [block]))

    def _stop(self, stop: ChoiceStop) -> bytes:
        state = self._choices[stop.choice]
        before = b"" if not state.citations else self._chunk(stop.choice, _citations(state.citations))
        ending = b"" if stop.stop_sequence is None else b',"stop_reason":%b' % text(stop.stop_sequence)
        finish = write_finish(stop.finish).encode()
        body = b'{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%b"%b}' % (stop.choice, finish, ending)
        return before + self._frame.choice(body)

    def _done(self) -> bytes:
        if not self._options.include_usage:
            return DONE_FRAME
        usage = self._usage or estimated_usage(
            self._options.input_tokens_estimate, self._content_frames, self._content_bytes
        )
        return self._frame.usage(usage) + DONE_FRAME


def _one(name: str, value: Mapping[str, object] | Sequence[object]) -> bytes:
    return json.encode({name: value})


def _citations(found: Sequence[Raw]) -> bytes:
    own = all(as_object(item).get("type") == "url_citation" for item in found)
    return _one("annotations" if own else "citations", found)
