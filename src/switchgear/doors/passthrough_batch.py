"""Files of batches on their way up: what is seen wrong with a line is noted for the record and the answer.

They are passed on all the same: the provider takes the file in, and judges it. That a line will fail is known here
before the batch is made, and not hours later.
"""

from typing import TYPE_CHECKING, Final

from switchgear.doors.passthrough_upload import Body
from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest
from switchgear.wire.batch_lines import BatchLines
from switchgear.wire.multipart import FieldFinder

_PURPOSE: Final = b"purpose"
_BATCH: Final = b"batch"


class BatchWatched:
    """A form that is passed on, and looked at where it is the file of a batch."""

    __slots__ = ("_body", "_call", "_ear")

    def __init__(self, call: Call, body: Body) -> None:
        self._call = call
        self._body = body
        self._ear = _FileEar(call.headers.get(b"content-type", b""))

    @property
    def size_bytes(self) -> int | None:
        return self._body.size_bytes

    @property
    def begun(self) -> bool:
        return self._body.begun

    def __aiter__(self) -> "BatchWatched":
        return self

    async def __anext__(self) -> bytes:
        piece = await self._body.__anext__()
        found = self._ear.look(piece)
        if found:
            self._call.findings = found
        return piece


class _FileEar:
    """Hears the part ``file`` of a form whose purpose, said before it, is a batch."""

    __slots__ = ("_finder", "_lines", "name")

    def __init__(self, content_type: bytes) -> None:
        self.name = b"file"
        self._lines = BatchLines()
        self._finder: FieldFinder | None = FieldFinder(content_type, _PURPOSE, self)

    def look(self, piece: bytes) -> tuple[str, ...]:
        """Read on; what was found so far."""
        finder = self._finder
        if finder is not None:
            try:
                finder.feed(piece)
            except BadRequest:
                # Whether the form may go up at all is not judged here.
                self._finder = None
            if finder.ended:
                self._lines.end()
                self._finder = None
        lines = self._lines
        more = lines.found - len(lines.findings)
        return (*lines.findings, f"and {more} more") if more else tuple(lines.findings)

    def hear(self, content: bytes) -> None:
        """More of the file."""
        field = None if self._finder is None else self._finder.field
        if field is not None and field.value == _BATCH:
            self._lines.feed(content)


if TYPE_CHECKING:
    _: type[Body] = BatchWatched
