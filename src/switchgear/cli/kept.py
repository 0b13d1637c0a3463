"""What ``put``, ``history``, ``revert`` and ``delete`` do with objects of the control database, whatever their kind."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, TypeVar

import typer
from msgspec import Raw, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.kept import Kept
from switchgear.cli.output import show_json, show_table
from switchgear.cli.registry import in_transaction, read_file
from switchgear.cli.settings import effective_config
from switchgear.config import Config, read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.rest.objects import Objects, Version
from switchgear.rest.principal import Author
from switchgear.rest.written import moment

Answer = TypeVar("Answer")
Entry = TypeVar("Entry", bound=Struct)


class KeptCommands(Generic[Entry]):
    """The commands of one kind; ``what`` it is called in files, tables and JSON."""

    def __init__(
        self, what: str, kind: type[Entry], kept: Callable[[Objects, Callable[[], Config]], Kept[Entry]]
    ) -> None:
        self._what = what
        self._type = kind
        self._kept = kept

    def put(self, name: str, file: Path, config: Path | None) -> None:
        """Declare one, or replace it, with what stands in a file."""
        entry = read_file(file, self._type, self._what)
        stored = self._changing(config, lambda kept, on, by: kept.put(on, name, entry, by))
        typer.echo(f"{name}: version {stored.version}")

    def history(self, name: str, config: Path | None, *, as_json: bool) -> None:
        """List its versions."""
        found = self._changing(config, lambda kept, on, _: kept.history(on, name))
        if as_json:
            show_json([self._line(version) for version in found])
            return
        rows = [(str(one.version), one.action, moment(one.made_ns), one.made_by, one.body or "null") for one in found]
        show_table(name, ("version", "action", "at", "by", self._what), rows)

    def revert(self, name: str, version: int, config: Path | None) -> None:
        """Make one what it was."""
        stored = self._changing(config, lambda kept, on, by: kept.revert(on, name, version, by))
        typer.echo(f"{name}: version {stored.version}")

    def delete(self, name: str, config: Path | None) -> None:
        """Forget one."""
        self._changing(config, lambda kept, on, by: kept.delete(on, name, by))
        typer.echo(f"{name}: deleted")

    def _line(self, version: Version) -> dict[str, object]:
        return {
            "version": version.version,
            "action": version.action,
            "made_at": moment(version.made_ns),
            "made_by": version.made_by,
            # Nothing where it was deleted.
            self._what: Raw((version.body or "null").encode()),
        }

    def _changing(
        self, config: Path | None, change: Callable[[Kept[Entry], AsyncConnection, Author], Awaitable[Answer]]
    ) -> Answer:
        declared = effective_config(config, read_environment())
        kept = self._kept(Objects(SystemClock()), lambda: declared)
        return in_transaction(declared, lambda connection, by: change(kept, connection, by))
