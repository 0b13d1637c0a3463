"""What the installation itself brings, whatever the configuration."""

from collections.abc import Mapping

from msgspec import Struct

from switchgear.models.capability_table import CapabilityTable, packaged_capabilities
from switchgear.models.price_table import PriceTable, packaged_table
from switchgear.providers.kind import Kind
from switchgear.providers.registry import discover


class Installed(Struct, frozen=True, kw_only=True):
    """The kinds of provider, and the tables that come with the package."""

    kinds: Mapping[str, Kind]
    prices: PriceTable
    capabilities: CapabilityTable


def installed() -> Installed:
    """All of it, found and read: tens of milliseconds, so once for the life of a process.

    Raises ConfigError for a plug-in that cannot be loaded.
    """
    return Installed(kinds=discover(), prices=packaged_table(), capabilities=packaged_capabilities())
