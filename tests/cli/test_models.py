"""The registry of models on the command line."""

from pathlib import Path

import pytest
from msgspec import json
from typer.testing import CliRunner, Result

from switchgear.cli import application

CONFIG = """
providers:
  openai: {kind: openai, api_key: k}
  sim: {kind: simulator}
models:
  old: {deployments: [{model: sim/echo}], aliases: [older], card: {stage: retired, owner: us, redirect_to: new}}
  new: {deployments: [{model: openai/gpt-4o}, {model: sim/echo}], card: {version: 2, lineage: {evaluations: {e: good}}}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "switchgear.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application(), ["models", *arguments])


def test_models_are_listed_with_their_stage_and_what_they_can_do() -> None:
    shown = run("list").stdout
    assert "retired" in shown
    assert "128,000" in shown
    listed = {line["name"]: line for line in json.decode(run("list", "--json").stdout)}
    assert listed["old"]["stage"] == "retired"
    assert listed["new"]["capabilities"]["max_output_tokens"] == 16_384


def test_a_model_is_shown_by_any_of_its_names() -> None:
    for name in ("old", "older"):
        done = run("show", name)
        assert done.exit_code == 0
        assert "redirects to" in done.stdout
    assert "evaluation e" in run("show", "new").stdout
    assert json.decode(run("show", "openai/gpt-4o", "--json").stdout)["capabilities"]["context_tokens"] == 128_000


def test_models_that_only_the_simulator_answers_are_marked() -> None:
    listed = {line["name"]: line for line in json.decode(run("list", "--json").stdout)}
    assert listed["old"]["simulator"]
    assert "simulator" not in listed["new"]
    assert "sim/echo (simulator)" in run("show", "older").stdout
    assert "simulator" not in run("show", "openai/gpt-4o").stdout


def test_what_is_no_model_is_told() -> None:
    done = run("show", "nobody")
    assert done.exit_code == 1
    assert "'nobody' is no model here" in done.stderr


def test_what_the_package_knows_is_listed_with_its_source() -> None:
    assert "claude-haiku-4-5" in run("list", "--known").stdout
    assert all(line["source"].startswith("https://") for line in json.decode(run("list", "--known", "--json").stdout))
