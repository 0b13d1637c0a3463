"""Prices in the control database: what one provider's model costs, changed at run time, ``/api/v1/prices``.

A price is named as calls name its model, ``provider/model``, or ``provider/*`` for all that have none of their own. It
goes before every table, as a price under ``providers.NAME.prices`` of the file does; where both are there, the file's.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.kept import Kept, KeptKind
from switchgear.app.prices import declared_version
from switchgear.config import Config
from switchgear.models.rate_card import PriceCard
from switchgear.rest.objects import Objects
from switchgear.rest.problem import Refused
from switchgear.rest.resource import Fixed, Proposal, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Route

KIND: Final = "price"
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
        card.price(declared_version(card))
    except ValueError as error:
        raise Refused(422, "disagreement", f"the price cannot be used: {error}") from None


def kept_prices(objects: Objects, declared: Callable[[], Config]) -> Kept[PriceCard]:
    """The same for the command line."""

    async def check(connection: AsyncConnection, name: str, card: PriceCard) -> None:
        check_price(declared(), name, card)

    kind = KeptKind(
        kind=KIND,
        called="price of",
        type=PriceCard,
        is_in_file=lambda name: name in of_file(declared(), ""),
        check=check,
    )
    return Kept(objects, kind)
