"""The feed: what the control database holds of the configuration, as a file that gateways read.

Two lines of JSON: a head that says who wrote the other, and how it is proven whole, and the objects themselves in the
form of their sections of ``switchgear.yaml``. The proof is an HMAC-SHA-256 under a key derived from the master key, so
that a torn file and one of another installation are refused alike; without a master key, a plain SHA-256. It holds
digests of keys and sealed secrets, never either of them in clear.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct, ValidationError, json

from switchgear.auth.master_key import MasterKeys
from switchgear.auth.sealed import Sealed
from switchgear.config.identity import (
    Key,
    OrganisationEntry,
    ProjectEntry,
    ServiceAccountEntry,
    TeamEntry,
    UserEntry,
)
from switchgear.config.limits import LimitEntry
from switchgear.config.routing import ModelEntry
from switchgear.config.secret import Secret
from switchgear.kernel.errors import ConfigError
from switchgear.models.rate_card import PriceCard

FEED_FILE: Final = "control.feed"
ALIVE_FILE: Final = "control.alive"
"""Touched whenever the control process has seen that the feed says what the database says."""
FORMAT: Final = 1
MAX_FEED_BYTES: Final = 256 * 1024 * 1024
_PURPOSE: Final = "feed"


class KeyHash(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One text of a key that the database keeps."""

    lookup: str
    hash: str
    """The keyed hash in hexadecimal."""
    until: str | None = None
    """Until when it still works after the key was rotated."""


class ManagedKey(Key, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that the control database keeps."""

    hashes: tuple[KeyHash, ...] = ()
    """The newest last."""


class Feed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The objects of the database, by the sections that they would stand in."""

    organisations: Mapping[str, OrganisationEntry] = {}
    projects: Mapping[str, ProjectEntry] = {}
    teams: Mapping[str, TeamEntry] = {}
    users: Mapping[str, UserEntry] = {}
    service_accounts: Mapping[str, ServiceAccountEntry] = {}
    models: Mapping[str, ModelEntry] = {}
    prices: Mapping[str, PriceCard] = {}
    """By `provider/model`."""
    limits: Mapping[str, LimitEntry] = {}
    keys: tuple[ManagedKey, ...] = ()
    secrets: Mapping[str, Sealed] = {}
    hashing_key: Sealed | None = None
    """Of the keys' hashes."""


class _Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    switchgear_feed: int
    master: str
    """The id of the master key under which the proof was made; empty: none, the proof is a plain digest."""
    proof: str


def write_feed(path: Path, feed: Feed, keys: MasterKeys) -> bool:
    """Put ``feed`` in the place of the last one, whole or not at all; whether it says anything new. Raises OSError."""
    payload = json.encode(feed, enc_hook=_written, order="sorted")
    head = _Head(switchgear_feed=FORMAT, master=keys.sealing().id if keys else "", proof=_proof(payload, keys))
    content = json.encode(head) + b"\n" + payload + b"\n"
    if _current(path) == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as writing:
        writing.write(content)
        writing.flush()
        os.fsync(file)
    draft.rename(path)
    return True


def read_feed(path: Path, keys: MasterKeys) -> Feed | None:
    """The feed at ``path``; None when there is none.

    Raises ConfigError for one that is torn, foreign, or of another version of Switchgear.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FEED_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    line, _, rest = content.partition(b"\n")
    payload = rest.removesuffix(b"\n")
    try:
        head = json.decode(line, type=_Head)
    except (DecodeError, UnicodeDecodeError):
        raise ConfigError(f"{path}: is no feed of a control process") from None
    if head.switchgear_feed != FORMAT:
        raise ConfigError(f"{path}: has the form {head.switchgear_feed}, and this gateway reads {FORMAT}")
    _require_proof(path, head, payload, keys)
    try:
        return json.decode(payload, type=Feed, dec_hook=_read)
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; gateways and the control process must be of one version") from None


def confirm_feed(path: Path) -> None:
    """Note that the feed says what the database says, at this moment. Raises OSError."""
    alive = path.with_name(ALIVE_FILE)
    alive.touch(mode=0o600)
    os.utime(alive)


def feed_age_seconds(path: Path, now_ns: int) -> float | None:
    """Since when nobody has confirmed the feed; None when there never was one."""
    try:
        confirmed_ns = path.with_name(ALIVE_FILE).stat().st_mtime_ns
    except OSError:
        return None
    return max(0.0, (now_ns - confirmed_ns) / 1_000_000_000)


def _require_proof(path: Path, head: _Head, payload: bytes, keys: MasterKeys) -> None:
    if not head.master and not keys:
        expected = hashlib.sha256(payload).hexdigest()
    elif not head.master:
        raise ConfigError(f"{path}: was written without a master key, and this process has one; give both the same")
    else:
        try:
            master = keys.find(head.master)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.message}") from None
        expected = hmac.digest(master.derived(_PURPOSE), payload, "sha256").hex()
    if not hmac.compare_digest(expected, head.proof):
        raise ConfigError(f"{path}: is torn, or was changed by another hand")


def _proof(payload: bytes, keys: MasterKeys) -> str:
    if not keys:
        return hashlib.sha256(payload).hexdigest()
    return hmac.digest(keys.sealing().derived(_PURPOSE), payload, "sha256").hex()


def _current(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _written(value: object) -> str:
    raise TypeError(f"a feed holds no {type(value).__name__}")


def _read(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"a feed holds no {kind.__name__}")
