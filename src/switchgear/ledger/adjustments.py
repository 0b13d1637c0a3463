"""What rows cost under a later table of prices: added beside them, never in their place."""

from collections.abc import Iterator

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.ledger.bulk import insert_all
from switchgear.ledger.tables import ADJUSTMENTS

_AT_ONCE = 1000


class Adjustment(Struct, kw_only=True):
    """One change of what a row costs; ``number`` counts a row's changes from 1."""

    call_id: str
    attempt: int
    number: int
    made_at_ns: int
    old_state: str
    new_state: str
    old_price: str
    new_price: str
    old_cost_nano_usd: int
    new_cost_nano_usd: int
    old_lowest_nano_usd: int
    new_lowest_nano_usd: int
    old_highest_nano_usd: int | None
    new_highest_nano_usd: int | None


async def latest(connection: AsyncConnection, calls: set[str]) -> dict[tuple[str, int], Adjustment]:
    """The adjustment that holds for each row of ``calls`` that has any."""
    found: dict[tuple[str, int], Adjustment] = {}
    for some in _pieces(sorted(calls)):
        asked = select(ADJUSTMENTS).where(ADJUSTMENTS.c.call_id.in_(some)).order_by(ADJUSTMENTS.c.number)
        for values in (await connection.execute(asked)).mappings():
            made = Adjustment(**values)
            found[made.call_id, made.attempt] = made
    return found


async def adjust(connection: AsyncConnection, made: list[Adjustment]) -> None:
    """Add adjustments. Raises IntegrityError when somebody else has added to one of their rows meanwhile."""
    if made:
        columns = [column.name for column in ADJUSTMENTS.columns]
        values = [tuple(getattr(one, name) for name in columns) for one in made]
        await insert_all(connection, ADJUSTMENTS, values)


def _pieces(names: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(names), _AT_ONCE):
        yield names[at : at + _AT_ONCE]
