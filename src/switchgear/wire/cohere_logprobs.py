"""Cohere's log probabilities, as the canonical form carries them: in the shape of OpenAI's.

Cohere tells of a chunk of text with the ids and the log probabilities of its tokens; the chunk's own log probability
is their sum. What OpenAI's shape has no place for stands beside it, so that nothing is lost on the way back. A chunk
that comes without probabilities tells nothing.
"""

from typing import cast

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.errors import UpstreamGarbled


class WireLogprobs(Struct):
    text: str | None = None
    token_ids: list[int] = []
    logprobs: list[float] | None = None


class Entry(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[Raw] = []
    token_ids: list[int] = []
    logprobs: list[float] | None = None


class Canonical(Struct):
    content: list[Entry] | None = None


def read_logprobs(value: Raw) -> Raw:
    """``{"content": [...]}`` from a list of items, or from one as streams have it. Raises UpstreamGarbled."""
    many = bytes(value).startswith(b"[")
    try:
        found: object = json.decode(value, type=list[WireLogprobs] if many else WireLogprobs)
    except (ValidationError, DecodeError, UnicodeDecodeError) as error:
        raise UpstreamGarbled(f"the upstream's log probabilities do not fit its dialect: {error}") from None
    items = cast("list[WireLogprobs]", found if many else [found])
    return Raw(json.encode(Canonical(content=[_entry(item) for item in items if item.logprobs])))


def _entry(item: WireLogprobs) -> Entry:
    return Entry(
        token=item.text or "",
        logprob=sum(item.logprobs or ()),
        token_ids=item.token_ids,
        logprobs=item.logprobs,
    )


def write_logprobs(value: Raw) -> list[dict[str, object]] | None:
    """Cohere's items; None for log probabilities of another shape, which its SDKs could not read."""
    try:
        entries = json.decode(value, type=Canonical).content
    except (ValidationError, DecodeError, UnicodeDecodeError):
        return None
    if entries is None:
        return None
    return [
        {"text": entry.token, "token_ids": entry.token_ids, "logprobs": entry.logprobs or [entry.logprob]}
        for entry in entries
    ]
