"""A form with a file on its way in: its lines are cut off while it arrives, and bounded before they are kept."""

from collections.abc import AsyncIterator
from typing import Final

from switchgear.batches.model import MAX_LINE_BYTES, MAX_LINES
from switchgear.kernel.errors import BadRequest, BodyTooLarge
from switchgear.wire.multipart import FieldFinder

PURPOSE: Final = b"purpose"
_BATCH: Final = b"batch"
_FILE: Final = b"file"
_ENOUGH_BYTES: Final = 1024 * 1024
_ENOUGH_LINES: Final = 1000
_MAX_NAME: Final = 255


class LineCutter:
    """Cuts a file into lines, each with its line end. Raises BodyTooLarge or BadRequest for what is over its bounds."""

    __slots__ = ("_held", "_held_bytes", "_max_bytes", "_rest", "lines", "size_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.size_bytes = 0
        self.lines = 0

    def feed(self, data: bytes) -> None:
        """Take more of the file."""
        self.size_bytes += len(data)
        if self.size_bytes > self._max_bytes:
            raise BodyTooLarge(f"the file is over {self._max_bytes} bytes (batches.max_file_bytes)")
        *ended, self._rest = (self._rest + data).split(b"\n")
        for line in ended:
            self._hold(line + b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            self._refuse_long()

    def end(self) -> None:
        """The file is over."""
        if self._rest:
            self._hold(self._rest)
            self._rest = b""

    def _hold(self, line: bytes) -> None:
        self.lines += 1
        if len(line) > MAX_LINE_BYTES:
            self._refuse_long()
        if self.lines > MAX_LINES:
            raise BadRequest(f"the file has more than {MAX_LINES} lines; cut it into several", param="file")
        self._held.append(line)
        self._held_bytes += len(line)

    def _refuse_long(self) -> None:
        raise BodyTooLarge(f"line {self.lines} of the file is over {MAX_LINE_BYTES} bytes")

    @property
    def has_enough(self) -> bool:
        """Whether so much is held that it should be kept now."""
        return self._held_bytes >= _ENOUGH_BYTES or len(self._held) >= _ENOUGH_LINES

    def take(self) -> list[bytes]:
        """The whole lines that are held; they are let go."""
        held, self._held, self._held_bytes = self._held, [], 0
        return held


class ArrivingFile:
    """The part ``file`` of a form whose field ``purpose`` comes first and says ``batch``."""

    __slots__ = ("_cutter", "_finder", "_pieces", "name")

    def __init__(self, content_type: str, pieces: AsyncIterator[bytes], max_bytes: int) -> None:
        """Raises BadRequest for a Content-Type without a usable boundary."""
        self.name = _FILE
        self._pieces = pieces
        self._cutter = LineCutter(max_bytes)
        self._finder = FieldFinder(content_type.encode("latin-1"), PURPOSE, self)

    @property
    def size_bytes(self) -> int:
        """Of what has arrived of the file."""
        return self._cutter.size_bytes

    @property
    def lines(self) -> int:
        """The same in lines."""
        return self._cutter.lines

    @property
    def filename(self) -> str:
        """What the client calls it."""
        said = self._finder.file_name.decode("utf-8", "replace").rpartition("/")[2]
        return "".join(letter for letter in said if letter.isprintable())[:_MAX_NAME] or "file.jsonl"

    def hear(self, content: bytes) -> None:
        """More of the file."""
        self._require_purpose()
        if self._finder.heard > 1:
            raise BadRequest("the form has several files; send one", param="file")
        self._cutter.feed(content)

    async def read(self) -> AsyncIterator[list[bytes]]:
        """Its lines, some at a time. Raises BadRequest or BodyTooLarge."""
        async for piece in self._pieces:
            self._finder.feed(piece)
            if self._cutter.has_enough:
                yield self._cutter.take()
        if not self._finder.ended:
            raise BadRequest("the form ends before it is whole")
        if not self._finder.heard:
            raise BadRequest("the form has no part 'file'", param="file")
        self._require_purpose()
        self._cutter.end()
        yield self._cutter.take()

    def _require_purpose(self) -> None:
        field = self._finder.field
        if field is None:
            raise BadRequest("the field 'purpose' must come before the file", param="purpose")
        if field.value != _BATCH:
            raise BadRequest(
                "only files of the purpose 'batch' are kept here; name a provider (x-switchgear-provider, or "
                "?provider=) to send others there",
                param="purpose",
            )
