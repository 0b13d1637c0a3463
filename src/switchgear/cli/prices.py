"""``switchgear prices``: what models cost, and whether a table of prices can be used."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec import Struct

from switchgear.app.prices import PriceBook
from switchgear.cli.output import show_json, show_table
from switchgear.cli.settings import ConfigOption, glanced_config
from switchgear.config import read_environment
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.pricing import Price, Rates
from switchgear.models.price_table import Listed, read_table, table_schema

_PICO_PER_MICRO_USD: Final = 1_000_000
_SHOWN: Final = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


class Shown(Struct, omit_defaults=True):
    """What one model costs here, in pico-dollars a token."""

    model: str
    version: str
    rates: Rates
    long_prompts: dict[str, Rates] = {}
    services: dict[str, Rates] = {}
    later: dict[str, Rates] = {}
    """By the day from which on they hold."""


def list_prices(
    config: ConfigOption = None,
    vendor: Annotated[str | None, typer.Option(metavar="NAME", help="Only this vendor's.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List the tables of prices in force, the operator's before the packaged one, in dollars for a million tokens."""
    book = PriceBook(glanced_config(config, read_environment()))
    found = [line for table in book.tables for line in table.listed() if vendor in (None, line.vendor)]
    if not found:
        raise ConfigError(f"no table has prices of {vendor!r}")
    if as_json:
        show_json(found)
        return
    show_table("Dollars for a million tokens", ("vendor", "model", *_SHOWN, "table"), [_row(line) for line in found])


def show_price(
    model: Annotated[str, typer.Argument(help="PROVIDER/MODEL, as calls name it.")],
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what a call of one model costs under the configuration, in dollars for a million tokens."""
    effective = glanced_config(config, read_environment())
    provider, _, name = model.partition("/")
    if provider not in effective.providers:
        raise ConfigError(f"{provider!r} is no provider here; there are {', '.join(effective.providers) or 'none'}")
    price = PriceBook(effective).price(provider, name)
    if price is None:
        raise ConfigError(f"nobody knows what {model} costs; declare it under providers.{provider}.prices")
    shown = _shown(model, price)
    if as_json:
        show_json(shown)
        return
    columns = {"standard": shown.rates, **shown.long_prompts, **shown.services, **shown.later}
    rows = [(field, *(_usd(getattr(rates, field)) for rates in columns.values())) for field in Rates.__struct_fields__]
    show_table(model, (price.version, *columns), rows)


def check_prices(file: Annotated[Path, typer.Argument(help="A table of prices.")]) -> None:
    """Check a table of prices, and say what it holds; exit with status 1 when it cannot be used."""
    table = read_table(content_of(file), str(file))
    typer.echo(f"{file}: good; version {table.version}, {sum(1 for _ in table.listed())} prices")


def show_schema() -> None:
    """Print the JSON Schema of a table of prices, for editors and for checks elsewhere."""
    show_json(table_schema())


def content_of(file: Path) -> bytes:
    """What is in a file that the command line names. Raises ConfigError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None


def _row(line: Listed) -> tuple[str, ...]:
    given = (getattr(line.card, field) or "" for field in _SHOWN)
    return (line.vendor, line.model, *given, line.version)


def _shown(model: str, price: Price) -> Shown:
    standard = price.standard
    return Shown(
        model=model,
        version=price.version,
        rates=standard.rates,
        long_prompts={f"over {tier.above_input_tokens:,}": tier.rates for tier in standard.tiers},
        services={name: schedule.rates for name, schedule in price.services.items()},
        later={f"from {_day(begins_ns)}": each.standard.rates for begins_ns, each in price.later},
    )


def _day(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).date().isoformat()


def _usd(pico: int | None) -> str:
    if pico is None:
        return ""
    whole, rest = divmod(pico, _PICO_PER_MICRO_USD)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
