"""What goes up of a call that is passed through: path, query, headers.

Only headers that are listed go up. The client's virtual key is in none of them, and is taken out of the query; so is
what chooses the provider.
"""

import re
from collections.abc import Collection
from typing import Final
from unicodedata import normalize
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from msgspec.structs import replace

from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.record import Attempt
from switchgear.kernel.upstream import Target
from switchgear.routing.passthrough import PROVIDER_HEADER, Way

PROVIDER_PARAMETER: Final = "provider"
_UP: Final = (
    "accept",
    "accept-language",
    "content-type",
    "content-encoding",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "idempotency-key",
    "openai-beta",
    "anthropic-beta",
    "anthropic-version",
)
_PATH_CHARACTERS: Final = "/!$&'()*+,;=:@"
_QUERY_CHARACTERS: Final = "!$&'()*+,;=:@/?%[]"
_KEY_PARAMETER: Final = "key"
_PROVIDER_HEADER: Final = PROVIDER_HEADER.encode()
_MOST_DECODINGS: Final = 3
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SEPARATORS: Final = re.compile(r"[/\\]")
_SEGMENT_END: Final = re.compile(r"[;?#]")
"""What stands behind a semicolon is a parameter of the segment (RFC 3986 §3.3), which servers may drop."""
_CLIMBING: Final = re.compile(r"\s*\.\s*(\.\s*)?")
_WIDE_ESCAPE: Final = re.compile(r"%u([0-9A-Fa-f]{4})")
"""No standard's, but some servers'."""


def target_below(way: Way, method: str, path: str, query: str) -> Target:
    """The request line and headers for ``path`` below a provider's address, which it cannot leave.

    Raises BadRequest for a path that would.
    """
    _refuse_climbing(path)
    base, _, own_query = way.root.path.partition("?")
    asked = "&".join(part for part in (own_query, without_key(query, own_query)) if part)
    line = base.removesuffix("/") + quote(path, safe=_PATH_CHARACTERS)
    return replace(way.root, method=method, path=f"{line}?{asked}" if asked else line)


def _refuse_climbing(path: str) -> None:
    """Raise BadRequest for a path that some server on the way could read as one that leads out, however dressed."""
    for _ in range(_MOST_DECODINGS):
        plain = path if path.isascii() else normalize("NFKC", path)
        if _CONTROL.search(plain) is not None:
            raise BadRequest("the path has a control character")
        segments = _SEPARATORS.split(plain)
        if any(_CLIMBING.fullmatch(_SEGMENT_END.split(segment, maxsplit=1)[0]) for segment in segments):
            raise BadRequest("the path has a segment that leads out of it ('.' or '..')")
        decoded = unquote(_WIDE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), plain))
        if decoded == plain:
            return
        path = decoded
    raise BadRequest("the path is percent-encoded several times over")


def wanted_provider(call: Call) -> str:
    """The provider that a header or the query names; empty where neither does. Raises BadRequest for two."""
    in_header = call.headers.get(_PROVIDER_HEADER, b"").decode("latin-1").strip()
    given = {value for name, value in parse_qsl(call.query) if name == PROVIDER_PARAMETER}
    named = {in_header, *given} - {""}
    if len(named) > 1:
        raise BadRequest(f"the call names several providers, in {PROVIDER_HEADER} and ?{PROVIDER_PARAMETER}=; name one")
    return next(iter(named), "")


def headers_up(way: Way, call: Call, entry: Attempt) -> tuple[tuple[str, str], ...]:
    """The client's headers that go on, without those that the provider sets itself; its trace, below ``entry``."""
    provider, headers = way.connected.provider, call.headers
    own = {name for name, _ in way.root.headers}
    names = (*_UP, *way.also_up)
    sent = {name: headers[name.encode()].decode("latin-1") for name in names if name.encode() in headers}
    if provider.forwards:
        sent |= dict(provider.forwarded_headers(headers))
    sent |= dict(call.trace_headers(entry))
    return tuple((name, value) for name, value in sent.items() if name not in own)


def without_provider(query: str) -> str:
    """The query without what chooses the provider."""
    return _without(query, {PROVIDER_PARAMETER})


def without_key(query: str, own_query: str) -> str:
    """The client's query without its virtual key, and without what the provider's own query says."""
    taken = {_KEY_PARAMETER, *(_name(part) for part in own_query.split("&"))}
    return quote(_without(query, taken), safe=_QUERY_CHARACTERS)


def _without(query: str, names: Collection[str]) -> str:
    return "&".join(part for part in query.split("&") if part and _name(part) not in names)


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0])
