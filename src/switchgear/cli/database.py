"""``switchgear database``: the control database, and how far it has been brought forward."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.migrations import newest, require_newest, revision
from switchgear.app.migrations import upgrade as upgrade_database
from switchgear.cli.database_options import CurrentOptions, UpgradeOptions
from switchgear.cli.output import note
from switchgear.cli.settings import effective_config
from switchgear.config import Config, read_environment
from switchgear.kernel.errors import ConfigError

Answer = TypeVar("Answer")


def in_database(config: Config, ask: Callable[[ControlDatabase], Awaitable[Answer]]) -> Answer:
    """What ``ask`` answers about the database of ``config``. Raises ConfigError, also when it cannot be reached."""

    async def run() -> Answer:
        database = open_database(config.control)
        try:
            return await ask(database)
        except OSError as error:
            raise ConfigError(f"the control database cannot be reached: {error}") from error
        finally:
            await database.aclose()

    return asyncio.run(run())


def upgrade(given: UpgradeOptions) -> None:
    """Bring it forward."""
    applied = in_database(effective_config(given.config, read_environment()), upgrade_database)
    for step in applied:
        typer.echo(step)
    note(f"the control database is at revision {newest()}")


def current(given: CurrentOptions) -> None:
    """Say how far it is."""
    effective = effective_config(given.config, read_environment())
    typer.echo(in_database(effective, revision) or "none")
    in_database(effective, require_newest)
