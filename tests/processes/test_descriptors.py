"""How many sockets a gateway may have open: as many as its clients need, as far as the system lets it."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from switchgear.processes.sockets import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(raise_descriptor_limit({connections}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "told"),
    [
        (256, 4096, 1000, "True 2256"),
        (256, 2000, 1000, "True 2000"),
        (256, 1000, 1000, "False 1000"),
        (4096, 4096, 10, "True 4096"),
    ],
)
def test_the_soft_limit_is_raised_to_what_clients_and_upstreams_need(
    soft: int, hard: int, connections: int, told: str
) -> None:
    program = PROGRAM.format(soft=soft, hard=hard, connections=connections)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == told


TABLE = """
import os, resource
from pathlib import Path
from switchgear.processes.sockets import grow_descriptor_table
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {soft}))
before = os.listdir("/proc/self/fd")
grow_descriptor_table(1000)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["FDSize"]) >= {room}, os.listdir("/proc/self/fd") == before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what the system's table holds is known on Linux alone")
@pytest.mark.parametrize(("soft", "room"), [(4096, 2256), (600, 600)])
def test_no_call_waits_until_the_table_of_descriptors_has_grown(soft: int, room: int) -> None:
    program = TABLE.format(soft=soft, room=room)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True True"
