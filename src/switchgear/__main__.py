"""``python -m switchgear`` is the command ``switchgear``."""

import gc
from typing import Protocol, cast

from switchgear.processes.launch import load


class _CommandLine(Protocol):
    def main(self) -> None: ...


def main() -> None:
    """Run the command line; see :func:`switchgear.cli.main`."""
    command_line = cast("_CommandLine", load("switchgear.cli"))
    try:
        command_line.main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
