"""Tokens where nobody counted them: one rule of thumb for all, and its results are marked as estimates."""

from typing import Final

from switchgear.kernel.chat import Usage

BYTES_PER_TOKEN: Final = 4
"""English text in the common byte-pair vocabularies: about four bytes to a token (OpenAI's own rule of thumb)."""

MOST_BYTES_PER_TOKEN: Final = 16
"""No natural text or code is written in fewer tokens than one for so many bytes."""


def estimate_tokens(byte_count: int) -> int:
    """Tokens in so many bytes of text; at least one."""
    return max(1, -(-byte_count // BYTES_PER_TOKEN))


def estimate_output_tokens(content_frames: int, content_bytes: int) -> int:
    """Tokens of a streamed answer: most servers send one in each frame, some many at once."""
    return max(content_frames, -(-content_bytes // BYTES_PER_TOKEN))


def estimated_usage(input_tokens: int, content_frames: int, content_bytes: int) -> Usage:
    """The usage of an answer whose server told none."""
    return Usage(input=input_tokens, output=estimate_output_tokens(content_frames, content_bytes), estimated=True)


def fewest_output_tokens(content_bytes: int) -> int:
    """Tokens that so much content cannot have been made of fewer than; at least one where there is any."""
    return -(-content_bytes // MOST_BYTES_PER_TOKEN)
