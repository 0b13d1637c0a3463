"""The work of ``switchgear limits put``, ``history``, ``revert`` and ``delete``: limits of the control database."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from msgspec import Raw, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.limit_objects import LimitList
from switchgear.cli.limit_options import DeleteLimitOptions, LimitHistoryOptions, PutLimitOptions, RevertLimitOptions
from switchgear.cli.output import show_json, show_table
from switchgear.cli.registry import in_transaction, read_file
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.config.limits import LimitEntry
from switchgear.kernel.clock import SystemClock
from switchgear.rest.objects import Objects, Stored
from switchgear.rest.principal import Author
from switchgear.rest.written import moment

Answer = TypeVar("Answer")


class LimitVersion(Struct):
    """One version of a limit."""

    version: int
    action: str
    made_at: str
    made_by: str
    limit: Raw
    """``null`` where it was deleted."""


def put(given: PutLimitOptions) -> None:
    entry = read_file(given.file, LimitEntry, "limit")
    _tell(given.name, _changing(given.config, lambda limits, on, by: limits.put(on, given.name, entry, by)))


def history(given: LimitHistoryOptions) -> None:
    found = _changing(given.config, lambda limits, on, _: limits.history(on, given.name))
    lines = [
        LimitVersion(one.version, one.action, moment(one.made_ns), one.made_by, Raw((one.body or "null").encode()))
        for one in found
    ]
    if given.as_json:
        show_json(lines)
        return
    rows = [(str(one.version), one.action, one.made_at, one.made_by, bytes(one.limit).decode()) for one in lines]
    show_table(given.name, ("version", "action", "at", "by", "limit"), rows)


def revert(given: RevertLimitOptions) -> None:
    stored = _changing(given.config, lambda limits, on, by: limits.revert(on, given.name, given.version, by))
    _tell(given.name, stored)


def delete(given: DeleteLimitOptions) -> None:
    _changing(given.config, lambda limits, on, by: limits.delete(on, given.name, by))
    typer.echo(f"{given.name}: deleted")


def _tell(name: str, stored: Stored) -> None:
    typer.echo(f"{name}: version {stored.version}")


def _changing(config: Path | None, change: Callable[[LimitList, AsyncConnection, Author], Awaitable[Answer]]) -> Answer:
    declared = effective_config(config, read_environment())
    limits = LimitList(Objects(SystemClock()), lambda: declared)
    return in_transaction(declared, lambda connection, by: change(limits, connection, by))
