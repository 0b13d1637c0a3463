"""The control process: everything that no call waits for."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Generator, Mapping
from importlib.metadata import version
from pathlib import Path

import uvicorn
import uvloop

from switchgear.app.control import Sources, control
from switchgear.config import Config, discover, load, read_environment
from switchgear.kernel.errors import ConfigError
from switchgear.processes.child import report_ready
from switchgear.processes.follow import Follower
from switchgear.processes.log import configure_logging
from switchgear.processes.options import ControlOptions, read_options
from switchgear.processes.signals import stop_event
from switchgear.providers.simulator.catalogue import MODELS


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals alone."""
        yield


async def run(options: ControlOptions, environ: Mapping[str, str]) -> int:
    """Serve until told to stop; the exit status."""
    log = logging.getLogger("switchgear.control")
    stopping = stop_event(options.life_fd)
    try:
        config = load(Path(options.config_path), environ) if options.config_path else discover(environ)
    except ConfigError as error:
        log.error("%s", error)  # noqa: TRY400 (the message is for the operator; a traceback would bury it)
        return 1
    follower = Follower(Path(config.journal.directory))
    app = control(
        Sources(
            version=version("switchgear"),
            models=lambda: _models(config),
            metrics=follower.metrics,
            newest=follower.newest,
        )
    )
    server = _Server(
        uvicorn.Config(
            app,
            uds=options.socket_path,
            host=options.host,
            port=options.port,
            log_level="warning",
            access_log=False,
            lifespan="off",
        )
    )
    loop = asyncio.get_running_loop()
    serving = loop.create_task(server.serve())
    following = loop.create_task(follower.run())
    while not server.started and not serving.done():  # noqa: ASYNC110 (uvicorn tells it by no event)
        await asyncio.sleep(0.01)
    report_ready(options.ready_fd)
    await stopping.wait()
    following.cancel()
    server.should_exit = True
    await serving
    return 0


def _models(config: Config) -> list[str]:
    """Aliases, then the simulator's models when it is a provider."""
    simulators = [name for name, entry in config.providers.items() if entry.kind == "simulator"]
    return [*config.models, *(f"{provider}/{model.name}" for provider in simulators for model in MODELS)]


def main(arguments: list[str]) -> int:
    """Run the control process with the options in ``arguments``."""
    configure_logging()
    return uvloop.run(run(read_options(ControlOptions, arguments), read_environment()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
