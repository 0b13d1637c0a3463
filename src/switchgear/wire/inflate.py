"""Bodies that came compressed, made whole again within bounds: by size, and by how much more there is than was sent.

Nothing is held beyond the bounds: what a bomb would become is never made.
"""

import re
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Final, Protocol

import zstandard
from msgspec import Struct

from switchgear.kernel.errors import BadRequest, BodyTooLarge

ENCODINGS: Final = ("gzip", "deflate", "zstd")
_PIECE_BYTES: Final = 256 * 1024
_FED_BYTES: Final = 64 * 1024
"""How much is handed over at once: what a decompressor does not take it copies, however much that is."""
_MEMBER_COST_BYTES: Final = 1024
"""What a member of gzip's counts beside its content, so that a body of millions of empty ones costs no minutes."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_HEADERLESS: Final = -zlib.MAX_WBITS
_ZLIB_METHOD: Final = 8
_NOT_PADDING: Final = re.compile(rb"[^\0]")
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
        for piece, cost_bytes in pieces(body):
            size_bytes += cost_bytes
            if size_bytes > allowed:
                raise BodyTooLarge(
                    f"the body of {len(body)} bytes becomes more than {allowed}; send fewer spans in one request"
                )
            found.append(piece)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise BadRequest(f"the body is not {name}, although content-encoding says so: {error}") from None
    return b"".join(found)


_Pieces = Iterator[tuple[bytes, int]]
"""Of what a body becomes, each with what it counts."""


class _Inflater(Protocol):
    """A decompressor of zlib's."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: memoryview | bytes, max_length: int = ..., /) -> bytes: ...


def _gzip(body: bytes) -> _Pieces:
    """One member after the other, as gzip's files may have."""
    at = 0
    while True:
        inflater = zlib.decompressobj(_GZIP)
        at = yield from _whole(inflater, body, at)
        yield b"", _MEMBER_COST_BYTES
        # What follows the last member may be zeros that pad it.
        padded = _NOT_PADDING.search(body, at)
        if padded is None:
            return
        at = padded.start()


def _deflate(body: bytes) -> _Pieces:
    """With the header of zlib's as RFC 9110 asks for it, or without, as some senders understand the name."""
    has_header = len(body) > 1 and body[0] & 15 == _ZLIB_METHOD and int.from_bytes(body[:2], "big") % 31 == 0
    yield from _whole(zlib.decompressobj(zlib.MAX_WBITS if has_header else _HEADERLESS), body, 0)


def _whole(inflater: _Inflater, body: bytes, at: int) -> Generator[tuple[bytes, int], None, int]:
    """What begins at ``at``; where it ends."""
    view = memoryview(body)
    fed: memoryview | bytes = b""
    while not inflater.eof:
        if not fed:
            fed = view[at : at + _FED_BYTES]
            at += len(fed)
        has_more = bool(fed)
        piece = inflater.decompress(fed, _PIECE_BYTES)
        fed = inflater.unconsumed_tail
        if not piece and not has_more and not inflater.eof:
            raise EOFError("it ends too early")
        yield piece, len(piece)
    return at - len(inflater.unused_data)


def _zstd(body: bytes) -> _Pieces:
    """The reader tells nothing of a frame that ends too early: who reads the body's own form sees it."""
    made_any = False
    with _zstd_reader().stream_reader(body, read_across_frames=True) as reader:
        while piece := reader.read(_PIECE_BYTES):
            made_any = True
            yield piece, len(piece)
    if not made_any:
        whole = _zstd_reader().decompressobj()
        whole.decompress(body)
        if not whole.eof:
            raise EOFError("it ends too early")


def _zstd_reader() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)


_READERS: Final[dict[str, Callable[[bytes], _Pieces]]] = {"gzip": _gzip, "deflate": _deflate, "zstd": _zstd}
