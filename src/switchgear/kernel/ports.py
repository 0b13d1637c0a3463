"""What the product asks of outside engines: few ports, small ones, named for what they can do.

Each has a contract suite in ``testing/``, run over every engine of ``engines/``.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


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


class Claim(Struct, frozen=True, kw_only=True):
    """What a call wants of one counter.

    A counter counts in windows of equal meaning: ``window`` names the present one, and its count begins at zero. Where
    ``previous`` names the one before, the count slides: the previous window's counts for ``previous_parts`` of
    ``PARTS``, the share of it that the last so-many seconds still cover (two buckets; the true count of a sliding window
    is met exactly when calls came evenly).
    """

    counter: str
    """Without its window: ``key=support-bot requests minute``."""
    amount: int
    """How much more; 0 only asks how it stands."""
    limit: int
    """The count, this claim's amount taken in, that may not be passed."""
    window: str = ""
    """Empty: the counter has no window, it is what is held at this moment (calls at once), and settling returns all."""
    previous: str = ""
    previous_parts: int = 0
    keep_seconds: float = 0.0
    """How long the window's count is still asked for; afterwards the engine forgets it."""
    enforced: bool = True
    """Whether a limit that is passed refuses; otherwise it is counted all the same, and told."""


PARTS = 1_000_000


class Standing(Struct, frozen=True):
    """How one counter stands after a claim: what counts against its limit, and whether the claim fitted below it."""

    used: int
    fits: bool


class Counters(Protocol):
    """Counts that gateways share, changed over many counters at once or not at all.

    A reservation holds amounts until it is settled. One whose owner dies is let go after its time: what it held is
    given back. Counts are exact whole numbers up to 2⁶³; they are compared exactly up to 2⁵³.
    All methods raise OSError when the engine itself fails, and it is then unknown whether it acted.
    """

    async def reserve(self, reservation: str, claims: Sequence[Claim], ttl_seconds: float) -> tuple[Standing, ...]:
        """Hold all of ``claims``, or none when an enforced one does not fit; how each counter stands, in their order.

        A reservation that is held already grows by them, and its time begins anew.
        """
        ...

    async def settle(self, reservation: str, amounts: Sequence[tuple[str, int]] = ()) -> None:
        """End a reservation: each counter keeps what ``amounts`` says by its name, and nothing where it says nothing.

        An amount may be more than what was held. A reservation that is unknown, or was settled, or let go, is counted
        as far as ``amounts`` goes only when it was let go; settling twice changes nothing.
        """
        ...

    async def standings(self, claims: Sequence[Claim]) -> tuple[Standing, ...]:
        """How counters stand, without holding anything."""
        ...
