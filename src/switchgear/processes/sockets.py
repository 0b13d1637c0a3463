"""Listening sockets that children may inherit."""

import os
import resource
import socket
from typing import Final

_OTHER_DESCRIPTORS: Final = 256
"""Of the journal, the listener, reports and the like."""


def bind(host: str, port: int) -> socket.socket:
    """A listening-to-be TCP socket that children may inherit.

    Raises OSError, with the address in its message.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error
    made.set_inheritable(True)
    return made


def address(listening: socket.socket) -> tuple[str, int]:
    """Host and port a socket is bound to."""
    name: tuple[str, int] = listening.getsockname()[:2]
    return name


def raise_descriptor_limit(connections: int) -> bool:
    """Let this process have as many open sockets as so many clients need; whether the system allows at least those.

    Each may have an upstream's beside its own.
    """
    wanted = 2 * connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return True
    allowed = wanted if hard == resource.RLIM_INFINITY else max(soft, min(wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed >= connections + _OTHER_DESCRIPTORS
