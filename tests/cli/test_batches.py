"""``switchgear batch list | show | cancel``: everybody's batches, as the operator sees them."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchgear.app.database import open_database
from switchgear.app.migrations import upgrade
from switchgear.batches.model import Caller
from switchgear.cli import application
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from tests.batches.stand import Stand, line


def run(*arguments: str) -> tuple[int, str, str]:
    finished = CliRunner().invoke(application(), ["batch", *arguments])
    return finished.exit_code, finished.stdout, finished.stderr


async def fill(place: Path) -> list[str]:
    """One batch that has failed, and one that has not begun."""
    database = open_database(Control(database=Secret(str(place))))
    await upgrade(database)
    async with Stand(database) as stand:
        failed = await stand.ended(await stand.begun(b"{no json}\n"))
        stand.pace = None
        stand.clock.advance(1)
        waiting = await stand.begun([line(1)], Caller(key="bob"))
    await database.aclose()
    return [failed.id, waiting.id]


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "switchgear.yaml"
    path.write_text(f"providers: {{sim: {{kind: simulator}}}}\ncontrol: {{database: {tmp_path / 'control.db'}}}\n")
    return str(path)


@pytest.fixture
def batches(config: str) -> list[str]:
    return asyncio.run(fill(Path(config).with_name("control.db")))


def test_all_are_listed_newest_first_or_those_that_are_not_over(config: str, batches: list[str]) -> None:
    failed, waiting = batches
    status, shown, _ = run("list", "-c", config)
    assert status == 0
    assert shown.index(waiting) < shown.index(failed)
    assert "bob" in shown
    _, shown, _ = run("list", "-c", config, "--active", "--json")
    assert [(each["id"], each["status"], each["key"]) for each in json.loads(shown)] == [(waiting, "validating", "bob")]


def test_those_of_one_state_and_of_one_project_are_listed(config: str, batches: list[str]) -> None:
    def listed(*arguments: str) -> list[str]:
        return [each["id"] for each in json.loads(run("list", "-c", config, "--json", *arguments)[1])]

    assert listed("--status", "failed") == [batches[0]]
    assert listed("--project", "a") == []
    assert "say the same" in run("list", "-c", config, "--active", "--status", "failed")[2]


def test_one_is_shown_with_what_was_wrong_with_it(config: str, batches: list[str]) -> None:
    status, shown, _ = run("show", batches[0], "-c", config, "--json")
    assert status == 0
    told = json.loads(shown)
    assert (told["status"], told["errors"][0]["code"]) == ("failed", "invalid_json_line")
    assert told["created_at"].startswith("2023-11-14T22:13:20")
    assert "invalid_json_line" in run("show", batches[0], "-c", config)[1]


def test_one_that_is_not_over_is_cancelled(config: str, batches: list[str]) -> None:
    failed, waiting = batches
    assert run("cancel", waiting, "-c", config)[:2] == (0, f"{waiting}: cancelling\n")
    finished = CliRunner().invoke(application(), ["audit", "list", "-c", config, "--json"])
    assert [(row["action"], row["name"]) for row in json.loads(finished.stdout)] == [("cancel", waiting)]
    status, _, said = run("cancel", failed, "-c", config)
    assert status == 1
    assert "is failed and cannot be cancelled any more" in said


def test_one_that_is_not_there_and_a_database_without_tables_are_told(config: str) -> None:
    assert "switchgear database upgrade" in run("list", "-c", config)[2]
    asyncio.run(fill(Path(config).with_name("control.db")))
    status, _, said = run("show", "batch_0", "-c", config)
    assert status == 1
    assert "there is no batch 'batch_0'" in said
