"""Tokens by bucket: no token is in two of them."""

from collections.abc import Iterator
from typing import Final

from switchgear.kernel.chat import Usage

BUCKETS: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
)


def filled(usage: Usage) -> Iterator[tuple[str, int]]:
    """The buckets that hold something."""
    for bucket in BUCKETS:
        tokens: int = getattr(usage, bucket)
        if tokens:
            yield bucket, tokens
