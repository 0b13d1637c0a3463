"""Key and value in Redis or Valkey: what gateways of several machines share; how much fits is the server's to say."""

import errno
from typing import TYPE_CHECKING

from switchgear.engines.redis_client import RedisClient
from switchgear.kernel.ports import KeyValue


class RedisKeyValue:
    """A KeyValue for all gateways with the same server and ``prefix``; one value has at most ``largest_bytes``."""

    def __init__(self, client: RedisClient, prefix: str, largest_bytes: int) -> None:
        self._client = client
        self._prefix = f"{{{prefix}}}k:".encode()
        self._largest_bytes = largest_bytes

    async def get(self, key: str) -> bytes | None:
        await self._client.reach()
        found = await self._client.run("GET", self._key(key))
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        if len(value) > self._largest_bytes:
            raise OSError(
                errno.EFBIG, f"{len(value)} bytes are more than the store keeps in all ({self._largest_bytes})"
            )
        await self._client.reach()
        await self._client.run("SET", self._key(key), value, "PX", max(1, round(ttl_seconds * 1e3)))

    async def delete(self, key: str) -> None:
        await self._client.reach()
        await self._client.run("UNLINK", self._key(key))

    def _key(self, key: str) -> bytes:
        return self._prefix + key.encode("utf-8", "surrogatepass")


if TYPE_CHECKING:
    _: type[KeyValue] = RedisKeyValue
