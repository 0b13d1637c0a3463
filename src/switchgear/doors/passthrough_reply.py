"""What comes down of a call that is passed through: headers that are listed, and where a redirection leads.

The gateway follows no redirection: its credentials are for one address. One that stays below the provider's address
leads the client through the gateway again; one to elsewhere (a store of files, say) goes on as it is, unless it gives
something away.
"""

from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from msgspec import Struct

from switchgear.doors.passthrough_request import without_key
from switchgear.kernel.reply import Headers
from switchgear.kernel.upstream import Target
from switchgear.routing.passthrough import Way

_LISTED: Final = frozenset(
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
        b"openai-model",
        b"openai-processing-ms",
        b"openai-version",
        b"x-switchgear-simulator",
    )
)
_LISTED_PREFIXES: Final = (b"x-ratelimit-", b"anthropic-ratelimit-")
_LOCATION: Final = b"location"
_PORTS: Final = {"http": 80, "https": 443}
_SECRET_BYTES: Final = 16
"""What is shorter is no secret, and may stand in any address by chance."""


class Place(Struct, frozen=True):
    """Which paths of the gateway's own stand for which of a provider's: what follows is the same."""

    here: str
    there: str = ""
    """Below the provider's address."""


def headers_down(way: Way, target: Target, place: Place, headers: Headers) -> Headers:
    """The upstream's headers that reach the client."""
    kept: Headers = []
    for name, value in headers:
        if name == _LOCATION:
            leads = _location(way, target, place, value.decode("latin-1"))
            kept += [(name, leads.encode("latin-1"))] if leads else []
        elif name in _LISTED or name.startswith(_LISTED_PREFIXES) or name in way.also_down:
            kept.append((name, value))
    return kept


def _location(way: Way, target: Target, place: Place, value: str) -> str:
    """Where a redirection leads the client; empty where it cannot be told."""
    origin = target.origin
    try:
        found = urlsplit(urljoin(f"{origin.scheme}://{origin.authority}{target.path}", value.strip()))
        port = found.port or _PORTS.get(found.scheme, 0)
    except ValueError:
        return ""
    if (found.scheme, found.hostname, port) == (origin.scheme, origin.host.lower(), origin.port):
        return _through_here(way, place, found)
    # A client that was led here safely must not be led on in clear.
    safe = found.scheme == "https" or (found.scheme == "http" and origin.scheme == "http")
    if not safe or found.username is not None or _gives_away(way, found.geturl()):
        return ""
    return found.geturl()


def _through_here(way: Way, place: Place, found: SplitResult) -> str:
    base, _, own_query = way.root.path.partition("?")
    there = base.removesuffix("/") + place.there
    rest = found.path.removeprefix(there)
    if not found.path.startswith(there) or not (there.endswith("/") or rest[:1] in ("", "/")):
        return ""
    query = without_key(found.query, own_query)
    # Two slashes at the beginning would name a host.
    return "/" + (place.here + rest).lstrip("/") + (f"?{query}" if query else "")


def _gives_away(way: Way, address: str) -> bool:
    """Whether an address holds what the gateway sends to prove who it is."""
    values = [value.rpartition(" ")[2] for _, value in way.root.headers]
    values += [part.partition("=")[2] for part in way.root.path.partition("?")[2].split("&")]
    return any(len(value) >= _SECRET_BYTES and value in address for value in values)
