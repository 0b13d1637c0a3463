"""The master key: 256 random bits outside the database, under which everything secret in it is sealed.

Several may be given, the first of which seals; the others still open what was sealed under them, so that a new one can
be brought in while everything runs.
"""

import base64
import binascii
import hmac
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from switchgear.kernel.errors import ConfigError

VARIABLE: Final = "SWITCHGEAR_MASTER_KEY"
FILE_VARIABLE: Final = "SWITCHGEAR_MASTER_KEY_FILE"
MASTER_KEY_BYTES: Final = 32
_MAX_FILE_BYTES: Final = 64 * 1024
_ID_DIGITS: Final = 12
_HOW: Final = "`switchgear secrets new-master-key` prints one"


class MasterKey:
    """One master key; its repr shows only its id."""

    __slots__ = ("_bytes", "id")

    def __init__(self, key: bytes) -> None:
        self._bytes = key
        self.id = hmac.digest(key, b"switchgear master key id", "sha256").hex()[:_ID_DIGITS]
        """Names the key and tells nothing of it."""

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose alone (HMAC-SHA-256 as the KDF of NIST SP 800-108)."""
        return hmac.digest(self._bytes, f"switchgear {purpose}".encode(), "sha256")

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"


class MasterKeys:
    """All master keys that this process was given, the one that seals first; there may be none."""

    def __init__(self, keys: tuple[MasterKey, ...] = ()) -> None:
        self._by_id = {key.id: key for key in keys}
        self._first = keys[0] if keys else None

    def __bool__(self) -> bool:
        return self._first is not None

    @property
    def ids(self) -> tuple[str, ...]:
        """Their ids, the one that seals first."""
        return tuple(self._by_id)

    def sealing(self) -> MasterKey:
        """The one that seals. Raises ConfigError when there is none."""
        if self._first is None:
            raise ConfigError(f"no master key is given: set {VARIABLE} or {FILE_VARIABLE}; {_HOW}")
        return self._first

    def find(self, key_id: str) -> MasterKey:
        """The one that is called ``key_id``. Raises ConfigError, which names those that are given."""
        found = self._by_id.get(key_id)
        if found is None:
            given = ", ".join(self._by_id) or "none"
            raise ConfigError(
                f"this was sealed under the master key {key_id[:_ID_DIGITS]}, given is {given}; put the right one into "
                f"{VARIABLE}, behind a comma where a new one is there already"
            )
        return found


def read_master_keys(environ: Mapping[str, str]) -> MasterKeys:
    """The keys in ``SWITCHGEAR_MASTER_KEY``, else in the file that ``SWITCHGEAR_MASTER_KEY_FILE`` names.

    Each is 64 hexadecimal digits, or 32 bytes in base64; commas or spaces stand between several. Raises ConfigError.
    """
    text, source = environ.get(VARIABLE, ""), VARIABLE
    path = environ.get(FILE_VARIABLE, "")
    if not text.strip() and path:
        text, source = _read_file(Path(path)), path
    words = text.replace(",", " ").split()
    return MasterKeys(tuple(MasterKey(_decoded(word, source)) for word in words))


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            content = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigError(f"{FILE_VARIABLE}: {path} cannot be read: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{FILE_VARIABLE}: {path} is open to others on this machine; `chmod 600` it")
    return content.decode("ascii", "replace")


def _decoded(word: str, source: str) -> bytes:
    try:
        key = bytes.fromhex(word) if len(word) == 2 * MASTER_KEY_BYTES else base64.b64decode(word, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise ConfigError(f"{source}: a master key is 64 hexadecimal digits, or 32 bytes in base64; {_HOW}")
    if len(set(key)) == 1:
        raise ConfigError(f"{source}: this master key is one byte again and again; {_HOW}")
    return key
