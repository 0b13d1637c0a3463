"""Signatures of tables of prices: Ed25519 (RFC 8032), kept in a file of its own beside the table.

Signed is not the file but what it says: its canonical form, JSON without spaces whose members are in the order of
their names, behind a line that says what it is. Layout and order may change, nothing else. Anybody can make the same:

    (echo 'switchgear prices 1'; jq -cjS . prices.json) > signed
    openssl pkeyutl -sign -rawin -inkey prices.pem -in signed | base64 -w0
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from importlib.resources import files
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import DecodeError, Meta, Struct, ValidationError, json

from switchgear.kernel.errors import ConfigError
from switchgear.models.price_table import PACKAGED
from switchgear.models.trust import SIGNATURE_SUFFIX

PACKAGED_KEY: Final = "prices.pub"
_WHAT: Final = b"switchgear prices 1\n"
_PREFIX: Final = "ed25519:"
_ID_DIGITS: Final = 16


class Signature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a signature's file."""

    algorithm: Literal["ed25519"]
    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    """Which key made it: the first digits of its SHA-256."""
    signature: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{86}==$")]
    """In Base64."""


class PublicKey:
    """A key that tables may be signed by."""

    def __init__(self, text: str) -> None:
        """``text`` is ``ed25519:`` and the key's 32 bytes in Base64. Raises ConfigError when it is not."""
        try:
            raw = b64decode(text.strip().removeprefix(_PREFIX), validate=True)
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except ValueError:
            raise ConfigError(f"{text[:80]!r} is no public key; `switchgear prices keygen` prints one") from None
        self.text = f"{_PREFIX}{b64encode(raw).decode()}"
        self.id = hashlib.sha256(raw).hexdigest()[:_ID_DIGITS]

    def holds(self, signature: Signature, table: bytes) -> bool:
        """Whether this key made ``signature`` of ``table``."""
        try:
            self._key.verify(b64decode(signature.signature), _WHAT + canonical(table))
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A key that signs; it is kept in PEM (PKCS #8), as OpenSSL makes it, and nowhere in this project."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = PublicKey(f"{_PREFIX}{b64encode(public).decode()}")

    @classmethod
    def new(cls) -> "PrivateKey":
        """A fresh one, from the system's source of randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, pem: bytes, name: str) -> "PrivateKey":
        """The key in the file ``name``. Raises ConfigError, which never repeats any of its content."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigError(f"{name} is no private key in PEM without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                f"{name} is a private key of another kind; `switchgear prices keygen` makes one of Ed25519"
            )
        return cls(key)

    def pem(self) -> bytes:
        """The content of its file."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, table: bytes) -> bytes:
        """The content of the signature's file. Raises ConfigError for a table that is not JSON."""
        made = b64encode(self._key.sign(_WHAT + canonical(table))).decode()
        signature = Signature(algorithm="ed25519", key=self.public.id, signature=made)
        return json.format(json.encode(signature), indent=1) + b"\n"


def canonical(table: bytes) -> bytes:
    """What ``table`` says, whatever its layout. Raises ConfigError when it is not JSON."""
    try:
        return json.encode(json.decode(table), order="sorted")
    except (DecodeError, RecursionError) as error:
        raise ConfigError(f"a table that is to be signed must be JSON: {error}") from None


def verify(table: bytes, signature: bytes | None, keys: Iterable[PublicKey], name: str) -> PublicKey:
    """The one of ``keys`` that signed ``table``, by the content of the signature's file; None stands for no such file.

    Raises ConfigError with the reason when none did. ``name`` is the table's.
    """
    known = {key.id: key for key in keys}
    if signature is None:
        raise ConfigError(f"{name} must be signed, and there is no {name}{SIGNATURE_SUFFIX}; `switchgear prices sign`")
    try:
        read = json.decode(signature, type=Signature)
    except (ValidationError, DecodeError, RecursionError) as error:
        raise ConfigError(f"{name}{SIGNATURE_SUFFIX} is no signature: {error}") from None
    key = known.get(read.key)
    if key is None:
        trusted = ", ".join(known) or "none"
        raise ConfigError(f"{name} is signed by the key {read.key}, which is not trusted here; trusted are: {trusted}")
    if not key.holds(read, table):
        raise ConfigError(f"{name} is not what the key {read.key} signed: it was changed since, or the signature was")
    return key


def verify_packaged() -> PublicKey:
    """The key that signed the packaged table, which lies beside it. Raises ConfigError when it did not."""
    folder = files("switchgear.models")
    key = PublicKey((folder / PACKAGED_KEY).read_text("ascii"))
    signature = (folder / f"{PACKAGED}{SIGNATURE_SUFFIX}").read_bytes()
    return verify((folder / PACKAGED).read_bytes(), signature, (key,), PACKAGED)
