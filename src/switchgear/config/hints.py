"""What to write instead: hints that follow a problem, for the slips that people make."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec.inspect as shape

from switchgear.config.problems import likely

_SHOWN: Final = 12
_AMOUNT: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(%|ms|sec|seconds|s|minutes|min|m|hours|h)")
_SECONDS: Final[Mapping[str, float]] = {
    "ms": 0.001,
    "s": 1,
    "sec": 1,
    "seconds": 1,
    "m": 60,
    "min": 60,
    "minutes": 60,
    "h": 3600,
    "hours": 3600,
}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_WHOLE_SHARE: Final = 100
_SYNTAX: Final = (
    (
        "mapping values are not allowed",
        "what follows belongs on lines of its own, or in {}; a text with ': ' in it, in quotes",
    ),
    ("scanning an alias", "a text that begins with '*' stands in quotes"),
    ("scanning an anchor", "a text that begins with '&' stands in quotes"),
    ("did not find expected ',' or", "inside [] and {}, what holds commas, quotes or brackets stands in quotes itself"),
    ("did not find expected key", "look at the indentation, and for a quote that ends a text too soon"),
    ("did not find expected '-'", "entries of one list begin in the same column"),
)


def for_scalar(text: str, kind: shape.Type, name: str, *, quoted: bool) -> str:
    """For a scalar that is not of its kind."""
    if isinstance(kind, shape.LiteralType):
        found = likely(text.replace("-", "_"), [str(value) for value in kind.values])
        return f"; did you mean {found!r}?" if found else ""
    if not isinstance(kind, shape.IntType | shape.FloatType):
        return ""
    if quoted and _NUMBER.fullmatch(text):
        return "; take the quotes away"
    amount = _AMOUNT.fullmatch(text.strip())
    if amount is None:
        return ""
    number, unit = float(amount[1]), amount[2]
    if unit == "%":
        return f"; write {number / _WHOLE_SHARE if _is_share(kind) else number:g}"
    return f"; write {number * _SECONDS[unit]:g}, for it is in seconds" if name.endswith("_seconds") else ""


def for_number(value: object, kind: shape.Type) -> str:
    """For a number out of its bounds."""
    if _is_share(kind) and isinstance(value, int | float) and 1 < value <= _WHOLE_SHARE:
        return f"; it is a share: write {value / _WHOLE_SHARE:g} for {value:g} %"
    return ""


def for_mapping(kind: shape.Type, what: str) -> str:
    """For what stands where a mapping must."""
    if what == "nothing":
        return "; what belongs to it stands below it, indented further"
    if isinstance(kind, shape.DictType):
        return "; its entries are 'name: ...', without a dash" if what == "a list" else ""
    if not isinstance(kind, shape.StructType):
        return ""
    required = [field.encode_name for field in kind.fields if field.required]
    if len(required) == 1:
        return f"; such as {{{required[0]}: ...}}"
    return f"; it takes {_listed(field.encode_name for field in kind.fields)}"


def for_list(what: str) -> str:
    """For what stands where a list must."""
    return "; each of its entries begins with '- '" if what == "a mapping" else "; put it in brackets: [...]"


def for_syntax(problem: str, line: str, column: int) -> str:
    """For what is no YAML: ``problem`` is the parser's word, ``line`` the text there, ``column`` counts from 0."""
    if "cannot start any token" in problem:
        character = line[column : column + 1]
        if "\t" in line[: column + 1]:
            return "; indent by spaces, not by a tab"
        return f"; a text that begins with {character!r} stands in quotes" if character else ""
    return next((f"; {hint}" for said, hint in _SYNTAX if said in problem), "")


def _is_share(kind: shape.Type) -> bool:
    return isinstance(kind, shape.FloatType) and kind.le == 1


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
