"""How commands about keys, secrets and users reach the control database, and under whose name."""

import asyncio
import os
import pwd
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.identity.service import Identity, identity
from switchgear.app.migrations import upgrade
from switchgear.auth.master_key import read_master_keys
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.rest.principal import Author

Answer = TypeVar("Answer")
OPERATOR: Final = "operator"


def with_identity(config: Path | None, ask: Callable[[ControlDatabase, Identity], Awaitable[Answer]]) -> Answer:
    """What ``ask`` answers about the database of the configuration. Raises ConfigError, also when it is not reached."""
    environ = read_environment()
    declared = effective_config(config, environ)
    master_keys = read_master_keys(environ)

    async def run() -> Answer:
        database = open_database(declared.control)
        try:
            await upgrade(database)
            return await ask(database, identity(database, lambda: declared, master_keys, SystemClock()))
        except OSError as error:
            raise ConfigError(f"the control database cannot be used: {error}") from error
        finally:
            await database.aclose()

    return asyncio.run(run())


def changing(config: Path | None, change: Callable[[AsyncConnection, Identity, Author], Awaitable[Answer]]) -> Answer:
    """The same in one transaction that is committed at its end, under the name of the operator."""

    async def ask(database: ControlDatabase, services: Identity) -> Answer:
        async with database.write() as connection:
            return await change(connection, services, author())

    return with_identity(config, ask)


def reading(config: Path | None, look: Callable[[AsyncConnection, Identity], Awaitable[Answer]]) -> Answer:
    """The same in one transaction that changes nothing."""

    async def ask(database: ControlDatabase, services: Identity) -> Answer:
        async with database.read() as connection:
            return await look(connection, services)

    return with_identity(config, ask)


def prompted(what: str) -> str:
    """Something secret: asked for at a terminal, else read from a pipe; never an argument, which others can see."""
    return typer.prompt(what, hide_input=True) if sys.stdin.isatty() else sys.stdin.read().strip("\r\n")


def author() -> Author:
    """Whoever sits at this machine, by their name there."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Author(kind=OPERATOR, name=name)
