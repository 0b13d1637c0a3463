"""What a caller says about a call for the record: who it is for, which conversation it belongs to, words and notes.

Our own headers come first, then those that clients of other gateways send already, then what the body says:

============  ======================================================================================================
user          ``x-switchgear-user``; ``x-litellm-customer-id``, ``x-litellm-end-user-id``, ``helicone-user-id``,
              ``_user`` in Portkey's metadata; the body's ``user``, ``metadata.user_id``
session       ``x-switchgear-session``; ``x-session-id``, ``x-litellm-session-id``, ``helicone-session-id``
tags          ``x-switchgear-tags``; ``x-litellm-tags``: words joined by commas, or a JSON array
metadata      ``x-switchgear-metadata``; ``x-litellm-spend-logs-metadata``, ``x-portkey-metadata``: a JSON object;
              ``helicone-property-NAME``, and the single notes below; the body's ``metadata``
============  ======================================================================================================

Nothing of it is ever a reason to refuse a call: what does not fit is cut, and what is no JSON object is kept as text.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, cast

from msgspec import DecodeError, Struct, json

Gateway = Literal["helicone", "litellm", "portkey"]
Headers = Mapping[bytes, bytes]

MAX_TEXT: Final = 256
"""Characters of a user, a session, a tag or the name of a note."""
MAX_TAGS: Final = 32
MAX_NOTES: Final = 64
MAX_NOTE: Final = 1024
MAX_NOTES_CHARACTERS: Final = 8192
"""Of all notes of one call together."""

PROPERTY: Final = b"helicone-property-"
_USER: Final = (b"x-switchgear-user", b"x-litellm-customer-id", b"x-litellm-end-user-id", b"helicone-user-id")
_SESSION: Final = (b"x-switchgear-session", b"x-session-id", b"x-litellm-session-id", b"helicone-session-id")
_TAGS: Final = (b"x-switchgear-tags", b"x-litellm-tags")
_METADATA: Final = (b"x-switchgear-metadata", b"x-litellm-spend-logs-metadata", b"x-portkey-metadata")
_NOTES: Final[Mapping[bytes, str]] = {
    b"x-litellm-trace-id": "trace_id",
    b"x-portkey-trace-id": "trace_id",
    b"x-portkey-config": "portkey_config",
    b"helicone-request-id": "request_id",
    b"helicone-session-path": "session_path",
    b"helicone-session-name": "session_name",
    b"helicone-prompt-id": "prompt_id",
}
_PORTKEY_USER: Final = "_user"
_BODY_USER: Final = "user_id"
_GATEWAYS: Final[tuple[tuple[Gateway, bytes], ...]] = (
    ("helicone", b"helicone-"),
    ("litellm", b"x-litellm-"),
    ("portkey", b"x-portkey-"),
)
_FOREIGN: Final = (
    b"helicone-auth",
    b"helicone-cache-enabled",
    b"helicone-fallbacks",
    b"helicone-model-override",
    b"helicone-omit-request",
    b"helicone-omit-response",
    b"helicone-ratelimit-policy",
    b"helicone-retry-enabled",
    b"x-litellm-api-key",
    b"x-litellm-enable-message-redaction",
    b"x-litellm-num-retries",
    b"x-litellm-stream-timeout",
    b"x-litellm-timeout",
    b"x-portkey-api-key",
    b"x-portkey-cache-force-refresh",
    b"x-portkey-cache-namespace",
    b"x-portkey-provider",
    b"x-portkey-request-timeout",
    b"x-portkey-virtual-key",
)
"""Headers that tell which gateway a client was written for, beside those that say something for the record."""
KNOWN: Final = frozenset((*_USER, *_SESSION, *_TAGS, *_METADATA, *_NOTES, *_FOREIGN))
"""A request without any of them, and without a :data:`PROPERTY`, says nothing."""


class Labels(Struct, frozen=True, kw_only=True):
    """Empty: not said. All of it is bounded."""

    user: str = ""
    session: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = {}
    gateways: tuple[Gateway, ...] = ()
    """Whose headers the request carries."""


NONE: Final = Labels()


def labels_of(headers: Headers, body_user: str | None, body_metadata: bytes) -> Labels:
    """All that is said; ``body_metadata`` is JSON text, empty when there is none. Never raises."""
    portkey = _object(headers.get(b"x-portkey-metadata", b""))
    of_body = _object(body_metadata)
    users = (_first(headers, _USER), portkey.get(_PORTKEY_USER), body_user, of_body.get(_BODY_USER))
    return Labels(
        user=next((user for user in users if isinstance(user, str) and user), "")[:MAX_TEXT],
        session=_first(headers, _SESSION)[:MAX_TEXT],
        tags=tuple(tag[:MAX_TEXT] for tag in words(_first(headers, _TAGS)))[:MAX_TAGS],
        metadata=_bounded(_notes(headers, of_body)),
        gateways=tuple(name for name, prefix in _GATEWAYS if any(header.startswith(prefix) for header in headers)),
    )


def words(text: str) -> tuple[str, ...]:
    """Words joined by commas, or the texts of a JSON array."""
    if text.startswith("["):
        try:
            return tuple(word for word in json.decode(text, type=list[str]) if word)
        except (DecodeError, UnicodeError):
            pass
    return tuple(word for word in (each.strip() for each in text.split(",")) if word)


def text_of(value: bytes) -> str:
    """A header's value as text: UTF-8, or else Latin-1, in which HTTP once was (RFC 9110 §5.5)."""
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()


def _first(headers: Headers, names: Iterable[bytes]) -> str:
    return next((text for name in names if (value := headers.get(name)) and (text := text_of(value))), "")


def _notes(headers: Headers, of_body: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name in _METADATA:
        value = headers.get(name)
        if value:
            yield from _object(value).items() or ((name.decode(), text_of(value)),)
    yield from ((note, text_of(headers[name])) for name, note in _NOTES.items() if name in headers)
    prefix = len(PROPERTY)
    yield from ((text_of(name[prefix:]), text_of(headers[name])) for name in headers if name.startswith(PROPERTY))
    yield from of_body.items()


def _bounded(notes: Iterable[tuple[str, object]]) -> dict[str, str]:
    """As many of the notes as may be kept; the first of one name wins."""
    kept: dict[str, str] = {}
    room = MAX_NOTES_CHARACTERS
    for name, value in notes:
        text = (value if isinstance(value, str) else json.encode(value).decode())[:MAX_NOTE]
        room -= len(name[:MAX_TEXT]) + len(text)
        if room < 0 or len(kept) == MAX_NOTES:
            break
        kept.setdefault(name[:MAX_TEXT], text)
    return kept


def _object(value: bytes) -> dict[str, object]:
    """The JSON object in ``value``; an empty one for whatever else it is."""
    try:
        found: object = json.decode(value) if value else None
    except (DecodeError, UnicodeError, RecursionError):
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}
