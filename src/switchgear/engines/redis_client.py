"""A client of Redis: one connection that is opened when it is needed, and not too often when it cannot be."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from typing import Final

from msgspec import structs

from switchgear.engines.redis_address import RedisAddress
from switchgear.engines.redis_link import Answer, Link, RedisRefused, Word

_CONNECT_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0


class Script:
    """A script of the server's, called by its digest."""

    def __init__(self, text: str) -> None:
        self.text = text
        # The digest by which Redis knows its scripts; nothing rests on its strength.
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisClient:
    """Commands for one server, or for the node of a cluster that has the keys. All methods raise OSError."""

    def __init__(self, address: RedisAddress, timeout_seconds: float) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._tls = ssl.create_default_context() if address.tls else None
        self._link: Link | None = None
        self._opening = asyncio.Lock()
        self._pause_seconds = 0.0
        self._not_before = 0.0
        self._trying: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether a command would be sent and not refused at once."""
        link = self._link
        return link is not None and not link.closed and not link.stalled

    async def open(self) -> None:
        """Have a connection. After a failure the next try waits: until then, this raises ConnectionError at once."""
        async with self._opening:
            if self._link is not None and not self._link.closed:
                return
            now = asyncio.get_running_loop().time()
            if now < self._not_before:
                raise ConnectionError(f"{self._address} could not be reached a moment ago")
            try:
                self._link = await self._connect()
            except OSError:
                self._pause_seconds = min(max(_FIRST_PAUSE_SECONDS, 2 * self._pause_seconds), _LONGEST_PAUSE_SECONDS)
                self._not_before = now + self._pause_seconds
                raise
            self._pause_seconds = 0.0

    async def reach(self) -> None:
        """As :meth:`open`, but once it has failed nobody waits for the next try: that is made beside the calls."""
        if self._link is not None and not self._link.closed:
            return
        if not self._pause_seconds:
            await self.open()
            return
        if self._trying is None or self._trying.done():
            self._trying = asyncio.get_running_loop().create_task(self._try())
        raise ConnectionError(f"{self._address} cannot be reached at the moment")

    async def _try(self) -> None:
        with suppress(OSError):
            await self.open()

    async def run(self, *command: Word) -> Answer:
        """The answer to ``command``. Raises ConnectionError when there is no connection: it does not wait for one."""
        if self._link is None:
            raise ConnectionError(f"there is no connection to {self._address}")
        try:
            return await self._link.send(*command)
        except RedisRefused as refusal:
            if refusal.code == "MOVED":
                self._move(str(refusal))
            raise

    async def call(self, script: Script, keys: Sequence[Word], arguments: Sequence[Word]) -> Answer:
        """Run ``script`` in one round trip, or in two when the server does not know it yet."""
        try:
            return await self.run("EVALSHA", script.digest, len(keys), *keys, *arguments)
        except RedisRefused as refusal:
            if refusal.code != "NOSCRIPT":
                raise
        return await self.run("EVAL", script.text, len(keys), *keys, *arguments)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._trying is not None:
            self._trying.cancel()
        if self._link is not None:
            self._link.abort(ConnectionError("the connection to Redis was closed"))

    async def _connect(self) -> Link:
        loop, address = asyncio.get_running_loop(), self._address
        link = Link(self._timeout_seconds)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                if address.path:
                    await loop.create_unix_connection(lambda: link, address.path)
                else:
                    await loop.create_connection(lambda: link, address.host, address.port, ssl=self._tls)
                await self._introduce(link)
        except BaseException as error:
            link.abort(ConnectionError("the connection could not be opened"))
            if isinstance(error, OSError):
                raise _worded(error, address) from error
            raise
        return link

    async def _introduce(self, link: Link) -> None:
        address = self._address
        if address.password:
            who = (address.username,) if address.username else ()
            await link.send("AUTH", *who, address.password)
        if address.database:
            await link.send("SELECT", address.database)
        # An answer shows that the server is there, and has loaded its data.
        await link.send("PING")

    def _move(self, refusal: str) -> None:
        """Go to the node that has the keys: all of them have one slot."""
        host, _, port = refusal.rpartition(" ")[2].rpartition(":")
        if port.isdecimal():
            self._address = structs.replace(self._address, host=host or self._address.host, port=int(port))
        if self._link is not None:
            self._link.abort(ConnectionError("the keys are on another node of the cluster"))


def _worded(error: OSError, address: RedisAddress) -> OSError:
    if isinstance(error, RedisRefused):
        return error
    if isinstance(error, TimeoutError):
        return TimeoutError(f"{address} did not answer in time")
    return ConnectionError(f"{address} cannot be reached: {error.strerror or error}")
