"""Tables of prices that are signed: the commands as those who set prices use them."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec import json
from typer.testing import CliRunner, Result

from switchgear.cli import application
from switchgear.models.price_table import table_schema

TABLE: Mapping[str, object] = {"version": "v1", "vendors": {}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each command runs in a folder with nothing but a table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.json").write_bytes(json.encode(TABLE))
    return tmp_path


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(application(), ["prices", *arguments], env=environment)


def new_key(name: str = "key.pem") -> str:
    done = run("keygen", name)
    assert done.exit_code == 0
    return done.stdout.strip()


def test_a_new_key_shows_its_public_half_and_hides_the_other(folder: Path) -> None:
    public = new_key()
    assert re.fullmatch(r"ed25519:[A-Za-z0-9+/]{43}=", public)
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(folder: Path) -> None:
    new_key()
    before = (folder / "key.pem").read_bytes()
    done = run("keygen", "key.pem")
    assert (done.exit_code, done.stderr) == (1, "error: key.pem is already there; a key is never overwritten\n")
    assert (folder / "key.pem").read_bytes() == before


def test_a_signed_table_is_verified_by_a_key_on_the_command_line_or_in_the_configuration(folder: Path) -> None:
    public = new_key()
    assert run("sign", "prices.json", "--key", "key.pem").exit_code == 0
    assert f"good; version v1, signed by {public}" in run("verify", "prices.json", "--key", public).stdout
    assert run("verify", "prices.json").exit_code == 1
    (folder / "switchgear.yaml").write_text(
        f'providers: {{sim: {{kind: simulator}}}}\nprices: {{file: prices.json, trusted_keys: ["{public}"]}}\n',
        encoding="utf-8",
    )
    assert run("verify", "prices.json").exit_code == 0
    assert run("list").exit_code == 0
    (folder / "prices.json").write_bytes(json.encode({**TABLE, "version": "v2"}))
    for command in (("verify", "prices.json"), ("list",)):
        done = run(*command)
        assert done.exit_code == 1
        assert "is not what the key" in done.stderr


def test_a_table_that_is_no_table_is_not_signed(folder: Path) -> None:
    new_key()
    (folder / "prices.json").write_bytes(b"{}")
    assert run("sign", "prices.json", "--key", "key.pem").exit_code == 1
    assert not (folder / "prices.json.sig").exists()


def test_the_packaged_table_is_verified_without_a_word() -> None:
    assert "the packaged table: good" in run("verify").stdout


def test_the_schema_of_tables_is_printed() -> None:
    assert json.decode(run("schema").stdout) == json.decode(json.encode(table_schema()))


def test_a_configuration_names_the_key_that_is_none(folder: Path) -> None:
    (folder / "switchgear.yaml").write_text(
        "providers: {sim: {kind: simulator}}\nprices: {file: prices.json, trusted_keys: [nonsense]}\n", encoding="utf-8"
    )
    done = run("list")
    assert done.exit_code == 1
    assert "'ed25519:' and 44 characters of Base64" in done.stderr
