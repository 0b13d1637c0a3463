"""Files that may be compressed as a whole, by gzip or zstd, read as what they were before."""

import gzip
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final, cast

import zstandard

from switchgear.kernel.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ZSTD: Final = b"\x28\xb5\x2f\xfd"
_GZIP: Final = b"\x1f\x8b"
_FED_BYTES: Final = 1024
"""Handed over at once: so much of zstd becomes 32 MiB at most."""
_PIECE_BYTES: Final = 1024 * 1024


@contextmanager
def opened(path: Path) -> Generator[BufferedReader]:
    """What a file says. Raises ConfigError where it cannot be read, or not to its end."""
    try:
        with path.open("rb") as file:
            yield _unpacked(file)
    except EOFError as error:
        raise ConfigError(f"{path} ends before it is complete: {error}") from error
    except (OSError, zlib.error, zstandard.ZstdError) as error:
        told = error.strerror if isinstance(error, OSError) else None
        raise ConfigError(f"{path} cannot be read: {told or error}") from error


def _unpacked(file: BufferedReader) -> BufferedReader:
    head = file.peek(len(ZSTD))
    if head.startswith(_GZIP):
        return _joined(_members(file))
    return _joined(_frames(file)) if head.startswith(ZSTD) else file


@contextmanager
def written_out(file: BufferedReader, most_bytes: int) -> Generator[Path]:
    """What a file says, in one of its own for who reads by path. Raises OSError, also for more than so much."""
    with NamedTemporaryFile() as copy:
        size_bytes = 0
        while piece := file.read(_PIECE_BYTES):
            size_bytes += len(piece)
            if size_bytes > most_bytes:
                raise OSError(f"it becomes more than {most_bytes} bytes; write it out first")
            copy.write(piece)
        copy.flush()
        yield Path(copy.name)


def _joined(pieces: Iterator[bytes]) -> BufferedReader:
    """Pieces as one file, of which ``peek`` shows all that is asked for."""
    return cast("BufferedReader", BufferedReader(_Joined(pieces), _PIECE_BYTES))


class _Joined(RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        wanted = memoryview(buffer).cast("B")
        at = 0
        while at < len(wanted):
            self._piece = self._piece or memoryview(next(self._pieces, b""))
            if not self._piece:
                break
            some = self._piece[: len(wanted) - at]
            wanted[at : at + len(some)] = some
            self._piece = self._piece[len(some) :]
            at += len(some)
        return at


def _members(file: BufferedReader) -> Iterator[bytes]:
    """What gzip's members become. Raises EOFError, OSError and zlib.error."""
    with gzip.open(file) as inner:
        yield from iter(lambda: inner.read(_PIECE_BYTES), b"")


def _frames(file: BufferedReader) -> Iterator[bytes]:
    """What zstd's frames become, one after the other. Raises EOFError where the last ends too early."""
    reader = zstandard.ZstdDecompressor()
    frame: zstandard.ZstdDecompressionObj | None = None
    fed = b""
    while fed := fed or file.read(_FED_BYTES):
        frame = frame or reader.decompressobj()
        piece = frame.decompress(fed)
        fed = frame.unused_data
        if frame.eof:
            frame = None
        if piece:
            yield piece
    if frame is not None:
        raise EOFError("zstd's last frame is cut short")
