"""Secrets at rest: what is sealed opens under its master key and its name, and under nothing else."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json, structs

from switchgear.auth.master_key import FILE_VARIABLE, VARIABLE, read_master_keys
from switchgear.auth.sealed import Sealed
from switchgear.auth.sealing import Sealer
from switchgear.kernel.errors import ConfigError

OLD = "0123456789abcdef" * 4
NEW = "fedcba9876543210" * 4
PLANTED = b"sk-a-value-nobody-may-see"


def sealer(text: str) -> Sealer:
    return Sealer(read_master_keys({VARIABLE: text}))


@given(st.binary(max_size=4000), st.text(max_size=50))
def test_what_is_sealed_opens_again(secret: bytes, context: str) -> None:
    sealed = sealer(OLD).seal(secret, context)
    restored = json.decode(json.encode(sealed), type=Sealed)
    assert sealer(OLD).open(restored, context) == secret


def test_two_envelopes_of_one_secret_have_nothing_in_common() -> None:
    one, other = sealer(OLD).seal(PLANTED, "secret a"), sealer(OLD).seal(PLANTED, "secret a")
    assert one.master == other.master
    for field in ("wrapped_nonce", "wrapped", "nonce", "text"):
        assert getattr(one, field) != getattr(other, field)
    assert PLANTED not in json.encode(one)


def test_another_master_key_is_refused_by_its_name() -> None:
    sealed = sealer(OLD).seal(PLANTED, "secret a")
    with pytest.raises(ConfigError, match=rf"secret a: this was sealed under the master key {sealed.master}, given is"):
        sealer(NEW).open(sealed, "secret a")
    with pytest.raises(ConfigError, match="given is none"):
        sealer("").open(sealed, "secret a")


@pytest.mark.parametrize("field", ["wrapped_nonce", "wrapped", "nonce", "text"])
def test_a_changed_envelope_does_not_open(field: str) -> None:
    sealed = sealer(OLD).seal(PLANTED, "secret a")
    value = bytearray(getattr(sealed, field))
    value[-1] ^= 1
    for changed in (bytes(value), b""):
        with pytest.raises(ConfigError, match="was changed since it was stored"):
            sealer(OLD).open(structs.replace(sealed, **{field: changed}), "secret a")


def test_an_envelope_under_another_name_does_not_open() -> None:
    sealed = sealer(OLD).seal(PLANTED, "secret a")
    with pytest.raises(ConfigError, match="secret b: the sealed value was changed"):
        sealer(OLD).open(sealed, "secret b")


def test_a_new_master_key_takes_over_while_the_old_one_still_opens() -> None:
    sealed = sealer(OLD).seal(PLANTED, "secret a")
    both = sealer(f"{NEW}, {OLD}")
    assert both.open(sealed, "secret a") == PLANTED
    renewed = both.renewed(sealed, "secret a")
    assert (renewed.text, renewed.nonce) == (sealed.text, sealed.nonce)
    assert sealer(NEW).open(renewed, "secret a") == PLANTED
    assert both.renewed(renewed, "secret a") == renewed


def test_a_renewal_without_the_old_key_changes_nothing() -> None:
    sealed = sealer(OLD).seal(PLANTED, "secret a")
    with pytest.raises(ConfigError, match="sealed under the master key"):
        sealer(NEW).renewed(sealed, "secret a")


def test_without_a_master_key_nothing_is_sealed() -> None:
    with pytest.raises(ConfigError, match="no master key is given: set SWITCHGEAR_MASTER_KEY"):
        sealer("").seal(PLANTED, "secret a")


def test_a_master_key_is_read_from_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(f"{NEW}\n{OLD}\n")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="is open to others on this machine"):
        read_master_keys({FILE_VARIABLE: str(path)})
    path.chmod(0o600)
    assert read_master_keys({FILE_VARIABLE: str(path)}).ids == read_master_keys({VARIABLE: f"{NEW} {OLD}"}).ids
    with pytest.raises(ConfigError, match="cannot be read"):
        read_master_keys({FILE_VARIABLE: str(tmp_path / "none")})


def test_hexadecimal_and_base64_say_the_same_key() -> None:
    encoded = base64.b64encode(bytes.fromhex(OLD)).decode()
    assert read_master_keys({VARIABLE: encoded}).ids == read_master_keys({VARIABLE: OLD}).ids


@pytest.mark.parametrize("text", ["short", "0" * 64, OLD[:-1], OLD[:-1] + "g", "!" * 44])
def test_what_is_no_master_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_master_keys({VARIABLE: text})
    assert text not in refusal.value.message


def test_no_representation_shows_a_master_key() -> None:
    keys = read_master_keys({VARIABLE: OLD})
    assert OLD not in f"{keys!r}{keys.sealing()!r}{keys.ids}"
    assert OLD[:12] not in keys.ids
