"""Installing a peer once, into a folder that no other peer shares."""

import shutil
import subprocess
import sys
from pathlib import Path

from bench.subjects import Unavailable

INSTALL_SECONDS = 900


def python_environment(folder: Path, requirement: str, overrides: tuple[str, ...] = ()) -> Path:
    """The interpreter of a virtual environment that holds the requirement. Raises Unavailable.

    `overrides` replace what the requirement's own metadata pins; pip cannot do that, so uv is fetched beside it.
    """
    python = folder / "bin" / "python"
    if _is_installed(folder, requirement):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _install([sys.executable, "-m", "venv", str(folder)], folder)
    if overrides:
        listed = folder / "overrides.txt"
        listed.write_text("\n".join(overrides) + "\n")
        _install([str(python), "-m", "pip", "install", "--quiet", "uv"], folder)
        command = [
            str(folder / "bin" / "uv"),
            "pip",
            "install",
            "--python",
            str(python),
            "--override",
            str(listed),
            requirement,
        ]
    else:
        command = [str(python), "-m", "pip", "install", "--quiet", requirement]
    _install(command, folder)
    _note_installed(folder, requirement)
    return python


def node_package(folder: Path, requirement: str) -> Path:
    """The folder of an npm package, installed with its dependencies. Raises Unavailable."""
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed: apt-get install -y nodejs npm")
    if not _is_installed(folder, requirement):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _install(["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", requirement], folder)
        _note_installed(folder, requirement)
    return folder / "node_modules" / requirement.rpartition("@")[0]


def _is_installed(folder: Path, requirement: str) -> bool:
    note = folder / "installed.txt"
    return note.exists() and note.read_text() == requirement


def _note_installed(folder: Path, requirement: str) -> None:
    (folder / "installed.txt").write_text(requirement)


def _install(command: list[str], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as failure:
        last = " | ".join(str(failure.stderr).strip().splitlines()[-3:])
        raise Unavailable(f"it cannot be installed: {last}") from failure
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"its installation took more than {INSTALL_SECONDS} s") from late
