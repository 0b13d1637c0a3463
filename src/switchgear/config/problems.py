"""What is wrong with a configuration, where, and how it is said."""

import difflib
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from switchgear.kernel.errors import ConfigError

MAX_SHOWN: Final = 60
MAX_PROBLEMS: Final = 50
_NAMES_COMPARED: Final = 1000


class Problem(Struct, frozen=True, order=True):
    """One fault; lines and columns count from 1, a line of 0 means the file as a whole."""

    line: int
    column: int
    text: str


def refusal(path: str, problems: Iterable[Problem]) -> ConfigError:
    """One error that tells all problems, a line to each, in the order of the file."""
    ordered = sorted(set(problems))
    lines = [f"{path}:{one.line}:{one.column}: {one.text}" if one.line else f"{path}: {one.text}" for one in ordered]
    if len(lines) > MAX_PROBLEMS:
        lines = [*lines[:MAX_PROBLEMS], f"{path}: and {len(lines) - MAX_PROBLEMS} more"]
    return ConfigError("\n".join(lines))


def shown(name: str) -> str:
    """``name`` in quotes, cut to a length that fits a message."""
    return repr(name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}…")


def likely(name: str, known: Iterable[str]) -> str:
    """The one that ``name`` was meant to be: the only one with all of its words, or the nearest; else empty."""
    names = sorted(known)[:_NAMES_COMPARED]
    words = set(name.split("_"))
    longer = [each for each in names if words <= set(each.split("_"))]
    if len(longer) == 1:
        return longer[0]
    near = difflib.get_close_matches(name[:MAX_SHOWN], names, n=1, cutoff=0.6)
    return near[0] if near else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?``, or the known names when none is near; empty when nothing is known."""
    names = sorted(known)
    found = likely(name, names)
    if found:
        return f"; did you mean {found!r}?"
    if not names:
        return ""
    listed = ", ".join(names[:12])
    return f"; known: {listed}{', ...' if len(names) > 12 else ''}"
