"""The management API against its own OpenAPI document: no defect, and no answer that it does not name."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.live import CONFIG, LiveServer

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
TOOL = Path(sys.executable).parent / "schemathesis"


def fuzz(directory: Path, examples: int) -> subprocess.CompletedProcess[str]:
    """Every operation of a live server, each asked so often."""
    config = CONFIG.replace("state:", "control: {{database: control.db}}\nstate:", 1)
    with LiveServer(directory, config, {"SWITCHGEAR_MASTER_KEY": sha256(b"of this test").hexdigest()}) as server:
        command = [str(TOOL), "run", f"{server.url}/api/v1/openapi.json", "--seed", "1", "--no-color"]
        command += ["--max-examples", str(examples), "--phases", "fuzzing", "--checks", ",".join(CHECKS)]
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.timeout(120)  # every operation there is, while others may have the processors
def test_no_request_finds_a_defect_or_an_undocumented_answer(tmp_path: Path) -> None:
    done = fuzz(tmp_path, 1)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_no_request_of_many_finds_a_defect_or_an_undocumented_answer(tmp_path: Path) -> None:
    done = fuzz(tmp_path, 50)
    assert done.returncode == 0, done.stdout
