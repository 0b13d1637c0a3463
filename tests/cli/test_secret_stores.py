"""`switchgear check` fetches every secret and says what is wrong; what needs no secret asks no store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from switchgear.cli import application
from tests.config.secret_stores.fake_vault import TOKEN, FakeVault

VALUE = "planted-value"
CONFIG = """providers:
  openai: {kind: openai, api_key: "${vault:old/openai#api_key}"}
  anthropic: {kind: anthropic, api_key: "${vault:old/anthropic#api_key}"}
models:
  fast: {deployments: [{model: openai/gpt-4o-mini}]}
"""


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    monkeypatch.chdir(tmp_path)
    Path("switchgear.yaml").write_text(CONFIG, encoding="utf-8")
    made = FakeVault()
    made.plain["openai"] = {"api_key": VALUE}
    with made:
        yield made


def run(vault: FakeVault, *arguments: str) -> Result:
    return CliRunner().invoke(application(), list(arguments), env={"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN})


def test_check_tells_which_secret_cannot_be_had_and_where_it_is_referred_to(vault: FakeVault) -> None:
    done = run(vault, "check")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.strip() == (
        "error: switchgear.yaml:3:41: providers.anthropic.api_key: ${vault:old/anthropic#api_key}: "
        f"{vault.url} answers 404: there is no such secret"
    )


def test_check_is_content_when_all_can_be_had_and_shows_none(vault: FakeVault) -> None:
    vault.plain["anthropic"] = {"api_key": VALUE}
    done = run(vault, "check")
    assert done.exit_code == 0, done.stderr
    assert "switchgear.yaml: good" in done.stdout
    assert VALUE not in done.output


def test_a_command_that_needs_no_secret_asks_no_store(vault: FakeVault) -> None:
    done = run(vault, "routes")
    assert done.exit_code == 0, done.stderr
    assert "openai/gpt-4o-mini" in done.stdout
    assert vault.asked == []
