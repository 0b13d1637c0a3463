"""JSON bodies as every dialect meets them: decode with errors that name the field, and splice without re-writing.

A splice replaces the values of a few top-level members and leaves every other byte as it came, so that unknown
fields and signed content survive. It is exact: a key is only ever found where a JSON parser finds it. A body that
different parsers could read differently, because a key stands twice, is written anew from the members the gateway
itself decoded, so that gateway and upstream never act on different values.
"""

import re
from collections.abc import Container, Iterable, Mapping
from typing import Final, NamedTuple, Protocol, TypeVar, cast

from msgspec import DecodeError, Raw, Struct, ValidationError, json

from switchgear.kernel.errors import BadRequest, SwitchgearError, UnsupportedField, UpstreamGarbled

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

Members = dict[str, Raw]
"""The top-level members of an object: decoded names, values as the exact bytes they came in."""

Extra = tuple[tuple[str, Raw], ...]


class Carrying(Protocol):
    """A request in canonical form."""

    @property
    def own(self) -> Extra: ...

    @property
    def extra(self) -> Extra: ...


NULL: Final = b"null"
ABSENT: Final = Raw()
"""The default of a ``Raw`` field. (``Raw | None`` is no way to say it: msgspec then decodes nothing but null.)"""

_MEMBERS: Final = json.Decoder(Members)
_ESCAPED_ASCII: Final = re.compile(rb"\\u00")
_COLON: Final = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_MEMBER_HEAD: Final = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*')
_MEMBER_END: Final = re.compile(rb"[ \t\r\n]*([,}])")
_PLACE: Final = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_FIELD: Final = re.compile(r"field `([^`]*)`")
_MISSING_FIELD: Final = "Object missing required field"
_UNKNOWN_FIELD: Final = "Object contains unknown field"
_EXCERPT_CHARACTERS: Final = 120
_MODEL_KEY: Final = b'"model"'
_MODEL_MEMBER: Final = re.compile(rb'"model"\s*:\s*("[^"\\]*")')
_ESCAPE_START: Final = b"\\u00"
"""A letter of ASCII can only be hidden in an escape that begins like this (RFC 8259 §7)."""
_MODEL_ESCAPES: Final = (b"\\u006",)
_LETTER_ESCAPES: Final = (b"\\u006", b"\\u007", b"\\u005", b"\\u004")
"""How an escape begins that may stand for a letter of ``model``, and for any letter or ``_``.

Those of ``<``, ``>``, ``&`` and of accents, which many encoders write so, are none."""


def decode(kind: type[T], body: bytes) -> T:
    """Decode a caller's body into ``kind``.

    Raises BadRequest (UnsupportedField for a field that ``kind`` forbids), with ``param`` naming the field.
    """
    try:
        return json.decode(body, type=kind)
    except ValidationError as error:
        raise _misfit(error) from None
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the request body {_complaint(body, error)}") from None


def decode_answer(kind: type[T], body: bytes) -> T:
    """Decode an upstream's body into ``kind``. Raises UpstreamGarbled, with an excerpt of what came instead."""
    try:
        return json.decode(body, type=kind)
    except ValidationError as error:
        raise UpstreamGarbled(f"the upstream's answer does not fit its dialect: {error}") from None
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        shown = f": {excerpt(body)}" if body.strip() else ""
        raise UpstreamGarbled(f"the upstream's answer {_complaint(body, error)}{shown}") from None


def unknown_members(kind: type[Struct], body: bytes, blame: type[SwitchgearError] = BadRequest) -> Extra:
    """The top-level members of ``body`` for which ``kind`` has no field, in their order; ``body`` is known to decode.

    Raises ``blame`` when a string among them is not UTF-8: carried on, it would break somebody else's parser.
    """
    there = _MEMBERS.decode(body)
    unknown = there.keys() - kind.__struct_encode_fields__
    if not unknown:
        return ()
    found = tuple((name, Raw(bytes(value))) for name, value in there.items() if name in unknown)
    for name, value in found:
        if not _is_utf8(bytes(value)):
            raise blame(f"{name} is not valid UTF-8", param=name)
    return found


def kept(asked: Carrying, known: Container[str], dialect: str) -> Extra:
    """What a request carries without anybody having understood it, for a dialect that knows it all.

    Raises UnsupportedField, naming the first field that is not in ``known``; ``dialect`` says whose they would be.
    """
    carried = (*asked.own, *asked.extra)
    for name, _ in carried:
        if name not in known:
            raise UnsupportedField(f"{name}: it has no equal in {dialect}'s dialect", param=name)
    return carried


