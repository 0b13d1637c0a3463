"""Where gateways keep what they share: the engine that the configuration names."""

from pathlib import Path

from switchgear.config.model import State
from switchgear.engines.files import FileKeyValue
from switchgear.engines.memory import MemoryKeyValue
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import KeyValue


def key_value(declared: State, clock: Clock) -> KeyValue:
    """The store that ``declared`` describes."""
    if declared.engine == "memory":
        return MemoryKeyValue(clock, declared.keep_bytes)
    return FileKeyValue(Path(declared.directory), clock, declared.keep_bytes)
