"""Finds the conventions: every file of this folder that offers ``CONVENTION``."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Final

from switchgear.traces.conventions.convention import Convention

PACKAGE: Final = "switchgear.traces.conventions"


def discover(folders: Iterable[str] | None = None) -> tuple[Convention, ...]:
    """All conventions, the most specific first. ``folders`` are where to look, by default that of this package.

    Raises TypeError for a file that offers something else.
    """
    places = import_module(PACKAGE).__path__ if folders is None else folders
    found: list[Convention] = []
    for module in pkgutil.iter_modules(places):
        offered = getattr(import_module(f"{PACKAGE}.{module.name}"), "CONVENTION", None)
        if offered is None:
            continue
        if not isinstance(offered, Convention):
            raise TypeError(f"{PACKAGE}.{module.name} offers {offered!r} where a Convention was expected")
        found.append(offered)
    return tuple(sorted(found, key=lambda convention: (convention.order, convention.name)))
