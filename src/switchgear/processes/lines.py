"""Where lines of batches enter: a socket in a folder of the supervisor's own, and the secret of their credentials.

The folder is readable by its owner alone, and gone with the supervisor. Its gateways accept from the socket, and its
control process sends what it runs there; no other port takes these credentials.
"""

import os
import socket
from pathlib import Path
from typing import Final

from switchgear.kernel.ids import secret_hex

_SOCKET: Final = "lines.sock"
_KEY_FILE: Final = "lines.secret"
_SECRET_BYTES: Final = 32


def open_entrance(directory: Path) -> socket.socket:
    """Write a fresh secret and bind the socket for the gateways. Raises OSError."""
    descriptor = os.open(directory / _KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret_hex(_SECRET_BYTES))
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(socket_path(directory))
    return made


def socket_path(directory: Path) -> str:
    """Where the socket is."""
    return str(directory / _SOCKET)


def read_secret(directory: Path) -> bytes:
    """The secret. Raises OSError."""
    return bytes.fromhex((directory / _KEY_FILE).read_text("ascii"))
