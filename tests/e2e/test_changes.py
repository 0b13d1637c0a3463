"""Changes at run time: every gateway takes up each of them, at once and whole."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from subprocess import run as run_command

import pytest

from switchgear.auth.master_key import VARIABLE
from switchgear.config.feed import FEED_FILE
from tests.e2e.live import CONFIG, SOURCES, LiveServer

MASTER = "0123456789abcdef" * 4
CHANGES = 50
PACE_SECONDS = 0.02
"""Between two looks, so that who looks does not take the processors from those who are looked at."""


def config(workers: int, folder: Path) -> str:
    text = CONFIG.replace("server: {{", f"server: {{{{workers: {workers}, ")
    return f"control: {{{{database: {folder / 'control.db'}}}}}\n{text}"


def command(server: LiveServer, *arguments: str, typed: str = "") -> str:
    """A command of the operator's, as they would type it."""
    environ = {"HOME": str(server.directory), "PYTHONPATH": str(SOURCES), VARIABLE: MASTER}
    path = str(server.directory / "switchgear.yaml")
    done = run_command(
        [sys.executable, "-m", "switchgear", *arguments, "--config", path],
        env=environ,
        cwd=server.directory,
        capture_output=True,
        input=typed,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def ask(port: int, key: str) -> tuple[int, Mapping[str, str]]:
    """One call on a connection of its own, so that any gateway may take it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]}).encode()
    head = f"host: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{head}".encode() + body)
    answer = (await reader.read()).partition(b"\r\n\r\n")[0].decode("latin-1")
    writer.close()
    status, *lines = answer.split("\r\n")
    return int(status.split()[1]), {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


async def answers(port: int, key: str, at_once: int = 24) -> set[int]:
    """What as many calls at once are answered: many enough that several gateways take part."""
    return {status for status, _ in await asyncio.gather(*(ask(port, key) for _ in range(at_once)))}


async def until_all(port: int, key: str, status: int) -> float:
    """Seconds until every call is answered with ``status``; the test's timeout bounds it."""
    began = time.monotonic()
    while await answers(port, key) != {status}:
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def port_of(server: LiveServer) -> int:
    found = re.search(r":(\d+)", server.url.partition("//")[2])
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("workers", [3, pytest.param(8, marks=pytest.mark.long)])
@pytest.mark.timeout(300)
async def test_all_gateways_take_up_every_change_of_the_file_and_of_the_database(tmp_path: Path, workers: int) -> None:
    """AT16: they converge, every response names its version, and no version means two things for a key."""
    with LiveServer(tmp_path, config(workers, tmp_path), {VARIABLE: MASTER}) as server:
        port = port_of(server)
        meanings: dict[tuple[str, str], set[int]] = {}
        stopped = asyncio.Event()
        key = await asyncio.to_thread(command, server, "keys", "create", "bot")
        await until_all(port, key, 200)

        async def watch() -> None:
            while not stopped.is_set():
                asked = key
                for status, headers in await asyncio.gather(*(ask(port, asked) for _ in range(4))):
                    meanings.setdefault((asked, headers["x-switchgear-config"]), set()).add(status)
                await asyncio.sleep(PACE_SECONDS)

        watching = asyncio.get_running_loop().create_task(watch())
        for number in range(CHANGES // 10 if workers < 8 else CHANGES):
            alias = f"  alias-{number}: {{{{deployments: [{{{{model: sim/echo}}}}]}}}}\n"
            server.write_config(config(workers, tmp_path) + alias)
            if number % 2:
                key = await asyncio.to_thread(command, server, "keys", "rotate", "bot", "--grace", "1h")
            await until_all(port, key, 200)
        await asyncio.to_thread(command, server, "keys", "revoke", "bot")
        await until_all(port, key, 401)
        stopped.set()
        await watching
    assert all(len(statuses) == 1 for statuses in meanings.values()), meanings


async def test_known_keys_go_on_without_a_control_process_and_a_torn_feed_changes_nothing(tmp_path: Path) -> None:
    with LiveServer(tmp_path, config(1, tmp_path), {VARIABLE: MASTER}) as server:
        port = port_of(server)
        key = await asyncio.to_thread(command, server, "keys", "create", "bot")
        await until_all(port, key, 200)
        (control,) = server.child_pids("switchgear.processes.control")
        os.kill(control, signal.SIGSTOP)
        feed = server.journal / FEED_FILE
        whole = feed.read_bytes()
        feed.write_bytes(whole[:-20])
        while b"is torn, or was changed by another hand" not in (tmp_path / "stderr.log").read_bytes():
            await asyncio.sleep(0.02)
        assert await answers(port, key) == {200}
        facts = server.ready()
        assert facts["control"] == "down"
        assert isinstance(facts["feed_age_seconds"], float)
        assert "is torn" in str(facts["config_problem"])
        os.kill(control, signal.SIGCONT)
        while server.ready()["config_problem"]:
            await asyncio.sleep(0.05)
        assert await answers(port, key) == {200}
