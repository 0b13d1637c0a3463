"""Keys and secrets on the command line: what is made is shown once, and nothing secret is an argument."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchgear.auth.master_key import VARIABLE
from switchgear.cli.application import application
from switchgear.cli.keys import duration_seconds, scopes_of
from switchgear.kernel.errors import ConfigError

MASTER, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
PLANTED = "sk-a-value-nobody-may-see"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "switchgear.yaml"
    path.write_text(
        f"control: {{database: {tmp_path / 'control.db'}}}\n"
        "providers: {sim: {kind: simulator}}\nteams: {support: {}}\nusers: {ada: {teams: [support]}}\n"
    )
    return path


def ran(config: Path, *arguments: str, master: str = MASTER, typed: str = "") -> tuple[int, str, str]:
    done = CliRunner(env={VARIABLE: master}).invoke(
        application(), [*arguments, "--config", str(config)], input=typed, catch_exceptions=False
    )
    return done.exit_code, done.stdout, done.stderr


def test_a_key_is_made_shown_rotated_and_revoked(config: Path) -> None:
    status, text, _ = ran(config, "keys", "create", "bot", "--user", "ada", "--set", "models=sim/*, f*")
    assert status == 0
    assert text.startswith("sk-sg-")
    _, listed, _ = ran(config, "keys", "list", "--json")
    (one,) = json.loads(listed)
    assert one["scopes"]["models"] == ["sim/*", "f*"]
    assert [text.strip().removeprefix("sk-sg-").partition("-")[0]] == one["lookups"]
    status, turned, _ = ran(config, "keys", "rotate", "bot", "--grace", "1h", "--json")
    assert (status, json.loads(turned)["name"]) == (0, "bot")
    assert len(json.loads(ran(config, "keys", "show", "bot")[1])["lookups"]) == 2
    assert ran(config, "keys", "revoke", "bot")[0] == 0
    shown = json.loads(ran(config, "keys", "show", "bot")[1])
    assert (shown["lookups"], shown["scopes"]["disabled"]) == ([], True)
    everything = (config.parent / "control.db").read_bytes() + ran(config, "keys", "list")[1].encode()
    assert text.strip().encode() not in everything
    assert json.loads(turned)["key"].encode() not in everything


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("keys", "create", "bot", "--user", "eve"), "unknown user 'eve'; known: ada"),
        (("keys", "create", "bot", "--set", "modles=x"), "fields are user, service_account"),
        (("keys", "create", "bot", "--set", "models"), "write FIELD=VALUE"),
        (("keys", "create", "bot", "--set", "models=a b"), "at `$.models[0]`"),
        (("keys", "create", "bot", "--set", "doors=front"), "Invalid enum value 'front'"),
        (("keys", "create", "bot", "--user", "a b"), "at `$.user`"),
        (("keys", "create", "a b"), "cannot name a key"),
        (("keys", "rotate", "none"), "there is no key 'none'"),
        (("keys", "rotate", "none", "--grace", "soon"), "is no length of time"),
        (("secrets", "delete", "none"), "there is no secret 'none'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_in_one_line(config: Path, arguments: tuple[str, ...], told: str) -> None:
    status, _, error = ran(config, *arguments)
    assert status == 1
    assert told in error


def test_without_a_master_key_nothing_is_made(config: Path) -> None:
    status, _, error = ran(config, "keys", "create", "bot", master="")
    assert status == 1
    assert "no master key is given: set SWITCHGEAR_MASTER_KEY" in error


def test_a_secret_is_read_from_a_pipe_and_never_shown_again(config: Path) -> None:
    status, out, error = ran(config, "secrets", "set", "openai", typed=f"{PLANTED}\n")
    assert status == 0
    status, listed, more = ran(config, "secrets", "list", "--json")
    assert [one["name"] for one in json.loads(listed)] == ["openai"]
    assert PLANTED not in out + error + listed + more
    assert PLANTED.encode() not in (config.parent / "control.db").read_bytes()
    assert ran(config, "secrets", "set", "empty", typed="\n")[0] == 1


def test_a_new_master_key_takes_over_or_nothing_changes(config: Path) -> None:
    ran(config, "secrets", "set", "openai", typed=PLANTED)
    before = json.loads(ran(config, "secrets", "list", "--json")[1])
    status, _, error = ran(config, "secrets", "rotate-master", master=OTHER)
    assert status == 1
    assert "sealed under the master key" in error
    assert json.loads(ran(config, "secrets", "list", "--json")[1]) == before
    status, _, said = ran(config, "secrets", "rotate-master", master=f"{OTHER},{MASTER}")
    assert (status, "1 sealed again, 0 were already" in said) == (0, True)
    assert ran(config, "secrets", "rotate-master", master=OTHER)[2].startswith("0 sealed again, 1")


def test_a_fresh_master_key_is_one(config: Path) -> None:
    made = CliRunner().invoke(application(), ["secrets", "new-master-key"]).stdout.strip()
    assert ran(config, "secrets", "set", "openai", typed=PLANTED, master=made)[0] == 0


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("90", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)])
def test_a_length_of_time_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration_seconds(text) == seconds


def test_lists_are_joined_by_commas() -> None:
    assert scopes_of({"tags": "a, b", "disabled": "true"}).tags == ("a", "b")
    with pytest.raises(ConfigError):
        scopes_of({"disabled": "perhaps"})
