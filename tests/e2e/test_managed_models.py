"""Models that are changed at run time, as those who change them and those who call them meet it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.e2e.live import KEY, SOURCES, LiveServer


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` holds; the test's timeout bounds it."""
    while not condition():
        await asyncio.sleep(0.01)


def command(server: LiveServer, *arguments: str) -> None:
    """``switchgear models`` in the folder of a server."""
    program = [sys.executable, "-m", "switchgear", "models", *arguments]
    done = subprocess.run(
        program, cwd=server.directory, env={"PYTHONPATH": str(SOURCES)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def call(server: LiveServer, model: str) -> tuple[int, Mapping[str, str]]:
    """Status and headers of one completion."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    try:
        with urlopen(Request(f"{server.url}/v1/chat/completions", body, headers), timeout=10) as answer:
            return answer.status, dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, dict(error.headers)


async def test_a_model_of_the_control_database_is_called_warns_and_is_redirected_without_a_restart(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.yaml").write_text("deployments: [{model: sim/lorem}]\n", encoding="utf-8")
    with LiveServer(tmp_path) as server:
        assert call(server, "m")[0] == 404
        command(server, "put", "m", "m.yaml")
        await until(lambda: call(server, "m")[0] == 200)
        command(server, "deprecate", "m", "--retired", "2099-01-31", "--redirect-to", "echo")
        await until(lambda: "x-switchgear-model-warning" in call(server, "m")[1])
        command(server, "retire", "m")
        await until(lambda: call(server, "m")[1].get("x-switchgear-model-redirect") == "echo")
        assert call(server, "m")[1]["x-switchgear-deployment"] == "sim/echo"
        command(server, "revert", "m", "2")
        await until(lambda: "x-switchgear-model-redirect" not in call(server, "m")[1])
        command(server, "delete", "m")
        await until(lambda: call(server, "m")[0] == 404)
