"""``switchgear alerts list | history | silence | test``: as the operator sees them."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchgear.app.database import open_database
from switchgear.app.migrations import upgrade
from switchgear.cli import application
from switchgear.config.control import Control
from switchgear.config.secret import Secret
from tests.traces.alerts.stand import Stand, rule


def run(*arguments: str) -> tuple[int, str, str]:
    finished = CliRunner().invoke(application(), ["alerts", *arguments])
    return finished.exit_code, finished.stdout, finished.stderr


async def fill(place: Path) -> None:
    """One alert that fires, and one that does not."""
    database = open_database(Control(database=Secret(str(place))))
    await upgrade(database)
    stand = Stand(database)
    stand.rules = [rule(), rule(name="calm", project="a")]
    stand.calls(1, status="error")
    await stand.turn()
    await database.aclose()


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "switchgear.yaml"
    path.write_text(
        "providers: {sim: {kind: simulator}}\n"
        f"control: {{database: {tmp_path / 'control.db'}}}\n"
        "alerts: {receivers: {chat: {kind: slack, url: 'http://127.0.0.1:1/nobody-may-see'}}}\n"
    )
    asyncio.run(fill(tmp_path / "control.db"))
    return str(path)


def test_how_alerts_stand_is_listed_and_what_they_went_through(config: str) -> None:
    status, shown, _ = run("list", "-c", config)
    assert status == 0
    assert "calm" in shown
    _, shown, _ = run("list", "-c", config, "--firing", "--json")
    assert [(each["rule"], each["state"], each["value"]) for each in json.loads(shown)] == [("errors", "firing", 1.0)]
    assert run("list", "-c", config, "--rule", "calm", "--firing", "--json")[1] == "[]\n"
    assert "error_rate of 60 s above 0.1" in run("history", "-c", config)[1]
    moves = json.loads(run("history", "-c", config, "--json")[1])
    assert [(each["before"], each["after"]) for each in moves] == [("inactive", "firing")]
    told = json.loads(run("history", "-c", config, "--notices", "--rule", "errors", "--json")[1])
    assert [(each["event"], each["receiver"], each["state"]) for each in told] == [("firing", "here", "sent")]
    assert "here" in run("history", "-c", config, "--notices")[1]


def test_a_silence_is_made_listed_and_ended(config: str) -> None:
    assert "--why" in run("silence", "-c", config, "--rule", "errors")[2]
    status, shown, _ = run("silence", "-c", config, "--rule", "errors", "--why", "we know")
    assert status == 0
    name = shown.strip()
    listed = json.loads(run("silence", "-c", config, "--json")[1])
    assert [(each["id"], each["rule"], each["why"]) for each in listed] == [(name, "errors", "we know")]
    assert "we know" in run("silence", "-c", config)[1]
    assert run("silence", "-c", config, "--end", name)[:2] == (0, f"{name}: over\n")
    assert run("silence", "-c", config, "--json")[1] == "[]\n"
    assert run("silence", "-c", config, "--end", name)[0] == 1
    assert "there is no silence 'x'" in run("silence", "-c", config, "--end", "x")[2]
    rows = json.loads(CliRunner().invoke(application(), ["audit", "list", "-c", config, "--json"]).stdout)
    assert [row["action"] for row in rows] == ["unsilence", "silence"]


def test_a_receiver_that_is_not_reached_is_told_without_the_secret_in_its_address(config: str) -> None:
    status, shown, said = run("test", "chat", "-c", config)
    assert status == 1
    assert "chat was not told" in said
    assert "nobody-may-see" not in shown + said
    assert "did you mean 'chat'?" in run("test", "cha", "-c", config)[2]
