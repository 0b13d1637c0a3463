"""What clients tell of spans in pieces, without what masks find: it is kept until no other piece can come.

Masks do not reach what spans are put together by: ids, times, and whose they are.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final, cast

from msgspec import MsgspecError, json

from switchgear.traces.drafts import Fields
from switchgear.traces.scores.model import MaskText

_COUNTS: Final = ("usage", "usage_metadata", "token_usage", "usageDetails", "costDetails")
"""Objects that stay where they hold nothing but numbers."""


def masking(mask: MaskText, stays: Collection[str]) -> Callable[[str, Fields], Fields]:
    """Masks what is said in a project, but for members in ``stays``: their names, and those above, joined by stops."""

    def masked(project: str, fields: Fields) -> Fields:
        return _masked(fields, stays, partial(mask, project), "")

    return masked


def _masked(fields: Fields, stays: Collection[str], mask: Callable[[str], str], path: str) -> Fields:
    found: Fields = {}
    for name, value in fields.items():
        place = f"{path}{name}"
        if place in stays and (name not in _COUNTS or _are_counts(value)):
            found[name] = value
        elif any(stay.startswith(f"{place}.") for stay in stays):
            found[name] = _within(value, stays, mask, f"{place}.")
        else:
            found |= _whole({name: value}, mask)
    return found


def _within(value: object, stays: Collection[str], mask: Callable[[str], str], path: str) -> object:
    """Of a list each one, too."""
    if isinstance(value, dict):
        return _masked(cast("Fields", value), stays, mask, path)
    if isinstance(value, list):
        return [_within(each, stays, mask, path) for each in cast("list[object]", value)]
    return _whole({"value": value}, mask)["value"]


def _whole(fields: Fields, mask: Callable[[str], str]) -> Fields:
    """Masked as JSON, so that numbers and the keys of objects are."""
    text = json.encode(fields).decode()
    masked = mask(text)
    if masked == text:
        return fields
    try:
        return json.decode(masked, type=dict[str, object])
    except MsgspecError:
        # It lies too deep to be masked as JSON.
        return dict.fromkeys(fields, masked)


def _are_counts(value: object) -> bool:
    if isinstance(value, dict):
        return all(_are_counts(each) for each in cast("Mapping[str, object]", value).values())
    return value is None or isinstance(value, int | float)
