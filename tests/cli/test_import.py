"""``switchgear import litellm`` as its users meet it."""

from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from switchgear.cli import application

THEIRS: Final = """
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-4o-mini, api_key: sk-planted-secret, rpm: 60, temperature: 0}
litellm_settings: {num_retries: 1}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "config.yaml").write_text(THEIRS, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application(), list(arguments))


def test_what_is_written_is_good_once_its_variables_are_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("import", "litellm", "config.yaml", "--output", "switchgear.yaml")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no equal  model_list[0].litellm_params.temperature: " in done.stderr
    assert "\ncarried " not in done.stderr
    assert "set OPENAI_API_KEY: the secret for providers.openai.api_key, which was in clear" in done.stderr
    assert "planted" not in done.stderr + (folder / "switchgear.yaml").read_text(encoding="utf-8")
    assert run("check").exit_code == 1
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-vendor")
    assert run("check").exit_code == 0


def test_without_an_output_a_pipe_gets_the_file_alone() -> None:
    done = run("import", "litellm", "config.yaml", "--report")
    assert done.stdout.startswith("# Made from a configuration of LiteLLM's proxy.")
    assert "model_list[0]" not in done.stdout
    assert "carried   model_list[0].litellm_params.rpm: requests_per_minute of the deployment" in done.stderr


def test_a_file_that_is_there_is_left_alone_unless_forced(folder: Path) -> None:
    (folder / "switchgear.yaml").write_text("mine", encoding="utf-8")
    done = run("import", "litellm", "config.yaml", "--output", "switchgear.yaml")
    assert (done.exit_code, done.stderr) == (1, "error: switchgear.yaml is already there; --force overwrites it\n")
    assert (folder / "switchgear.yaml").read_text(encoding="utf-8") == "mine"
    assert run("import", "litellm", "config.yaml", "--output", "switchgear.yaml", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff", "config.yaml: not UTF-8"),
        (b"- a\n", "is a mapping, with model_list in it"),
        (b"a: [", "not valid YAML"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_block(folder: Path, content: bytes, told: str) -> None:
    (folder / "config.yaml").write_bytes(content)
    done = run("import", "litellm", "config.yaml")
    assert done.exit_code == 1
    assert told in done.stderr
    assert (
        run("import", "litellm", "nowhere.yaml").stderr
        == "error: nowhere.yaml: cannot be read: No such file or directory\n"
    )
