"""``switchgear init``: a first configuration, with a fresh key and the providers that the environment offers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec import json

from switchgear.cli.key import fresh_key, hash_of
from switchgear.cli.output import note
from switchgear.config import DEFAULT_FILE, read_environment, schema
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import ProviderSettings
from switchgear.providers import Environment, Kind, found_in
from switchgear.providers import discover as discover_kinds

FIRST_KEY: Final = "first-key"

_TEMPLATE: Final = """\
# yaml-language-server: $schema={schema}
# Switchgear's configuration. `switchgear check` tells what is wrong with it; a running gateway reads it again within
# a second of every change, and keeps the old one while the new one has problems.
# Secrets come from the environment: ${{NAME}}, or ${{NAME:-default}}.

server:
  host: 127.0.0.1
  port: 4000

# What applications present instead of a vendor's key. `switchgear key new NAME` makes more.
keys:
  - name: {key_name}
    hash: {key_hash}
    # models: [fast, "sim/*"]   # without this line: all models
    # doors: [openai, traces]   # without this line: all APIs, and spans are sent; reading traces back wants traces_read

# Who serves models. `provider/model` names a model of one of them: sim/echo.
providers:
{providers}
# Names of your own, each for one or more deployments that share its calls by weight.
models:
  fast:
    deployments:
      - {{model: sim/echo, weight: 1}}
"""


def init(
    path: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")] = Path(DEFAULT_FILE),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a commented configuration with a fresh virtual key, which is printed once, and a JSON Schema beside it."""
    key = fresh_key()
    schema_path = path.with_name(f"{path.stem}.schema.json")
    text = first_config(hash_of(key), read_environment(), discover_kinds(), schema_path.name)
    _write(path, text, overwrite=force)
    _write(schema_path, schema_text(), overwrite=True)
    note(f"Wrote {path}, and {schema_path} for your editor. The key, shown this once:\n")
    typer.echo(key)
    note(
        f"\nNext:\n  switchgear check --config {path}\n  switchgear serve --config {path}\n"
        f"  SWITCHGEAR_KEY=THE-KEY-ABOVE switchgear chat fast"
    )


def first_config(key_hash: str, environ: Mapping[str, str], kinds: Mapping[str, Kind], schema: str) -> str:
    """The text of the configuration; secrets of the environment are in it by reference only."""
    lines = [line for kind, settings in found_in(environ, kinds) for line in _provider_lines(kind, settings, environ)]
    return _TEMPLATE.format(
        schema=f"./{schema}", key_name=FIRST_KEY, key_hash=key_hash, providers="\n".join([*lines, ""])
    )


def schema_text() -> str:
    """The JSON Schema as a file."""
    return f"{json.format(json.encode(schema()), indent=2).decode()}\n"


def _provider_lines(kind: Kind, settings: ProviderSettings, environ: Mapping[str, str]) -> Iterator[str]:
    names = kind.environment or Environment()
    yield f"  {settings.name}:"
    yield f"    kind: {kind.name}"
    if names.url and environ.get(names.url, "").strip():
        as_it_is = settings.base_url == environ[names.url]
        address = f"${{{names.url}}}" if as_it_is else json.encode(settings.base_url).decode()
        yield f"    base_url: {address}"
    if names.key and settings.api_key:
        yield f"    api_key: ${{{names.key}}}"


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is already there; --force overwrites it") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
