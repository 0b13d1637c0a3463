"""A real model's server in a process of its own, from the environment that ``scripts/real-model`` keeps."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
SERVE = ("env", "REAL_MODEL_PORT=0", str(ROOT / "scripts" / "real-model"), "--prebuilt", "--serve")
NOT_SET_UP = 69


class NotSetUp(Exception):
    """The environment is not there; the message says how to make it."""


class RealModel:
    """Started by ``with``, which raises NotSetUp; ``url`` is the base URL of its API."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "model.log"
        self.url = ""

    def __enter__(self) -> Self:
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self._process.stdout is not None
        first_line = self._process.stdout.readline()
        if not first_line:
            words = self._log.read_text(errors="replace").strip()
            if self._stop() == NOT_SET_UP:
                raise NotSetUp(words)
            raise AssertionError(f"the model's server ended:\n{words}")
        self.url = first_line.split()[-1]
        return self

    def _stop(self) -> int:
        self._process.terminate()
        self._process.communicate()
        return self._process.returncode

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
