"""Writing canonical events as a stream of Cohere's chat, the way the vendor's SDKs read it.

Content blocks and tool calls are numbered each for themselves, from 0. The text before a call goes out as content: that
it is a plan is only known when the call comes.
"""

from collections.abc import Mapping
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
    PartStop,
    Ping,
    Start,
    Usage,
    UsageReport,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.cohere_chat_parts import is_own_citation
from switchgear.wire.cohere_errors import write_failure
from switchgear.wire.cohere_logprobs import write_logprobs
from switchgear.wire.cohere_usage import write_finish, write_usage
from switchgear.wire.json_body import text
from switchgear.wire.sse import event as frame

KEEPALIVE: Final = b": keepalive\n\n"
DONE_FRAME: Final = b"data: [DONE]\n\n"
_CONTENT: Final = (
    b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":{"content":{"%b":%b}}}}\n\n'
)
_ARGUMENTS: Final = (
    b'event: tool-call-delta\ndata: {"type":"tool-call-delta","index":%d,'
    b'"delta":{"message":{"tool_calls":{"function":{"arguments":%b}}}}}\n\n'
)
_EMPTY_MESSAGE: Final = Raw(b'{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}')
_FIELDS: Final = {"text": b"text", "refusal": b"text", "thinking": b"thinking", "signature": b"signature"}


class CohereEventWriter:
    """The EventWriter of Cohere's dialect.

    ``message-end`` waits for :class:`Done`, because usage may be learnt after the finish. Raises UpstreamGarbled for
    what no answer of Cohere's can hold: a second choice, sound.
    """

    __slots__ = ("_blocks", "_cited", "_finish", "_options", "_started", "_tools", "_usage")

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._started = False
        self._usage: Usage | None = None
        self._finish: ChoiceStop | None = None
        self._blocks: dict[int, int] = {}
        """The number of the content block that each part is."""
        self._tools: dict[int, int] = {}
        self._cited = 0

    def write(self, event: Event) -> bytes:
        match event:
            case Delta():
                return self._delta(event)
            case Start():
                return self._begin(event)
            case PartStart():
                return self._ensure_begun() + self._open(event)
            case PartStop():
                return self._stop(event)
            case ChoiceStop():
                _check_choice(event.choice)
                self._finish = event
                return self._ensure_begun()
            case Done():
                return self._ensure_begun() + self._end()
            case _:
                return self._aside(event)

    def _aside(self, event: Event) -> bytes:
        match event:
            case UsageReport():
                self._usage = event.usage
                return b""
            case Logprobs():
                return self._ensure_begun() + self._logprobs(event)
            case Failure():
                return write_failure(event.error)
            case _:
                return KEEPALIVE if isinstance(event, Ping) else b""

    def _begin(self, start: Start) -> bytes:
        self._usage = start.usage or self._usage
        if self._started:
            return b""
        self._started = True
        body = json.encode({"id": start.id, "type": "message-start", "delta": {"message": _EMPTY_MESSAGE}})
        return frame(body, b"message-start")

    def _ensure_begun(self) -> bytes:
        return b"" if self._started else self._begin(Start(id="", model=""))

    def _open(self, part: PartStart) -> bytes:
        _check_choice(part.choice)
        if part.kind == "tool_call":
            at = self._tools[part.part] = len(self._tools)
            called = {"name": part.tool_name, "arguments": ""}
            call = {"id": part.tool_id, "type": "function", "function": called}
            return _event(b"tool-call-start", at, {"tool_calls": call})
        if part.kind == "audio":
            raise UpstreamGarbled("the upstream's stream holds sound, which no answer of Cohere's can")
        at = self._blocks[part.part] = len(self._blocks)
        if part.kind == "thinking":
            content = {"type": "thinking", "thinking": ""}
        elif part.kind == "redacted_thinking":
            content = {"type": "thinking", "thinking": "", "data": part.data}
        else:
            content = {"type": "text", "text": ""}
        return _event(b"content-start", at, {"content": content})

    def _delta(self, delta: Delta) -> bytes:
        if delta.kind == "arguments":
            return _ARGUMENTS % (_number(self._tools, delta.part), text(delta.text))
        field = _FIELDS.get(delta.kind)
        if field is not None:
            return _CONTENT % (_number(self._blocks, delta.part), field, text(delta.text))
        if delta.kind == "citation":
            return self._citation(Raw(delta.text.encode()))
        raise UpstreamGarbled("the upstream's stream holds sound, which no answer of Cohere's can")

    def _citation(self, citation: Raw) -> bytes:
        """A citation in Cohere's own shape; its SDKs could not read another."""
        if not is_own_citation(citation):
            return b""
        at = self._cited
        self._cited += 1
        return _event(b"citation-start", at, {"citations": citation}) + _event(b"citation-end", at)

    def _logprobs(self, event: Logprobs) -> bytes:
        """Cohere tells them of one chunk of text at a time."""
        at = max(len(self._blocks) - 1, 0)
        frames: list[bytes] = []
        for item in write_logprobs(event.value) or ():
            body = {"type": "content-delta", "index": at, "delta": {"message": {"content": {"text": ""}}}}
            frames.append(frame(json.encode(body | {"logprobs": item}), b"content-delta"))
        return b"".join(frames)

    def _stop(self, stop: PartStop) -> bytes:
        if stop.part in self._tools:
            return _event(b"tool-call-end", self._tools[stop.part])
        return _event(b"content-end", _number(self._blocks, stop.part))

    def _end(self) -> bytes:
        usage = self._usage or Usage(input=self._options.input_tokens_estimate, estimated=True)
        finish = "stop" if self._finish is None else self._finish.finish
        delta = {"finish_reason": write_finish(finish), "usage": write_usage(usage)}
        return frame(json.encode({"type": "message-end", "delta": delta}), b"message-end") + DONE_FRAME


def _number(numbers: Mapping[int, int], part: int) -> int:
    found = numbers.get(part)
    if found is None:
        raise UpstreamGarbled(f"the upstream's stream continues part {part}, which is not open")
    return found


def _event(name: bytes, index: int, message: Mapping[str, object] | None = None) -> bytes:
    body: dict[str, object] = {"type": name.decode(), "index": index}
    if message is not None:
        body["delta"] = {"message": message}
    return frame(json.encode(body), name)


def _check_choice(choice: int) -> None:
    if choice:
        raise UpstreamGarbled("the upstream gave several choices where one was asked for")
