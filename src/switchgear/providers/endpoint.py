"""The address of a vendor's API, read once from the settings and checked: what every HTTP provider starts from."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Origin, ProviderSettings, Target

Header = tuple[str, str]

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_HOST: Final = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+")
_BASE_PATH: Final = re.compile(r"[!$%&'()*+,./0-9:;=@A-Z_a-z~-]*")
_TRANSPORT_HEADERS: Final = frozenset({"connection", "content-length", "host", "transfer-encoding", "upgrade"})


class Endpoint(Struct, frozen=True, kw_only=True):
    """Origin, path prefix, headers and query that all targets of one provider share."""

    origin: Origin
    prefix: str
    headers: tuple[Header, ...]
    """Names in lower case."""
    query: str

    @classmethod
    def read(cls, settings: ProviderSettings, default_url: str | None, headers: tuple[Header, ...]) -> "Endpoint":
        """The endpoint that ``settings`` describe; their own headers win over ``headers``.

        Raises ConfigError naming the provider and the setting.
        """
        url = settings.base_url or default_url
        if not url:
            raise ConfigError(f"providers.{settings.name}: base_url is missing; this kind has no default")
        parts = _split(settings.name, url)
        return cls(
            origin=_origin(settings.name, url, parts),
            prefix=parts.path.rstrip("/"),
            headers=_headers(settings.name, headers, settings.headers),
            query=f"?{urlencode(settings.query)}" if settings.query else "",
        )

    def post(self, path: str, dialect: str) -> Target:
        """A POST of JSON to ``path`` below the base URL."""
        return Target(
            origin=self.origin,
            method="POST",
            path=f"{self.prefix}{path}{self.query}",
            headers=self.headers,
            dialect=dialect,
        )

    def root(self, dialect: str) -> Target:
        """The target of the operation ``passthrough``: all that lies below the base URL."""
        headers = tuple(header for header in self.headers if header[0] != "content-type")
        return replace(self.post("/", dialect), headers=headers)


def _split(name: str, url: str) -> SplitResult:
    where = f"providers.{name}.base_url"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"{where}: {url!r} is not a URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where}: credentials do not belong in the URL; use api_key or headers")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ConfigError(f"{where}: {url!r} is not an address such as https://api.example.com/v1")
    if parts.query or parts.fragment:
        raise ConfigError(f"{where}: {url!r} has a query or a fragment; write the query under query:")
    if not _BASE_PATH.fullmatch(parts.path):
        raise ConfigError(f"{where}: the path of {url!r} has characters that must be percent-encoded")
    return parts


def _origin(name: str, url: str, parts: SplitResult) -> Origin:
    port = parts.port if parts.port is not None else {"https": 443, "http": 80}[parts.scheme]
    if not port or parts.hostname is None:
        raise ConfigError(f"providers.{name}.base_url: {url!r} has no usable host and port")
    return Origin(scheme=parts.scheme, host=parts.hostname, port=port)


def _headers(name: str, own: tuple[Header, ...], configured: Mapping[str, str]) -> tuple[Header, ...]:
    merged = {"content-type": "application/json", **dict(own)}
    merged |= {header.lower(): value for header, value in configured.items()}
    for header, value in merged.items():
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"providers.{name}: the header {header!r} has a name or a value that HTTP does not allow")
        if header in _TRANSPORT_HEADERS:
            raise ConfigError(f"providers.{name}.headers: {header} is set by the gateway itself")
    return tuple(merged.items())
