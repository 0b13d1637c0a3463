"""Finds one member of a JSON object while its bytes go by, however cut (RFC 8259).

Only a member of the object itself counts, read as a JSON parser reads it: nothing inside other values or strings, and
names written with escapes too. Strings, where the megabytes are, are jumped over; little is held. Who acts on the
member goes by the first one, and so a second is refused: the upstream might take that.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import DecodeError, json

from switchgear.kernel.errors import BadRequest

_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR: Final = re.compile(rb"[-+.0-9A-Za-z]*")
_STRUCTURE: Final = re.compile(rb'["{}\[\]]')
_QUOTE: Final = b'"'
_NULL: Final = b"null"
_CLOSERS: Final = {b"{": b"}", b"[": b"]"}
_MORE: Final = -1
"""In place of a position: what stands there is not whole yet."""
_MAX_NAME_BYTES: Final = 8192
_MOST_LEVELS: Final = 1000


class Member(NamedTuple):
    """The member's text, and where its value stands in the body, quotes included."""

    value: str
    start: int
    end: int


class MemberFinder:
    """Follows a body; ``found`` is the member ``name`` where it is a string. What is no object is let be."""

    __slots__ = ("_at", "_escaped", "_name", "_open", "_step", "_window", "ended", "found", "seen")

    def __init__(self, name: str) -> None:
        self._name = name
        self._window = b""
        self._at = 0
        """Where the window begins in the body."""
        self._open: list[bytes] = []
        """What closes the levels that are open."""
        self._escaped = False
        """Whether a string, as far as it came, ends in the middle of an escape."""
        self._step: Callable[[bytes, int], int] = self._start
        self.found: Member | None = None
        self.seen = False
        """Whether the member was there, whatever its value."""
        self.ended = False
        """Whether the object is whole, or no object at all."""

    def feed(self, data: bytes) -> None:
        """Read on. Raises BadRequest for what is no JSON, and where the member is no text or stands twice."""
        if b"\0" in data and not self.ended:
            # In another encoding than UTF-8 the member would be read over.
            raise _not_json("a NUL byte stands in it")
        window = self._window + data if self._window else data
        at = 0
        while at < len(window):
            following = self._step(window, at)
            if following == _MORE:
                break
            at = following
        self._at += at
        self._window = window[at:]

    # Each step reads from a position on, and gives the one behind it; the next step goes on from there.

    def _start(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if at == len(window):
            return at
        if window[at : at + 1] != b"{":
            self.ended = True
            self._step = _pass
            return at
        self._open = [b"}"]
        self._step = self._first_name
        return at + 1

    def _first_name(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if window[at : at + 1] == b"}":
            return self._end(at)
        self._step = self._member_name
        return at

    def _member_name(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if at == len(window):
            return at
        name = _whole_string(window, at)
        if name is None:
            return _MORE
        wanted = _text(name[0]) == self._name
        if wanted and self.seen:
            raise BadRequest(f"the body has {self._name!r} twice", param=self._name)
        self.seen = self.seen or wanted
        self._step = self._wanted_colon if wanted else self._colon
        return name.end()

    def _colon(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if at == len(window):
            return at
        _require(window, at, b":")
        self._step = self._value
        return at + 1

    def _wanted_colon(self, window: bytes, at: int) -> int:
        at = self._colon(window, at)
        if self._step == self._value:
            self._step = self._wanted_value
        return at

    def _wanted_value(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if at == len(window):
            return at
        if window[at : at + 1] != _QUOTE:
            word = _scalar_end(window, at)
            if word == len(window) and word - at <= len(_NULL):
                return _MORE
            if window[at:word] != _NULL:
                raise BadRequest(f"{self._name!r} must be text", param=self._name)
            self._step = self._behind_value
            return word
        value = _whole_string(window, at)
        if value is None:
            return _MORE
        self.found = Member(_text(value[0]), self._at + at, self._at + value.end())
        self._step = self._behind_value
        return value.end()

    def _value(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if at == len(window):
            return at
        first = window[at : at + 1]
        if first == _QUOTE:
            self._step = self._string
        elif first in _CLOSERS:
            self._open.append(_CLOSERS[first])
            self._step = self._nested
        else:
            if _scalar_end(window, at) == at:
                raise _not_json("a member has no value")
            self._step = self._scalar
        return at + 1

    def _scalar(self, window: bytes, at: int) -> int:
        end = _scalar_end(window, at)
        if end < len(window):
            self._step = self._behind_value
        return end

    def _string(self, window: bytes, at: int) -> int:
        end = self._string_end(window, at)
        if end == _MORE:
            return len(window)
        self._step = self._nested if len(self._open) > 1 else self._behind_value
        return end

    def _nested(self, window: bytes, at: int) -> int:
        """Inside a value that is no member's of the object itself."""
        while (found := _STRUCTURE.search(window, at)) is not None:
            at = found.end()
            sign = found[0]
            if sign == _QUOTE:
                at = self._string_end(window, at)
                if at == _MORE:
                    self._step = self._string
                    return len(window)
            elif sign in _CLOSERS:
                self._open.append(_CLOSERS[sign])
                if len(self._open) > _MOST_LEVELS:
                    raise _not_json("it is nested too deeply")
            elif sign != self._open.pop():
                raise _not_json("its brackets do not match")
            elif len(self._open) == 1:
                self._step = self._behind_value
                return at
        return len(window)

    def _behind_value(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if at == len(window):
            return at
        if window[at : at + 1] == b"}":
            return self._end(at)
        _require(window, at, b",")
        self._step = self._member_name
        return at + 1

    def _end(self, at: int) -> int:
        self.ended = True
        self._step = self._behind_object
        return at + 1

    def _behind_object(self, window: bytes, at: int) -> int:
        at = _behind_space(window, at)
        if at < len(window):
            raise _not_json("something stands behind its end")
        return at

    def _string_end(self, window: bytes, at: int) -> int:
        """The position behind the quote that ends the string; _MORE where it goes on, and all of it was read."""
        if self._escaped and at < len(window):
            at += 1
            self._escaped = False
        while True:
            quote = window.find(_QUOTE, at)
            end = len(window) if quote < 0 else quote
            escapes = end - len(window[at:end].rstrip(b"\\")) - at if end > at else 0
            if quote < 0:
                self._escaped = escapes % 2 == 1
                return _MORE
            at = quote + 1
            if escapes % 2 == 0:
                return at


def _pass(window: bytes, at: int) -> int:
    return len(window)


def _behind_space(window: bytes, at: int) -> int:
    found = _SPACE.match(window, at)
    return at if found is None else found.end()


def _scalar_end(window: bytes, at: int) -> int:
    found = _SCALAR.match(window, at)
    return at if found is None else found.end()


def _whole_string(window: bytes, at: int) -> re.Match[bytes] | None:
    """None where the string's end has not come."""
    _require(window, at, _QUOTE)
    found = _STRING.match(window, at)
    if found is None and len(window) - at > _MAX_NAME_BYTES:
        raise _not_json("a name in it is too long")
    return found


def _text(string: bytes) -> str:
    try:
        return json.decode(string, type=str)
    except (DecodeError, UnicodeDecodeError):
        raise _not_json("a string in it cannot be read") from None


def _require(window: bytes, at: int, sign: bytes) -> None:
    if window[at : at + 1] != sign:
        raise _not_json(f"{sign.decode()!r} is missing")


def _not_json(why: str) -> BadRequest:
    return BadRequest(f"the body is not JSON: {why}")
