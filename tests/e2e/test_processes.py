"""Processes: nothing is lost when they are killed, restarted, reconfigured or stopped."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from switchgear.models.signature import PrivateKey
from tests.e2e.live import CONFIG, KEY, LiveServer, records
from tests.e2e.load import Load


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` holds; the test's timeout bounds it."""
    while not condition():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_killed_gateway_has_recorded_every_call_whose_reply_ended(tmp_path: Path, *, stream: bool) -> None:
    with LiveServer(tmp_path) as server:
        load = Load(server.url, stream=stream)
        running = asyncio.get_running_loop().create_task(load.run(8))
        await until(lambda: len(load.answered) > 200)
        (first,) = server.gateway_pids()
        os.kill(first, signal.SIGKILL)
        seen = len(load.answered)
        await until(lambda: len(load.answered) > seen + 100)
        load.stop()
        await running
        assert server.gateway_pids() != [first]
        server.stop()
        times = Counter(record.id for record in records(server))
    assert not [call for call in load.answered if times[call] != 1]
    assert max(times.values()) == 1


async def test_a_rolling_restart_fails_no_call_and_loses_no_record(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        load = Load(server.url)
        running = asyncio.get_running_loop().create_task(load.run(8))
        await until(lambda: len(load.answered) > 50)
        (old,) = server.gateway_pids()
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: (pids := server.gateway_pids()) and old not in pids)
        seen = len(load.answered)
        await until(lambda: len(load.answered) > seen + 50)
        load.stop()
        await running
        server.stop()
        recorded = {record.id for record in records(server)}
    assert not load.failed
    assert load.interrupted == 0
    assert set(load.answered) <= recorded


async def test_a_new_configuration_is_in_force_within_a_second_or_so_and_fails_no_call(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        before = server.ready()["config"]
        load = Load(server.url)
        running = asyncio.get_running_loop().create_task(load.run(4))
        server.write_config(CONFIG + "  second: {{deployments: [{{model: sim/echo}}]}}\n")
        await until(lambda: server.ready()["config"] != before)
        load.stop()
        await running
        assert not load.failed
        assert load.interrupted == 0


async def test_a_broken_configuration_keeps_the_old_one_and_says_why(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        before = server.ready()["config"]
        server.write_config(CONFIG.replace("deployments", "deploymants"))
        await until(lambda: server.ready()["config_problem"])
        after = server.ready()
        assert after["config"] == before
        assert "deploymants" in str(after["config_problem"])
        server.write_config(CONFIG)
        await until(lambda: not server.ready()["config_problem"])


async def test_a_table_of_prices_that_was_changed_after_it_was_signed_keeps_the_old_one_and_says_why(
    tmp_path: Path,
) -> None:
    signer = PrivateKey.new()
    table = tmp_path / "prices.json"
    table.write_bytes(b'{"version": "1", "vendors": {}}')
    table.with_name("prices.json.sig").write_bytes(signer.sign(table.read_bytes()))
    prices = f'prices: {{{{file: "{table}", trusted_keys: ["{signer.public.text}"]}}}}\n'
    with LiveServer(tmp_path, prices + CONFIG) as server:
        before = server.ready()["config"]
        table.write_bytes(b'{"version": "2", "vendors": {}}')
        await until(lambda: server.ready()["config_problem"])
        assert server.ready()["config"] == before
        assert "is not what the key" in str(server.ready()["config_problem"])
        table.with_name("prices.json.sig").write_bytes(signer.sign(table.read_bytes()))
        await until(lambda: server.ready()["config"] != before)
        assert not server.ready()["config_problem"]


def test_serve_stops_at_once_when_nothing_is_under_way(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        assert server.stop() == 0
        assert server.gateway_pids() == []


async def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        children = server.gateway_pids() + server.child_pids("switchgear.processes.control")
        assert len(children) == 2
        server.process.kill()
        await until(lambda: not [pid for pid in children if _alive(pid)])


def _alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_calls_go_on_while_the_control_process_is_down(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        (control,) = server.child_pids("switchgear.processes.control")
        os.kill(control, signal.SIGSTOP)
        assert server.get("/healthz")[0] == 200
        assert server.ready()["control"] == "down"
        load = Load(server.url)
        running = asyncio.get_running_loop().create_task(load.run(2))
        await until(lambda: len(load.answered) > 20)
        load.stop()
        await running
        os.kill(control, signal.SIGKILL)
        await until(lambda: server.child_pids("switchgear.processes.control") not in ([], [control]))
        assert not load.failed


async def test_metrics_and_the_console_show_the_calls(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        load = Load(server.url)
        running = asyncio.get_running_loop().create_task(load.run(1))
        await until(lambda: load.answered)
        load.stop()
        await running
        await until(lambda: b'switchgear_calls_total{door="openai"' in server.get("/metrics")[2])
        page = server.get("/console")[2].decode()
        assert "sim/echo" in page
        assert KEY not in page
        assert json.loads(server.get("/api/v1/calls?limit=1")[2])["data"][0]["key"] == "tester"


def test_without_a_configuration_the_simulator_answers_without_a_key(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with LiveServer(tmp_path, config=None, environ=environ) as server:
        assert "openai" in server.banner
        assert json.loads(server.get("/v1/models")[2])["data"]
