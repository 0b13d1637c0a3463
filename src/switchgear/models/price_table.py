"""A table of prices by vendor and model: one comes with the package, and an operator's own goes before it.

A table is taken whole or not at all: one broken entry refuses it, and the one before stays in force.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from typing import Annotated, Final, cast

from msgspec import DecodeError, Meta, Struct, ValidationError, json

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.pricing import Price
from switchgear.models.rate_card import PriceCard

SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
PACKAGED: Final = "prices.json"
_DATED: Final = re.compile(r"(-latest|-[0-9]{4}-[0-9]{2}-[0-9]{2}|[-@][0-9]{8}|-[0-9]{3})$")
"""How vendors name a model's editions; an edition without a price of its own costs what its model costs."""

Version = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$")]


class Vendor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prices of one vendor."""

    kinds: Annotated[tuple[str, ...], Meta(description="Kinds of providers that reach it.")]
    source: Annotated[str, Meta(description="Where the vendor publishes them.")]
    models: Annotated[Mapping[str, PriceCard], Meta(description="By the model's name at the vendor.")] = {}
    any_model: Annotated[PriceCard | None, Meta(description="For every model that is not listed.")] = None


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of prices."""

    version: Annotated[Version, Meta(description="What records and ledgers call it; another table has another.")]
    as_of: Annotated[date | None, Meta(description="The day on which the vendors' pages said so.")] = None
    vendors: Annotated[Mapping[str, Vendor], Meta(description="By the vendor's name.")]


class Listed(Struct, frozen=True, kw_only=True):
    """One line of the table, for people."""

    vendor: str
    model: str
    card: PriceCard
    version: str
    source: str


class PriceTable:
    """Finds what a model of a kind of provider costs."""

    def __init__(self, table: Table, name: str) -> None:
        """Raises ConfigError when a price cannot be used; ``name`` is the file's."""
        self.version = table.version
        self.as_of = table.as_of
        self._table = table
        self._prices: dict[tuple[str, str], Price] = {}
        self._any: dict[str, Price] = {}
        for vendor_name, vendor in table.vendors.items():
            try:
                self._take(vendor)
            except ValueError as error:
                raise ConfigError(f"{name}: vendors.{vendor_name}.models.{error}") from None

    def _take(self, vendor: Vendor) -> None:
        for kind in vendor.kinds:
            for model, card in vendor.models.items():
                self._prices[kind, model] = _priced(model, card, self.version)
            if vendor.any_model is not None:
                self._any[kind] = _priced("any_model", vendor.any_model, self.version)

    def find(self, kind: str, model: str) -> Price | None:
        """The price of ``model``, or of the model that it is an edition of; None when it is not known."""
        found = self._prices.get((kind, model))
        if found is None:
            plain = without_edition(model)
            found = self._prices.get((kind, plain)) if plain != model else None
        return found or self._any.get(kind)

    def listed(self) -> Iterator[Listed]:
        """Every line, in the file's order."""
        for name, vendor in self._table.vendors.items():
            cards = dict(vendor.models)
            if vendor.any_model is not None:
                cards["*"] = vendor.any_model
            for model, card in cards.items():
                yield Listed(vendor=name, model=model, card=card, version=self.version, source=vendor.source)


def without_edition(model: str) -> str:
    """The model that a name is an edition of; the name itself when it names none."""
    return _DATED.sub("", model)


def _priced(model: str, card: PriceCard, version: str) -> Price:
    try:
        return card.price(version)
    except ValueError as error:
        raise ValueError(f"{model}: {error}") from None


def read_table(data: bytes, name: str) -> PriceTable:
    """The table in ``data``. Raises ConfigError, naming the place, when any of it cannot be used."""
    try:
        table = json.decode(data, type=Table)
    except ValidationError as error:
        raise ConfigError(f"{name} is no table of prices: {error}") from None
    except (DecodeError, RecursionError) as error:
        raise ConfigError(f"{name} is not JSON: {error}") from None
    return PriceTable(table, name)


def packaged_table() -> PriceTable:
    """The table that comes with the package."""
    return read_table((files("switchgear.models") / PACKAGED).read_bytes(), PACKAGED)


def table_schema() -> dict[str, object]:
    """JSON Schema 2020-12 of a table of prices, for editors and for checks elsewhere."""
    made = cast("dict[str, object]", json.decode(json.encode(json.schema(Table))))
    return {"$schema": SCHEMA_DIALECT, "title": "A table of prices", **made}
