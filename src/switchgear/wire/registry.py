"""Finds the dialects: the files of this folder that offer some."""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Final, cast

from switchgear.kernel.dialect import Dialect

PACKAGE: Final = "switchgear.wire"


def discover() -> dict[str, Dialect]:
    """Every dialect by its name: an instance of each class that a file of the folder names in ``DIALECTS``.

    Those of other families than chat have the part of the seam that their family knows.
    """
    found: dict[str, Dialect] = {}
    for module in sorted(pkgutil.iter_modules(import_module(PACKAGE).__path__), key=lambda module: module.name):
        offered = getattr(import_module(f"{PACKAGE}.{module.name}"), "DIALECTS", ())
        for build in cast("tuple[Callable[[], Dialect], ...]", offered):
            dialect = build()
            found[dialect.name] = dialect
    return found
