"""Whether a client is on the gateway's own machine."""

import asyncio
from typing import cast


def is_loopback(transport: asyncio.BaseTransport) -> bool:
    """Whether the other end of a connection has a loopback address."""
    peer: object = transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or not peer:
        return False
    address = str(cast("tuple[object, ...]", peer)[0])
    return address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")
