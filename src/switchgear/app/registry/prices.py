"""Prices in the control database: what one provider's model costs, changed at run time, ``/api/v1/prices``.

A price is named as calls name its model, ``provider/model``, or ``provider/*`` for all that have none of their own. It
goes before every table, as a price under ``providers.NAME.prices`` of the file does; where both are there, the file's.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.prices import DECLARED
from switchgear.config import Config
from switchgear.models.rate_card import PriceCard
from switchgear.rest import audit
from switchgear.rest.objects import Objects, Stored, Version, Wanted
from switchgear.rest.principal import EVERYWHERE, Author
from switchgear.rest.problem import Refused, not_found
from switchgear.rest.resource import Fixed, Proposal, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Route

KIND: Final = "price"
_NEWEST: Final = 1 << 62
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/[!-~]{1,256}$"


def price_resource(declared: Callable[[], Config], file: str) -> Resource:
    """Prices as the management API has them; ``file`` is where those that are read-only here are declared."""
    return Resource(
        kind=KIND,
        plural="prices",
        type=PriceCard,
        about="What a provider's model costs, in dollars for a million tokens, by `provider/model`.",
        fixed=lambda: of_file(declared(), file),
        check=_Check(declared),
        name_pattern=_NAME,
    )


def price_routes(objects: Objects, declared: Callable[[], Config], file: str) -> tuple[Route, ...]:
    """All of them."""
    return resource_routes(price_resource(declared, file), objects)


def of_file(config: Config, file: str) -> Mapping[str, Fixed]:
    """The prices that the file declares."""
    return {
        f"{provider}/{model}": Fixed(body=card, file=file)
        for provider, entry in config.providers.items()
        for model, card in entry.prices.items()
    }


class _Check:
    def __init__(self, declared: Callable[[], Config]) -> None:
        self._declared = declared

    async def __call__(self, connection: AsyncConnection, proposal: Proposal) -> None:
        if proposal.after is not None:
            check_price(self._declared(), proposal.name, proposal.after)


def check_price(config: Config, name: str, card: PriceCard) -> None:
    """Raise Refused for a price of nobody, and for one that could not be used."""
    provider, _, model = name.partition("/")
    if provider not in config.providers or not model:
        known = ", ".join(config.providers) or "none"
        raise Refused(422, "disagreement", f"a price is of PROVIDER/MODEL, not of {name!r}; providers are {known}")
    try:
        card.price(DECLARED)
    except ValueError as error:
        raise Refused(422, "disagreement", f"the price cannot be used: {error}") from None


class PriceList:
    """The same for the command line: methods work in the transaction that they are given, and raise Refused."""

    def __init__(self, objects: Objects, declared: Callable[[], Config]) -> None:
        self._objects = objects
        self._declared = declared

    async def put(
        self, connection: AsyncConnection, name: str, card: PriceCard, author: Author, action: str = ""
    ) -> Stored:
        """Declare what a model costs."""
        await audit.head(connection, to_add=True)
        config = self._declared()
        if name in of_file(config, ""):
            text = f"the price of {name} is declared in the configuration file, and can be changed only there"
            raise Refused(409, "owned_by_file", text, members={"source": "file"})
        check_price(config, name, card)
        wanted = Wanted(kind=KIND, name=name, place=EVERYWHERE, body=json.encode(card).decode())
        return await self._objects.put(connection, wanted, author, action)

    async def delete(self, connection: AsyncConnection, name: str, author: Author) -> None:
        """Forget a price; its versions stay."""
        await audit.head(connection, to_add=True)
        stored = await self._objects.get(connection, KIND, name)
        if stored is None:
            raise not_found(f"price of {name[:200]!r} in the control database")
        await self._objects.delete(connection, stored, author)

    async def history(self, connection: AsyncConnection, name: str, limit: int = 100) -> list[Version]:
        """The versions of a price, newest first; also of one that was deleted."""
        found = await self._objects.versions(connection, KIND, name, _NEWEST, limit)
        if not found:
            raise not_found(f"price of {name[:200]!r} in the control database")
        return found

    async def revert(self, connection: AsyncConnection, name: str, number: int, author: Author) -> Stored:
        """Make a price what it was in an older version; also one that was deleted."""
        version = await self._objects.version(connection, KIND, name, number)
        if version is None or version.body is None:
            raise not_found(f"price of {name[:200]!r} in version {number}")
        card = json.decode(version.body, type=PriceCard)
        return await self.put(connection, name, card, author, "revert")
