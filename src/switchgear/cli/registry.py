"""The work of ``switchgear models put``, ``promote``, ``revert`` and the like: models of the control database."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from msgspec import DecodeError, Struct, ValidationError, convert
from sqlalchemy.ext.asyncio import AsyncConnection
from yaml import YAMLError, safe_load

from switchgear.app.database import ControlDatabase
from switchgear.app.migrations import upgrade
from switchgear.app.registry.service import Move, Registry, entry_in, entry_of
from switchgear.cli.database import in_database
from switchgear.cli.identity import author
from switchgear.cli.model_options import (
    DeleteOptions,
    DeprecateOptions,
    HistoryOptions,
    PromoteOptions,
    PutOptions,
    RetireOptions,
    RevertOptions,
)
from switchgear.cli.output import show_json, show_table
from switchgear.cli.prices import content_of
from switchgear.cli.settings import effective_config
from switchgear.config import Config, read_environment
from switchgear.config.routing import ModelEntry
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.rest.objects import Objects, Stored, Version
from switchgear.rest.principal import Author
from switchgear.rest.written import moment

Answer = TypeVar("Answer")
Kind = TypeVar("Kind")
Change = Callable[[Registry, AsyncConnection, Author], Awaitable[Answer]]


class VersionLine(Struct):
    """One version of a model."""

    version: int
    action: str
    made_at: str
    made_by: str
    entry: ModelEntry | None
    """None where the model was deleted."""


def put(given: PutOptions) -> None:
    entry = read_file(given.file, ModelEntry, "model")
    _change(given.name, given.config, lambda registry, on, by: registry.put(on, given.name, entry, by))


def history(given: HistoryOptions) -> None:
    found = _changing(given.config, lambda registry, on, _: registry.history(on, given.name))
    lines = [_line(version) for version in found]
    if given.as_json:
        show_json(lines)
        return
    stages = ["" if line.entry is None else line.entry.card.stage for line in lines]
    rows = [
        (str(line.version), line.action, line.made_at, line.made_by, stage)
        for line, stage in zip(lines, stages, strict=True)
    ]
    show_table(given.name, ("version", "action", "at", "by", "stage"), rows)


def revert(given: RevertOptions) -> None:
    _change(given.name, given.config, lambda registry, on, by: registry.revert(on, given.name, given.version, by))


def promote(given: PromoteOptions) -> None:
    _change(given.name, given.config, lambda registry, on, by: registry.promote(on, given.name, by))


def deprecate(given: DeprecateOptions) -> None:
    move = Move(stage="deprecated", retired=given.retired, redirect_to=given.redirect_to)
    _change(given.name, given.config, lambda registry, on, by: registry.move(on, given.name, move, by))


def retire(given: RetireOptions) -> None:
    move = Move(stage="retired", redirect_to=given.redirect_to)
    _change(given.name, given.config, lambda registry, on, by: registry.move(on, given.name, move, by))


def delete(given: DeleteOptions) -> None:
    _changing(given.config, lambda registry, on, by: registry.delete(on, given.name, by))
    typer.echo(f"{given.name}: deleted")


def _line(version: Version) -> VersionLine:
    entry = None if version.body is None else entry_in(version.body, f"version {version.version}")
    return VersionLine(
        version=version.version,
        action=version.action,
        made_at=moment(version.made_ns),
        made_by=version.made_by,
        entry=entry,
    )


def read_file(file: Path, kind: type[Kind], what: str) -> Kind:
    """What is in a file, as a ``kind``. Raises ConfigError; whether it agrees with all else is not asked here."""
    try:
        return convert(safe_load(content_of(file)), kind)
    except (YAMLError, DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no {what}: {error}") from None


def _change(name: str, config: Path | None, change: Change[Stored]) -> None:
    stored = _changing(config, change)
    typer.echo(f"{name}: {entry_of(stored).card.stage}, version {stored.version}")


def _changing(config: Path | None, change: Change[Answer]) -> Answer:
    """What ``change`` answers, in one transaction that is committed at its end, under the name of who sits here."""
    declared = effective_config(config, read_environment())
    clock = SystemClock()
    registry = Registry(Objects(clock), lambda: declared, clock)
    return in_transaction(declared, lambda connection, by: change(registry, connection, by))


def in_transaction(declared: Config, change: Callable[[AsyncConnection, Author], Awaitable[Answer]]) -> Answer:
    """What ``change`` answers, in one transaction of the database, under the name of who sits here."""

    async def ask(database: ControlDatabase) -> Answer:
        await upgrade(database)
        async with database.write() as connection:
            return await change(connection, author())

    return in_database(declared, ask)
