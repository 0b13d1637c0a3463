"""The log probabilities of text completions, from those of chats, which are the canonical ones.

A chat tells of each token in an entry of its own; a text completion has a list for each of its facts, and counts
characters (``text_offset``) from the beginning of the answer.
"""

from itertools import accumulate
from typing import Final

from msgspec import DecodeError, Raw, Struct, json

from switchgear.wire.json_body import ABSENT, NULL


class _Likely(Struct):
    token: str
    logprob: float


class _Token(_Likely):
    top_logprobs: list[_Likely] = []


class _Told(Struct):
    content: list[_Token] | None = None
    tokens: Raw = ABSENT


_READ: Final = json.Decoder(_Told).decode


def write_logprobs(value: Raw, offset: int = 0) -> tuple[bytes, int]:
    """The JSON for a client, and where the next begin; a text completion's own, and unknown ones, are as they came."""
    try:
        told = _READ(value)
    except (DecodeError, UnicodeDecodeError):
        return bytes(value), offset
    if told.tokens is not ABSENT:
        return bytes(value), offset
    if not told.content:
        return NULL, offset
    *offsets, end = accumulate((len(each.token) for each in told.content), initial=offset)
    tops = [{likely.token: likely.logprob for likely in each.top_logprobs} for each in told.content]
    written = {
        "tokens": [each.token for each in told.content],
        "token_logprobs": [each.logprob for each in told.content],
        "top_logprobs": tops if any(tops) else None,
        "text_offset": offsets,
    }
    return json.encode(written), end
