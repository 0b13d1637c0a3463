"""Files of batches (JSON Lines, one request to a line), looked at while they go by, however cut.

What can be told without knowing the vendor: that a line is no JSON, lacks what every request of a batch has, or repeats
a ``custom_id``, by which answers are told apart. What the requests ask for is the vendor's to judge.
"""

from hashlib import blake2b
from typing import Final, Literal

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError, json

MOST_LINES: Final = 50_000
"""No vendor takes more in one file."""
_MOST_LINE_BYTES: Final = 4 * 1024 * 1024
_DIGEST_BYTES: Final = 12
_SHOWN: Final = 80


class _Request(Struct):
    custom_id: str | UnsetType = UNSET
    method: Literal["POST"] | UnsetType = UNSET
    url: str | UnsetType = UNSET
    body: dict[str, Raw] | UnsetType = UNSET


class BatchLines:
    """Follows a file; ``findings`` are the first ``most_findings`` things wrong with it, ``found`` is their number."""

    __slots__ = ("_first_lines", "_line", "_line_bytes", "_most_findings", "findings", "found", "lines")

    def __init__(self, most_findings: int = 20) -> None:
        self._most_findings = most_findings
        self._line: list[bytes] = []
        """The line that has begun."""
        self._line_bytes = 0
        self._first_lines: dict[bytes, int] = {}
        """By the digest of a custom_id."""
        self.lines = 0
        """Seen so far."""
        self.findings: list[str] = []
        self.found = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Look at more bytes; the sound lines that ended in them, each with its line end."""
        *ended, rest = data.split(b"\n")
        sound: list[bytes] = []
        for end in ended:
            self._keep(end + b"\n")
            sound += self._judge()
        if rest:
            self._keep(rest)
        return sound

    def end(self) -> list[bytes]:
        """The file is over: the last line, where it has no end of its own and is sound."""
        return self._judge() if self._line_bytes else []

    def _keep(self, piece: bytes) -> None:
        self._line_bytes += len(piece)
        if self._line_bytes <= _MOST_LINE_BYTES:
            self._line.append(piece)

    def _judge(self) -> list[bytes]:
        line, size = b"".join(self._line), self._line_bytes
        self._line, self._line_bytes = [], 0
        self.lines += 1
        if self.lines > MOST_LINES:
            if self.lines == MOST_LINES + 1:
                self._note(f"there are more than {MOST_LINES} lines; this one and those behind it were not looked at")
            return [line]
        wrong = f"is over {_MOST_LINE_BYTES} bytes" if size > _MOST_LINE_BYTES else self._wrong(line)
        if wrong:
            self._note(wrong)
        return [] if wrong else [line]

    def _note(self, text: str) -> None:
        self.found += 1
        if len(self.findings) < self._most_findings:
            self.findings.append(f"line {self.lines}: {text}")

    def _wrong(self, line: bytes) -> str:
        """What is wrong with a line; empty when nothing is."""
        if not line.strip():
            return "is empty"
        try:
            request = json.decode(line, type=_Request)
        except ValidationError as error:
            return _misfit(str(error))
        except (DecodeError, UnicodeDecodeError, RecursionError):
            return "is not JSON"
        for name in ("custom_id", "method", "url", "body"):
            if getattr(request, name) is UNSET:
                return f"has no {name!r}"
        if not str(request.url).startswith("/"):
            return "its 'url' is no path such as /v1/chat/completions"
        return self._repeated(str(request.custom_id))

    def _repeated(self, custom_id: str) -> str:
        digest = blake2b(custom_id.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
        first = self._first_lines.setdefault(digest, self.lines)
        return "" if first == self.lines else f"repeats the custom_id of line {first}"


def _misfit(message: str) -> str:
    what, _, path = message.partition(" - at `$.")
    if not path:
        return "is no JSON object"
    return f"its {path.rstrip('`')!r} cannot be used: {what[:1].lower()}{what[1:_SHOWN]}"
