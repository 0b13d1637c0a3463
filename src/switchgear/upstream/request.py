"""The bytes of a request head, and the proof that no header value can add a line of its own.

RFC 9112 §3 and §5. Framing headers are the transport's: one from elsewhere would let a caller split a request in two.
"""

import re

from switchgear.kernel.errors import BadRequest, ConfigError
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Target

FRAMING = "host|content-length|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect"
HEADER_LINES = re.compile(
    rf"(?:(?!(?:{FRAMING}):)[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*",
    re.IGNORECASE,
)
METHOD = re.compile(r"[A-Z]+")
PATH = re.compile(r"[!-~]+")
BODILESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes | None:
    """``name: value`` lines; None when a name or a value may not be sent (line breaks, NUL, framing, non-Latin-1)."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    # Each header ends one line; one more line end anywhere was smuggled in by a name or a value.
    if text.count("\n") != len(headers) or HEADER_LINES.fullmatch(text) is None:
        return None
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None


def unsendable(headers: tuple[tuple[str, str], ...]) -> str:
    """The name of the first header that may not be sent; never its value, which may be a secret."""
    return next((repr(name) for name, value in headers if header_lines(((name, value),)) is None), "?")


def request_prefix(target: Target) -> bytes:
    """Request line, Host and the target's own headers. Raises ConfigError when they cannot be sent safely."""
    if METHOD.fullmatch(target.method) is None or PATH.fullmatch(target.path) is None:
        raise ConfigError(f"{target.method!r} {target.path!r} is not a method and a path that HTTP can carry")
    host = target.origin.authority
    if PATH.fullmatch(host) is None:
        raise ConfigError(f"{host!r} is not a host name that HTTP can carry")
    lines = header_lines(target.headers)
    if lines is None:
        raise ConfigError(
            f"the header {unsendable(target.headers)} for {host} cannot be sent: it is the transport's own, or it "
            "holds a line break, a NUL or a character outside Latin-1"
        )
    prefix = f"{target.method} {target.path} HTTP/1.1\r\nhost: {host}\r\n".encode("ascii") + lines
    if all(name.lower() != "accept-encoding" for name, _ in target.headers):
        prefix += b"accept-encoding: identity\r\n"
    return prefix


def extra_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """The lines of one call's own headers. Raises BadRequest when one cannot be sent safely."""
    lines = header_lines(headers)
    if lines is None:
        raise BadRequest(f"the header {unsendable(headers)} cannot be sent on to the upstream", param="headers")
    return lines


def upload_framing(upload: Upload) -> bytes:
    """The end of the head of a request whose body follows piece by piece."""
    if upload.size_bytes is None:
        return b"transfer-encoding: chunked\r\n\r\n"
    return b"content-length: %d\r\n\r\n" % upload.size_bytes
