"""Listening sockets for children, and room for as many as their clients need."""

import fcntl
import os
import resource
import socket
from typing import Final

_OTHER_DESCRIPTORS: Final = 256
"""Of the journal, the listener, reports and the like."""
_LARGEST_TABLE: Final = 65_536
"""Half a mebibyte of the system's memory; more is made when it is needed."""


def bind(host: str, port: int) -> socket.socket:
    """A listening-to-be TCP socket, inherited by those children alone that are given it: whoever else held it open
    would have the system take connections for it after they have closed theirs.

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
    return made


def address(listening: socket.socket) -> tuple[str, int]:
    """Host and port a socket is bound to."""
    name: tuple[str, int] = listening.getsockname()[:2]
    return name


def raise_descriptor_limit(connections: int) -> bool:
    """Let this process have as many open sockets as so many clients need; whether the system allows at least those."""
    wanted = _descriptors(connections)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return True
    allowed = wanted if hard == resource.RLIM_INFINITY else max(soft, min(wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed >= connections + _OTHER_DESCRIPTORS


def grow_descriptor_table(connections: int) -> None:
    """Have the system's table of this process's descriptors as large as so many clients need, within the limit.

    Where threads share it, Linux keeps whoever opens the descriptor that no longer fits waiting until every processor
    has let go of the smaller one (``expand_fdtable``, ``synchronize_rcu``): some 10 ms, in which no call would go on.
    """
    highest = min(_descriptors(connections), resource.getrlimit(resource.RLIMIT_NOFILE)[0], _LARGEST_TABLE) - 1
    any_file = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.close(fcntl.fcntl(any_file, fcntl.F_DUPFD_CLOEXEC, highest))
    os.close(any_file)


def _descriptors(connections: int) -> int:
    """Each may have an upstream's beside its own."""
    return 2 * connections + _OTHER_DESCRIPTORS
