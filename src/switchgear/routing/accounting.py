"""What an attempt's entry in the record says, kept while the answer passes by."""

from typing import Final

from switchgear.kernel.call import Call
from switchgear.kernel.chat import ChoiceStop, Delta, Event, Failure, Start, Usage, UsageReport
from switchgear.kernel.dialect import Tally

BYTES_PER_TOKEN: Final = 4
"""English text in the common byte-pair vocabularies: about four bytes to a token (OpenAI's own rule of thumb)."""


def estimate_tokens(byte_count: int) -> int:
    """Tokens in so many bytes of text, as a rough estimate; at least one."""
    return max(1, -(-byte_count // BYTES_PER_TOKEN))


def see(tally: Tally, event: Event) -> None:
    """Take from a canonical event what accounting needs of it."""
    if isinstance(event, Delta):
        tally.content_bytes += len(event.text)
        tally.content_frames += bool(event.text)
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
