"""What a parent process tells a child: one JSON argument, typed on both sides."""

import sys
from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.json import decode, encode


class GatewayOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to run one gateway process."""

    config_path: str | None = None
    """None: no configuration file; the providers found in the environment are served."""
    host: str | None = None
    """Overrides ``server.host``."""
    port: int | None = None
    """Overrides ``server.port``."""
    listen_fd: int | None = None
    """An inherited listening socket, instead of host and port."""
    control_socket: str | None = None
    """Where the control process listens; None: this gateway runs alone and answers /healthz, /readyz and /metrics."""
    lines: str | None = None
    """The folder with the secret of lines of batches; None: none come here."""
    lines_fd: int | None = None
    """An inherited socket to which they come."""
    ready_fd: int | None = None
    """Written one byte and closed when the gateway answers."""
    life_fd: int | None = None
    """Closed by the system when the parent is gone; the process then drains and ends."""
    number: int = 0
    """Which of the supervisor's gateways this is; part of its name in records."""


class ControlOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to run the control process."""

    config_path: str | None = None
    socket_path: str | None = None
    """A Unix socket to listen on; otherwise host and port."""
    host: str = "127.0.0.1"
    port: int = 4001
    lines: str | None = None
    """The folder with the socket to which lines of batches are sent; None: this process runs none."""
    ready_fd: int | None = None
    life_fd: int | None = None


class SealerOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to make files of closed traces, for one turn of sealing."""

    store: str
    """The file of the store of spans."""
    mark: str
    """Which files are this process's, as long as they are unfinished."""
    before_ns: int
    until: int | None
    fewest: int


class ServeOptions(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to run a supervisor with everything under it."""

    config_path: str | None = None
    host: str | None = None
    port: int | None = None


_FOR_CHILDREN: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""By default numpy's library has a thread for each processor, and those that wait for work burn theirs meanwhile."""
LENGTH_BYTES: Final = 8
"""Before each of the messages of a process that seals, as they are long."""
_LAUNCH: Final = "switchgear.processes.launch"
Options = TypeVar("Options", GatewayOptions, ControlOptions)


def command_line(module: str, options: GatewayOptions | ControlOptions | SealerOptions) -> list[str]:
    """The command that runs ``module`` with ``options`` in a process of its own."""
    return [sys.executable, "-m", _LAUNCH, module, encode(options).decode()]


def environment_of_children(environ: Mapping[str, str]) -> dict[str, str]:
    """What a process and those under it find in their environment: what is in ``environ``, and what nobody set."""
    return {**_FOR_CHILDREN, **environ}


def read_options(kind: type[Options], arguments: list[str]) -> Options:
    """The options a parent wrote into the first argument; all defaults when there is none."""
    return decode(arguments[0], type=kind) if arguments else kind()
