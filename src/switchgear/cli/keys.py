"""``switchgear keys``: virtual keys that the control database keeps."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

import typer
from msgspec import Struct, ValidationError, convert, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.identity.keys import DEFAULT_GRACE_SECONDS, Issued, kept_key
from switchgear.app.identity.kinds import KEY, KeyScopes
from switchgear.app.identity.service import Identity
from switchgear.cli.identity import changing, reading
from switchgear.cli.key import check_name
from switchgear.cli.output import note, show_json, show_table
from switchgear.cli.settings import ConfigOption
from switchgear.kernel.errors import ConfigError
from switchgear.rest.objects import Stored
from switchgear.rest.principal import Author

NameArgument = Annotated[str, typer.Argument(help="The key's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
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


def create(
    name: NameArgument,
    user: Annotated[str | None, typer.Option(help="The person whose key it is.", show_default=False)] = None,
    service_account: Annotated[
        str | None, typer.Option(help="The program whose key it is.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="What else an entry under `keys` may say, as in --set team=support --set models=fast,sim/*; several "
            "times for several fields.",
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a key and print it, this once. Gateways know it within a second."""
    check_name(name)
    owner = {field: said for field, said in (("user", user), ("service_account", service_account)) if said}
    scopes = scopes_of({**owner, **dict(map(_pair, settings or ()))})

    async def make(connection: AsyncConnection, services: Identity, author: Author) -> Issued:
        return await services.keys.create(connection, name, scopes, author)

    _show_text(changing(config, make), as_json=as_json)


def rotate(
    name: NameArgument,
    grace: Annotated[
        str, typer.Option(help="How long the present text still works: 30m, 24h, 7d; 0 ends it now.")
    ] = f"{DEFAULT_GRACE_SECONDS / 3600:.0f}h",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Give a key another text and print it, this once; for a while both work."""
    seconds = duration_seconds(grace)

    async def turn(connection: AsyncConnection, services: Identity, author: Author) -> Issued:
        return await services.keys.rotate(connection, name, seconds, author)

    _show_text(changing(config, turn), as_json=as_json)


def revoke(name: NameArgument, config: ConfigOption = None) -> None:
    """Refuse a key from now on, in every gateway within a second."""

    async def end(connection: AsyncConnection, services: Identity, author: Author) -> Stored:
        return await services.keys.revoke(connection, name, author)

    changing(config, end)
    note(f"the key {name!r} is revoked")


def list_keys(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the keys that the control database keeps."""

    async def look(connection: AsyncConnection, services: Identity) -> list[KeyShown]:
        return [_shown(one) for one in await services.objects.all(connection, KEY)]

    found = reading(config, look)
    if as_json:
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


def show(name: NameArgument, config: ConfigOption = None) -> None:
    """Show one key as JSON, without its text."""

    async def look(connection: AsyncConnection, services: Identity) -> KeyShown:
        return _shown(await services.keys.find(connection, name))

    show_json(reading(config, look))


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
