"""What well-known models can do: a table that comes with the package, in the form of the one of prices.

It holds only what the vendors' own pages say. What a vendor offers to some (longer windows behind a header) counts as
offered: the table may say too much of a model, but never too little.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Final

from msgspec import Struct, json

from switchgear.kernel.capabilities import Capabilities
from switchgear.models.price_table import without_edition

_PACKAGED: Final = "capabilities.json"


class Vendor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The models of one vendor."""

    kinds: tuple[str, ...]
    """Kinds of providers that reach it."""
    source: str
    """Where the vendor says so."""
    models: Mapping[str, Capabilities]


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of capabilities."""

    version: str
    vendors: Mapping[str, Vendor]


class CapabilityTable:
    """Finds what a model of a kind of provider can do."""

    def __init__(self, table: Table) -> None:
        self.version = table.version
        self._table = table
        self._known = {
            (kind, model): known
            for vendor in table.vendors.values()
            for kind in vendor.kinds
            for model, known in vendor.models.items()
        }

    def find(self, kind: str, model: str) -> Capabilities:
        """Of ``model``, or of the model that it is an edition of; nothing known when it is in no table."""
        found = self._known.get((kind, model)) or self._known.get((kind, without_edition(model)))
        return found or Capabilities()

    def listed(self) -> Iterator[tuple[str, str, Capabilities, str]]:
        """Vendor, model, what it can do, and who says so, in the file's order."""
        for name, vendor in self._table.vendors.items():
            for model, known in vendor.models.items():
                yield name, model, known, vendor.source


def packaged_capabilities() -> CapabilityTable:
    """The table that comes with the package."""
    return CapabilityTable(json.decode((files("switchgear.models") / _PACKAGED).read_bytes(), type=Table))
