"""Finds the usage in an answer that is passed through, while it goes by: JSON or server-sent events, however cut.

Nothing else is decoded, so megabytes of base64 cost a search for one word. Only a member's name can match it: inside a
string its closing quote would be escaped. The last usage counts, as it does in every stream of OpenAI's.
"""

from typing import Final

from msgspec import DecodeError, Struct, ValidationError, json

from switchgear.kernel.chat import Usage

_KEY: Final = b'"usage"'
_MAX_BYTES: Final = 8192
"""A usage is far smaller; what looks like one and does not end within this is none."""
_SPACE: Final = b" \t\r\n"
_MOST_SECONDS: Final = 1e9


class _CachedDetails(Struct):
    audio_tokens: int = 0
    image_tokens: int = 0


class _Details(Struct):
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens_details: _CachedDetails | None = None


class _WireUsage(Struct):
    """The names of images, transcriptions, the Realtime API, and chat completions; each has its own."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None
    prompt_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    output_token_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    seconds: object = None
    """In place of tokens, of transcriptions that are billed by time."""


class UsageScan:
    """``usage`` is what was found so far; None when there was none, or only one that counts no tokens."""

    __slots__ = ("_window", "seconds", "usage")

    def __init__(self) -> None:
        self._window = b""
        self.usage: Usage | None = None
        self.seconds = 0.0
        """Of a recording, where the usage tells them; 0 where it does not."""

    def feed(self, data: bytes) -> None:
        """Look at more bytes of the answer."""
        window = self._window + data if self._window else data
        while (at := window.find(_KEY)) >= 0:
            end = self._read(window, at + len(_KEY))
            if end < 0 and len(window) - at <= _MAX_BYTES:
                self._window = window[at:]
                return
            window = window[max(end, at + len(_KEY)) :]
        self._window = window[-(len(_KEY) - 1) :]

    def _read(self, window: bytes, at: int) -> int:
        """Where the usage ends whose name ends at ``at``; that of no object at once, -1 for one that goes on."""
        rest = window[at : at + _MAX_BYTES]
        value = rest.lstrip(_SPACE)
        if value.startswith(b":"):
            value = value[1:].lstrip(_SPACE)
        elif value:
            return at
        if not value:
            return -1
        if not value.startswith(b"{"):
            return at
        start = at + len(rest) - len(value)
        close = value.find(b"}")
        while close >= 0:
            found = _decoded(value[: close + 1])
            if found is not None:
                self.usage = _canonical(found) or self.usage
                self.seconds = _seconds(found) or self.seconds
                return start + close + 1
            close = value.find(b"}", close + 1)
        return -1


def _decoded(text: bytes) -> _WireUsage | None:
    """None for a text that is not complete yet."""
    try:
        return json.decode(text, type=_WireUsage)
    except ValidationError:
        return _WireUsage()
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _canonical(wire: _WireUsage) -> Usage | None:
    """Disjoint buckets; the parts of the wire's counts overlap with their whole."""
    read = wire.input_tokens if wire.input_tokens is not None else wire.prompt_tokens
    written = wire.output_tokens if wire.output_tokens is not None else wire.completion_tokens
    if read is None and written is None:
        return None
    inputs = wire.input_tokens_details or wire.input_token_details or wire.prompt_tokens_details or _Details()
    outputs = wire.output_tokens_details or wire.output_token_details or wire.completion_tokens_details or _Details()
    cached = inputs.cached_tokens_details or _CachedDetails()
    audio_input = _count((inputs.audio_tokens or 0) - cached.audio_tokens)
    image_input = _count((inputs.image_tokens or 0) - cached.image_tokens)
    cache_read = _count(inputs.cached_tokens)
    reasoning = _count(outputs.reasoning_tokens)
    audio_output = _count(outputs.audio_tokens)
    return Usage(
        input=_count((read or 0) - audio_input - image_input - cache_read),
        cache_read=cache_read,
        output=_count((written or 0) - reasoning - audio_output),
        reasoning=reasoning,
        audio_input=audio_input,
        audio_output=audio_output,
        image_input=image_input,
    )


def _seconds(wire: _WireUsage) -> float:
    told = wire.seconds
    return float(told) if isinstance(told, int | float) and 0 < told < _MOST_SECONDS else 0.0


def _count(value: int | None) -> int:
    return max(value or 0, 0)
