"""Begins a process: ``python -m switchgear.processes.launch MODULE OPTIONS``.

While a program loads, the collector looks at everything again and again and finds nothing: a quarter of the time that a
start takes. At the end it would look at all of it once more, for nobody.
"""

import gc
import sys
from importlib import import_module
from typing import Protocol, cast


class _Program(Protocol):
    def main(self, arguments: list[str]) -> int: ...


def load(module: str) -> object:
    """The module of that name, loaded out of the collector's sight."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def main(arguments: list[str]) -> int:
    """Run ``main`` of the module that the first argument names with the other ones; the exit status."""
    program = cast("_Program", load(arguments[0]))
    try:
        return program.main(arguments[1:])
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
