"""Log probabilities: Gemini's ``logprobsResult`` as OpenAI's ``logprobs``, the shape every other client reads."""

from itertools import zip_longest

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.errors import UpstreamGarbled


class Token(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class Alternatives(Struct):
    candidates: list[Token] = []


class Result(Struct, rename="camel"):
    chosen_candidates: list[Token] = []
    top_candidates: list[Alternatives] = []


class OpenAIToken(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list["OpenAIToken"] = []


class OpenAILogprobs(Struct):
    content: list[OpenAIToken] | None = None


def read_logprobs(result: Raw) -> Raw:
    """Raises UpstreamGarbled for what is no ``logprobsResult``."""
    try:
        found = json.decode(result, type=Result)
    except (ValidationError, DecodeError, UnicodeDecodeError):
        raise UpstreamGarbled("the upstream's logprobsResult does not fit its dialect") from None
    content: list[dict[str, object]] = []
    for chosen, alternatives in zip_longest(found.chosen_candidates, found.top_candidates):
        if chosen is None:
            break
        others = alternatives.candidates if alternatives is not None else []
        content.append(_openai_token(chosen) | {"top_logprobs": [_openai_token(other) for other in others]})
    return Raw(json.encode({"content": content, "refusal": None}))


def write_logprobs(logprobs: Raw) -> dict[str, object] | None:
    """``logprobsResult``; None for log probabilities of another shape, which no client of Gemini's could read."""
    try:
        found = json.decode(logprobs, type=OpenAILogprobs).content
    except (ValidationError, DecodeError, UnicodeDecodeError):
        return None
    if found is None:
        return None
    written: dict[str, object] = {"chosenCandidates": [_token(token) for token in found]}
    if any(token.top_logprobs for token in found):
        tops = [{"candidates": [_token(other) for other in token.top_logprobs]} for token in found]
        written["topCandidates"] = tops
    return written


def _openai_token(token: Token) -> dict[str, object]:
    return {"token": token.token, "logprob": token.log_probability, "bytes": list(token.token.encode())}


def _token(token: OpenAIToken) -> dict[str, object]:
    return {"token": token.token, "logProbability": token.logprob}
