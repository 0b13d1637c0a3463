"""Models of the control database on the command line."""

from pathlib import Path

import pytest
from msgspec import json
from typer.testing import CliRunner, Result

from switchgear.cli import application

CONFIG = """
control: {database: control.db}
providers: {sim: {kind: simulator}}
models:
  house: {deployments: [{model: sim/echo}]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "switchgear.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "m.yaml").write_text("deployments: [{model: sim/echo}]\ncard: {stage: staging}\n", encoding="utf-8")
    return tmp_path


def run(*arguments: str, group: str = "models") -> Result:
    return CliRunner().invoke(application(), [group, *arguments])


def test_a_model_is_put_promoted_deprecated_reverted_and_deleted() -> None:
    assert run("put", "m", "m.yaml").stdout == "m: staging, version 1\n"
    assert run("promote", "m").stdout == "m: production, version 2\n"
    assert run("deprecate", "m", "--retired", "2099-01-01", "--redirect-to", "house").stdout == (
        "m: deprecated, version 3\n"
    )
    assert run("retire", "m").exit_code == 0
    assert run("delete", "m").exit_code == 0
    history = json.decode(run("history", "m", "--json").stdout)
    assert [line["action"] for line in history] == [
        "delete",
        "move to retired",
        "move to deprecated",
        "move to production",
        "create",
    ]
    assert run("revert", "m", "2").stdout == "m: production, version 6\n"
    assert "production" in run("history", "m").stdout


def test_what_cannot_be_done_is_told_and_changes_nothing() -> None:
    for arguments, complaint in (
        (("put", "house", "m.yaml"), "can be changed only there"),
        (("put", "m", "none.yaml"), "cannot be read"),
        (("promote", "nobody"), "there is no model 'nobody'"),
        (("revert", "m", "7"), "there is no version 7"),
    ):
        done = run(*arguments)
        assert done.exit_code == 1
        assert complaint in done.stderr


def test_a_file_that_is_no_model_is_told(folder: Path) -> None:
    for text in ("[", "deployments: 7", "deployments: []", "deployments: [{model: sim/echo}]\nnonsense: 1"):
        (folder / "m.yaml").write_text(text, encoding="utf-8")
        done = run("put", "m", "m.yaml")
        assert done.exit_code == 1
        assert "m.yaml is no model" in done.stderr


def test_a_price_is_put_reverted_and_deleted(folder: Path) -> None:
    for dollars in ("1", "2"):
        (folder / "p.yaml").write_text(f'{{input: "{dollars}", output: "9"}}', encoding="utf-8")
        assert run("put", "sim/echo", "p.yaml", group="prices").exit_code == 0
    assert run("revert", "sim/echo", "1", group="prices").stdout == "sim/echo: version 3\n"
    assert run("delete", "sim/echo", group="prices").exit_code == 0
    history = json.decode(run("history", "sim/echo", "--json", group="prices").stdout)
    assert [(line["action"], line["price"] and line["price"]["input"]) for line in history] == [
        ("delete", None),
        ("revert", "1"),
        ("replace", "2"),
        ("create", "1"),
    ]
    assert "replace" in run("history", "sim/echo", group="prices").stdout


def test_a_price_that_cannot_be_used_is_refused(folder: Path) -> None:
    for name, text, complaint in (
        ("acme/m", '{input: "1", output: "1"}', "providers are sim"),
        ("sim", '{input: "1", output: "1"}', "a price is of PROVIDER/MODEL"),
        ("sim/echo", '{input: "0.0000001", output: "1"}', "the price cannot be used"),
        ("sim/echo", '{input: "1"}', "is no price"),
        ("sim/echo", "{input: 1, output: 1}", "is no price"),
    ):
        (folder / "p.yaml").write_text(text, encoding="utf-8")
        done = run("put", name, "p.yaml", group="prices")
        assert done.exit_code == 1
        assert complaint in done.stderr
    assert run("history", "sim/echo", group="prices").exit_code == 1