def refuse_own(asked: Carrying, dialect: str) -> None:
    """Raises UnsupportedField for a field of another vendor's own."""
    for name, _ in asked.own:
        raise UnsupportedField(f"{name}: it has no equal in {dialect}'s dialect", param=name)


def said(value: Raw | None) -> Raw | None:
    """``None`` for a member that is absent or null, else its own bytes, free of the body they were cut from."""
    if value is None or value is ABSENT:
        return None
    own = bytes(value)
    return None if own in {b"", NULL} else Raw(own)


def text(value: str) -> bytes:
    """A string as JSON text."""
    return json.encode(value)


def excerpt(body: bytes) -> str:
    """The start of a body, for an error message."""
    shown = " ".join(body[: 4 * _EXCERPT_CHARACTERS].decode("utf-8", "replace").split())
    return shown if len(shown) <= _EXCERPT_CHARACTERS else shown[:_EXCERPT_CHARACTERS] + "…"


def members(body: bytes) -> Members:
    """The top-level members of a caller's body. Raises BadRequest when it is no JSON object."""
    try:
        return _MEMBERS.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return decode(Members, body)


def set_model(body: bytes, model: bytes) -> bytes:
    """``splice(body, {"model": model})`` for a body known to have a top-level ``model``, at a third of the cost.

    Where the quoted key occurs once and no letter is written as an escape, that occurrence is the member.
    """
    at = body.find(_MODEL_KEY)
    if at < 0 or body.rfind(_MODEL_KEY) != at or _holds(body, _MODEL_ESCAPES):
        return splice(body, {"model": model})
    found = _MODEL_MEMBER.match(body, at)
    if found is None:
        return splice(body, {"model": model})
    start, end = found.span(1)
    return b"".join((body[:start], model, memoryview(body)[end:]))


def add_first(body: bytes, name: bytes, member: bytes) -> bytes | None:
    """The object ``body``, which is not empty, with ``member`` before the others; None when it may have one already."""
    if body.rfind(name) >= 0 or (_holds(body, (_ESCAPE_START,)) and _holds(body, _LETTER_ESCAPES)):
        return None
    at = body.index(b"{") + 1
    return b"".join((body[:at], member, b",", memoryview(body)[at:]))


def _holds(body: bytes, escapes: tuple[bytes, ...]) -> bool:
    """Whether one of these escapes may be there; for prompts of megabytes.

    One byte is found far faster than several, and several are found faster from the end than from the start.
    """
    return b"\\" in body and any(body.rfind(escape) >= 0 for escape in escapes)


def splice(body: bytes, edits: Mapping[str, bytes]) -> bytes:
    """``body`` with the top-level members named in ``edits`` set to these JSON texts; new ones come first.

    Every other byte stays, unless a key stands twice: then the object is joined anew from its decoded members.
    Raises BadRequest when the body is no JSON object.
    """
    found = members(body)
    if b"\\" not in body or _ESCAPED_ASCII.search(body) is None:
        spliced = _splice_unique_keys(body, found, edits)
        if spliced is not None:
            return spliced
    places = _places(body, found)
    if places is None:
        return _join(found, edits)
    changes = [(*places[name].value, value) for name, value in edits.items() if name in places]
    added = {name: value for name, value in edits.items() if name not in places}
    return _insert(_replace(body, changes), added, empty=not found)


def leave_out(body: bytes, names: Iterable[str]) -> tuple[bytes, tuple[str, ...]]:
    """``body`` without its top-level members called ``names`` (words of ASCII), and those names that were there.

    Every byte of the other members stays, unless a key stands twice, as for :func:`splice`.
    Raises BadRequest when the body is no JSON object.
    """
    if _ESCAPE_START not in body and not any(f'"{name}"'.encode() in body for name in names):
        return body, ()
    found = members(body)
    gone = tuple(name for name in names if name in found)
    if not gone:
        return body, ()
    places = _places(body, found)
    if places is None:
        return json.encode({name: raw for name, raw in found.items() if name not in gone}), gone
    kept = [body[place.start : place.end] for name, place in places.items() if name not in gone]
    first, last = min(place.start for place in places.values()), max(place.end for place in places.values())
    return body[:first] + b",".join(kept) + body[last:], gone


