"""A process whose files may not grow beyond 20,000 bytes: what a journal does then, as one line of JSON."""

import logging
import resource
import sys
from pathlib import Path

from msgspec import json

from switchgear.kernel.clock import FrozenClock
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.segment import segments
from tests.traces.samples import record

LIMIT_BYTES = 20_000


def main(directory: Path) -> None:
    """Append until records are lost, then let a second pass and go on."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
    clock = FrozenClock()
    journal = JournalWriter(JournalSettings(directory=directory), "g0", clock)
    number = 0
    while not journal.lost_records:
        journal.append(record(number))
        number += 1
    facts: dict[str, object] = {"lost": number - 1, "full": segments(directory)[0].stat().st_size}
    facts["healthy_at_once"] = journal.healthy
    clock.advance(1)
    facts["healthy_later"] = journal.healthy
    journal.append(record(number))
    journal.close()
    facts |= {"last": number, "segments": len(segments(directory)), "error": journal.last_error}
    sys.stdout.write(json.encode(facts).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
