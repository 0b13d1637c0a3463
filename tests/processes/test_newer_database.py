"""A control database that a newer program has migrated: refused at the start, and nothing in it is touched."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.live import SOURCES, migrated_database

CONFIG = "server: {port: 0}\nproviders: {sim: {kind: simulator}}\ncontrol: {database: control.db}\n"


@pytest.mark.parametrize("command", ["serve", "control --port 0"])
def test_a_database_of_a_newer_program_ends_the_start_with_a_clear_word(tmp_path: Path, command: str) -> None:
    place = tmp_path / "control.db"
    place.write_bytes(migrated_database().read_bytes())
    with closing(sqlite3.connect(place)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = place.read_bytes()
    (tmp_path / "switchgear.yaml").write_text(CONFIG)
    finished = subprocess.run(
        [sys.executable, "-m", "switchgear", *command.split()],
        env={"HOME": str(tmp_path), "PYTHONPATH": str(SOURCES)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert "is at revision '9999', which this Switchgear does not know" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert place.read_bytes() == before
    assert all(not each.stat().st_size for each in tmp_path.glob("control.db-wal"))
