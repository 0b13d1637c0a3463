"""What pages of spans and of traces have in common: portions of ids, and cursors."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from switchgear.engines.span_sql.dialect import Writing
from switchgear.kernel.errors import BadRequest

PORTION: Final = 1000
"""Ids that are bound in one statement, at most."""
Place = tuple[int, *tuple[str, ...]]
"""A start, and ids behind it."""
_Item = TypeVar("_Item")


def portions(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """As many as are bound at once."""
    for at in range(0, len(items), PORTION):
        yield items[at : at + PORTION]


def place_in(cursor: str, parts: int) -> Place | None:
    """Where the page before ended; None without one. Raises BadRequest for a cursor that is none."""
    if not cursor:
        return None
    told = cursor.split(".")
    try:
        started_ns = int(told[0])
    except ValueError:
        started_ns = 2**63
    if len(told) != parts or abs(started_ns) >= 2**63:
        raise BadRequest("the cursor is none that a page gave: begin without one", param="after")
    return (started_ns, *told[1:])


def behind(writing: Writing, columns: Sequence[str], place: Place | None, *, newest_first: bool) -> str:
    """The rows behind a place, as one more condition; empty without a place."""
    if place is None:
        return ""
    less = "<" if newest_first else ">"
    started_ns, *ids = (writing.bind(part) for part in place)
    bound = ", ".join((started_ns, *ids))
    # The first alone is what indexes know.
    return f" AND {columns[0]} {less}= {started_ns} AND ({', '.join(columns)}) {less} ({bound})"


def ordered(columns: Sequence[str], *, newest_first: bool) -> str:
    """The order of a list."""
    down = "DESC" if newest_first else "ASC"
    return f"ORDER BY {', '.join(f'{column} {down}' for column in columns)}"
