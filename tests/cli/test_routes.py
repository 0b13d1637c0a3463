"""`switchgear routes`: what a file says of models, and the state that a gateway adds."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Final, cast

import pytest
from msgspec import json
from rich.console import Console
from typer.testing import CliRunner, Result

from switchgear.app.listing import Routes, listed_models, routes
from switchgear.cli import application
from switchgear.cli.output import draw, plain
from switchgear.cli.routes import blocks
from switchgear.config import parse
from switchgear.routing.report import BudgetReport, DeploymentReport, FleetReport, SilentGateway, Word

NOW_NS: Final = 1_700_000_000_000_000_000
FILE: Final = """
server: {port: PORT}
providers:
  sim: {kind: simulator}
  keyed: {kind: openai, api_keys: [sk-a, sk-b]}
routing: {total_seconds: 30}
models:
  fast:
    balance: fastest
    affinity: session
    deployments:
      - {model: sim/echo, tier: 1}
      - {model: keyed/gpt-4o, weight: 3}
      - {model: sim/openai:echo, weight: 2}
    hedging: {after_seconds: 0.5}
    resume: prefill
    retries: {attempts: 2}
    fallbacks: {any: [plain, sim/echo], context_length: [plain]}
    splits:
      - {when: 'header("x-beta") == "1"', to: {fast: 90, plain: 10}, sticky: user}
    shadow: {to: plain, percent: 5}
  plain: {deployments: [{model: sim/echo}]}
"""
DECLARED: Final = """\
fast: balance fastest, affinity session, 2 attempts, 30 s, hedged after 0.5 s, resumes broken streams
  tier  deployment       share
  0     keyed/gpt-4o#1   38%
  0     keyed/gpt-4o#2   38%
  0     sim/openai:echo  25%
  1     sim/echo         100%
  falls back on any: plain, sim/echo
  falls back on context_length: plain
  split: 90% fast, 10% plain, sticky by user, when header("x-beta") == "1"
  shadow: 5% to plain

plain: balance weighted, 3 attempts, 30 s
  tier  deployment  share
  0     sim/echo    100%

"""


class Gateway(ThreadingHTTPServer):
    """Answers every question with `answer`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.answer: object = Routes(models=[])
        self.status = 200
        self.asked: list[str] = []


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        gateway = cast("Gateway", self.server)
        gateway.asked.append(self.path)
        body = json.encode(gateway.answer)
        self.send_response(gateway.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the test's own output."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, port: int) -> None:
    (folder / "switchgear.yaml").write_text(FILE.replace("PORT", str(port)), encoding="utf-8")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application(), ["routes", *arguments])


REPORTS: Final = (
    FleetReport(
        gateway="g0",
        deployments=(
            DeploymentReport(name="keyed/gpt-4o#1", breaker="open", open_until_ns=NOW_NS + 4_200_000_000, opened=2),
            DeploymentReport(name="keyed/gpt-4o#2", cool_until_ns=NOW_NS + 1_500_000_000, failures_in_a_row=1),
            DeploymentReport(name="sim/echo", in_flight=3, waiting=1, first_token_seconds=0.25),
            DeploymentReport(name="sim/other", breaker="half_open", opened=1),
        ),
        retry_budgets=(BudgetReport(name="keyed", left=4, spent=6),),
    ),
)
WORD: Final = Word(reports=REPORTS)


def lines(found: Routes) -> list[str]:
    """What a pipe gets."""
    return list(plain(blocks(found, NOW_NS)))


def drawn(found: Routes, width: int = 160) -> str:
    """What a terminal shows, with its colours."""
    console = Console(file=StringIO(), force_terminal=True, color_system="standard", width=width, highlight=False)
    draw(blocks(found, NOW_NS), console)
    return cast("StringIO", console.file).getvalue()


def test_a_file_alone_says_where_calls_go(folder: Path) -> None:
    write(folder, 0)
    done = run()
    assert done.exit_code == 0
    assert done.stdout == DECLARED
    assert "name the gateway by --url" in done.stderr


def test_without_a_gateway_at_its_address_the_file_is_shown_with_a_note(folder: Path) -> None:
    with Gateway() as closed:
        port = closed.server_port
    write(folder, port)
    done = run()
    assert done.exit_code == 0
    assert done.stdout == DECLARED
    assert "Without the state of deployments: no answer from" in done.stderr


