"""A process that counts as a gateway does: `counting_gateway URL PREFIX NAME CALLS TTL_SECONDS`.

It reserves one of everything for each of CALLS calls at once, says how many it got, waits for a line, and settles
those.
"""

import asyncio
import sys

from switchgear.engines.patient_counters import PatientCounters
from switchgear.engines.redis_address import read_address
from switchgear.engines.redis_client import RedisClient
from switchgear.engines.redis_counters import RedisCounters
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import Claim

LIMIT = 100
CLAIMS = (
    *(
        Claim(counter=name, amount=1, limit=LIMIT if name == "money" else 10**6, window="today", keep_seconds=3600)
        for name in ("requests", "tokens", "output", "money", "team")
    ),
    Claim(counter="at once", amount=1, limit=10**6),
)


async def call(counters: PatientCounters, name: str, ttl_seconds: float) -> str:
    standings = await counters.reserve(name, CLAIMS, ttl_seconds)
    return name if all(each.fits and each.known for each in standings) else ""


async def main(url: str, prefix: str, name: str, calls: int, ttl_seconds: float) -> None:
    shared = RedisCounters(RedisClient(read_address(url), 5.0), prefix)
    counters = PatientCounters(shared, name, SystemClock(), seeded_bits())
    await counters.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    got = [
        each
        for each in await asyncio.gather(*(call(counters, f"{name}-{n}", ttl_seconds) for n in range(calls)))
        if each
    ]
    sys.stdout.write(f"{len(got)}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for each in got:
        await counters.settle(each, CLAIMS, (1,) * len(CLAIMS))
    await counters.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
