"""Models that are changed at run time, as those who change them and those who call them meet it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.e2e.live import KEY, SOURCES, LiveServer, records


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("managed")) as running:
        yield running


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
    server: LiveServer,
) -> None:
    (server.directory / "m.yaml").write_text("deployments: [{model: sim/lorem}]\n", encoding="utf-8")
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


def manage(server: LiveServer, method: str, path: str, body: object, etag: str = "") -> tuple[int, str, bytes]:
    """Status, ETag and body of one request to the management API, as whoever is on the gateway's machine."""
    headers = {"content-type": "application/json", **({"if-match": etag} if etag else {})}
    request = Request(f"{server.url}/api/v1{path}", json.dumps(body).encode(), headers, method=method)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers.get("etag", ""), answer.read()
    except HTTPError as error:
        with error:
            return error.code, "", error.read()


async def test_what_the_management_api_changes_holds_for_the_next_calls(server: LiveServer) -> None:
    spec = {"deployments": [{"model": "sim/lorem"}], "card": {"capabilities": {"max_output_tokens": 5}}}
    status, etag, _ = manage(server, "POST", "/models", {"name": "team/m", "spec": spec})
    assert (status, etag) == (201, '"1"')
    await until(lambda: call(server, "team/m")[0] == 200)
    assert manage(server, "POST", "/models/echo/stage", {"stage": "deprecated"}, "*")[0] == 409
    assert manage(server, "POST", "/models/team/m/stage", {"stage": "deprecated"}, etag)[0] == 200
    await until(lambda: "x-switchgear-model-warning" in call(server, "team/m")[1])
    price = {"name": "sim/lorem", "spec": {"input": "1000000", "output": "1000000"}}
    assert manage(server, "POST", "/prices", price)[0] == 201
    await until(lambda: call(server, "team/m")[0] == 200 and records(server)[-1].attempts[0].cost_nano_usd > 0)
