"""Where references lead: the environment, and stores of secrets under names like ``secret:openai``."""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from switchgear.config.references import BadReference
from switchgear.config.secret_stores import STORES, Remembered

_MAX_FILE_BYTES: Final = 64 * 1024
_STAND_IN: Final = "a-secret-that-is-not-read-yet"
_NOT_IN_A_NAME: Final = str.maketrans(dict.fromkeys(":/?#=. ", "-"))

Seen = tuple[int, tuple[tuple[str, tuple[int, int, int] | None], ...]]
"""What tells whether a secret may be another one by now."""


def is_stand_in(value: str) -> bool:
    """Whether a value stands for one that was not read: it means nothing."""
    return value.startswith(_STAND_IN)


class Stores(Mapping[str, str]):
    """The environment, with what the other stores hold under ``STORE:WHERE``. Nothing of it is in a repr.

    Looking something up may take as long as a network needs: it is done where a configuration is read, never by a call.
    """

    def __init__(self, environ: Mapping[str, str], remembered: Remembered) -> None:
        self._environ = environ
        self._remembered = remembered
        self._known = True
        self._asks = True
        self._files: tuple[str, ...] = ()
        self.secrets: Mapping[str, str] = {}
        """Those of the control database, by name."""
        self.wanted_secrets: set[str] = set()
        """Names that were asked for."""

    @contextmanager
    def unknown_secrets(self) -> Generator[None]:
        """While it is open, any secret of the control database is there and has a value that means nothing."""
        self._known = False
        self.wanted_secrets.clear()
        try:
            yield
        finally:
            self._known = True

    @contextmanager
    def unasked(self) -> Generator[None]:
        """While it is open, no store of the network is asked: what was never fetched has a value that means nothing."""
        self._asks = False
        try:
            yield
        finally:
            self._asks = True

    def prepare(self, references: Iterable[str]) -> None:
        """Fetch what a configuration refers to, all at once; what cannot be had is told when it is looked up."""
        if not self._asks:
            return
        wanted = list(references)
        self._files = tuple(dict.fromkeys(each.partition(":")[2] for each in wanted if each.startswith("file:")))
        self._remembered.want(each for each in wanted if each.partition(":")[0] in STORES)

    def seen(self) -> Seen:
        """Equal as long as all that was read would be read again."""
        return self._remembered.revision, tuple((path, _stamp(path)) for path in self._files)

    def __getitem__(self, name: str) -> str:
        """Raises KeyError for a variable that is not set, and BadReference for a secret that cannot be had."""
        store, colon, where = name.partition(":")
        if not colon:
            return self._environ[name]
        if store == "secret":
            return self._secret(where)
        if store == "file":
            return _from_file(Path(where))
        if store in STORES:
            return self._from_network(name)
        known = ", ".join(("secret", "file", *STORES))
        raise BadReference(f"no store of secrets is called {store!r}; known: {known}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    def __repr__(self) -> str:
        return f"Stores({len(self._environ)} variables)"

    def _secret(self, name: str) -> str:
        self.wanted_secrets.add(name)
        if not self._known:
            return f"{_STAND_IN}-{name}"
        found = self.secrets.get(name)
        if found is None:
            raise BadReference(
                f"the control database has no secret {name[:64]!r}; `switchgear secrets set {name[:64]}` stores one"
            )
        return found

    def _from_network(self, reference: str) -> str:
        if self._asks:
            return self._remembered.value(reference)
        return self._remembered.known(reference) or f"{_STAND_IN}-{reference.translate(_NOT_IN_A_NAME)}"


def _from_file(path: Path) -> str:
    named = f"the file {str(path)[:200]!r}"
    try:
        with path.open("rb") as file:
            said = file.read(_MAX_FILE_BYTES + 1)
        if len(said) > _MAX_FILE_BYTES:
            raise BadReference(f"{named} is longer than {_MAX_FILE_BYTES} bytes")
        text = said.decode().strip()
    except (OSError, ValueError) as error:
        why = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else "is not UTF-8"
        raise BadReference(f"{named} {why}") from None
    if not text:
        raise BadReference(f"{named} is empty")
    return text


def _stamp(path: str) -> tuple[int, int, int] | None:
    """What changes when the file does, links followed; None: there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 (a path in a loop that runs five times a second)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
