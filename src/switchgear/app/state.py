"""Where gateways keep what they share: the engines that the configuration names."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

from switchgear.config.secret import Secret
from switchgear.config.state import CountersEntry, State
from switchgear.engines.files import FileKeyValue
from switchgear.engines.memory import MemoryKeyValue
from switchgear.engines.patient_counters import SharedCounters
from switchgear.engines.redis_address import RedisAddress, read_address
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ports import Counters, KeyValue

_VALUES_TIMEOUT_SECONDS = 1.0
"""A value may be large, and no limit waits for it."""


def key_value(declared: State, clock: Clock) -> KeyValue:
    """The store that ``declared`` describes. Raises ConfigError when it needs an extra that is not installed."""
    if declared.engine == "memory":
        return MemoryKeyValue(clock, declared.keep_bytes)
    if declared.engine == "redis":
        client = _redis("redis_client").RedisClient(_address(declared.url), _VALUES_TIMEOUT_SECONDS)
        store: KeyValue = _redis("redis_key_value").RedisKeyValue(client, declared.prefix, declared.keep_bytes)
        return store
    return FileKeyValue(Path(declared.directory), clock, declared.keep_bytes)


def shared_counters(declared: CountersEntry) -> SharedCounters:
    """The counters on the server that ``declared`` names. Raises ConfigError when the extra is not installed."""
    client = _redis("redis_client").RedisClient(_address(declared.url), declared.timeout_ms / 1e3)
    counters: SharedCounters = _redis("redis_counters").RedisCounters(client, declared.prefix)
    return counters


class ReadableCounters(Counters, Protocol):
    """Shared counters for whoever only looks at them."""

    async def connect(self) -> None:
        """Have a connection. Raises OSError."""
        ...


def readable_counters(declared: CountersEntry) -> ReadableCounters:
    """The same for whoever only looks; it may wait longer than a call."""
    client = _redis("redis_client").RedisClient(_address(declared.url), _VALUES_TIMEOUT_SECONDS)
    counters: ReadableCounters = _redis("redis_counters").RedisCounters(client, declared.prefix)
    return counters


def _address(url: Secret | None) -> RedisAddress:
    return read_address("" if url is None else url.reveal())


def _redis(module: str) -> ModuleType:
    """By name, because the library is an extra that most gateways never load."""
    try:
        return import_module(f"switchgear.engines.{module}")
    except ImportError as error:
        raise ConfigError("engine: redis is not installed; pip install 'switchgear[redis]'") from error
