"""Where a client is, and whether that is the gateway's own machine."""

import asyncio
from typing import cast


def peer_address(transport: asyncio.BaseTransport) -> str:
    """The address of a connection's other end; empty where it has none, as on a Unix socket."""
    peer: object = transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or not peer:
        return ""
    return str(cast("tuple[object, ...]", peer)[0])


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's own for itself."""
    return address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")
