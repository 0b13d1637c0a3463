"""What the product asks of outside engines: few ports, small ones, named for what they can do.

Each has a contract suite in ``testing/``, run over every engine of ``engines/``.
"""

from typing import Protocol


class KeyValue(Protocol):
    """Bytes under a name, for a time: what gateways of one installation share and can live without.

    Absent means: never put, deleted, out of time, pushed out by newer values, or damaged. Nobody can tell these apart,
    and nobody needs to. All methods raise OSError when the engine itself fails.
    """

    async def get(self, key: str) -> bytes | None:
        """The value last put under ``key``; None when it is absent."""
        ...

    async def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        """Keep ``value`` under ``key`` in place of any other; after ``ttl_seconds`` it is absent.

        Raises OSError when it cannot be kept: a full disk, a value larger than the engine holds.
        """
        ...

    async def delete(self, key: str) -> None:
        """Make ``key`` absent; harmless when it is."""
        ...
