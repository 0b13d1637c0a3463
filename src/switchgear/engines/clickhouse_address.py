"""Where a ClickHouse server is, and who asks."""

from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Origin

_PORTS: Final = {"http": 8123, "https": 8443}


class ClickHouseAddress(Struct, frozen=True, kw_only=True):
    """One server and one of its databases; its text never shows the password."""

    origin: Origin
    database: str
    user: str = "default"
    password: str = ""

    def __str__(self) -> str:
        return f"{self.origin.scheme}://{self.origin.authority}/{self.database}"

    def __repr__(self) -> str:
        return f"ClickHouseAddress({self})"


def read_origin(url: str) -> Origin:
    """The server at ``http://HOST[:PORT]`` or ``https://``. Raises ConfigError, which does not repeat ``url``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("the address is no URL") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ConfigError("the address has not the form http://HOST[:PORT] or https://HOST[:PORT]")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError("the address has more than a host and a port; user, password and database stand beside it")
    return Origin(scheme=parts.scheme, host=parts.hostname, port=port or _PORTS[parts.scheme])
