"""`${vault:MOUNT/PATH#FIELD}`: both versions of the engine, every way to say who asks, and what goes wrong."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from switchgear.config.secret_stores import Remembered
from switchgear.kernel.clock import FrozenClock
from tests.config.secret_stores.fake_vault import JWT, ROLE_ID, SECRET_ID, TOKEN, FakeVault
from tests.config.secret_stores.stand import Told, always, problem, told, value

VALUE = "planted-value"


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    made = FakeVault()
    made.versions["openai/prod"] = [{"api_key": "first"}, None, {"api_key": VALUE, "port": 5432, "list": [1]}]
    made.plain["anthropic"] = {"api_key": f"old-{VALUE}"}
    with made:
        yield made


def fault(environ: Mapping[str, str], reference: str) -> str:
    return problem(environ, reference, (VALUE, TOKEN))


def given(vault: FakeVault) -> dict[str, str]:
    return {"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("vault:team/kv/openai/prod#api_key", VALUE),
        ("vault:team/kv/openai/prod?version=1#api_key", "first"),
        ("vault:team/kv/openai/prod#port", "5432"),
        ("vault:old/anthropic#api_key", f"old-{VALUE}"),
        ("vault:/old/anthropic/#api_key", f"old-{VALUE}"),
    ],
)
def test_a_field_of_either_version_of_the_engine_is_read(vault: FakeVault, reference: str, expected: str) -> None:
    assert value(given(vault), reference) == expected


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("vault:team/kv/openai/prod", "names no field; write it behind a '#'"),
        ("vault:team/kv/openai/prod#other", "has no such field"),
        ("vault:team/kv/openai/prod#list", "has a field of this name that is neither a text nor a whole number"),
        ("vault:team/kv/openai/prod?version=2#api_key", "this version of the secret was deleted"),
        ("vault:team/kv/openai/prod?version=9#api_key", "answers 404: there is no such secret"),
        ("vault:team/kv/openai/prod?version=x#api_key", "a version of Vault is a whole number from 1 on"),
        ("vault:team/kv/openai/prod?stage=x#api_key", "this store knows no 'stage' behind a '?'; it knows version"),
        ("vault:team/kv/nothing#api_key", "answers 404: there is no such secret"),
        ("vault:old/nothing#api_key", "answers 404: there is no such secret"),
        ("vault:old/anthropic?version=1#api_key", "the engine at 'old/' keeps no versions; leave '?version=' out"),
        ("vault:database/creds/app#password", "the engine at 'database/' is no key-value engine"),
        ("vault:foreign/kv/x#api_key", "answers 403: the token may not read this, or is no longer valid"),
        ("vault:team/../sys/raw#x", "is no path of Vault; write MOUNT/PATH#FIELD"),
        ("vault:team#x", "is no path of Vault; write MOUNT/PATH#FIELD"),
        ("vault:#x", "is not understood; write NAME, NAME?version=VERSION or NAME#FIELD"),
    ],
)
def test_what_cannot_be_read_is_told(vault: FakeVault, reference: str, why: str) -> None:
    assert fault(given(vault), reference).removeprefix(f"{vault.url} ") == why


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            Told(200, b"<html>planted-value"),
            "Vault answers what is not understood, and not the JSON of its documentation",
        ),
        (Told(200, b"[" * 100_000), "Vault answers what is not understood, and not the JSON of its documentation"),
        (
            told(200, {"data": {"path": 1}}),
            "Vault answers what is not understood, and not the JSON of its documentation",
        ),
        (
            told(200, {"data": {"path": "elsewhere/", "type": "kv"}}),
            "Vault answers with another mount than was asked for",
        ),
        (told(429, {"errors": [VALUE]}), "URL answers 429: too many requests, or a standby node"),
        (told(473, {}), "URL answers 473: a performance standby node"),
        (told(503, {"errors": ["Vault is sealed"]}), "URL answers 503: sealed, or down for maintenance"),
        (told(418, {}), "URL answers 418: which means nothing here"),
    ],
)
def test_an_answer_that_is_none_is_told_and_not_shown(vault: FakeVault, answer: Told, why: str) -> None:
    vault.answer = always(answer)
    assert fault(given(vault), "vault:team/kv/openai/prod#api_key") == why.replace("URL", vault.url)


def test_a_token_in_a_file_is_read_anew_each_time(vault: FakeVault, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("wrong\n")
    remembered = Remembered({"VAULT_ADDR": vault.url, "VAULT_TOKEN_FILE": str(path)})
    remembered.want(["vault:old/anthropic#api_key"])
    assert remembered.known("vault:old/anthropic#api_key") is None
    path.write_text(f"{TOKEN}\n")
    remembered.refresh()
    assert remembered.value("vault:old/anthropic#api_key") == f"old-{VALUE}"


def test_several_secrets_take_one_login_by_approle(vault: FakeVault) -> None:
    environ = {"VAULT_ADDR": vault.url, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}
    references = ["vault:team/kv/openai/prod#api_key", "vault:old/anthropic#api_key"]
    remembered = Remembered(environ)
    remembered.want(references)
    assert [remembered.value(each) for each in references] == [VALUE, f"old-{VALUE}"]
    assert vault.logins == 1


def test_a_pod_logs_in_with_its_token(vault: FakeVault, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text(JWT)
    environ = {"VAULT_ADDR": vault.url, "VAULT_ROLE": "switchgear", "VAULT_JWT_FILE": str(tmp_path / "jwt")}
    assert value(environ, "vault:old/anthropic#api_key") == f"old-{VALUE}"


def test_a_login_is_kept_for_two_thirds_of_its_lease_and_made_again_when_it_is_revoked(vault: FakeVault) -> None:
    clock = FrozenClock()
    environ = {"VAULT_ADDR": vault.url, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}
    remembered = Remembered(environ, clock)
    remembered.want(["vault:old/anthropic#api_key"])
    clock.advance(2399)
    remembered.refresh()
    assert vault.logins == 1
    clock.advance(2)
    remembered.refresh()
    assert vault.logins == 2
    vault.tokens.clear()
    remembered.refresh()
    assert (vault.logins, remembered.problem) == (3, "")


def test_a_refused_login_names_where(vault: FakeVault) -> None:
    environ = {"VAULT_ADDR": vault.url, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": VALUE}
    assert fault(environ, "vault:old/anthropic#api_key") == f"{vault.url} refuses the login at auth/approle with 400"


def test_a_wrong_token_is_told_without_it(vault: FakeVault) -> None:
    told_us = fault({"VAULT_ADDR": vault.url, "VAULT_TOKEN": VALUE}, "vault:old/anthropic#api_key")
    assert told_us == f"{vault.url} answers 403: the token may not read this, or is no longer valid"


def test_a_namespace_is_named_in_every_request(vault: FakeVault) -> None:
    vault.namespace = "team-1"
    environ = {"VAULT_ADDR": vault.url, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}
    assert value({**environ, "VAULT_NAMESPACE": "team-1"}, "vault:old/anthropic#api_key") == f"old-{VALUE}"


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "VAULT_ADDR is not set; it says where Vault is"),
        ({"VAULT_ADDR": "https://127.0.0.1:9"}, "Vault needs to know who asks: set VAULT_TOKEN"),
        ({"VAULT_ADDR": "https://127.0.0.1:9", "VAULT_TOKEN": "a\nb"}, "what VAULT_TOKEN holds is no token"),
        (
            {"VAULT_ADDR": "https://127.0.0.1:9", "VAULT_TOKEN_FILE": "/nowhere/token"},
            "VAULT_TOKEN_FILE: the file '/nowhere/token' cannot be read: No such file or directory",
        ),
        (
            {"VAULT_ADDR": "https://127.0.0.1:9", "VAULT_TOKEN": "t", "VAULT_CACERT": "/nowhere/ca.pem"},
            "the file of certificate authorities /nowhere/ca.pem cannot be used",
        ),
    ],
)
def test_what_the_environment_lacks_is_named(environ: Mapping[str, str], why: str) -> None:
    assert fault(environ, "vault:old/anthropic#api_key").startswith(why)
