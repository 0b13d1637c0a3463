"""Bodies that arrive compressed although identity was asked for, decoded in bounded steps."""

import zlib

from switchgear.kernel.errors import UpstreamGarbled

STEP_BYTES = 256 * 1024
GZIP_WINDOW = 31
ZLIB_WINDOW = 15
RAW_WINDOW = -15


class Inflater:
    """Inflates one body: at most STEP_BYTES for each step, at most ``limit_bytes`` in all. RFC 9110 §8.4.1.

    Raises UpstreamGarbled for codings other than gzip and deflate, for broken data and beyond the limit.
    """

    __slots__ = ("_first", "_limit_bytes", "_more", "_pending", "_stream", "_total_bytes")

    def __init__(self, coding: str, limit_bytes: int) -> None:
        if coding not in {"gzip", "x-gzip", "deflate"}:
            raise UpstreamGarbled(f"the upstream answered in content-encoding {coding!r}, which was not asked for")
        self._stream = zlib.decompressobj(ZLIB_WINDOW if coding == "deflate" else GZIP_WINDOW)
        self._first = coding == "deflate"
        self._pending = b""
        self._more = False
        self._limit_bytes = limit_bytes
        self._total_bytes = 0

    @property
    def finished(self) -> bool:
        """The compressed stream has reached its own end."""
        return self._stream.eof

    @property
    def pending(self) -> bool:
        """More can be inflated from what is already here."""
        return self._more

    def step(self, data: bytes) -> bytes:
        """The next bytes out of ``data`` and what was left over before."""
        try:
            plain = self._inflate(self._pending + data)
        except zlib.error as error:
            raise UpstreamGarbled(f"the upstream's compressed body is broken: {error}") from error
        self._pending = self._stream.unconsumed_tail
        # A full step may leave output inside zlib although every input byte is used up.
        self._more = not self._stream.eof and (bool(self._pending) or len(plain) >= STEP_BYTES)
        self._total_bytes += len(plain)
        if self._total_bytes > self._limit_bytes:
            raise UpstreamGarbled(f"the upstream's compressed body inflates to more than {self._limit_bytes} bytes")
        if self._stream.unused_data:
            raise UpstreamGarbled("the upstream's compressed body goes on after its own end")
        return plain

    def _inflate(self, data: bytes) -> bytes:
        if not self._first or not data:
            return self._stream.decompress(data, STEP_BYTES)
        self._first = False
        try:
            return self._stream.decompress(data, STEP_BYTES)
        except zlib.error:
            # "deflate" means the zlib format, but some servers send the bare stream under that name.
            self._stream = zlib.decompressobj(RAW_WINDOW)
            return self._stream.decompress(data, STEP_BYTES)
