"""``switchgear audit``: what was changed, and whether the log is whole."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from switchgear.app.database import open_database
from switchgear.app.migrations import upgrade
from switchgear.cli import application
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from switchgear.kernel.clock import FrozenClock
from switchgear.rest.audit import Change, record
from switchgear.rest.principal import Author

ADA = Author(kind="user", name="ada", address="203.0.113.7")


def run(*arguments: str) -> tuple[int, str, str]:
    finished = CliRunner().invoke(application(), ["audit", *arguments])
    return finished.exit_code, finished.stdout, finished.stderr


async def fill(place: Path) -> None:
    database = open_database(Control(database=Secret(str(place))))
    await upgrade(database)
    for number in range(3):
        async with database.write() as connection:
            change = Change(action="create", kind="role", name=f"role{number}", after="{}")
            await record(connection, ADA, change, FrozenClock().wall_ns())
    await database.aclose()


async def cut(place: Path) -> None:
    database = open_database(Control(database=Secret(str(place))))
    async with database.write() as connection:
        await connection.execute(text("DROP TRIGGER audit_log_no_delete"))
        await connection.execute(text("DELETE FROM audit_log WHERE number = 2"))
    await database.aclose()


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "switchgear.yaml"
    path.write_text(f"providers: {{sim: {{kind: simulator}}}}\ncontrol: {{database: {tmp_path / 'control.db'}}}\n")
    asyncio.run(fill(tmp_path / "control.db"))
    return str(path)


def test_changes_are_listed_newest_first(config: str) -> None:
    status, shown, said = run("list", "-c", config, "--limit", "2")
    assert status == 0
    assert shown.index("role role2") < shown.index("role role1")
    assert "user:ada" in shown
    assert "203.0.113.7" in shown
    assert "--before 2" in said
    found = json.loads(run("list", "-c", config, "--before", "2", "--json")[1])
    assert [row["name"] for row in found] == ["role0"]


def test_a_log_is_whole_until_a_row_is_taken_out(config: str) -> None:
    status, shown, said = run("verify", "-c", config)
    assert (status, said) == (0, "the log is whole: 3 rows\n")
    kept = shown.strip()
    assert run("verify", "-c", config, "--head", kept)[0] == 0
    asyncio.run(cut(Path(config).with_name("control.db")))
    status, shown, said = run("verify", "-c", config)
    assert (status, shown.splitlines()[0]) == (1, "row 2 is missing")
    assert json.loads(run("verify", "-c", config, "--json")[1])["faults"] == ["row 2 is missing"]


def test_a_head_that_is_none_is_refused(config: str) -> None:
    assert run("verify", "-c", config, "--head", "7:x")[0] == 1
