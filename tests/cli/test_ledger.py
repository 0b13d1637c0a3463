"""``switchgear ledger``: what it prints, what it writes, and what it refuses."""

import asyncio
import csv
import os
import re
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec import json
from sqlalchemy import delete
from typer.testing import CliRunner, Result

from switchgear.app.database import ControlDatabase, open_database
from switchgear.app.migrations import upgrade
from switchgear.cli.application import application
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.kernel.clock import FrozenClock
from switchgear.ledger.service import Ledger
from switchgear.ledger.tables import ROWS
from switchgear.processes.bookkeeping import identity
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.journal_reader import JournalReader
from switchgear.traces.offsets import FileOffsets
from tests.ledger.samples import NOON_NS, attempt, record

CONFIG = """
journal: {directory: journal}
control: {database: control.db}
providers:
  openai: {kind: openai, api_key: k, prices: {gpt: {input: 1, output: 10}}}
"""
DAYS = ("--from", "2026-11-26", "--to", "2026-11-27")
RERATED_NANO_USD = 10 * 1000 + 2 * 10_000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The working directory, with a configuration, a journal of three calls, and a ledger that has them."""
    before = Path.cwd()
    os.chdir(tmp_path)
    (tmp_path / "switchgear.yaml").write_text(CONFIG, encoding="utf-8")
    in_database(fill)
    yield tmp_path
    os.chdir(before)


def in_database(work: Callable[[ControlDatabase], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        database = open_database(Control(database=Secret("control.db")))
        await work(database)
        await database.aclose()

    asyncio.run(run())


async def fill(database: ControlDatabase) -> None:
    await upgrade(database)
    clock, directory = FrozenClock(NOON_NS), Path("journal")
    journal = JournalWriter(JournalSettings(directory=directory), "g0", clock)
    for number, team in enumerate(("sales", "support", "support")):
        journal.append(record(number, team=team, attempts=[attempt(started_ns=NOON_NS + number)]))
    journal.close()
    batch = JournalReader(directory, FileOffsets(directory / "x.offsets")).read_batch()
    assert batch is not None
    await Ledger(database, clock).take(identity(directory), batch.records, batch.position)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application(), ["ledger", *arguments])


def told(*arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.decode(done.stdout)


def test_attempts_are_listed_by_pages(folder: Path) -> None:
    page = told("list", "--limit", "2")
    assert [int(row["call_id"], 16) for row in page["rows"]] == [2, 1]
    rest = told("list", "--limit", "2", "--after", page["next"])
    assert ([int(row["call_id"], 16) for row in rest["rows"]], rest["next"]) == ([0], None)
    assert len(told("list", "--scope", "team", "--name", "support")["rows"]) == 2
    shown = run("list", "--call", f"req_{1:032x}")
    assert f"{1:032x} 1" in shown.stdout
    assert "$0.000000345" in shown.stdout


def test_statements_say_what_a_scope_cost(folder: Path) -> None:
    lines = told("statement", *DAYS, "--scope", "team", "--period", "day")
    assert [(line["name"], line["calls"], line["cost_nano_usd"]) for line in lines] == [
        ("sales", 1, 345),
        ("support", 2, 690),
    ]
    assert "$0.00000069" in run("statement", *DAYS, "--scope", "team").stdout
    assert run("statement", *DAYS, "--scope", "team", "--output", "november.csv").exit_code == 0
    with (folder / "november.csv").open(newline="") as file:
        assert [line["name"] for line in csv.DictReader(file)] == ["sales", "support"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_attempts_are_exported(folder: Path, name: str) -> None:
    done = run("export", name, *DAYS)
    assert done.exit_code == 0, done.output
    assert f"{name}: 3 rows" in done.stderr
    with duckdb.connect() as connection:
        reading = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[name.partition(".")[2]]
        found = connection.execute(f"SELECT count(*), sum(cost_nano_usd) FROM {reading}(?)", [name]).fetchall()
    assert [tuple(map(int, row)) for row in found] == [(3, 3 * 345)]


def test_a_proof_that_holds_ends_well_and_one_that_does_not_names_the_row(folder: Path) -> None:
    proofs = told("reconcile", *DAYS)
    assert [(proof["compared"], proof["differing"]) for proof in proofs] == [(3, 0), (3, 0)]

    async def lose(database: ControlDatabase) -> None:
        async with database.write() as connection:
            await connection.execute(delete(ROWS).where(ROWS.c.call_id == f"{1:032x}"))

    in_database(lose)
    done = run("reconcile", *DAYS)
    assert done.exit_code == 1
    assert re.search(rf"missing +{1:032x} 1", done.stdout)


def test_other_prices_are_tried_and_then_put_in_force(folder: Path) -> None:
    tried = told("rerate", *DAYS, "--dry-run", "--by", "team")
    assert [(each["name"], each["new_nano_usd"]) for each in tried["changes"]] == [
        ("sales", RERATED_NANO_USD),
        ("support", 2 * RERATED_NANO_USD),
    ]
    assert told("statement", *DAYS)[0]["cost_nano_usd"] == 3 * 345
    assert "3 looked at, 3 changed" in run("rerate", *DAYS).stderr
    assert told("statement", *DAYS)[0]["cost_nano_usd"] == 3 * RERATED_NANO_USD
    assert told("rerate", *DAYS)["changed"] == 0
    assert [proof["differing"] for proof in told("reconcile", *DAYS)] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "--scope", "team"), "--scope and --name go together"),
        (("list", "--scope", "x", "--name", "y"), "'x' is no scope"),
        (("list", "--after", "x"), "no cursor"),
        (("list", "--from", "today"), "'today' is no day"),
        (("statement", "--scope", "x"), "'x' is no scope"),
        (("export", "rows.xlsx"), "must end in .csv, .jsonl or .parquet"),
        (("export", "nowhere/rows.csv"), "cannot be written"),
        (("rerate", *DAYS, "--by", "x"), "'x' is no scope"),
        (("rerate", *DAYS, "--prices", "none.json"), "none.json cannot be read"),
    ],
)
def test_what_cannot_be_done_is_refused(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1, done.output
    assert message in done.stderr


def test_a_database_without_a_ledger_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "switchgear.yaml").write_text(CONFIG, encoding="utf-8")
    done = run("list")
    assert done.exit_code == 1
    assert "the control database is at revision none" in done.stderr
