"""What clients of other gateways say and look for beside their vendor's protocol.

Fields that LiteLLM's clients add to an OpenAI-like body become the headers that say the same, so that everything behind
the door knows one way only; and the headers that scripts written for LiteLLM and Helicone read are put on replies.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from msgspec import DecodeError, Raw, Struct, json

from switchgear.doors.endpoint import Request
from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.money import NanoUsd, format_usd
from switchgear.kernel.reply import Headers
from switchgear.wire.json_body import leave_out, members

_FIELDS: Final[Mapping[str, bytes]] = {
    "fallbacks": b"x-switchgear-fallbacks",
    "num_retries": b"x-litellm-num-retries",
    "timeout": b"x-litellm-timeout",
    "stream_timeout": b"x-litellm-stream-timeout",
    "tags": b"x-litellm-tags",
    "metadata": b"x-litellm-spend-logs-metadata",
    "litellm_session_id": b"x-litellm-session-id",
}
_WITHOUT_EFFECT: Final = ("cache",)
_KNOWN_COSTS: Final = frozenset(("settled", "estimated", "void"))
_LONGEST_ECHO: Final = 128
_HELICONE_REQUEST_ID: Final = b"helicone-request-id"


class Understood(Struct, frozen=True, kw_only=True):
    """What of other gateways' ways the operator wants, beyond what their clients' own headers ask for."""

    litellm_headers: bool = False
    litellm_body: bool = False


class _Tagged(Struct):
    """LiteLLM's tags are often found inside the metadata."""

    tags: Raw = Raw()


def take_fields(request: Request) -> None:
    """Move LiteLLM's own fields from the body of ``request`` into its headers; a header that is there already wins.

    A body that is no JSON object stays as it is, for the door's reader to complain about.
    """
    try:
        body, found = leave_out(request.body, (*_FIELDS, *_WITHOUT_EFFECT))
        said = members(request.body) if found else {}
    except BadRequest:
        return
    headers = {header: text for name, header in _FIELDS.items() if (text := _as_header(said.get(name)))}
    tags = _tags_in(said.get("metadata"))
    if tags:
        headers.setdefault(b"x-litellm-tags", tags)
    request.body = body
    request.headers = {**headers, **request.headers}


def _as_header(value: Raw | None) -> bytes:
    """A member's value as a header would say it; empty for null and for what is not there."""
    text = b"" if value is None else bytes(value)
    if text.startswith(b'"'):
        # Escapes may hide what is no text at all.
        with suppress(DecodeError):
            return json.decode(text, type=str).encode()
    return b"" if text == b"null" else text


def _tags_in(metadata: Raw | None) -> bytes:
    try:
        return b"" if metadata is None else bytes(json.decode(metadata, type=_Tagged).tags)
    except DecodeError:
        return b""


def other_gateways_headers(call: Call, now_monotonic_ns: int, *, early: bool = False) -> Headers:
    """The headers that LiteLLM's or Helicone's scripts read, for clients that show that they are written for one.

    ``early``: only those that hold whatever becomes of the call.
    """
    gateways = call.labels().gateways
    headers: Headers = []
    if "litellm" in gateways or call.snapshot.part(Understood).litellm_headers:
        headers += _litellm(call, now_monotonic_ns, early=early)
    if "helicone" in gateways:
        headers += _helicone(call, early=early)
    return headers


def _litellm(call: Call, now_monotonic_ns: int, *, early: bool) -> Iterator[tuple[bytes, bytes]]:
    yield b"x-litellm-call-id", call.id.encode()
    if early:
        return
    milliseconds = (now_monotonic_ns - call.started_monotonic_ns) / 1_000_000
    yield b"x-litellm-response-duration-ms", b"%.3f" % milliseconds
    if call.attempts:
        yield b"x-litellm-model-id", call.attempts[-1].deployment.encode()
        # A name that led to an attempt is printable ASCII.
        yield b"x-litellm-model-group", call.head.model.encode()
        if {attempt.cost for attempt in call.attempts} <= _KNOWN_COSTS:
            yield b"x-litellm-response-cost", _dollars(sum(attempt.cost_nano_usd for attempt in call.attempts))
        yield b"x-litellm-attempted-retries", b"%d" % _made(call, "retry")
        yield b"x-litellm-attempted-fallbacks", b"%d" % _made(call, "fallback")


def _dollars(nano_usd: int) -> bytes:
    return format_usd(NanoUsd(nano_usd)).removeprefix("$").replace(",", "").encode()


def _helicone(call: Call, *, early: bool) -> Iterator[tuple[bytes, bytes]]:
    given = call.headers.get(_HELICONE_REQUEST_ID, b"")
    speakable = given.isascii() and given.decode("latin-1").isprintable() and 0 < len(given) <= _LONGEST_ECHO
    yield b"helicone-id", given if speakable else call.id.encode()
    if call.attempts and not early:
        yield b"helicone-fallback-index", b"%d" % _made(call, "fallback")


def _made(call: Call, why: str) -> int:
    return sum(attempt.why == why for attempt in call.attempts)
