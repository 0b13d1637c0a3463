"""Processes: nothing is lost when they are killed, restarted, reconfigured or stopped."""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest

from switchgear.models.signature import PrivateKey
from tests.e2e.live import CONFIG, KEY, LiveServer, records
from tests.e2e.load import Load


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` holds; the test's timeout bounds it."""
    while not condition():
        await asyncio.sleep(0.01)


async def test_a_killed_gateway_has_recorded_every_call_whose_reply_ended(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        loads = [Load(server.url, stream=stream) for stream in (False, True)]
        running = [asyncio.create_task(load.run(4)) for load in loads]
        await until(lambda: min(len(load.answered) for load in loads) > 100)
        (first,) = server.gateway_pids()
        os.kill(first, signal.SIGKILL)
        seen = [len(load.answered) for load in loads]
        await until(lambda: all(len(load.answered) > before + 50 for load, before in zip(loads, seen, strict=True)))
        for load in loads:
            load.stop()
        await asyncio.gather(*running)
        assert server.gateway_pids() != [first]
        server.stop()
        times = Counter(record.id for record in records(server))
    assert not [call for load in loads for call in load.answered if times[call] != 1]
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


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("lasting")) as server:
        yield server


@pytest.fixture(scope="module")
def first_version(lasting: LiveServer) -> object:
    return lasting.ready()["config"]


@pytest.fixture
async def configured(lasting: LiveServer, first_version: object) -> LiveServer:
    """A server with CONFIG in force, whatever a test before left there."""
    lasting.write_config(CONFIG)
    await until(lambda: not (facts := lasting.ready())["config_problem"] and facts["config"] == first_version)
    return lasting


async def test_a_new_configuration_is_in_force_within_a_second_or_so_and_fails_no_call(configured: LiveServer) -> None:
    before = configured.ready()["config"]
    load = Load(configured.url)
    running = asyncio.get_running_loop().create_task(load.run(4))
    configured.write_config(CONFIG + "  second: {{deployments: [{{model: sim/echo}}]}}\n")
    await until(lambda: configured.ready()["config"] != before)
    load.stop()
    await running
    assert not load.failed
    assert load.interrupted == 0


async def test_a_broken_configuration_keeps_the_old_one_and_says_why(configured: LiveServer) -> None:
    before = configured.ready()["config"]
    configured.write_config(CONFIG.replace("deployments", "deploymants"))
    await until(lambda: configured.ready()["config_problem"])
    after = configured.ready()
    assert after["config"] == before
    assert "deploymants" in str(after["config_problem"])
    configured.write_config(CONFIG)
    await until(lambda: not configured.ready()["config_problem"])


async def test_a_table_of_prices_that_was_changed_after_it_was_signed_keeps_the_old_one_and_says_why(
    configured: LiveServer,
) -> None:
    signer, without = PrivateKey.new(), configured.ready()["config"]
    table = configured.directory / "prices.json"
    table.write_bytes(b'{"version": "1", "vendors": {}}')
    table.with_name("prices.json.sig").write_bytes(signer.sign(table.read_bytes()))
    configured.write_config(f'prices: {{{{file: "{table}", trusted_keys: ["{signer.public.text}"]}}}}\n{CONFIG}')
    await until(lambda: configured.ready()["config"] != without)
    before = configured.ready()["config"]
    table.write_bytes(b'{"version": "2", "vendors": {}}')
    await until(lambda: configured.ready()["config_problem"])
    assert configured.ready()["config"] == before
    assert "is not what the key" in str(configured.ready()["config_problem"])
    table.with_name("prices.json.sig").write_bytes(signer.sign(table.read_bytes()))
    await until(lambda: configured.ready()["config"] != before)
    assert not configured.ready()["config_problem"]


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


async def kill_while_it_starts(server: LiveServer, module: str, times: int) -> None:
    """Kill processes of a server that begins, each as soon as it is there."""
    killed: set[int] = set()
    while len(killed) < times:
        for pid in set(server.child_pids(module)) - killed if hasattr(server, "process") else ():
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("module", ["control", "gateway"])
async def test_a_process_that_is_killed_while_serve_begins_is_started_again(tmp_path: Path, module: str) -> None:
    server = LiveServer(tmp_path)
    killing = asyncio.create_task(kill_while_it_starts(server, f"switchgear.processes.{module}", 1))
    try:
        await asyncio.to_thread(server.__enter__)
        await killing
        assert control_status(server) == 200
        assert (server.ready()["status"], server.ready()["control"]) == ("ok", "ok")
        told = f"{module}( 0)? was killed by SIGKILL before it was ready; starting another"
        assert re.search(told, server.errors())
        assert server.stop() == 0
    finally:
        server.__exit__(None, None, None)


async def test_serve_says_why_it_ends_where_something_kills_its_control_process_again_and_again(tmp_path: Path) -> None:
    server = LiveServer(tmp_path)
    killing = asyncio.create_task(kill_while_it_starts(server, "switchgear.processes.control", 4))
    try:
        with pytest.raises(AssertionError, match="so serve ends: again and again something kills it"):
            await asyncio.to_thread(server.__enter__)
        await killing
        assert server.process.wait(timeout=30) == 1
    finally:
        server.__exit__(None, None, None)


async def test_calls_go_on_while_the_control_process_is_down(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        (control,) = server.child_pids("switchgear.processes.control")
        os.kill(control, signal.SIGSTOP)
        assert server.get("/healthz")[0] == 200
        assert server.ready()["control"] == "down"
        assert control_status(server) == 503
        load = Load(server.url)
        running = asyncio.get_running_loop().create_task(load.run(2))
        await until(lambda: len(load.answered) > 20)
        load.stop()
        await running
        os.kill(control, signal.SIGKILL)
        await until(lambda: server.child_pids("switchgear.processes.control") not in ([], [control]))
        await until(lambda: control_status(server) == 200)
        assert server.ready()["control"] == "ok"
        assert not load.failed


def control_status(server: LiveServer) -> int:
    """What /readyz/control answers."""
    try:
        return server.get("/readyz/control")[0]
    except HTTPError as refused:
        return refused.code


async def test_metrics_and_the_console_show_the_calls(live: LiveServer) -> None:
    load = Load(live.url)
    running = asyncio.get_running_loop().create_task(load.run(1))
    await until(lambda: load.answered)
    load.stop()
    await running

    def shown() -> list[dict[str, str]]:
        return json.loads(live.get("/api/v1/calls?limit=1")[2])["data"]

    await until(lambda: (calls := shown()) and calls[0]["id"] == load.answered[-1])
    assert shown()[0]["key"] == "tester"
    await until(lambda: b'switchgear_calls_total{door="openai"' in live.get("/metrics")[2])
    page = live.get("/console")[2].decode()
    assert "sim/echo (simulator)" in page
    assert KEY not in page


def test_without_a_configuration_the_simulator_answers_without_a_key(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with LiveServer(tmp_path, config=None, environ=environ) as server:
        assert "openai" in server.banner
        assert json.loads(server.get("/v1/models")[2])["data"]
