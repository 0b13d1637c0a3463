"""The work of ``switchgear prices put``, ``history``, ``revert`` and ``delete``: prices of the control database."""

from typing import Final

from switchgear.app.registry.prices import kept_prices
from switchgear.cli.kept import KeptCommands
from switchgear.cli.model_options import DeletePriceOptions, PriceHistoryOptions, PutPriceOptions, RevertPriceOptions
from switchgear.models.rate_card import PriceCard

_COMMANDS: Final = KeptCommands("price", PriceCard, kept_prices)


def put(given: PutPriceOptions) -> None:
    _COMMANDS.put(given.name, given.file, given.config)


def history(given: PriceHistoryOptions) -> None:
    _COMMANDS.history(given.name, given.config, as_json=given.as_json)


def revert(given: RevertPriceOptions) -> None:
    _COMMANDS.revert(given.name, given.version, given.config)


def delete(given: DeletePriceOptions) -> None:
    _COMMANDS.delete(given.name, given.config)
