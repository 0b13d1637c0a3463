"""What an attempt's entry in the record says, kept while the answer passes by."""

from typing import Final

from switchgear.kernel.call import Call
from switchgear.kernel.chat import ChoiceStop, Delta, Event, Failure, Start, Usage, UsageReport
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import Tally
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.record import Attempt

BYTES_PER_TOKEN: Final = 4
"""English text in the common byte-pair vocabularies: about four bytes to a token (OpenAI's own rule of thumb)."""


def estimate_tokens(byte_count: int) -> int:
    """Tokens in so many bytes of text, as a rough estimate; at least one."""
    return max(1, -(-byte_count // BYTES_PER_TOKEN))


def see(tally: Tally, event: Event) -> None:
    """Take from a canonical event what accounting needs of it."""
    if isinstance(event, Delta):
        tally.content_bytes += len(event.text)
        tally.content_frames += 1
    elif isinstance(event, UsageReport):
        tally.usage = event.usage
    elif isinstance(event, ChoiceStop):
        tally.finish = event.finish
    elif isinstance(event, Start):
        tally.usage = event.usage or tally.usage
    elif isinstance(event, Failure):
        tally.error = event.error


def estimated_usage(call: Call, tally: Tally) -> Usage:
    """The usage when the upstream told none: from the bytes that went both ways, and marked as an estimate.

    Many servers send one token to a frame, so the count of frames is a lower bound worth having.
    """
    output = max(tally.content_frames, -(-tally.content_bytes // BYTES_PER_TOKEN))
    return Usage(input=estimate_tokens(len(call.body)), output=output, estimated=True)


class AttemptLog:
    """Writes one attempt's entry: opened when it starts, closed exactly once."""

    __slots__ = ("_call", "_clock", "_closed", "_started_monotonic_ns", "entry")

    def __init__(self, call: Call, clock: Clock, entry: Attempt) -> None:
        self.entry = entry
        self._call = call
        self._clock = clock
        self._started_monotonic_ns = clock.monotonic_ns()
        self._closed = False
        call.attempts.append(entry)

    def estimate(self, tally: Tally) -> Usage:
        """The usage of this attempt as far as the gateway can tell by itself."""
        return estimated_usage(self._call, tally)

    def first_byte(self) -> None:
        """The first byte of the answer's body is here."""
        self.entry.first_byte_ns = self._clock.monotonic_ns() - self._started_monotonic_ns

    def close(self, tally: Tally | None, error: SwitchgearError | None = None, *, cancelled: bool = False) -> None:
        """Declare the outcome; only the first word counts."""
        if self._closed:
            return
        self._closed = True
        entry = self.entry
        entry.duration_ns = self._clock.monotonic_ns() - self._started_monotonic_ns
        if tally is not None:
            entry.usage = tally.usage or (estimated_usage(self._call, tally) if _answered(tally, error) else None)
            entry.finish = tally.finish or ""
        if error is not None:
            entry.outcome = "failed"
            entry.error = f"{error.code}: {error.message}"
        elif cancelled:
            entry.outcome = "cancelled"


def _answered(tally: Tally, error: SwitchgearError | None) -> bool:
    """Whether the upstream did work that may be billed."""
    return error is None or tally.content_frames > 0 or tally.content_bytes > 0
