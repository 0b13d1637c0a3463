"""What a process that has started asks of Python's collector of garbage."""

import gc
from typing import Final

_COLLECTED_AFTER: Final = (10_000, 10, 100)
"""Objects more than were freed between two looks at young ones, and how many looks go before one at older ones.

Calls and spans free theirs without the collector's help, so it finds little; while it looks, which takes a tenth of a
microsecond for each object, everybody waits.
"""


def settle_memory() -> None:
    """Take what will live as long as the process out of the collector's sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
