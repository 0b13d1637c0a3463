"""The control process: where what it manages is kept."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.config.secret import Secret

DEFAULT_DATABASE: Final = "./switchgear-data/control.db"
POSTGRES: Final = "postgresql://"
_SQLITE: Final = "sqlite:///"
NO_DATABASE: Final = (
    "is neither the path of a file nor 'postgresql://user:password@host:port/name'; with a password in it, give it by "
    "reference (`${SWITCHGEAR_DATABASE_URL}`)"
)


class Control(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The control process, and what it keeps."""

    database: Annotated[
        Secret | None,
        Meta(
            description="Where keys, roles, models and everything else that can be changed at run time is kept: the "
            "path of an SQLite file (by default `./switchgear-data/control.db`), or "
            "`postgresql://user:password@host:port/name`, which several machines can share; its query may say "
            "`search_path` and `sslmode`. Never shown; by reference where it holds a password."
        ),
    ] = None

    @property
    def place(self) -> str:
        """A path, or a URL of Postgres."""
        written = DEFAULT_DATABASE if self.database is None else self.database.reveal()
        if written.startswith("postgres://"):
            return POSTGRES + written.removeprefix("postgres://")
        return written.removeprefix(_SQLITE)

    @property
    def on_postgres(self) -> bool:
        """Whether it is a server, and not a file."""
        return self.place.startswith(POSTGRES)

    @property
    def is_known(self) -> bool:
        """Whether it can be a database at all: a path, or a URL that is understood."""
        return bool(self.place) and (self.on_postgres or "://" not in self.place) and "\0" not in self.place
