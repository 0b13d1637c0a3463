"""Filters as the management API and the command line take them, checked before an engine sees them."""

from typing import Final

from msgspec import MsgspecError, json

from switchgear.kernel.query import FIELDS, Compare, Either, Every, FieldType, Filter, Not, OneOf, StartsWith

_FILTERS: Final = json.Decoder(Filter)
_MAX_DEPTH: Final = 16
_MAX_PARTS: Final = 200


def read_filter(text: str) -> Filter:
    """A filter written as JSON. Raises ValueError for one that no engine could answer."""
    try:
        found = _FILTERS.decode(text)
    except (MsgspecError, RecursionError) as error:
        raise ValueError(f"the filter cannot be read: {error}") from None
    if _parts(found, 0) > _MAX_PARTS:
        raise ValueError(f"the filter has more than {_MAX_PARTS} parts")
    return found


def _parts(where: Filter, depth: int) -> int:
    """How many parts a filter has. Raises ValueError."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"the filter is nested more than {_MAX_DEPTH} deep")
    match where:
        case Compare():
            _check(where.field, (where.value,))
            if FIELDS[where.field] == "boolean" and where.op not in ("==", "!="):
                raise ValueError(f"{where.field} is true or false: compare it by == or !=")
        case OneOf():
            _check(where.field, where.values)
            return max(len(where.values), 1)
        case StartsWith():
            _check(where.field, (where.prefix,))
        case Every() | Either():
            return 1 + sum(_parts(each, depth + 1) for each in where.filters)
        case Not():
            return 1 + _parts(where.filter, depth + 1)
        case _:
            return 1
    return 1


def _check(field: str, values: tuple[str | int | bool, ...]) -> None:
    """Raises ValueError for a field that there is not, and a value of another type."""
    kind = FIELDS.get(field)
    if kind is None:
        raise ValueError(f"there is no field {field[:100]!r}; there are {', '.join(sorted(FIELDS))}")
    if any(_type_of(value) != kind for value in values):
        raise ValueError(f"{field} is compared with values of type {kind}")


def _type_of(value: str | int | bool) -> FieldType:
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "text"
