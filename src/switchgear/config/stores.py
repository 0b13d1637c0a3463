"""Where references lead: the environment, and stores of secrets under names like ``secret:openai``."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from switchgear.config.references import BadReference

_MAX_FILE_BYTES: Final = 64 * 1024
_STAND_IN: Final = "a-secret-that-is-not-read-yet"


class Stores(Mapping[str, str]):
    """The environment, with what the other stores hold under ``STORE:WHERE``. Nothing of it is in a repr.

    Looking something up may take as long as a network needs: it is done where a configuration is read, never by a call.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known = True
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

    def __getitem__(self, name: str) -> str:
        """Raises KeyError for a variable that is not set, and BadReference for a secret that cannot be had."""
        store, colon, where = name.partition(":")
        if not colon:
            return self._environ[name]
        if store == "secret":
            return self._secret(where)
        return _from_file(Path(where))

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


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode().strip()
    except OSError as error:
        raise BadReference(f"the file {str(path)[:200]!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadReference(f"the file {str(path)[:200]!r} is not UTF-8") from None
    if not text:
        raise BadReference(f"the file {str(path)[:200]!r} is empty")
    return text
