"""vLLM with a real model, in a process of its own, from the environment that ``scripts/real-vllm`` keeps."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.e2e.real_model import NOT_SET_UP, ROOT, NotSetUp

START_SECONDS = 600.0
"""On two cores it takes half a minute; where others use them too, several."""
STOP_SECONDS = 30.0
POLL_SECONDS = 0.5


class RealVllm:
    """Started by ``with``, which raises NotSetUp; ``url`` is the address of its server, without ``/v1``."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "vllm.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # Two threads wait for each other by spinning, and the gateway and the tests need a core as well.
        settings = (f"REAL_VLLM_PORT={port}", "OMP_NUM_THREADS=1")
        self._command = ("env", *settings, str(ROOT / "scripts" / "real-vllm"), "--serve")
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            status = self._ended()
            words = self._log.read_text(errors="replace").strip()
            if status == NOT_SET_UP:
                raise NotSetUp(words)
            if status is not None or time.monotonic() > deadline:
                self._stop()
                raise AssertionError(f"vLLM does not serve:\n{words[-4000:]}")
        return self

    def _ended(self) -> int | None:
        """Its exit status, once it has ended; it is waited for, for a moment."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(POLL_SECONDS)
        return self._process.returncode

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=10) as answer:
                return answer.status == 200
        except (HTTPError, URLError, OSError):
            return False

    def models(self) -> list[str]:
        """The names it serves, adapters among them."""
        with urlopen(f"{self.url}/v1/models", timeout=60) as answer:
            listed: dict[str, Any] = json.load(answer)
        return [model["id"] for model in listed["data"]]

    def root_of(self, name: str) -> str:
        """The folder that a model or an adapter was loaded from."""
        with urlopen(f"{self.url}/v1/models", timeout=60) as answer:
            listed: dict[str, Any] = json.load(answer)
        return next(model["root"] for model in listed["data"] if model["id"] == name)

    def metric(self, line_begins: str) -> float:
        """The sum of the samples in ``/metrics`` whose lines match ``line_begins``, a regular expression."""
        with urlopen(f"{self.url}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{line_begins}\S* (\S+)$", text, re.MULTILINE))

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Its engine is a process of its own, which a server that was killed leaves behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
