"""Who signed a table of prices: any change of what it says is seen, none of how it is written."""

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from scripts.sign_prices import sign
from switchgear.kernel.errors import ConfigError
from switchgear.models.price_table import PACKAGED
from switchgear.models.signature import PrivateKey, PublicKey, canonical, verify, verify_packaged

KEY = PrivateKey.new()
OTHER = PrivateKey.new()
SAID = {"version": "v1", "vendors": {"acme": {"kinds": ["openai"], "source": "a contract", "models": {"m": {
    "input": "1", "output": "2"}}}}}  # fmt: skip
TABLE = json.dumps(SAID).encode()
texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def test_a_table_is_signed_by_the_key_that_did_it() -> None:
    found = verify(TABLE, KEY.sign(TABLE), (OTHER.public, KEY.public), "prices.json")
    assert found.text == KEY.public.text


@pytest.mark.parametrize(
    "written", [json.dumps(SAID, indent=3), json.dumps(SAID, sort_keys=True), f"\n {TABLE.decode()}\n"]
)
def test_layout_and_order_may_change(written: str) -> None:
    assert verify(written.encode(), KEY.sign(TABLE), (KEY.public,), "prices.json")


@given(values, values)
def test_what_says_something_else_is_not_what_was_signed(said: object, other: object) -> None:
    first, second = (json.dumps(value).encode() for value in (said, other))
    signature = KEY.sign(first)
    if canonical(first) == canonical(second):
        assert verify(second, signature, (KEY.public,), "t")
    else:
        with pytest.raises(ConfigError, match="is not what the key"):
            verify(second, signature, (KEY.public,), "t")


def test_a_price_that_was_changed_is_seen() -> None:
    changed = TABLE.replace(b'"input": "1"', b'"input": "0"')
    with pytest.raises(ConfigError, match=rf"prices.json is not what the key {KEY.public.id} signed"):
        verify(changed, KEY.sign(TABLE), (KEY.public,), "prices.json")


def test_a_member_given_twice_counts_as_it_is_read() -> None:
    twice = TABLE.replace(b'"input": "1"', b'"input": "9", "input": "1"')
    assert verify(twice, KEY.sign(TABLE), (KEY.public,), "prices.json")
    with pytest.raises(ConfigError, match="is not what the key"):
        verify(TABLE.replace(b'"input": "1"', b'"input": "1", "input": "9"'), KEY.sign(TABLE), (KEY.public,), "t")


def forged() -> bytes:
    made = json.loads(KEY.sign(TABLE))
    raw = bytearray(b64decode(made["signature"]))
    raw[3] ^= 1
    return json.dumps({**made, "signature": b64encode(raw).decode()}).encode()


@pytest.mark.parametrize(
    ("signature", "complaint"),
    [
        (None, r"prices.json must be signed, and there is no prices.json.sig"),
        (b"", "prices.json.sig is no signature"),
        (b"\xff\x00", "prices.json.sig is no signature"),
        (b"{}", "prices.json.sig is no signature: .*algorithm"),
        (KEY.sign(TABLE).replace(b"ed25519", b"none"), "prices.json.sig is no signature"),
        (
            OTHER.sign(TABLE),
            rf"by the key {OTHER.public.id}, which is not trusted here; trusted are: {KEY.public.id}",
        ),
        (OTHER.sign(TABLE).replace(OTHER.public.id.encode(), KEY.public.id.encode()), "is not what the key"),
        (forged(), "is not what the key"),
    ],
    ids=["none", "empty", "no text", "nothing in it", "another algorithm", "another key", "another's", "forged"],
)
def test_what_no_trusted_key_signed_is_refused_with_the_reason(signature: bytes | None, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        verify(TABLE, signature, (KEY.public,), "prices.json")


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 43 + "=", "ed25519:" + "*" * 44])
def test_what_is_no_public_key_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="is no public key"):
        PublicKey(text)


def test_a_private_key_comes_back_from_its_file() -> None:
    assert PrivateKey.read(KEY.pem(), "key.pem").public.text == KEY.public.text


def test_what_is_no_private_key_is_refused_without_repeating_it() -> None:
    rsa = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigError, match=r"^key.pem is a private key of another kind; "):
        PrivateKey.read(rsa, "key.pem")
    with pytest.raises(ConfigError, match=r"^key.pem is no private key in PEM without a password$"):
        PrivateKey.read(b"sk-not-a-key", "key.pem")


def test_the_packaged_table_is_what_its_key_signed() -> None:
    assert verify_packaged().id


def test_the_packaged_table_is_signed_anew_with_a_key_from_outside(tmp_path: Path) -> None:
    (tmp_path / PACKAGED).write_bytes(TABLE)
    sign(KEY, tmp_path)
    assert (tmp_path / "prices.pub").read_text(encoding="ascii") == f"{KEY.public.text}\n"
    assert verify(TABLE, (tmp_path / "prices.json.sig").read_bytes(), (KEY.public,), PACKAGED)


def test_no_private_key_is_among_the_sources() -> None:
    root = Path(__file__).resolve().parents[2]
    files = [path for folder in ("src", "scripts", "docs") for path in (root / folder).rglob("*") if path.is_file()]
    mark = b"-----BEGIN PRIVATE" + b" KEY-----"
    assert [path for path in files if mark in path.read_bytes()] == []
