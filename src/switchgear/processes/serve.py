"""``switchgear serve``: check the configuration, take the port, run everything under a supervisor."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from switchgear.config import Config, Source, listening
from switchgear.kernel.errors import ConfigError
from switchgear.processes.banner import banner
from switchgear.processes.crash import prepare_for_a_crash
from switchgear.processes.log import configure_logging
from switchgear.processes.options import ServeOptions, environment_of_children
from switchgear.processes.sockets import address, bind
from switchgear.processes.supervisor import Plan, Supervisor


def serve(options: ServeOptions, environ: Mapping[str, str]) -> int:
    """Run until told to stop; the exit status."""
    configure_logging()
    prepare_for_a_crash()
    log = logging.getLogger("switchgear")
    try:
        config = _read(options, environ)
        socket = bind(config.server.host, config.server.port)
    except (ConfigError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 (the message is for the operator; a traceback would bury it)
        return 1
    host, port = address(socket)
    plan = Plan(
        config_path=options.config_path,
        workers=config.server.workers,
        drain_seconds=config.server.drain_seconds,
        environ=environment_of_children(environ),
        runs_batches=config.batches is not None,
    )

    def announce() -> None:
        sys.stdout.write(banner(config, host, port, options.config_path))
        sys.stdout.flush()

    async def supervise() -> int:
        return await Supervisor(plan, socket, announce).run()

    return uvloop.run(supervise())


def _read(options: ServeOptions, environ: Mapping[str, str]) -> Config:
    path = Path(options.config_path) if options.config_path else None
    return listening(Source(path, environ).declared(), options.host, options.port)
