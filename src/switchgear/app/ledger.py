"""The ledger put together: what it needs of the configuration and of the journal."""

from pathlib import Path

from msgspec.structs import replace

from switchgear.app.prices import PriceBook
from switchgear.config import Config
from switchgear.kernel.pricing import Price
from switchgear.ledger.rerating import Pricing
from switchgear.ledger.row import Row


def pricing(config: Config, table: Path | None = None) -> Pricing:
    """What rows would cost under ``config``, with ``table`` in the place of its own where one is given.

    Raises ConfigError for a table that cannot be used.
    """
    if table is not None:
        config = replace(config, prices=replace(config.prices, file=str(table)))
    book = PriceBook(config)

    def price(row: Row) -> Price | None:
        return book.price(row.provider, row.upstream_model)

    return price
