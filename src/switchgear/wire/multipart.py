"""Forms as they are uploaded (``multipart/form-data``, RFC 7578): finds one field while the bytes go by, however cut.

Nothing is decoded or copied but that field. The reading is strict, because the upstream reads the same bytes with
another parser: what two parsers could take for different fields (a boundary inside a part, a bare line feed in a
part's head, a folded line, a name in an encoding of its own, the field twice) is refused.
"""

import re
from typing import Final, NamedTuple, Protocol

from switchgear.kernel.errors import BadRequest

MEDIA: Final = b"multipart/form-data"

_DASHES: Final = b"--"
_LINE: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_MAX_HEAD_BYTES: Final = 8192
_MAX_VALUE_BYTES: Final = 1024
_PARAMETER: Final = re.compile(rb'\s*;\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^;\s"]*)')
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_LONE_LINE_END: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n|\n[ \t]")
_DISPOSITION: Final = b"content-disposition"
_TRANSFER_ENCODING: Final = b"content-transfer-encoding"
_NAMES: Final = (b"name", b"name*")


class Field(NamedTuple):
    """The value of a field, and where it stands in the body."""

    value: bytes
    start: int
    end: int


class Ear(Protocol):
    """Is told the content of one part, as it goes by."""

    name: bytes
    """Of the part."""

    def hear(self, content: bytes) -> None: ...


class FieldFinder:
    """Follows a body and finds the field ``name``. Raises BadRequest for a Content-Type without a usable boundary."""

    __slots__ = ("_at", "_delimiter", "_ear", "_hears", "_in_field", "_in_head", "_name", "_start", "_window", "ended",
                 "field", "file_name", "heard", "seen")  # fmt: skip

    def __init__(self, content_type: bytes, name: bytes, ear: Ear | None = None) -> None:
        self._ear = ear
        self._hears = False
        self._delimiter = _DASHES + _boundary(content_type)
        self._name = name
        self._window = _LINE  # a body begins as if a line had ended before it
        self._at = -len(_LINE)
        """Where the window begins in the body."""
        self._in_head = False
        self._in_field = False
        self._start = 0
        self.field: Field | None = None
        self.seen = False
        """Whether the field has begun."""
        self.ended = False
        """Whether the closing boundary was seen."""
        self.heard = 0
        """How many parts the ear was told of, or is being told of."""
        self.file_name = b""
        """What the last of them calls its file."""

    def feed(self, data: bytes) -> None:
        """Read on. Raises BadRequest where the form cannot be read in one way only."""
        if self.ended:
            return
        self._window += data
        while not self.ended and (self._read_head() if self._in_head else self._read_part()):
            pass

    def _advance(self, size: int) -> None:
        self._window = self._window[size:]
        self._at += size

    def _read_part(self) -> bool:
        """Look for the boundary behind a part's content; whether there is more to look at."""
        window, delimiter = self._window, self._delimiter
        found = window.find(delimiter)
        if found < 0:
            if self._in_field and len(window) > _MAX_VALUE_BYTES + len(delimiter):
                raise _unclear(f"the field {self._name.decode()!r} is over {_MAX_VALUE_BYTES} bytes")
            if not self._in_field and len(window) > len(delimiter) + len(_LINE):
                passed = len(window) - len(delimiter) - len(_LINE)
                self._tell(passed)
                self._advance(passed)
            return False
        if window[max(found - 2, 0) : found] != _LINE:
            raise _unclear("its boundary stands inside a part")
        if self._in_field:
            value = window[: found - len(_LINE)]
            if len(value) > _MAX_VALUE_BYTES:
                raise _unclear(f"the field {self._name.decode()!r} is over {_MAX_VALUE_BYTES} bytes")
            self.field = Field(value, self._start, self._start + len(value))
            self._in_field = False
        self._tell(found - len(_LINE))
        self._hears = False
        self._advance(found + len(delimiter))
        self._in_head = True
        return True

    def _tell(self, size: int) -> None:
        if self._hears and self._ear is not None and size > 0:
            self._ear.hear(self._window[:size])

    def _read_head(self) -> bool:
        """Read what follows a boundary: the end of the form, or the head of a part."""
        window = self._window
        if window.startswith(_DASHES):
            self.ended = True
            return False
        found = window.find(_HEAD_END)
        if found > _MAX_HEAD_BYTES or (found < 0 and len(window) > _MAX_HEAD_BYTES):
            raise _unclear(f"the head of a part is over {_MAX_HEAD_BYTES} bytes")
        if found < 0:
            return False
        self._in_field = self._names_field(window[:found])
        self._advance(found + len(_HEAD_END))
        self._in_head = False
        self._start = self._at
        return True

    def _names_field(self, head: bytes) -> bool:
        padding, line_end, lines = head.partition(_LINE)
        if padding.strip(b" \t") or not line_end or _LONE_LINE_END.search(head):
            raise _unclear("the head of a part is not well-formed")
        headers = [line.partition(b":") for line in lines.split(_LINE)]
        named = [(name.strip().lower(), value) for name, _, value in headers]
        dispositions = [value for name, value in named if name == _DISPOSITION]
        if len(dispositions) != 1:
            raise _unclear("a part must have one Content-Disposition")
        part_name = _part_name(dispositions[0])
        self._hears = self._ear is not None and part_name == self._ear.name
        if self._hears:
            self.heard += 1
            self.file_name = _file_name(dispositions[0])
        if part_name != self._name:
            return False
        if self.seen:
            raise _unclear(f"the field {self._name.decode()!r} stands in it twice")
        if any(name == _TRANSFER_ENCODING for name, _ in named):
            raise _unclear(f"the field {self._name.decode()!r} is encoded; send it as it is")
        self.seen = True
        return True


def is_form(content_type: bytes) -> bool:
    """Whether a Content-Type says that the body is such a form."""
    return content_type.partition(b";")[0].strip().lower() == MEDIA


def _boundary(content_type: bytes) -> bytes:
    given = [value for name, value in _parameters(content_type.partition(b";")) if name == b"boundary"]
    if len(given) != 1 or _BOUNDARY.fullmatch(given[0]) is None:
        raise BadRequest("the Content-Type of the form must name its boundary, once (RFC 2046 §5.1.1)")
    return given[0]


def _part_name(disposition: bytes) -> bytes:
    kind, semicolon, rest = disposition.partition(b";")
    given = [value for name, value in _parameters((kind, semicolon, rest)) if name in _NAMES]
    encoded = b"name*" in disposition.lower()
    if kind.strip().lower() != b"form-data" or len(given) != 1 or encoded:
        raise _unclear("a part must be 'form-data' with one plain name")
    return given[0]


def _file_name(disposition: bytes) -> bytes:
    given = [value for name, value in _parameters(disposition.partition(b";")) if name == b"filename"]
    return given[-1] if given else b""


def _parameters(parted: tuple[bytes, bytes, bytes]) -> list[tuple[bytes, bytes]]:
    text = (parted[1] + parted[2]).rstrip()
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise _unclear("a header's parameters are not well-formed")
        value = match[2]
        if value.startswith(b'"'):
            value = re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL)
        found.append((match[1].lower(), value))
        at = match.end()
    return found


def _unclear(why: str) -> BadRequest:
    return BadRequest(f"the form cannot be passed on: {why}")