def test_the_gateway_at_the_files_address_adds_the_state(folder: Path, gateway: Gateway) -> None:
    write(folder, gateway.server_port)
    gateway.answer = Routes(models=[], deployments=list(REPORTS[0].deployments), gateways=list(REPORTS))
    done = run()
    assert done.exit_code == 0
    assert gateway.asked == ["/api/v1/routes"]
    assert "falls back on any: plain, sim/echo" in done.stdout
    assert "half open, probing" in done.stdout


def test_a_gateway_that_is_named_must_answer(folder: Path, gateway: Gateway) -> None:
    gateway.answer = ["no gateway"]
    done = run("--url", f"http://127.0.0.1:{gateway.server_port}")
    assert done.exit_code == 1
    assert "is no gateway of this version" in done.stderr
    gateway.status = 404
    assert run("--url", f"http://127.0.0.1:{gateway.server_port}").exit_code == 1


def test_the_json_is_what_the_gateway_answers(folder: Path, gateway: Gateway) -> None:
    config = parse(FILE.replace("PORT", "0"), "file", {})
    answer = gateway.answer = routes(config, WORD)
    done = run("--json", "--url", f"http://127.0.0.1:{gateway.server_port}/v1")
    assert json.decode(done.stdout, type=Routes) == answer


def test_the_state_stands_beside_each_deployment() -> None:
    config = parse(FILE.replace("PORT", "0"), "file", {})
    told = lines(routes(config, WORD))
    rows = {line.split()[1]: line for line in told if line.startswith("  0")}
    assert "  open for 4.2 s  " in rows["keyed/gpt-4o#1"]
    assert "  closed, failed 1× in a row, rate limited for 1.5 s  " in rows["keyed/gpt-4o#2"]
    assert "  nothing known yet  " in rows["sim/openai:echo"]
    assert [line.split()[-5:] for line in told if line.startswith("  1 ")] == [["3", "1", "0.250", "s", "0"]]
    assert told[-4] == "Called by provider/model:"
    assert told[-2].startswith("  sim/other   half open, probing")
    assert told[-1] == "second tries at keyed: 6 made, 4 may be made now"


def test_a_configuration_without_models_says_so() -> None:
    config = parse("providers: {sim: {kind: simulator}}", "file", {})
    assert lines(Routes(models=listed_models(config)))[0].startswith("No models are declared")


def test_what_servers_say_has_a_column_where_one_says_something() -> None:
    config = parse(FILE.replace("PORT", "0"), "file", {})
    busy = DeploymentReport(name="sim/echo", server_running=114, server_waiting=186, server_cache_usage=0.314)
    silent = DeploymentReport(name="sim/openai:echo", server_running=1, server_waiting=0)
    told = lines(routes(config, Word(reports=(FleetReport(gateway="g0", deployments=(busy, silent)),))))
    assert told[1].endswith("  opened  at its server")
    assert [line.rpartition("  ")[2].strip() for line in told if "closed" in line] == [
        "1 running, 0 waiting",
        "114 running, 186 waiting, cache 31% full",
        "114 running, 186 waiting, cache 31% full",
    ]


def test_a_gateway_that_fell_silent_is_named_and_what_it_told_is_left_out() -> None:
    config = parse(FILE.replace("PORT", "0"), "file", {})
    silent = SilentGateway(gateway="g1-abcd", age_seconds=42.4)
    told = lines(routes(config, Word(silent=(silent,))))
    assert told == [*DECLARED.splitlines(), "gateway g1-abcd has told nothing for 42 s: its part is left out"]
    assert "g1-abcd" not in "\n".join(lines(routes(config, WORD)))


def test_a_terminal_gets_tables_in_colour_with_the_same_words() -> None:
    found = routes(parse(FILE.replace("PORT", "0"), "file", {}), WORD)
    shown = drawn(found)
    assert "\x1b[31mopen for 4.2 s" in shown
    assert "\x1b[33mhalf open, probing" in shown
    assert "\x1b[32mclosed" in shown
    bare = re.sub(r"\x1b\[[0-9;]*m|[─│╷╵]", "", shown)
    assert bare.split() == " ".join(lines(found)).split()


def test_a_narrow_terminal_is_not_overrun() -> None:
    found = routes(parse(FILE.replace("PORT", "0"), "file", {}), WORD)
    assert all(len(line) <= 60 for line in re.sub(r"\x1b\[[0-9;]*m", "", drawn(found, 60)).splitlines())
