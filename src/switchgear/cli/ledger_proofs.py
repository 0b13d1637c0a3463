"""The work of ``switchgear ledger reconcile`` and ``rerate``: whether all agree, and what it would have cost."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import typer
from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.app.ledger import pricing
from switchgear.cli.database import in_database
from switchgear.cli.ledger import ReconcileOptions, RerateOptions
from switchgear.cli.ledger_answers import opened, read_day, span, today, usd
from switchgear.cli.output import note, show_json, show_table
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ConfigError
from switchgear.ledger.reconciling import Proof
from switchgear.ledger.rerating import Rerating
from switchgear.ledger.statement import days_since_epoch
from switchgear.ledger.totals import ALL_SCOPES
from switchgear.processes.bookkeeping import IDENTITY_FILE, identity, pieces
from switchgear.processes.counter_proof import CounterProof, reader
from switchgear.traces.journal_reader import records_up_to

_USUAL_DAYS: Final = 31


class Change(Struct, kw_only=True):
    """What a scope's changed attempts cost, before and after."""

    scope: str
    name: str
    attempts: int
    old_nano_usd: int
    new_nano_usd: int


class Rerated(Struct, kw_only=True):
    """A run, for programs."""

    dry_run: bool
    looked_at: int
    changed: int
    unpriced: int
    changes: list[Change]


def reconcile(given: ReconcileOptions) -> None:
    effective = effective_config(given.config, read_environment())
    directory = given.journal or Path(effective.journal.directory)
    days = _days(given.from_day, given.to_day)

    async def ask(database: ControlDatabase) -> list[Proof]:
        ledger = await opened(database)
        proofs: list[Proof] = []
        if (directory / IDENTITY_FILE).exists():
            position = await ledger.position(identity(directory))
            proofs.append(await ledger.prove_journal(pieces(records_up_to(directory, position))))
        else:
            note(f"{directory} was never taken in: there is nothing to compare with the journal")
        proofs.append(await ledger.prove_totals(*days))
        try:
            read = reader(effective.counters, directory, SystemClock())
            counters = CounterProof(ledger, lambda: effective, SystemClock(), read, asyncio.sleep)
            budgets = await counters.prove()
            proofs += [budgets] if budgets.compared else []
        except OSError as error:
            note(f"the counters cannot be read: {error}")
        return proofs

    proofs = in_database(effective, ask)
    if given.as_json:
        show_json(proofs)
    else:
        _show(proofs)
    if any(proof.differing for proof in proofs):
        raise typer.Exit(1)


def rerate(given: RerateOptions) -> None:
    if given.by not in ALL_SCOPES:
        raise ConfigError(f"{given.by!r} is no scope; there are {', '.join(ALL_SCOPES)}")
    effective = effective_config(given.config, read_environment())
    priced = pricing(effective, given.prices)
    wanted = span(None, None, given.from_day, given.to_day)

    async def ask(database: ControlDatabase) -> Rerating:
        return await (await opened(database)).rerate(wanted, priced, dry=given.dry_run)

    done = in_database(effective, ask)
    changes = [
        Change(
            scope=scope,
            name=name,
            attempts=found.attempts,
            old_nano_usd=found.old_nano_usd,
            new_nano_usd=found.new_nano_usd,
        )
        for (scope, name), found in sorted(done.differences.items())
        if scope == given.by
    ]
    if given.as_json:
        told = {"looked_at": done.looked_at, "changed": done.changed, "unpriced": done.unpriced}
        show_json(Rerated(dry_run=given.dry_run, changes=changes, **told))
        return
    headings = (given.by, "attempts", "cost before", "cost after", "difference")
    show_table("What would change" if given.dry_run else "What changed", headings, [_change(each) for each in changes])
    note(f"{done.looked_at} looked at, {done.changed} changed, {done.unpriced} without a price in the table")


def _days(from_day: str | None, to_day: str | None) -> tuple[int, int]:
    end: date = today() + timedelta(days=1) if to_day is None else read_day(to_day)
    begin = end - timedelta(days=_USUAL_DAYS) if from_day is None else read_day(from_day)
    return days_since_epoch(begin), days_since_epoch(end)


def _show(proofs: Sequence[Proof]) -> None:
    rows = [
        (
            proof.between,
            str(proof.compared),
            usd(proof.one_nano_usd),
            usd(proof.other_nano_usd),
            usd(proof.difference_nano_usd) if proof.differing else "none",
        )
        for proof in proofs
    ]
    show_table("Proofs", ("between", "compared", "one", "other", "difference"), rows)
    found = [finding for proof in proofs for finding in proof.findings]
    if found:
        named = [(one.between, one.what, one.where, usd(one.one_nano_usd), usd(one.other_nano_usd)) for one in found]
        show_table("Differences", ("between", "what", "where", "one", "other"), named)


def _change(change: Change) -> tuple[str, ...]:
    difference = change.new_nano_usd - change.old_nano_usd
    return (change.name, str(change.attempts), usd(change.old_nano_usd), usd(change.new_nano_usd), usd(difference))
