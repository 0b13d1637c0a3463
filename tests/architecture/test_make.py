"""`make` lists its targets, and continuous integration runs the README's command and no other."""

import re
import subprocess
from pathlib import Path

from tests.architecture.sources import ROOT

PROMISED = {
    "run",
    "test",
    "test-long",
    "lint",
    "format",
    "bench",
    "bench-peers",
    "bench-profile",
    "simulate",
    "docs",
    "real-model",
    "real-vllm",
}


def test_make_alone_lists_every_promised_target_with_its_help() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    listed = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", plain, re.MULTILINE))
    assert listed.keys() >= PROMISED


def test_continuous_integration_fetches_the_real_model_and_ends_with_make_test() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()
    assert lines[-1] == "make test"
    assert "set -euo pipefail" in lines
    assert any("scripts/real-model --prebuilt --setup" in line for line in lines)


def test_every_target_that_needs_the_environment_builds_it() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([a-z-]+):([^#\n]*)##[^\n]*\n((?:\t[^\n]*\n)+)", makefile, re.MULTILINE)
    without = [
        name for name, needs, recipe in rules if "$(BIN)" in recipe and not {"$(READY)", "lint"} & set(needs.split())
    ]
    assert without == []


def what_make_run_starts(folder: Path, **environ: str) -> str:
    """Where `make run` has the program look for a real model, and the program's arguments."""
    program = folder / "switchgear"
    program.write_text('#!/bin/sh\necho "$LLAMA_CPP_BASE_URL $*"\n')
    program.chmod(0o755)
    command = ["make", "--assume-old=.venv/.ready", f"BIN={folder}", "run"]
    path = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=ROOT, env={**path, **environ}, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_make_run_looks_for_the_real_model_where_make_real_model_serves_it_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    script = (ROOT / "scripts" / "real-model").read_text(encoding="utf-8")
    (host,) = re.findall(r"^host=\$\{REAL_MODEL_HOST:-(.*)\}$", script, re.MULTILINE)
    (port,) = re.findall(r"^port=\$\{REAL_MODEL_PORT:-(.*)\}$", script, re.MULTILINE)
    assert what_make_run_starts(tmp_path) == f"http://{host}:{port}/v1 serve"
    elsewhere = "http://127.0.0.1:9/v1"
    assert what_make_run_starts(tmp_path, LLAMA_CPP_BASE_URL=elsewhere) == f"{elsewhere} serve"
