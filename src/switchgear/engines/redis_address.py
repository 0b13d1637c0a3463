"""Where a Redis or Valkey server is, read from a URL: ``redis://``, ``rediss://`` with TLS, or ``unix://``."""

from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

from switchgear.kernel.errors import ConfigError

_PORT: Final = 6379
_FORM: Final = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// with TLS, or unix://PATH"


class RedisAddress(Struct, frozen=True, kw_only=True):
    """One server and who asks; its text never shows the password."""

    host: str = ""
    port: int = _PORT
    path: str = ""
    """Of a Unix socket, in place of host and port."""
    tls: bool = False
    database: int = 0
    username: str = ""
    password: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"RedisAddress({self})"


def read_address(url: str) -> RedisAddress:
    """Raises ConfigError, which does not repeat ``url``, when it is none of Redis'."""
    try:
        return _read(urlsplit(url))
    except ValueError:
        raise ConfigError(f"this is no address of a Redis server; it has the form {_FORM}") from None


def _read(parts: SplitResult) -> RedisAddress:
    is_local = parts.scheme == "unix" and not parts.netloc.rpartition("@")[2]
    if parts.query or parts.fragment or not (is_local or (parts.scheme in {"redis", "rediss"} and parts.hostname)):
        raise ValueError(parts.scheme)
    database = "" if is_local else parts.path.strip("/")
    return RedisAddress(
        host=parts.hostname or "",
        port=parts.port or _PORT,
        path=unquote(parts.path) if is_local else "",
        tls=parts.scheme == "rediss",
        database=int(database) if database else 0,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
