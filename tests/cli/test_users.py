"""People on the command line: the first one, and a password that somebody forgot."""

import json
from pathlib import Path

import pytest

from tests.cli.test_keys import config, ran

PASSWORD = "correct horse battery staple"
_ = config


@pytest.fixture
def file(config: Path) -> Path:
    return config


def test_a_first_user_is_made_who_owns_everything(file: Path) -> None:
    status, out, error = ran(file, "users", "create", "kim", "--owner", "--email", "kim@example.com", typed=PASSWORD)
    assert (status, "can log in at /console/login" in error) == (0, True)
    assert PASSWORD not in out + error
    assert PASSWORD.encode() not in (file.parent / "control.db").read_bytes()
    status, made, _ = ran(file, "keys", "create", "of-kim", "--user", "kim", "--json")
    assert (status, json.loads(made)["name"]) == (0, "of-kim")


def test_a_user_of_the_file_gets_a_password_and_an_unknown_one_does_not(file: Path) -> None:
    assert ran(file, "users", "create", "ada", typed=PASSWORD)[0] == 0
    assert ran(file, "users", "password", "ada", "--reset", typed=f"{PASSWORD} 2")[0] == 0
    status, _, error = ran(file, "users", "password", "nobody", typed=PASSWORD)
    assert (status, "there is no user 'nobody'" in error) == (1, True)


def test_a_weak_password_is_refused_and_no_user_is_made(file: Path) -> None:
    status, _, error = ran(file, "users", "create", "kim", typed="short")
    assert (status, "at least 12 characters" in error) == (1, True)
    assert ran(file, "users", "password", "kim", typed=PASSWORD)[0] == 1
