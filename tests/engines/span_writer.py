"""A process to be killed: writes spans without end, and says how far it is once they are acknowledged."""

import asyncio
import os
import sys
from pathlib import Path

from switchgear.engines.sqlite_spans import SqliteSpans
from switchgear.testing.trace_store_samples import sample


async def main(path: Path, first: int) -> None:
    """Several writers at once, as doors are; span n is in trace n // 5."""
    store = SqliteSpans(path)
    await store.start()
    number = first
    while True:
        batches = [range(number + 3 * each, number + 3 * each + 3) for each in range(8)]
        await asyncio.gather(*(store.write([sample(n // 5, n) for n in batch]) for batch in batches))
        number += 24
        os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
