"""The work of ``switchgear prices put``, ``history``, ``revert`` and ``delete``: prices of the control database."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from msgspec import Raw, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.registry.prices import PriceList
from switchgear.cli.model_options import DeletePriceOptions, PriceHistoryOptions, PutPriceOptions, RevertPriceOptions
from switchgear.cli.output import show_json, show_table
from switchgear.cli.registry import in_transaction, read_file
from switchgear.cli.settings import effective_config
from switchgear.config import read_environment
from switchgear.kernel.clock import SystemClock
from switchgear.models.rate_card import PriceCard
from switchgear.rest.objects import Objects, Stored
from switchgear.rest.principal import Author
from switchgear.rest.written import moment

Answer = TypeVar("Answer")


class PriceVersion(Struct):
    """One version of a price."""

    version: int
    action: str
    made_at: str
    made_by: str
    price: Raw
    """``null`` where it was deleted."""


def put(given: PutPriceOptions) -> None:
    card = read_file(given.file, PriceCard, "price")
    _tell(given.name, _changing(given.config, lambda prices, on, by: prices.put(on, given.name, card, by)))


def history(given: PriceHistoryOptions) -> None:
    found = _changing(given.config, lambda prices, on, _: prices.history(on, given.name))
    lines = [
        PriceVersion(one.version, one.action, moment(one.made_ns), one.made_by, Raw((one.body or "null").encode()))
        for one in found
    ]
    if given.as_json:
        show_json(lines)
        return
    rows = [(str(one.version), one.action, one.made_at, one.made_by, bytes(one.price).decode()) for one in lines]
    show_table(given.name, ("version", "action", "at", "by", "price"), rows)


def revert(given: RevertPriceOptions) -> None:
    stored = _changing(given.config, lambda prices, on, by: prices.revert(on, given.name, given.version, by))
    _tell(given.name, stored)


def delete(given: DeletePriceOptions) -> None:
    _changing(given.config, lambda prices, on, by: prices.delete(on, given.name, by))
    typer.echo(f"{given.name}: deleted")


def _tell(name: str, stored: Stored) -> None:
    typer.echo(f"{name}: version {stored.version}")


def _changing(config: Path | None, change: Callable[[PriceList, AsyncConnection, Author], Awaitable[Answer]]) -> Answer:
    declared = effective_config(config, read_environment())
    prices = PriceList(Objects(SystemClock()), lambda: declared)
    return in_transaction(declared, lambda connection, by: change(prices, connection, by))