def _splice_unique_keys(body: bytes, found: Members, edits: Mapping[str, bytes]) -> bytes | None:
    """The fast way, for keys whose quoted text occurs once: no other place can then hold the member."""
    changes: list[tuple[int, int, bytes]] = []
    added: dict[str, bytes] = {}
    for name, value in edits.items():
        raw = found.get(name)
        if raw is None:
            added[name] = value
            continue
        key = f'"{name}"'.encode()
        at = body.find(key)
        start = at + len(key)
        if at < 0 or body.find(key, start) >= 0:
            return None
        colon = _COLON.match(body, start)
        if colon is None:
            return None
        start = colon.end()
        changes.append((start, start + len(memoryview(raw)), value))
    return _insert(_replace(body, changes), added, empty=not found) if added else _replace(body, changes)


class _Place(NamedTuple):
    """Where a member stands, with the white space around it, and its value."""

    start: int
    value: tuple[int, int]
    end: int


def _places(body: bytes, found: Members) -> dict[str, _Place] | None:
    """Where each member stands; None when a key is there twice."""
    places: dict[str, _Place] = {}
    position = body.index(b"{") + 1
    end: re.Match[bytes] | None = None
    for name, raw in found.items():
        head = _MEMBER_HEAD.match(body, position)
        value = bytes(raw)
        if head is None or json.decode(head[1]) != name or not body.startswith(value, head.end()):
            return None
        value_end = head.end() + len(value)
        end = _MEMBER_END.match(body, value_end)
        if end is None:
            return None
        places[name] = _Place(position, (head.end(), value_end), end.start(1))
        position = end.end()
    return places if end is None or end[1] == b"}" else None


def _replace(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    if len(changes) == 1:
        start, end, value = changes[0]
        return body[:start] + value + body[end:]
    pieces: list[bytes] = []
    copied = 0
    for start, end, value in sorted(changes):
        pieces += (body[copied:start], value)
        copied = end
    pieces.append(body[copied:])
    return b"".join(pieces)


def _insert(body: bytes, added: Mapping[str, bytes], *, empty: bool) -> bytes:
    if not added:
        return body
    at = body.index(b"{") + 1
    new = b",".join(b"%b:%b" % (text(name), value) for name, value in added.items())
    return body[:at] + (new if empty else new + b",") + body[at:]


def _join(found: Members, edits: Mapping[str, bytes]) -> bytes:
    added = {name: Raw(value) for name, value in edits.items() if name not in found}
    kept = {name: Raw(edits[name]) if name in edits else raw for name, raw in found.items()}
    return json.encode(added | kept)


def _misfit(error: ValidationError) -> BadRequest:
    message = str(error)
    place = _PLACE.search(message)
    path = place[1] if place else ""
    field = _FIELD.search(message)
    if field is not None:
        path = f"{path}.{field[1]}" if path else field[1]
    what = message[: place.start()] if place else message
    if what.startswith(_MISSING_FIELD):
        return BadRequest(f"{path} is required", param=path)
    if what.startswith(_UNKNOWN_FIELD):
        return UnsupportedField(f"{path} is not a field this gateway knows how to carry over", param=path)
    return BadRequest(f"{path or 'the request body'}: {what[0].lower()}{what[1:]}", param=path or None)


def _complaint(body: bytes, error: Exception) -> str:
    """What is wrong with bytes that are not JSON, and where."""
    if not body.strip():
        return "is empty"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    try:
        body.decode()
    except UnicodeDecodeError as invalid:
        return f"is not valid UTF-8 (byte {invalid.start})"
    message = str(error)
    if "truncated" in message:
        return f"is not complete JSON: it ends after {len(body)} bytes"
    return f"is not valid JSON: {message.removeprefix('JSON is malformed: ')}"


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def object_text(fields: Iterable[tuple[str, object]]) -> bytes:
    """A JSON object of the fields that are said (not ``None``), in their order; Raw values go out as they are."""
    return json.encode({name: value for name, value in fields if value is not None})


def as_object(value: Raw) -> dict[str, object]:
    """The decoded object in ``value``; an empty one when it is some other JSON value."""
    decoded: object = json.decode(value)
    return cast("dict[str, object]", decoded) if isinstance(decoded, dict) else {}
