"""Writing canonical events as a stream of ConverseStream, the way the vendor's SDKs read it."""

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
from switchgear.wire.bedrock_converse_blocks import is_own_citation
from switchgear.wire.bedrock_converse_media import Block
from switchgear.wire.bedrock_converse_reply import NO_METRICS, write_more, write_redacted
from switchgear.wire.bedrock_converse_usage import write_finish, write_usage
from switchgear.wire.bedrock_errors import write_failure
from switchgear.wire.block_sequence import BlockSequence, check_choice
from switchgear.wire.event_stream import framed, write_headers
from switchgear.wire.json_body import text


def _headers(name: str) -> bytes:
    return write_headers({":event-type": name, ":content-type": "application/json", ":message-type": "event"})


_MESSAGE_START: Final = _headers("messageStart")
_START: Final = _headers("contentBlockStart")
_DELTA: Final = _headers("contentBlockDelta")
_STOP: Final = _headers("contentBlockStop")
_MESSAGE_STOP: Final = _headers("messageStop")
_METADATA: Final = _headers("metadata")
KEEPALIVE: Final = framed(_headers("ping"), b"{}")
"""An event of a type that is not in the vendor's model, which SDKs pass over so that old ones survive new events."""
_BODIES: Final = {
    "text": b'{"contentBlockIndex":%d,"delta":{"text":%b}}',
    "refusal": b'{"contentBlockIndex":%d,"delta":{"text":%b}}',
    "thinking": b'{"contentBlockIndex":%d,"delta":{"reasoningContent":{"text":%b}}}',
    "signature": b'{"contentBlockIndex":%d,"delta":{"reasoningContent":{"signature":%b}}}',
    "arguments": b'{"contentBlockIndex":%d,"delta":{"toolUse":{"input":%b}}}',
}


class _Blocks:
    """How Converse says the pieces of a block."""

    __slots__ = ()

    def start_block(self, index: int, part: PartStart) -> bytes:
        if part.kind == "tool_call":
            start = {"toolUse": {"toolUseId": part.tool_id, "name": part.tool_name}}
            return framed(_START, json.encode({"contentBlockIndex": index, "start": start}))
        if part.kind == "redacted_thinking":
            return framed(_DELTA, json.encode({"contentBlockIndex": index, "delta": write_redacted(part.data)}))
        return b""

    def block_delta(self, index: int, delta: Delta) -> bytes:
        body = _BODIES.get(delta.kind)
        if body is not None:
            return framed(_DELTA, body % (index, text(delta.text)))
        if delta.kind != "citation":
            raise UpstreamGarbled("the upstream's stream holds sound, which no message can")
        citation = delta.text.encode()
        if not is_own_citation(citation):
            return b""
        return framed(_DELTA, json.encode({"contentBlockIndex": index, "delta": {"citation": Raw(citation)}}))

    def stop_block(self, index: int) -> bytes:
        return framed(_STOP, b'{"contentBlockIndex":%d}' % index)


class ConverseEventWriter:
    """The EventWriter of Converse: whatever it is fed, the order of its events is legal.

    ``messageStop`` and ``metadata`` wait for :class:`Done`. Raises UpstreamGarbled for what no message can hold: a
    second choice, sound.
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
                self._usage = event.usage
                return self._begin()
            case PartStart():
                return self._begin() + self._open(event)
            case PartStop():
                return self._blocks.stop(event)
            case ChoiceStop():
                check_choice(event.choice)
                self._finish = event
                return self._begin() + self._blocks.flush()
            case Done():
                return self._begin() + self._blocks.flush() + self._end()
            case _:
                return self._aside(event)

    def _aside(self, event: Event) -> bytes:
        if isinstance(event, UsageReport):
            self._usage = event.usage
        if isinstance(event, Failure):
            return write_failure(event.error)
        return KEEPALIVE if isinstance(event, Ping) else b""

    def _begin(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        return framed(_MESSAGE_START, b'{"role":"assistant"}')

    def _open(self, part: PartStart) -> bytes:
        if part.kind == "audio":
            raise UpstreamGarbled("the upstream's stream holds sound, which no message can")
        self._refused = self._refused or part.kind == "refusal"
        return self._blocks.open(part)

    def _end(self) -> bytes:
        stop = self._finish or ChoiceStop(finish="stop")
        finish = "refusal" if self._refused and stop.finish == "stop" else stop.finish
        said: Block = {"stopReason": write_finish(finish), **write_more(stop.stop_sequence)}
        usage = self._usage or Usage(input=self._options.input_tokens_estimate, estimated=True)
        told = {"usage": write_usage(usage), "metrics": NO_METRICS}
        return framed(_MESSAGE_STOP, json.encode(said)) + framed(_METADATA, json.encode(told))
