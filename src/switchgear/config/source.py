"""Where a process has its configuration from: the file or the environment, and the feed of the control database."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from switchgear.auth.master_key import read_master_keys
from switchgear.auth.sealed import Opens, Sealed
from switchgear.config.effective import laid_over
from switchgear.config.feed import FEED_FILE, Feed, read_feed
from switchgear.config.loading import discover, load
from switchgear.config.model import Config, Journal
from switchgear.config.secret import Secret
from switchgear.config.secret_stores import Remembered
from switchgear.config.stores import Seen, Stores
from switchgear.providers.kind import Kind
from switchgear.providers.registry import discover as discover_kinds

HASHING_KEY: Final = "hashing key"
"""In what context the installation's hashing key is sealed."""


def secret_context(name: str) -> str:
    """In what context the secret ``name`` is sealed."""
    return f"secret {name}"


class Source:
    """Reads both and lays one over the other; used by one thread at a time."""

    def __init__(self, path: Path | None, environ: Mapping[str, str], remembered: Remembered | None = None) -> None:
        """Raises ConfigError for master keys that are none. Sources of one process share what is remembered."""
        self._path = path
        self._keys = read_master_keys(environ)
        self.remembered = Remembered(environ) if remembered is None else remembered
        """Secrets of other stores."""
        self._stores = Stores(environ, self.remembered)
        self._opener: Opens | None = None
        self._kinds: Mapping[str, Kind] | None = None
        self._made: tuple[Config, Config] | None = None
        """What the file said, and that with the feed: as loaded last."""
        self._used = self._made
        """The same, as in force."""

    @property
    def first_file(self) -> Path:
        """What to watch before anything is read."""
        return self._path or Path(Journal().directory) / FEED_FILE

    def declared(self) -> Config:
        """What the file or the environment says, whatever secrets the control database may hold. Raises ConfigError."""
        with self._stores.unknown_secrets():
            return self._read()

    def glance(self) -> Config:
        """The same without a word to any network: a secret that was not fetched before has a value that means nothing.

        Raises ConfigError.
        """
        with self._stores.unasked():
            return self.declared()

    def seen(self) -> Seen:
        """Equal as long as no secret that was read may be another one by now; cheap, and asks no network."""
        return self._stores.seen()

    def load(self) -> Config:
        """What is in force. Raises ConfigError for a file, a secret or a feed that cannot be used."""
        declared = self.declared()
        feed = self._feed(declared)
        if self._stores.wanted_secrets:
            declared = self._read()
        self.remembered.refresh_seconds = declared.secrets.refresh_seconds
        self._made = (declared, self._over(declared, feed))
        if self._used is None:
            self._used = self._made
        return self._made[1]

    def load_feed(self) -> Config | None:
        """The feed of now over what the file said when it was used last: for the time that it cannot be.

        So a key that is revoked is refused, whatever is wrong with the file. None: that changes nothing. Raises
        ConfigError for a feed that cannot be used.
        """
        if self._used is None:
            return None
        declared, in_force = self._used
        config = self._over(declared, self._feed(declared))
        if config == in_force:
            return None
        self._made = (declared, config)
        return config

    def took(self, config: Config) -> None:
        """Note that ``config``, which was loaded here last, is in force; the first one is without a word."""
        if self._made is not None and self._made[1] is config:
            self._used = self._made

    def _feed(self, config: Config) -> Feed:
        feed = read_feed(Path(config.journal.directory) / FEED_FILE, self._keys) or Feed()
        self._stores.secrets = {name: self._opened(one, secret_context(name)) for name, one in feed.secrets.items()}
        return feed

    def _over(self, config: Config, feed: Feed) -> Config:
        hashing_key = None
        if feed.hashing_key is not None:
            hashing_key = Secret(self._opened(feed.hashing_key, HASHING_KEY))
        return laid_over(config, feed, Path(config.journal.directory) / FEED_FILE, hashing_key)

    def _read(self) -> Config:
        if self._kinds is None:
            self._kinds = discover_kinds()
        if self._path is None:
            return discover(self._stores, self._kinds)
        return load(self._path, self._stores, self._kinds)

    def _opened(self, sealed: Sealed, context: str) -> str:
        if self._opener is None:
            # By name, because a gateway without sealed secrets never loads the library behind it.
            module = import_module("switchgear.auth.sealing")
            self._opener = cast("Opens", module.Sealer(self._keys))
        return self._opener.open(sealed, context).decode()
