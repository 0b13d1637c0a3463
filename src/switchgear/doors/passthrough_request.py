"""What goes up and what comes down of a call that is passed through: paths, queries, headers.

Only headers that are listed go either way. The client's virtual key is in none of them, and is taken out of the query.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote_plus

from msgspec.structs import replace

from switchgear.kernel.errors import BadRequest
from switchgear.kernel.reply import Headers
from switchgear.kernel.upstream import Target
from switchgear.routing.passthrough import Way

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
    "openai-organization",
    "openai-project",
    "anthropic-beta",
    "anthropic-version",
)
_DOWN: Final = frozenset(
    (
        b"content-type",
        b"content-disposition",
        b"content-language",
        b"content-range",
        b"accept-ranges",
        b"cache-control",
        b"etag",
        b"last-modified",
        b"expires",
        b"retry-after",
        b"retry-after-ms",
        b"x-switchgear-simulator",
    )
)
_DOWN_PREFIXES: Final = (b"x-ratelimit-", b"anthropic-ratelimit-", b"openai-")
_PATH_CHARACTERS: Final = "/!$&'()*+,;=:@"
_QUERY_CHARACTERS: Final = "!$&'()*+,;=:@/?%[]"
_KEY_PARAMETER: Final = "key"
_CLIMBING: Final = frozenset((".", ".."))


def target_below(way: Way, method: str, path: str, query: str) -> Target:
    """The request line and headers for ``path`` below a provider's address, which it cannot leave.

    Raises BadRequest for a path that would.
    """
    if not _CLIMBING.isdisjoint(path.replace("\\", "/").split("/")):
        raise BadRequest("the path has a segment that leads out of it ('.' or '..')")
    base, _, own_query = way.root.path.partition("?")
    asked = "&".join(part for part in (own_query, without_key(query, own_query)) if part)
    line = base.removesuffix("/") + quote(path, safe=_PATH_CHARACTERS)
    return replace(way.root, method=method, path=f"{line}?{asked}" if asked else line)


def headers_up(way: Way, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """The client's headers that go on, without those that the provider sets itself."""
    provider = way.connected.provider
    own = {name for name, _ in way.root.headers}
    sent = {name: headers[name.encode()].decode("latin-1") for name in _UP if name.encode() in headers}
    if provider.forwards:
        sent |= dict(provider.forwarded_headers(headers))
    return tuple((name, value) for name, value in sent.items() if name not in own)


def headers_down(headers: Headers) -> Headers:
    """The upstream's headers that reach the client."""
    return [header for header in headers if header[0] in _DOWN or header[0].startswith(_DOWN_PREFIXES)]


def without_key(query: str, own_query: str) -> str:
    """The client's query without its virtual key, and without what the provider's own query says."""
    taken = {_KEY_PARAMETER, *(_name(part) for part in own_query.split("&"))}
    kept = (part for part in query.split("&") if part and _name(part) not in taken)
    return quote("&".join(kept), safe=_QUERY_CHARACTERS)


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0])
