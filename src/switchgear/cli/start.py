"""``switchgear serve``, ``gateway`` and ``control``: where the command line hands over to the processes.

A gateway and a control process replace this one, so that nothing of the command line stays in their memory.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption, chosen_file
from switchgear.config import read_environment
from switchgear.processes.options import (
    ControlOptions,
    GatewayOptions,
    ServeOptions,
    command_line,
    environment_of_children,
)
from switchgear.processes.serve import serve as run_supervisor
from switchgear.processes.supervisor import CONTROL_MODULE, GATEWAY_MODULE

HostOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; overrides server.host.", show_default=False)
]
PortOption = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", min=0, max=65535, help="Port to listen on; overrides server.port.", show_default=False
    ),
]


def serve(config: ConfigOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Serve everything on one port: gateways and the control process under one supervisor.

    Without a configuration file it listens on 127.0.0.1:4000, asks callers on this machine for no key, and serves the
    simulator and every provider that the environment configures.
    """
    options = ServeOptions(config_path=_path_text(config), host=host, port=port)
    raise typer.Exit(run_supervisor(options, read_environment()))


def gateway(config: ConfigOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Run one gateway process alone: the data plane, with /healthz, /readyz and /metrics of its own."""
    _become(GATEWAY_MODULE, GatewayOptions(config_path=_path_text(config), host=host, port=port))


def control(
    config: ConfigOption = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen on.")] = 4001,
    socket: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Unix socket to listen on instead.", show_default=False)
    ] = None,
) -> None:
    """Run the control process alone: metrics, console and management, beside gateways on the same journal."""
    socket_path = None if socket is None else str(socket)
    _become(
        CONTROL_MODULE, ControlOptions(config_path=_path_text(config), host=host, port=port, socket_path=socket_path)
    )


def _become(module: str, options: GatewayOptions | ControlOptions) -> None:
    command = command_line(module, options)
    os.execve(command[0], command, environment_of_children(read_environment()))  # noqa: S606 (our own interpreter and module; no shell)


def _path_text(config: Path | None) -> str | None:
    path = chosen_file(config)
    return None if path is None else str(path)
