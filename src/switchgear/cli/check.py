"""``switchgear check``: is the configuration right, and what does it say?"""

from typing import Annotated

import typer
from msgspec import Struct

from switchgear.app.listing import listed_models
from switchgear.app.prices import PriceBook
from switchgear.cli.output import show_json, show_table
from switchgear.cli.settings import ConfigOption, chosen_file, effective_config
from switchgear.config import Config, ProviderEntry, config_version, read_environment, schema
from switchgear.models.signature import verify_packaged


class DeploymentLine(Struct):
    """One deployment of an alias, with its share of the calls to its tier."""

    model: str
    tier: int
    deployment: str
    share: float


class ProviderLine(Struct):
    """One provider; ``address`` is empty where the kind's own is used."""

    name: str
    kind: str
    address: str
    authenticated: bool


class KeyLine(Struct):
    """One virtual key; no models means all."""

    name: str
    models: tuple[str, ...]
    disabled: bool


class Summary(Struct):
    """What a configuration says, without anything secret."""

    source: str
    version: str
    listens: str
    providers: list[ProviderLine]
    deployments: list[DeploymentLine]
    keys: list[KeyLine]


def check(
    config: ConfigOption = None,
    schema_only: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema for editors instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Check the configuration and print what it says, or every problem with its line, and then exit with status 1."""
    if schema_only:
        show_json(schema())
        return
    path = chosen_file(config)
    found = effective_config(config, read_environment())
    verify_packaged()
    PriceBook(found)  # raises what a gateway would meet when it reads the prices
    summary = summarise(found, "the environment" if path is None else str(path))
    if as_json:
        show_json(summary)
    else:
        _show(summary)


def summarise(config: Config, source: str) -> Summary:
    """The facts that ``check`` prints."""
    return Summary(
        source=source,
        version=config_version(config),
        listens=f"{config.server.host}:{config.server.port}",
        providers=[_provider_line(name, entry) for name, entry in config.providers.items()],
        deployments=[
            DeploymentLine(model.name, each.tier, each.name, each.share)
            for model in listed_models(config)
            for each in model.deployments
        ],
        keys=[KeyLine(key.name, key.models, key.disabled) for key in config.keys],
    )


def _provider_line(name: str, entry: ProviderEntry) -> ProviderLine:
    authenticated = entry.api_key is not None or bool(entry.api_keys) or bool(entry.headers)
    return ProviderLine(name=name, kind=entry.kind, address=entry.base_url or "", authenticated=authenticated)


def _show(summary: Summary) -> None:
    typer.echo(f"{summary.source}: good; version {summary.version}, listens on {summary.listens}\n")
    show_table(
        "Providers",
        ("name", "kind", "address", "key"),
        [
            (one.name, one.kind, one.address or "its own", "yes" if one.authenticated else "no")
            for one in summary.providers
        ],
    )
    if summary.deployments:
        show_table(
            "Models",
            ("name", "tier", "deployment", "share"),
            [(one.model, str(one.tier), one.deployment, f"{one.share:.0%}") for one in summary.deployments],
        )
    if summary.keys:
        show_table(
            "Keys",
            ("name", "may use", "state"),
            [(one.name, ", ".join(one.models) or "all", "disabled" if one.disabled else "") for one in summary.keys],
        )
    else:
        typer.echo("No keys: callers on this machine need none.")
