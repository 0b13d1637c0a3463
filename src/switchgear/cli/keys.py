"""``switchgear keys``: virtual keys that the control database keeps."""

import re
from collections.abc import Mapping
from typing import Final

import typer
from msgspec import Struct, ValidationError, convert, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.identity.keys import Issued, kept_key
from switchgear.app.identity.kinds import KEY, KeyScopes
from switchgear.app.identity.service import Identity
from switchgear.cli.identity import changing, reading
from switchgear.cli.identity_options import (
    CreateKeyOptions,
    ListKeysOptions,
    RevokeKeyOptions,
    RotateKeyOptions,
    ShowKeyOptions,
)
from switchgear.cli.key import check_name
from switchgear.cli.output import note, show_json, show_table
from switchgear.kernel.errors import ConfigError
from switchgear.rest.objects import Stored
from switchgear.rest.principal import Author

_DURATION: Final = re.compile(r"([0-9]{1,9})(s|m|h|d)?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class KeyShown(Struct, frozen=True, kw_only=True):
    """A key without its texts."""

    name: str
    lookups: tuple[str, ...]
    """The beginnings of the texts that work, the newest last."""
    version: int
    scopes: KeyScopes


class Made(Struct, frozen=True, kw_only=True):
    """A key with the text that is shown once."""

    name: str
    key: str


def create(options: CreateKeyOptions) -> None:
    """Make a key and print it."""
    check_name(options.name)
    owners = {"user": options.user, "service_account": options.service_account}
    owner = {field: said for field, said in owners.items() if said}
    scopes = scopes_of({**owner, **dict(map(_pair, options.settings or ()))})

    async def make(connection: AsyncConnection, services: Identity, author: Author) -> Issued:
        return await services.keys.create(connection, options.name, scopes, author)

    _show_text(changing(options.config, make), as_json=options.as_json)


def rotate(options: RotateKeyOptions) -> None:
    """Give a key another text."""
    seconds = duration_seconds(options.grace)

    async def turn(connection: AsyncConnection, services: Identity, author: Author) -> Issued:
        return await services.keys.rotate(connection, options.name, seconds, author)

    _show_text(changing(options.config, turn), as_json=options.as_json)


def revoke(options: RevokeKeyOptions) -> None:
    """Refuse a key from now on."""

    async def end(connection: AsyncConnection, services: Identity, author: Author) -> Stored:
        return await services.keys.revoke(connection, options.name, author)

    changing(options.config, end)
    note(f"the key {options.name!r} is revoked")


def list_keys(options: ListKeysOptions) -> None:
    """List the keys that the control database keeps."""

    async def look(connection: AsyncConnection, services: Identity) -> list[KeyShown]:
        return [_shown(one) for one in await services.objects.all(connection, KEY)]

    found = reading(options.config, look)
    if options.as_json:
        show_json(found)
        return
    rows = [
        (
            one.name,
            ", ".join(f"sk-sg-{lookup}…" for lookup in one.lookups),
            one.scopes.user or one.scopes.service_account or "",
            one.scopes.team or one.scopes.project or one.scopes.organisation or "",
            ", ".join(one.scopes.models) or "all",
            "disabled" if one.scopes.disabled else one.scopes.expires_at or "",
        )
        for one in found
    ]
    show_table("Keys", ("name", "text", "owner", "of", "may use", "ends"), rows)


def show(options: ShowKeyOptions) -> None:
    """Show one key as JSON, without its text."""

    async def look(connection: AsyncConnection, services: Identity) -> KeyShown:
        return _shown(await services.keys.find(connection, options.name))

    show_json(reading(options.config, look))


def scopes_of(said: Mapping[str, str]) -> KeyScopes:
    """Fields of a key as they are written on a command line; lists are joined by commas. Raises ConfigError."""
    lists = {name for name, default in structs.asdict(KeyScopes()).items() if isinstance(default, tuple)}
    values = {name: _words(value) if name in lists else value for name, value in said.items()}
    try:
        return convert(values, KeyScopes, strict=False)
    except ValidationError as error:
        raise ConfigError(f"--set: {error}; fields are {', '.join(KeyScopes.__struct_fields__)}") from None


def duration_seconds(text: str) -> float:
    """``30m`` as seconds. Raises ConfigError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"{text[:40]!r} is no length of time; write 30m, 24h or 7d")
    return float(int(found[1]) * _SECONDS[found[2] or "s"])


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text[:60]}: write FIELD=VALUE")
    return name.strip(), value.strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _shown(stored: Stored) -> KeyShown:
    kept = kept_key(stored)
    scopes = {field: getattr(kept, field) for field in KeyScopes.__struct_fields__}
    return KeyShown(
        name=stored.name,
        lookups=tuple(one.lookup for one in kept.hashes),
        version=stored.version,
        scopes=KeyScopes(**scopes),
    )


def _show_text(issued: Issued, *, as_json: bool) -> None:
    if as_json:
        show_json(structs.asdict(Made(name=issued.stored.name, key=issued.text)))
        return
    note("The key, shown this once:")
    typer.echo(issued.text)
