"""The ledger of a live server: every attempt is one row, whatever became of the call."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.live import CONFIG, SOURCES, LiveServer, records
from tests.e2e.load import Load

PRICES = "prices: {{echo: {{input: 1, output: 2}}}}"


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


def ledger(server: LiveServer, *arguments: str) -> Any:
    """What ``switchgear ledger`` says, as JSON."""
    finished = subprocess.run(
        [sys.executable, "-m", "switchgear", "ledger", *arguments, "--config", "switchgear.yaml", "--json"],
        cwd=server.directory,
        env={"HOME": str(server.directory), "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads(finished.stdout)


def in_the_ledger(server: LiveServer) -> int:
    """How many attempts have been taken in."""
    return sum(line["attempts"] for line in ledger(server, "statement"))


async def test_every_call_is_in_the_ledger_although_gateway_and_control_process_are_killed(tmp_path: Path) -> None:
    priced = CONFIG.replace(
        "sim: {{kind: simulator}}", "sim: {{kind: simulator, prices: {{echo: {{input: 1, output: 2}}}}}}"
    )
    with LiveServer(tmp_path, priced) as server:
        load = Load(server.url)
        running = asyncio.create_task(load.run(4))
        for victim in ("switchgear.processes.gateway", "switchgear.processes.control"):
            seen = len(load.answered)
            await until(lambda: len(load.answered) > seen + 50)  # noqa: B023 (it is done with before the next round)
            (process,) = server.child_pids(victim)
            os.kill(process, signal.SIGKILL)
            await until(lambda: server.child_pids(victim) not in ([], [process]))  # noqa: B023 (the same)
        seen = len(load.answered)
        await until(lambda: len(load.answered) > seen + 50)
        load.stop()
        await running
        written = records(server)
        expected = {record.id: sum(attempt.cost_nano_usd for attempt in record.attempts) for record in written}
        await until(lambda: in_the_ledger(server) >= len(expected))
        (found,) = ledger(server, "statement")
        proofs = ledger(server, "reconcile")
    assert set(load.answered) <= set(expected)
    assert (found["calls"], found["cost_nano_usd"]) == (len(expected), sum(expected.values()))
    assert found["cost_nano_usd"] > 0
    assert [proof["differing"] for proof in proofs] == [0, 0]
    assert proofs[0]["compared"] == len(expected)
