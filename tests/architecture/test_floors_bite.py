"""The import contracts find what they are for: shown on a copy of the product with one bad file added."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGE, ROOT

BAD_FILES = [
    ("kernel/upwards.py", "import switchgear.wire\n", "Imports go down the floors"),
    ("wire/sideways.py", "import switchgear.providers\n", "Imports go down the floors"),
    ("homeless/__init__.py", "", "Imports go down the floors"),
    ("kernel/framework.py", "import fastapi\n", "The data path needs no web framework"),
    ("auth/shape.py", "import pydantic\n", "The data path needs no web framework"),
]


@pytest.mark.parametrize(("path", "text", "contract"), BAD_FILES, ids=[path for path, _, _ in BAD_FILES])
def test_the_contracts_catch(tmp_path: Path, path: str, text: str, contract: str) -> None:
    copy = tmp_path / "switchgear"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / path).parent.mkdir(exist_ok=True)
    (copy / path).write_text(text, encoding="utf-8")
    if path == "auth/shape.py":
        stage = copy / "auth" / "stage.py"
        stage.write_text(f"import switchgear.auth.shape\n{stage.read_text(encoding='utf-8')}", encoding="utf-8")
    finished = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache", ROOT / "pyproject.toml"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = [line for line in finished.stdout.splitlines() if line.endswith("BROKEN")]
    assert finished.returncode == 1, finished.stdout + finished.stderr
    assert any(line.startswith(contract) for line in broken), finished.stdout
