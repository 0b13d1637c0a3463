"""A process to be killed: appends without end, and says each id on standard output once it is appended."""

import os
import sys
from pathlib import Path

from switchgear.kernel.clock import SystemClock
from switchgear.traces.journal import JournalSettings, JournalWriter
from tests.traces.samples import record


def main(directory: Path, first: int, segment_bytes: int) -> None:
    """Append records from ``first`` on; where segments are small, kills fall into rotations too."""
    settings = JournalSettings(directory=directory, segment_bytes=segment_bytes)
    journal = JournalWriter(settings, f"g{first}", SystemClock())
    number = first
    while True:
        journal.append(record(number, error="x" * (number % 3000)))
        os.write(1, f"{number}\n".encode())
        number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
