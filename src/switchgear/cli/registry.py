"""``switchgear models put``, ``promote``, ``revert`` and the like: models that the control database keeps."""

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from msgspec import DecodeError, Struct, ValidationError, convert
from sqlalchemy.ext.asyncio import AsyncConnection
from yaml import YAMLError, safe_load

from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.migrations import upgrade
from switchgear.app.registry.service import Move, Registry, entry_in, entry_of
from switchgear.cli.output import show_json, show_table
from switchgear.cli.prices import content_of
from switchgear.cli.settings import ConfigOption, effective_config
from switchgear.config import read_environment
from switchgear.config.routing import ModelEntry
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.rest.objects import Objects, Stored
from switchgear.rest.principal import Author
from switchgear.rest.written import moment

Answer = TypeVar("Answer")
NameArgument = Annotated[str, typer.Argument(help="The model's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Change = Callable[[Registry, AsyncConnection, Author], Awaitable[Answer]]


class VersionLine(Struct):
    """One version of a model."""

    version: int
    action: str
    made_at: str
    made_by: str
    entry: ModelEntry | None
    """None where the model was deleted."""


def put_model(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="The model as it would stand under `models`, in YAML or JSON.")],
    config: ConfigOption = None,
) -> None:
    """Make a model in the control database, or replace it; gateways know it within a second."""
    entry = _entry_in(file)
    _tell(name, _changing(config, lambda registry, connection, by: registry.put(connection, name, entry, by)))


def model_history(name: NameArgument, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """List the versions of a model of the control database, newest first."""

    async def look(registry: Registry, connection: AsyncConnection, by: Author) -> list[VersionLine]:
        found = await registry.history(connection, name)
        return [
            VersionLine(
                version=one.version,
                action=one.action,
                made_at=moment(one.made_ns),
                made_by=one.made_by,
                entry=None if one.body is None else entry_in(one.body, f"version {one.version}"),
            )
            for one in found
        ]

    lines = _changing(config, look)
    if as_json:
        show_json(lines)
        return
    rows = [
        (
            str(line.version),
            line.action,
            line.made_at,
            line.made_by,
            "" if line.entry is None else line.entry.card.stage,
        )
        for line in lines
    ]
    show_table(name, ("version", "action", "at", "by", "stage"), rows)


def revert_model(
    name: NameArgument,
    version: Annotated[int, typer.Argument(min=1, help="Which version; `switchgear models history NAME` lists them.")],
    config: ConfigOption = None,
) -> None:
    """Make a model what it was in an older version, also one that was deleted."""
    _tell(name, _changing(config, lambda registry, connection, by: registry.revert(connection, name, version, by)))


def promote_model(name: NameArgument, config: ConfigOption = None) -> None:
    """Bring a model to the next stage: from experimental to staging, from staging to production."""
    _tell(name, _changing(config, lambda registry, connection, by: registry.promote(connection, name, by)))


def deprecate_model(
    name: NameArgument,
    retired: Annotated[
        str | None,
        typer.Option("--retired", metavar="DAY", help="From when on it is not served any more.", show_default=False),
    ] = None,
    redirect_to: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Who answers in its place then.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Deprecate a model: it answers, and replies warn of it."""
    move = Move(stage="deprecated", retired=retired, redirect_to=redirect_to)
    _tell(name, _changing(config, lambda registry, connection, by: registry.move(connection, name, move, by)))


def retire_model(
    name: NameArgument,
    redirect_to: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Who answers in its place.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Serve a deprecated model no more."""
    move = Move(stage="retired", redirect_to=redirect_to)
    _tell(name, _changing(config, lambda registry, connection, by: registry.move(connection, name, move, by)))


def delete_model(name: NameArgument, config: ConfigOption = None) -> None:
    """Delete a model of the control database; its versions stay, and it can be reverted to one of them."""
    _changing(config, lambda registry, connection, by: registry.delete(connection, name, by))
    typer.echo(f"{name}: deleted")


def _tell(name: str, stored: Stored) -> None:
    card = entry_of(stored).card
    typer.echo(f"{name}: {card.stage}, version {stored.version}")


def _entry_in(file: Path) -> ModelEntry:
    """Raises ConfigError for what is no model; whether it agrees with the others is the registry's to say."""
    try:
        return convert(safe_load(content_of(file)), ModelEntry)
    except (YAMLError, DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no model: {error}") from None


def _changing(config: Path | None, change: Change[Answer]) -> Answer:
    """What ``change`` answers, in one transaction that is committed at its end, under the name of who sits here."""
    declared = effective_config(config, read_environment())

    async def run() -> Answer:
        database: ControlDatabase = open_database(declared.control)
        clock = SystemClock()
        registry = Registry(Objects(clock), lambda: declared, clock)
        try:
            await upgrade(database)
            async with database.write() as connection:
                return await change(registry, connection, _author())
        except OSError as error:
            raise ConfigError(f"the control database cannot be used: {error}") from error
        finally:
            await database.aclose()

    return asyncio.run(run())


def _author() -> Author:
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Author(kind="operator", name=name)
