"""A process whose files may not grow beyond 200,000 bytes: what a journal does then, as one line of JSON."""

import asyncio
import logging
import resource
import sys
from pathlib import Path

from msgspec import json

from switchgear.kernel.clock import FrozenClock
from switchgear.traces.journal import JournalSettings, JournalWriter
from switchgear.traces.segment import segments
from tests.traces.samples import record

LIMIT_BYTES = 200_000


async def main(directory: Path) -> None:
    """Have room refused, append until records are lost, then let a second pass and go on."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
    clock = FrozenClock()
    journal = JournalWriter(JournalSettings(directory=directory), "g0", clock)
    # The second round begins after the first, which may have begun before room was asked for.
    await journal.flushed()
    await journal.flushed()
    facts: dict[str, object] = {"healthy_at_first": journal.healthy, "lost_at_first": journal.lost_records}
    number = 0
    while not journal.lost_records:
        journal.append(record(number))
        number += 1
    facts |= {"lost": number - 1, "full": segments(directory)[0].stat().st_size}
    facts["healthy_at_once"] = journal.healthy
    clock.advance(1)
    facts["healthy_later"] = journal.healthy
    journal.append(record(number))
    error = journal.last_error
    journal.close()
    facts |= {"last": number, "segments": len(segments(directory)), "error": error}
    sys.stdout.write(json.encode(facts).decode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
