"""Bodies that came compressed, made whole again within bounds: by size, and by how much more there is than was sent.

Nothing is held beyond the bounds: what a bomb would become is never made.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import zstandard
from msgspec import Struct

from switchgear.kernel.errors import BadRequest, BodyTooLarge

ENCODINGS: Final = ("gzip", "deflate", "zstd")
_PIECE_BYTES: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_HEADERLESS: Final = -zlib.MAX_WBITS
_ZLIB_METHOD: Final = 8
_MAX_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""What RFC 8878 asks every reader for; a larger window is memory that the sender chooses."""


class Bounds(Struct, frozen=True, kw_only=True):
    """How large a body may become."""

    max_bytes: int = 64 * 1024 * 1024
    max_ratio: int = 500
    """Times what was sent. Real batches of spans stay below 100 with gzip, below 300 with Zstandard."""
    free_bytes: int = 4 * 1024 * 1024
    """Up to here no ratio is asked for."""


USUAL: Final = Bounds()


class UnknownEncoding(ValueError):
    """The body is encoded in a way that is not read here."""


def inflated(body: bytes, encoding: str, bounds: Bounds = USUAL) -> bytes:
    """The body as it was before ``encoding`` (of ``content-encoding``).

    Raises UnknownEncoding, BadRequest for what is broken or unfinished, BodyTooLarge beyond the bounds.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    pieces = _READERS.get("gzip" if name == "x-gzip" else name)
    if pieces is None:
        raise UnknownEncoding(f"content-encoding {name[:40]!r} is not read here; send {', '.join(ENCODINGS)}, or none")
    allowed = min(bounds.max_bytes, max(bounds.free_bytes, len(body) * bounds.max_ratio))
    found: list[bytes] = []
    size_bytes = 0
    try:
        for piece in pieces(body):
            size_bytes += len(piece)
            if size_bytes > allowed:
                raise BodyTooLarge(
                    f"the body of {len(body)} bytes becomes more than {allowed}; send fewer spans in one request"
                )
            found.append(piece)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise BadRequest(f"the body is not {name}, although content-encoding says so: {error}") from None
    return b"".join(found)


class _Inflater(Protocol):
    """A decompressor of zlib's."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def _gzip(body: bytes) -> Iterator[bytes]:
    """One member after the other, as gzip's files may have."""
    while True:
        inflater = zlib.decompressobj(_GZIP)
        yield from _whole(inflater, body)
        # What follows the last member may be zeros that pad it.
        body = inflater.unused_data.lstrip(b"\0")
        if not body:
            return


def _deflate(body: bytes) -> Iterator[bytes]:
    """With the header of zlib's as RFC 9110 asks for it, or without, as some senders understand the name."""
    has_header = len(body) > 1 and body[0] & 15 == _ZLIB_METHOD and int.from_bytes(body[:2], "big") % 31 == 0
    yield from _whole(zlib.decompressobj(zlib.MAX_WBITS if has_header else _HEADERLESS), body)


def _whole(inflater: _Inflater, body: bytes) -> Iterator[bytes]:
    while not inflater.eof:
        piece = inflater.decompress(body, _PIECE_BYTES)
        body = inflater.unconsumed_tail
        if not piece and not body and not inflater.eof:
            raise EOFError("it ends too early")
        yield piece


def _zstd(body: bytes) -> Iterator[bytes]:
    """The reader tells nothing of a frame that ends too early: who reads the body's own form sees it."""
    made_any = False
    with _zstd_reader().stream_reader(body, read_across_frames=True) as reader:
        while piece := reader.read(_PIECE_BYTES):
            made_any = True
            yield piece
    if not made_any:
        whole = _zstd_reader().decompressobj()
        whole.decompress(body)
        if not whole.eof:
            raise EOFError("it ends too early")


def _zstd_reader() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)


_READERS: Final[dict[str, Callable[[bytes], Iterator[bytes]]]] = {"gzip": _gzip, "deflate": _deflate, "zstd": _zstd}
