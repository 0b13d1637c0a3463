"""The bench's harness cannot rot: its own proof is part of the suite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, by the name of cc")
@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset, of util-linux")
@pytest.mark.timeout(180)
def test_known_loads_on_the_mock_give_known_answers() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "bench.run", "--selfcheck"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout.strip()) == (0, "the harness works"), checked.stderr
