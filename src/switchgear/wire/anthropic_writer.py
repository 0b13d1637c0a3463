"""Writing canonical events as a stream of Anthropic's Messages API, the way the vendor's SDKs read it.

The SDKs keep blocks in a list by arrival and many clients take one block at a time, so blocks go out strictly one
after another, indices from 0. Parts may be open at once elsewhere (parallel tool calls): the first goes out as it
comes, the others wait, unless the first call's arguments are already whole.
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
from switchgear.wire.anthropic_blocks import Block, as_input, is_own_citation
from switchgear.wire.anthropic_errors import write_failure
from switchgear.wire.anthropic_reply import told_finish
from switchgear.wire.anthropic_usage import write_finish, write_usage
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


class _Block:
    """One part on its way out: its deltas while it waits, the arguments of a call so far."""

    __slots__ = ("arguments", "opening", "stopped", "waiting")

    def __init__(self, opening: PartStart) -> None:
        self.opening = opening
        self.waiting: list[Delta] = []
        self.arguments: list[str] = []
        self.stopped = False

    @property
    def is_whole(self) -> bool:
        """Nothing more can come: a JSON object that is complete cannot go on."""
        return self.stopped or (self.opening.kind == "tool_call" and as_input("".join(self.arguments)) is not None)


class AnthropicEventWriter:
    """The EventWriter of Anthropic's dialect: whatever it is fed, the order of its events is legal.

    ``message_delta`` waits for :class:`Done`, because usage may be learnt after the finish. Raises UpstreamGarbled
    for what no message can hold: a second choice, sound.
    """

    __slots__ = ("_blocks", "_closed", "_finish", "_index", "_options", "_refused", "_started", "_usage")

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._started = False
        self._refused = False
        self._usage: Usage | None = None
        self._finish: ChoiceStop | None = None
        self._blocks: dict[int, _Block] = {}
        """Parts that are open or wait, in order of opening; the first is the one that goes out."""
        self._closed: set[int] = set()
        self._index = 0

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
                return self._ensure_begun() + self._flush()
            case Done():
                return self._ensure_begun() + self._flush() + self._end()
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
        _check_choice(part.choice)
        if part.kind == "audio":
            raise UpstreamGarbled("the upstream's stream holds sound, which no message can")
        self._refused = self._refused or part.kind == "refusal"
        written: list[bytes] = []
        while self._blocks and (current := next(iter(self._blocks.values()))).is_whole:
            written.append(self._close(current))
        if not self._blocks:
            written.append(self._start_block(part))
        self._blocks[part.part] = _Block(part)
        return b"".join(written)

    def _start_block(self, part: PartStart) -> bytes:
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
        body = json.encode({"type": "content_block_start", "index": self._index, "content_block": block})
        return frame(body, b"content_block_start")

    def _delta(self, delta: Delta) -> bytes:
        block = self._blocks.get(delta.part)
        if block is None:
            if delta.part in self._closed and not delta.text.strip():
                return b""
            raise UpstreamGarbled(f"the upstream's stream continues part {delta.part}, which is not open")
        if delta.kind == "arguments":
            block.arguments.append(delta.text)
        if block is next(iter(self._blocks.values())):
            return self._write_delta(delta)
        block.waiting.append(delta)
        return b""

    def _write_delta(self, delta: Delta) -> bytes:
        body = _BODIES.get(delta.kind)
        if body is not None:
            return _DELTA % (self._index, body % text(delta.text))
        if delta.kind == "citation":
            return self._citation(delta.text.encode())
        raise UpstreamGarbled("the upstream's stream holds sound, which no message can")

    def _citation(self, citation: bytes) -> bytes:
        """A citation in Anthropic's own shape; its SDKs could not read another."""
        if not is_own_citation(citation):
            return b""
        return _DELTA % (self._index, json.encode({"type": "citations_delta", "citation": Raw(citation)}))

    def _stop(self, stop: PartStop) -> bytes:
        block = self._blocks.get(stop.part)
        if block is None:
            return b""
        block.stopped = True
        written: list[bytes] = []
        while self._blocks and (current := next(iter(self._blocks.values()))).stopped:
            written.append(self._close(current))
        return b"".join(written)

    def _close(self, block: _Block) -> bytes:
        """Stop the block that goes out; the next in line starts, with all that it has been waiting to say."""
        part = block.opening.part
        del self._blocks[part]
        self._closed.add(part)
        written = [_STOP % self._index]
        self._index += 1
        following = next(iter(self._blocks.values()), None)
        if following is not None:
            written.append(self._start_block(following.opening))
            written += [self._write_delta(delta) for delta in following.waiting]
            following.waiting = []
        return b"".join(written)

    def _flush(self) -> bytes:
        written: list[bytes] = []
        while self._blocks:
            written.append(self._close(next(iter(self._blocks.values()))))
        return b"".join(written)

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


def _check_choice(choice: int) -> None:
    if choice:
        raise UpstreamGarbled("the upstream gave several choices where one was asked for")
