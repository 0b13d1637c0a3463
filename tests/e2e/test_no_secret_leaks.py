"""Secrets stay where they are kept: every file that a live installation writes, and everything it says, is searched."""

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from switchgear.auth.master_key import VARIABLE
from tests.config.secret_stores.fake_vault import TOKEN, FakeVault
from tests.console.stand import PASSWORD
from tests.e2e.live import LiveServer
from tests.e2e.test_changes import MASTER, answers, ask, command, config, port_of, until_all

PLANTED = "planted-value-nobody-may-see"
PROVIDERS = """providers:
  down:
    {{kind: openai_compatible, base_url: "http://127.0.0.1:9/v1", api_key: "${{secret:vendor}}",
      headers: {{x-team: "${{PLANTED_HEADER}}"}}}}
  kept_elsewhere:
    {{kind: openai_compatible, base_url: "http://127.0.0.1:9/v1", api_key: "${{vault:old/vendor#api_key}}"}}
"""
TRACE = "(most recent call first)"
REFRESH = "secrets: {{refresh_seconds: 1}}\n"


def said(server: LiveServer, path: str) -> bytes:
    """What a path answers, success or not."""
    try:
        with urlopen(server.url + path, timeout=10) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        return error.read()


async def until(done: Callable[[], bool]) -> None:
    """Wait for it; the test's timeout bounds it."""
    while not done():
        await asyncio.sleep(0.05)


async def crash(server: LiveServer) -> None:
    """Have a gateway die of a fault, and wait for the next one, which must leave no core file whatever it inherits."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.prlimit(server.process.pid, resource.RLIMIT_CORE, (most, most))
    (before,) = server.gateway_pids()
    os.kill(before, signal.SIGABRT)
    await until(lambda: server.gateway_pids() not in ([], [before]))
    await until(lambda: "Fatal Python error: Aborted" in server.errors())
    (after,) = server.gateway_pids()
    await until(lambda: resource.prlimit(after, resource.RLIMIT_CORE)[0] == 0)
    told = server.errors().count(TRACE)
    os.kill(after, signal.SIGUSR1)
    await until(lambda: server.errors().count(TRACE) > told)


async def test_no_sink_of_a_live_installation_holds_a_secret(tmp_path: Path) -> None:
    environ = {VARIABLE: MASTER, "PLANTED_HEADER": f"header-{PLANTED}", "VAULT_TOKEN": TOKEN}
    text = REFRESH + config(1, tmp_path)
    with FakeVault() as vault, LiveServer(tmp_path, text, {**environ, "VAULT_ADDR": vault.url}) as server:
        vault.plain["vendor"] = {"api_key": f"vault-{PLANTED}"}
        port = port_of(server)
        command(server, "secrets", "set", "vendor", typed=f"vendor-{PLANTED}")
        command(server, "users", "create", "kim", typed=PASSWORD)
        key = await asyncio.to_thread(command, server, "keys", "create", "bot")
        await until_all(port, key, 200)
        before = server.ready()["config"]
        server.write_config(text.replace("providers:\n", PROVIDERS))
        await until(lambda: server.ready()["config"] != before)
        first = server.ready()
        assert first["config_problem"] == ""
        vault.plain["vendor"] = {"api_key": f"rotated-{PLANTED}"}
        await until(lambda: server.ready()["config"] != first["config"])
        await crash(server)
        await until_all(port, key, 200)
        vault.stop()
        await until(lambda: "${vault:old/vendor#api_key}" in str(server.ready()["config_problem"]))
        facts = server.ready()
        for _ in range(3):
            await ask(port, f"{key}-wrong")
        await answers(port, key, 4)
        paths = ("/readyz", "/metrics", "/console", "/api/v1/keys", "/api/v1/secrets", "/api/v1/audit", "/api/v1/calls")
        outside = repr(facts).encode() + b"".join([said(server, path) for path in paths])
        server.stop()
    sinks = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    sinks["answers"] = outside
    secrets = (PLANTED, PASSWORD, MASTER, TOKEN, key, key.rpartition("-")[2])
    found = [(name, secret[:12]) for name, held in sinks.items() for secret in secrets if secret.encode() in held]
    assert found == []
    assert any(name.endswith("control.feed") for name in sinks)
    assert any(name.endswith("control.db") for name in sinks)
