"""What goes over the simulated wire, and when: status, headers, and steps of bytes, silence or a break."""

from collections.abc import Iterable, Iterator
from itertools import chain
from math import inf
from typing import Final

from msgspec import Struct

from switchgear.kernel.chat import ChoiceStop, Completion, Delta, Done, Event, Failure
from switchgear.kernel.dialect import EventWriter
from switchgear.kernel.errors import UpstreamError, UpstreamRefused, UpstreamTruncated, UpstreamUnreachable
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.reply import Headers
from switchgear.providers.simulator.catalogue import ERROR_CODES
from switchgear.providers.simulator.script import Script
from switchgear.providers.simulator.telling import events

_PAGE: Final = (
    b"<!doctype html><html><head><title>A page of the simulator</title></head><body>No model here.</body></html>"
)
_GARBAGE_BYTES: Final = 64
_HTML: Final = ((b"content-type", b"text/html"),)
SIMULATED: Final = (b"x-switchgear-simulator", b"true")
"""Marks every reply of the simulator."""
_JSON: Final = ((b"content-type", b"application/json"),)


class Step(Struct, frozen=True, kw_only=True):
    """Bytes that arrive ``due_seconds`` after the request (never, when infinite), or a break at that time."""

    due_seconds: float
    data: bytes = b""
    error: UpstreamError | None = None


class Performance(Struct, frozen=True, kw_only=True):
    status: int
    headers: Headers
    opens_seconds: float
    """When status and headers come; infinite: never."""
    steps: Iterable[Step] = ()
    error: UpstreamError | None = None
    """In place of a status."""


class Stagehand:
    """Makes the performances of one call; ``id`` labels its replies."""

    def __init__(self, script: Script, id: str, random_bits: RandomBits) -> None:
        self.script = script
        self.id = id
        self._random_bits = random_bits

    def refusal(self, error: UpstreamRefused, body: bytes) -> Performance:
        """An error answer: ``body`` under the error's own status."""
        parameters = self.script.parameters
        headers = _JSON
        if parameters.retry_after_seconds is not None:
            headers = (*_JSON, (b"retry-after", f"{parameters.retry_after_seconds:g}".encode()))
        due = self.script.due_seconds(0)
        return self._opened(due, headers, [Step(due_seconds=due, data=body)], status=error.status)

    def scripted_error(self) -> UpstreamRefused:
        """The error that the script's status names."""
        status = self.script.parameters.status
        usual = ERROR_CODES.get(status, "server_error" if status >= 500 else "invalid_request")
        code = self.script.parameters.code or usual
        return UpstreamRefused(f"the simulator was asked for status {status}", status=status, code=code)

    def without_answer(self) -> Performance | None:
        """What happens for the faults that need no answer; None for the others."""
        status = self.script.parameters.status
        due = self.script.due_seconds(0)
        match self.script.model.fault:
            case "unreachable":
                error = UpstreamUnreachable("the simulator was asked to be unreachable")
                return Performance(status=0, headers=[], opens_seconds=due, error=error)
            case "stall_first":
                return Performance(status=0, headers=[], opens_seconds=inf)
            case "html":
                return self._opened(due, _HTML, [Step(due_seconds=due, data=_PAGE)], status=status)
            case "empty":
                return self._opened(due, _JSON, [], status=status)
            case "garbage":
                noise = b"\xff\xfe" + self._random_bits(8 * _GARBAGE_BYTES).to_bytes(_GARBAGE_BYTES, "big")
                return self._opened(due, _JSON, [Step(due_seconds=due, data=noise)], status=status)
            case _:
                return None

    def whole(self, body: bytes, tokens: int, error_body: bytes) -> Performance:
        """An answer in one piece, ready when its last token is; ``error_body`` stands for it where the script errs."""
        due = self.script.due_seconds(max(tokens - 1, 0))
        half = Step(due_seconds=due, data=body[: len(body) // 2])
        steps = [Step(due_seconds=due, data=body)]
        match self.script.model.fault:
            case "error_in_stream":
                steps = [Step(due_seconds=due, data=error_body)]
            case "stall":
                steps = [half, Step(due_seconds=inf)]
            case "truncate":
                steps = [half]
            case "reset":
                steps = [half, Step(due_seconds=due, error=_broken())]
            case _:
                pass
        return self._opened(due, _JSON, steps)

    def streamed(self, whole: Completion, writer: EventWriter, stream_type: bytes) -> Performance:
        """An answer token by token; headers come at once."""
        told = ((tokens, writer.write(event)) for tokens, event in self._told(whole))
        steps = (Step(due_seconds=self.script.due_seconds(tokens), data=data) for tokens, data in told if data)
        return self._opened(0.0, ((b"content-type", stream_type),), chain(steps, self._last_steps()))

    def _told(self, whole: Completion) -> Iterator[tuple[int, Event]]:
        """The events as the script lets them through, each with the number of tokens before it."""
        fault = self.script.model.fault
        tokens = 0
        for event in events(whole):
            if self._breaks_at(event, tokens):
                break
            if not (fault == "no_done" and isinstance(event, Done)):
                yield tokens, event
            tokens += isinstance(event, Delta)
        if fault == "error_in_stream":
            yield tokens, Failure(error=self.scripted_error())

    def _breaks_at(self, event: Event, tokens: int) -> bool:
        if self.script.model.fault not in {"stall", "truncate", "reset", "error_in_stream"}:
            return False
        return isinstance(event, ChoiceStop) or (
            isinstance(event, Delta) and tokens >= self.script.parameters.fault_after_tokens
        )

    def _last_steps(self) -> list[Step]:
        match self.script.model.fault:
            case "stall":
                return [Step(due_seconds=inf)]
            case "reset":
                return [Step(due_seconds=0.0, error=_broken())]
            case _:
                return []

    def _opened(
        self, opens_seconds: float, headers: Iterable[tuple[bytes, bytes]], steps: Iterable[Step], *, status: int = 200
    ) -> Performance:
        labels = [SIMULATED, (b"x-request-id", self.id.encode())]
        return Performance(status=status, headers=[*headers, *labels], opens_seconds=opens_seconds, steps=steps)


def _broken() -> UpstreamTruncated:
    return UpstreamTruncated("the simulator was asked to break the connection")
