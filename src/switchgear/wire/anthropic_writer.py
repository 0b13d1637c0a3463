"""Writing canonical events as a stream of Anthropic's Messages API, the way the vendor's SDKs read it.

The SDKs keep blocks in a list by arrival, so blocks go out strictly one after another, indices from 0.
"""

from typing import Final

from msgspec import Raw, json

from switchgear.kernel.chat import (
    ChoiceStop,
    Delta,
    Done,
    Event,
    Failure,
    PartStart,
    PartStop,
    Ping,
    Start,
    Usage,
    UsageReport,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.kernel.errors import UpstreamGarbled
from switchgear.wire.anthropic_blocks import Block, is_own_citation
from switchgear.wire.anthropic_errors import write_failure
from switchgear.wire.anthropic_reply import told_finish
from switchgear.wire.anthropic_usage import write_finish, write_usage
from switchgear.wire.block_sequence import BlockSequence, check_choice
from switchgear.wire.json_body import text
from switchgear.wire.sse import event as frame

PING: Final = frame(b'{"type": "ping"}', b"ping")
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b}\n\n'
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_BODIES: Final = {
    "text": b'{"type":"text_delta","text":%b}',
    "refusal": b'{"type":"text_delta","text":%b}',
    "thinking": b'{"type":"thinking_delta","thinking":%b}',
    "signature": b'{"type":"signature_delta","signature":%b}',
    "arguments": b'{"type":"input_json_delta","partial_json":%b}',
}


class _Blocks:
    """How Anthropic says the pieces of a block."""

    __slots__ = ()

    def start_block(self, index: int, part: PartStart) -> bytes:
        block: Block
        match part.kind:
            case "tool_call":
                block = {"type": "tool_use", "id": part.tool_id, "name": part.tool_name, "input": {}}
            case "thinking":
                block = {"type": "thinking", "thinking": "", "signature": ""}
            case "redacted_thinking":
                block = {"type": "redacted_thinking", "data": part.data}
            case _:
                block = {"type": "text", "text": ""}
        body = json.encode({"type": "content_block_start", "index": index, "content_block": block})
        return frame(body, b"content_block_start")

    def block_delta(self, index: int, delta: Delta) -> bytes:
        body = _BODIES.get(delta.kind)
        if body is not None:
            return _DELTA % (index, body % text(delta.text))
        if delta.kind == "citation":
            return _citation(index, delta.text.encode())
        raise UpstreamGarbled("the upstream's stream holds sound, which no message can")

    def stop_block(self, index: int) -> bytes:
        return _STOP % index


def _citation(index: int, citation: bytes) -> bytes:
    """A citation in Anthropic's own shape; its SDKs could not read another."""
    if not is_own_citation(citation):
        return b""
    return _DELTA % (index, json.encode({"type": "citations_delta", "citation": Raw(citation)}))


class AnthropicEventWriter:
    """The EventWriter of Anthropic's dialect: whatever it is fed, the order of its events is legal.

    ``message_delta`` waits for :class:`Done`, because usage may be learnt after the finish. Raises UpstreamGarbled
    for what no message can hold: a second choice, sound.
    """

    __slots__ = ("_blocks", "_finish", "_options", "_refused", "_started", "_usage")

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._started = False
        self._refused = False
        self._usage: Usage | None = None
        self._finish: ChoiceStop | None = None
        self._blocks = BlockSequence(_Blocks())

    def write(self, event: Event) -> bytes:
        match event:
            case Delta():
                return self._blocks.delta(event)
            case Start():
                return self._begin(event)
            case PartStart():
                return self._ensure_begun() + self._open(event)
            case PartStop():
                return self._blocks.stop(event)
            case ChoiceStop():
                check_choice(event.choice)
                self._finish = event
                return self._ensure_begun() + self._blocks.flush()
            case Done():
                return self._ensure_begun() + self._blocks.flush() + self._end()
            case _:
                return self._aside(event)

    def _aside(self, event: Event) -> bytes:
        if isinstance(event, UsageReport):
            self._usage = event.usage
        if isinstance(event, Failure):
            return write_failure(event.error)
        return PING if isinstance(event, Ping) else b""

    def _begin(self, start: Start) -> bytes:
        if self._started:
            return b""
        self._started = True
        self._usage = start.usage
        known = start.usage
        if known is None or not known.total_input:
            # Not marked as an estimate: the SDKs would keep the mark beside the real counts of message_delta.
            known = Usage(input=self._options.input_tokens_estimate)
        message: Block = {
            "id": start.id,
            "type": "message",
            "role": "assistant",
            "model": start.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(known, start.service_tier),
        }
        return frame(json.encode({"type": "message_start", "message": message}), b"message_start")

    def _ensure_begun(self) -> bytes:
        return b"" if self._started else self._begin(Start(id="", model=""))

    def _open(self, part: PartStart) -> bytes:
        if part.kind == "audio":
            raise UpstreamGarbled("the upstream's stream holds sound, which no message can")
        self._refused = self._refused or part.kind == "refusal"
        return self._blocks.open(part)

    def _end(self) -> bytes:
        usage = self._usage or Usage(input=self._options.input_tokens_estimate, estimated=True)
        stop = self._finish
        finish = told_finish(None if stop is None else stop.finish, refused=self._refused)
        delta: Block = {
            "stop_reason": None if finish is None else write_finish(finish),
            "stop_sequence": None if stop is None else stop.stop_sequence,
        }
        body = json.encode({"type": "message_delta", "delta": delta, "usage": write_usage(usage)})
        return frame(body, b"message_delta") + frame(b'{"type":"message_stop"}', b"message_stop")
