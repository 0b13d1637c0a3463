"""Writing canonical events as a stream of Gemini's chunks, the way Google's SDKs read it.

A function call goes out whole, once its arguments are; a signature that belongs to no thought waits for the part that
bears it. Finishes wait for :class:`Done`, so that the last chunk tells finish and usage together, as Google's does.
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
    PartStop,
    Ping,
    Start,
    ToolCall,
    Usage,
    UsageReport,
)
from switchgear.kernel.dialect import StreamOptions
from switchgear.wire.anthropic_blocks import as_input
from switchgear.wire.gemini_contents import own_citations
from switchgear.wire.gemini_errors import write_failure
from switchgear.wire.gemini_logprobs import write_logprobs
from switchgear.wire.gemini_media import PCM16, write_audio
from switchgear.wire.gemini_parts import Block, write_call, write_redacted, write_signature
from switchgear.wire.gemini_reply import checked_call, told_finish
from switchgear.wire.gemini_usage import write_finish, write_usage
from switchgear.wire.json_body import text

KEEPALIVE: Final = b"\n"
"""A blank line: Google's SDKs take a comment for an answer that is no JSON."""
_EMPTY: Final = b'{"text":""}'


class _Call:
    """A function call while its arguments come."""

    __slots__ = ("opening", "pieces", "signature")

    def __init__(self, opening: PartStart, signature: str | None) -> None:
        self.opening = opening
        self.signature = signature
        self.pieces: list[str] = []

    def whole(self) -> ToolCall:
        return ToolCall(id=self.opening.tool_id, name=self.opening.tool_name, arguments="".join(self.pieces))


class _Candidate:
    """One choice on its way out."""

    __slots__ = ("calls", "citations", "refuses", "signature", "stop", "thought")

    def __init__(self) -> None:
        self.calls: dict[int, _Call] = {}
        self.citations: list[Block] = []
        self.refuses = False
        self.signature: str | None = None
        """One that waits for the part that bears it."""
        self.thought = -1
        """The last thought that had words; its signature goes with it."""
        self.stop: ChoiceStop | None = None

    def bearing(self) -> bytes:
        """The member for the part that goes out next."""
        signature, self.signature = self.signature, None
        return b"" if signature is None else b',"thoughtSignature":%b' % text(signature)

    def last(self, index: int) -> Block:
        """The candidate of the last chunk."""
        candidate: Block = {"content": {"parts": [{"text": ""}], "role": "model"}}
        finish = None if self.stop is None else told_finish(self.stop.finish, refuses=self.refuses)
        if finish is not None:
            candidate["finishReason"] = write_finish(finish)
        candidate["index"] = index
        return candidate | ({"citationMetadata": {"citationSources": self.citations}} if self.citations else {})


