"""`switchgear gateway` and `switchgear control`, each started alone, beside each other on the same journal."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import copy
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.conftest import NOBODY
from tests.e2e.live import DATABASE, SOURCES, migrated_database

CHAT = json.dumps({"model": "sim/echo", "messages": [{"role": "user", "content": "alone"}]}).encode()
COUNTED = r'^switchgear_calls_total\{[^}]*model="sim/echo"[^}]*\} (\d+)'
STRANGERS = ({"x-forwarded-for": "203.0.113.7"}, {"origin": "https://foreign.example"}, {"host": "foreign.example"})
FORGED = {"x-switchgear-gateway-peer": "local"}


@contextmanager
def alone(command: str, folder: Path) -> Generator[str]:
    """The URL at which `switchgear COMMAND --port 0` says that it listens; it ends well when it is told to."""
    environ = {"HOME": str(folder), "PYTHONPATH": str(SOURCES), "SSL_CERT_FILE": str(NOBODY)}
    process = subprocess.Popen(
        [sys.executable, "-m", "switchgear", command, "--port", "0"],
        env=environ,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = ""
    try:
        while (found := re.search(r"listens on (http://127\.0\.0\.1:\d+)\n", told)) is None:
            line = process.stderr.readline()
            assert line, told
            told += line
        yield found[1]
    finally:
        process.terminate()
        told += process.communicate(timeout=30)[1]
    assert (process.returncode, "Traceback" in told) == (0, False), told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both run: with a database that was migrated before, as at most starts."""
    made: Path = tmp_path_factory.mktemp("alone")
    (made / DATABASE).parent.mkdir()
    copy(migrated_database(), made / DATABASE)
    return made


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[str]:
    with alone("gateway", folder) as url:
        yield url


@pytest.fixture(scope="module")
def control(folder: Path, gateway: str) -> Iterator[str]:
    with alone("control", folder) as url:
        yield url


def asked(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> tuple[int, str]:
    """Status and body of an answer, whichever it is."""
    try:
        with urlopen(Request(url, body, {"content-type": "application/json", **(headers or {})}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        return refused.code, refused.read().decode()


def counted(url: str) -> int:
    """How many calls `/metrics` counts."""
    found = re.search(COUNTED, asked(f"{url}/metrics")[1], re.MULTILINE)
    return 0 if found is None else int(found[1])


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` holds; the test's timeout bounds it."""
    while not condition():
        await asyncio.sleep(0.01)


async def test_each_counts_the_calls_of_a_gateway_that_runs_alone(gateway: str, control: str) -> None:
    before = counted(gateway)
    status, answer = asked(f"{gateway}/v1/chat/completions", body=CHAT)
    assert (status, json.loads(answer)["choices"][0]["message"]["content"]) == (200, "alone")
    await until(lambda: counted(gateway) == before + 1)
    await until(lambda: counted(control) == before + 1)


def test_a_gateway_alone_answers_for_its_own_health(gateway: str) -> None:
    assert asked(f"{gateway}/healthz") == (200, '{"status":"ok"}')
    status, ready = asked(f"{gateway}/readyz")
    assert (status, json.loads(ready)["status"], json.loads(ready)["control"]) == (200, "ok", "none")


@pytest.mark.parametrize("path", ["/console", "/api/v1/keys", "/readyz/control"])
def test_a_gateway_alone_says_that_it_has_no_control_process(gateway: str, path: str) -> None:
    status, refusal = asked(f"{gateway}{path}")
    assert status == 404
    assert json.loads(refusal)["detail"] == f"there is no '{path}' here; this gateway runs without a control process"


def test_a_control_process_alone_has_the_console_and_management_and_makes_no_calls(control: str) -> None:
    assert json.loads(asked(f"{control}/readyz")[1])["control"] == "ok"
    assert "<html" in asked(f"{control}/console")[1]
    assert json.loads(asked(f"{control}/api/v1/keys")[1])["data"] == []
    assert asked(f"{control}/v1/chat/completions", body=CHAT)[0] == 404


@pytest.mark.parametrize("stranger", STRANGERS, ids=" ".join)
def test_metrics_of_either_are_for_callers_on_its_own_machine(
    gateway: str, control: str, stranger: Mapping[str, str]
) -> None:
    for url in (gateway, control):
        status, refusal = asked(f"{url}/metrics", {**stranger, **FORGED})
        assert status == 403
        assert "open to callers on the gateway's own machine only" in refusal
