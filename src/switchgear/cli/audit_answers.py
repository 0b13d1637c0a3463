"""The work of ``switchgear audit list`` and ``verify``."""

import re
from typing import Final

import typer

from switchgear.app.database import ControlDatabase
from switchgear.app.migrations import require_newest
from switchgear.cli.audit import AuditListOptions, AuditVerifyOptions
from switchgear.cli.database import in_database
from switchgear.cli.output import note, show_json, show_table
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.kernel.errors import ConfigError
from switchgear.rest.audit import Entry, Head
from switchgear.rest.audit_log import Sought, Verdict, newest, verify
from switchgear.rest.audit_routes import AuditVerdict, shown_entry
from switchgear.rest.written import moment

_COLUMNS: Final = ("row", "time", "who", "from", "action", "what", "project")
_HEAD: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
_NEWEST: Final = 1 << 62


def list_changes(given: AuditListOptions) -> None:
    sought = Sought(kind=given.kind, name=given.name, who=given.who)

    async def ask(database: ControlDatabase) -> list[Entry]:
        await require_newest(database)
        async with database.read() as connection:
            return await newest(connection, sought, given.before or _NEWEST, given.limit)

    found = in_database(effective_config(given.config, read_environment()), ask)
    if given.as_json:
        show_json([shown_entry(entry) for entry in found])
        return
    show_table("Changes, newest first", _COLUMNS, [_cells(entry) for entry in found])
    if len(found) == given.limit:
        note(f"more: --before {found[-1].number}")


def verify_log(given: AuditVerifyOptions) -> None:
    known = None if given.head is None else _read_head(given.head)

    async def ask(database: ControlDatabase) -> Verdict:
        await require_newest(database)
        async with database.read() as connection:
            return await verify(connection, known)

    verdict = in_database(effective_config(given.config, read_environment()), ask)
    end, faults = verdict.head, verdict.faults
    if given.as_json:
        show_json(AuditVerdict(whole=not faults, count=end.count, hash=end.hash, faults=faults))
    else:
        for fault in faults:
            typer.echo(fault)
        typer.echo(f"{end.count}:{end.hash}")
        note(f"the log is not whole: {len(faults)} faults" if faults else f"the log is whole: {end.count} rows")
    if faults:
        raise typer.Exit(1)


def _read_head(text: str) -> Head:
    found = _HEAD.fullmatch(text)
    if found is None:
        raise ConfigError(f"--head: {text[:100]!r} is not 'COUNT:HASH' as `switchgear audit verify` prints it")
    return Head(int(found[1]), found[2])


def _cells(entry: Entry) -> tuple[str, ...]:
    who = entry.who if entry.who_kind == entry.who else f"{entry.who_kind}:{entry.who}"
    what = f"{entry.kind} {entry.name}"
    return (str(entry.number), moment(entry.at_ns), who, entry.address, entry.action, what, entry.project)