class GeminiEventWriter:
    """The EventWriter of Gemini's dialect. Raises UpstreamGarbled for a call whose arguments are broken."""

    __slots__ = ("_candidates", "_tail", "_usage")

    def __init__(self, options: StreamOptions) -> None:
        self._candidates: dict[int, _Candidate] = {}
        self._usage: Usage | None = None
        self._tail = b'"modelVersion":"","responseId":""}\n\n'

    def write(self, event: Event) -> bytes:
        match event:
            case Delta():
                return self._delta(event, self._candidate(event.choice)) if event.text else b""
            case PartStart():
                return self._open(event, self._candidate(event.choice))
            case PartStop():
                return self._stop_part(event, self._candidate(event.choice))
            case ChoiceStop():
                return self._stop(event, self._candidate(event.choice))
            case Logprobs():
                return self._logprobs(event)
            case Done():
                return self._done()
            case _:
                return self._aside(event)

    def _aside(self, event: Event) -> bytes:
        match event:
            case Start():
                self._usage = event.usage
                self._tail = b'"modelVersion":%b,"responseId":%b}\n\n' % (text(event.model), text(event.id))
                return b""
            case UsageReport():
                self._usage = event.usage
                return b""
            case Failure():
                return write_failure(event.error)
            case _:
                return KEEPALIVE if isinstance(event, Ping) else b""

    def _candidate(self, choice: int) -> _Candidate:
        found = self._candidates.get(choice)
        if found is None:
            found = self._candidates[choice] = _Candidate()
        return found

    def _part(self, choice: int, part: bytes) -> bytes:
        """A chunk with one part, given as JSON text."""
        return b'data: {"candidates":[{"content":{"parts":[%b],"role":"model"},"index":%d}],%b' % (
            part,
            choice,
            self._tail,
        )

    def _flush(self, choice: int, candidate: _Candidate) -> bytes:
        """A waiting signature that no part bears goes at a text without characters."""
        if candidate.signature is None:
            return b""
        return self._part(choice, _EMPTY[:-1] + candidate.bearing() + b"}")

    def _open(self, part: PartStart, candidate: _Candidate) -> bytes:
        match part.kind:
            case "tool_call":
                signature, candidate.signature = candidate.signature, None
                candidate.calls[part.part] = _Call(part, signature)
            case "redacted_thinking":
                redacted = b'{"text":"","thoughtSignature":%b}' % text(write_redacted(part.data))
                return self._flush(part.choice, candidate) + self._part(part.choice, redacted)
            case "refusal":
                candidate.refuses = True
            case _:
                pass
        return b""

    def _delta(self, delta: Delta, candidate: _Candidate) -> bytes:
        match delta.kind:
            case "text" | "refusal" | "transcript":
                return self._part(delta.choice, b'{"text":%b%b}' % (text(delta.text), candidate.bearing()))
            case "thinking":
                candidate.thought = delta.part
                thought = self._part(delta.choice, b'{"text":%b,"thought":true}' % text(delta.text))
                return self._flush(delta.choice, candidate) + thought
            case "signature":
                return self._signature(delta, candidate)
            case "arguments":
                candidate.calls[delta.part].pieces.append(delta.text)
            case "citation":
                candidate.citations += own_citations(Raw(f"[{delta.text}]".encode()))
            case "audio":
                sound = json.encode(write_audio(delta.text, PCM16))
                return self._part(delta.choice, sound[:-1] + candidate.bearing() + b"}")
        return b""

    def _signature(self, delta: Delta, candidate: _Candidate) -> bytes:
        signature = write_signature(delta.text)
        if candidate.thought == delta.part:
            return self._part(delta.choice, b'{"text":"","thought":true,"thoughtSignature":%b}' % text(signature))
        flushed = self._flush(delta.choice, candidate)
        candidate.signature = signature
        return flushed

    def _stop_part(self, stop: PartStop, candidate: _Candidate) -> bytes:
        """A call whose arguments are whole goes out; a broken one waits for the finish to say why."""
        call = candidate.calls.get(stop.part)
        if call is None or as_input(call.whole().arguments or "{}") is None:
            return b""
        return self._call(stop.choice, candidate.calls.pop(stop.part))

    def _call(self, choice: int, call: _Call, stop: ChoiceStop | None = None) -> bytes:
        whole = checked_call(call.whole(), None if stop is None else stop.finish)
        block = write_call(whole, Raw((whole.arguments.strip() or "{}").encode()))
        if call.signature is not None:
            block["thoughtSignature"] = call.signature
        return self._part(choice, json.encode(block))

    def _stop(self, stop: ChoiceStop, candidate: _Candidate) -> bytes:
        candidate.stop = stop
        calls = [candidate.calls.pop(part) for part in sorted(candidate.calls)]
        written = b"".join([self._call(stop.choice, call, stop) for call in calls])
        return written + self._flush(stop.choice, candidate)

    def _logprobs(self, event: Logprobs) -> bytes:
        result = write_logprobs(event.value)
        if result is None:
            return b""
        content = {"parts": [{"text": ""}], "role": "model"}
        candidate = {"content": content, "index": event.choice, "logprobsResult": result}
        return b'data: {"candidates":[%b],%b' % (json.encode(candidate), self._tail)

    def _done(self) -> bytes:
        usage = b"" if self._usage is None else b'"usageMetadata":%b,' % json.encode(write_usage(self._usage))
        candidates = [candidate.last(index) for index, candidate in sorted(self._candidates.items())]
        return b'data: {"candidates":%b,%b%b' % (json.encode(candidates), usage, self._tail)
