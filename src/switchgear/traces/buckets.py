"""Tokens by bucket: no token is in two of them."""

from operator import attrgetter
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
_TOKENS: Final = attrgetter(*BUCKETS)


def filled(usage: Usage) -> list[tuple[str, int]]:
    """The buckets that hold something."""
    return [told for told in zip(BUCKETS, _TOKENS(usage), strict=True) if told[1]]
