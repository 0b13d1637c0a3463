"""The commands as a user meets them: output, exit status, and errors in one block on standard error."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from msgspec import json
from typer.testing import CliRunner, Result

from scripts.cli_reference import command_paths, help_text
from switchgear.cli import application
from switchgear.config import load, schema

SECRET: Final = "sk-a-value-nobody-may-see"
GOOD: Final = """
providers:
  openai: {kind: openai, api_key: ${OPENAI_API_KEY}, base_url: http://127.0.0.1:1/v1}
  sim: {kind: simulator}
models:
  fast: {deployments: [{model: openai/gpt-4o-mini, weight: 3}, {model: sim/echo}]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each command runs in an empty folder, in an environment that configures nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(application(), list(arguments), env=environment)


def test_version_names_the_product_and_python() -> None:
    done = run("version")
    assert done.exit_code == 0
    assert re.fullmatch(r"switchgear \d+\.\d+\.\d+\S* \(Python 3\.\d+\.\d+\S*\)\n", done.stdout)


def test_init_writes_a_configuration_that_loads_and_prints_its_key_once(folder: Path) -> None:
    done = run("init")
    assert done.exit_code == 0
    key = done.stdout.strip()
    assert re.fullmatch(r"sk-sg-[0-9a-f]{48}", key)
    assert key not in done.stderr
    text = (folder / "switchgear.yaml").read_text(encoding="utf-8")
    assert key not in text
    assert text.startswith("# yaml-language-server: $schema=./switchgear.schema.json\n")
    config = load(folder / "switchgear.yaml", {})
    assert config.keys[0].digest() == hashlib.sha256(key.encode()).digest()
    assert json.decode((folder / "switchgear.schema.json").read_bytes()) == schema()
    assert run("check").exit_code == 0


def test_init_refers_to_the_providers_of_the_environment_and_copies_no_secret(folder: Path) -> None:
    environment = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OLLAMA_HOST": "0.0.0.0"}
    assert run("init", "--path", "own.yaml", environment=environment).exit_code == 0
    text = (folder / "own.yaml").read_text(encoding="utf-8")
    assert SECRET not in text
    assert "api_key: ${OPENAI_API_KEY}" in text
    assert "base_url: ${OPENAI_BASE_URL}" in text
    config = load(folder / "own.yaml", environment)
    assert config.providers["ollama"].base_url == "http://127.0.0.1:11434/v1"
    assert run("check", "-c", "own.yaml", environment=environment).exit_code == 0


def test_init_leaves_a_file_that_is_there_alone_unless_forced(folder: Path) -> None:
    (folder / "switchgear.yaml").write_text(GOOD, encoding="utf-8")
    done = run("init")
    assert done.exit_code == 1
    assert done.stderr == "error: switchgear.yaml is already there; --force overwrites it\n"
    assert (folder / "switchgear.yaml").read_text(encoding="utf-8") == GOOD
    assert run("init", "--force").exit_code == 0
    assert (folder / "switchgear.yaml").read_text(encoding="utf-8") != GOOD


def test_init_into_a_folder_that_is_not_there_says_so() -> None:
    done = run("init", "--path", "nowhere/switchgear.yaml")
    assert (done.exit_code, done.stderr) == (
        1,
        "error: nowhere/switchgear.yaml cannot be written: No such file or directory\n",
    )


def test_check_prints_what_the_configuration_says_and_no_secret(folder: Path) -> None:
    (folder / "switchgear.yaml").write_text(GOOD, encoding="utf-8")
    done = run("check", environment={"OPENAI_API_KEY": SECRET})
    assert done.exit_code == 0
    assert re.search(r"fast +0 +openai/gpt-4o-mini +75%", done.stdout)
    assert re.search(r"openai +openai +http://127\.0\.0\.1:1/v1 +yes", done.stdout)
    assert SECRET not in done.output


def test_check_prints_json_for_programs(folder: Path) -> None:
    (folder / "switchgear.yaml").write_text(GOOD, encoding="utf-8")
    done = run("check", "--json", environment={"OPENAI_API_KEY": SECRET})
    summary = json.decode(done.stdout, type=dict[str, object])
    assert summary["listens"] == "127.0.0.1:4000"
    assert summary["deployments"] == [
        {"model": "fast", "tier": 0, "deployment": "openai/gpt-4o-mini", "share": 0.75},
        {"model": "fast", "tier": 0, "deployment": "sim/echo", "share": 0.25},
    ]
    assert SECRET not in done.output


def test_check_without_a_file_shows_what_the_environment_offers() -> None:
    done = run("check", "--json", environment={"ANTHROPIC_API_KEY": SECRET})
    assert done.exit_code == 0
    assert '"source": "the environment"' in done.stdout
    assert '"name": "anthropic"' in done.stdout


def test_check_tells_all_problems_in_one_block_and_fails(folder: Path) -> None:
    (folder / "bad.yaml").write_text(GOOD.replace("weight", "wieght").replace("sim/echo", "smi/echo"), encoding="utf-8")
    done = run("check", "--config", "bad.yaml", environment={"OPENAI_API_KEY": SECRET})
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: 2 problems\n"
        "  bad.yaml:6:52: unknown key 'wieght' in models.fast.deployments[0]; did you mean 'weight'?\n"
        "  bad.yaml:6:72: unknown provider 'smi'; did you mean 'sim'?\n"
    )


def test_check_prints_the_schema() -> None:
    assert json.decode(run("check", "--schema").stdout) == schema()


def test_a_new_key_and_its_entry_belong_together(folder: Path) -> None:
    done = run("key", "new", "support-bot")
    key, entry = done.stdout.split("\n", 1)
    (folder / "keys.yaml").write_text(f"providers: {{sim: {{kind: simulator}}}}\n{entry}", encoding="utf-8")
    (made,) = load(folder / "keys.yaml", {}).keys
    assert (made.name, made.digest()) == ("support-bot", hashlib.sha256(key.encode()).digest())
    assert run("key", "new", "support-bot").stdout != done.stdout


def test_a_name_that_cannot_name_a_key_is_refused() -> None:
    done = run("key", "new", "a/b")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: 'a/b' cannot name a key")


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_configuration_that_is_not_there_ends_with_status_1(command: str) -> None:
    assert run(command, "--config", "missing.yaml").exit_code == 1


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["serve", "--port", "70000"], ["serve", "--nonsense"], ["key", "new"]]
)
def test_what_is_not_understood_ends_with_status_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["gateway", "control"])
def test_a_process_of_its_own_ends_with_status_1_when_its_configuration_is_not_there(command: str) -> None:
    program = [sys.executable, "-c", "from switchgear.cli import main; main()", command, "--config", "missing.yaml"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 1
    assert "missing.yaml: cannot be read: No such file or directory" in done.stderr


def test_serve_refuses_strangers_without_a_key() -> None:
    assert run("serve", "--host", "0.0.0.0", "--port", "0").exit_code == 1


@pytest.mark.parametrize("path", list(command_paths()), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    assert help_text(path).startswith(f"Usage: switchgear {' '.join(path)}")


MAX_MODULES = 700
"""What typer and rich load is most of it."""


def test_the_command_line_loads_little_and_no_server() -> None:
    program = (
        "import sys; import switchgear.cli; print(len(sys.modules),"
        "*(name for name in ('fastapi', 'pydantic', 'uvicorn', 'aiohttp', 'sqlalchemy') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded, *servers = done.stdout.split()
    assert servers == []
    assert int(loaded) < MAX_MODULES


def test_prices_are_listed_with_their_vendor_and_table() -> None:
    done = run("prices", "list", "--vendor", "anthropic")
    assert done.exit_code == 0
    assert re.search(r"anthropic +claude-haiku-4-5 +1 +0\.1 +1\.25 +2 +5", done.stdout)
    assert "gpt-" not in done.stdout
    assert {line["vendor"] for line in json.decode(run("prices", "list", "--json").stdout)} >= {"openai", "anthropic"}
    assert run("prices", "list", "--vendor", "acme").exit_code == 1


def test_the_price_of_a_model_is_the_one_that_holds_under_the_configuration(folder: Path) -> None:
    (folder / "switchgear.yaml").write_text(
        "providers:\n  openai: {kind: openai, api_key: k, prices: {mine: {input: 1.5, output: 6}}}\n", encoding="utf-8"
    )
    own = run("prices", "show", "openai/mine")
    assert own.exit_code == 0
    assert "declared-" in own.stdout
    assert re.search(r"input +1\.5", own.stdout)
    listed = json.decode(run("prices", "show", "openai/gpt-5.4", "--json").stdout)
    assert listed["rates"]["input"] == 2_500_000
    assert listed["long_prompts"]["over 272,000"]["output"] == 22_500_000
    unknown = run("prices", "show", "openai/nobody-knows")
    assert unknown.exit_code == 1
    assert "nobody knows what openai/nobody-knows costs" in unknown.stderr
    assert "there are openai" in run("prices", "show", "acme/m").stderr


def test_a_table_of_prices_is_checked_alone_and_with_the_configuration_that_names_it(folder: Path) -> None:
    table = folder / "prices.json"
    table.write_text('{"version": "1", "vendors": {}}', encoding="utf-8")
    (folder / "switchgear.yaml").write_text(
        "providers: {sim: {kind: simulator}}\nprices: {file: prices.json}\n", encoding="utf-8"
    )
    assert "good; version 1, 0 prices" in run("prices", "check", "prices.json").stdout
    assert run("check").exit_code == 0
    table.write_text('{"version": "1", "vendors": {"a": {}}}', encoding="utf-8")
    for command in (("prices", "check", "prices.json"), ("check",)):
        done = run(*command)
        assert done.exit_code == 1
        assert "prices.json is no table of prices" in done.stderr
