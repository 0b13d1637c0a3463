"""What every door for spans hands over, and what it is told."""

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from switchgear.kernel.span import ToldSpan

Reason = Literal["no_ids", "bad_ids", "bad_times", "in_the_future", "too_large", "unreadable", "its_own_parent"]


class Origin(Struct, frozen=True, kw_only=True):
    """Where spans come from."""

    project: str
    """That of the key they came under; ``default`` for callers on this machine who need none."""
    door: str
    """``otlp``, ``langfuse``, ``langsmith``, ``phoenix``, ``gateway`` or ``import``."""
    key: str = ""
    """The name of the virtual key."""
    sender_project: str = ""
    """What the sender calls its project, session or experiment; kept in each span's metadata as ``project``."""


class Refusal(Struct, frozen=True, kw_only=True):
    """One span that was not taken; all others were."""

    place: int
    """Its number among those handed over, from 0."""
    reason: Reason
    message: str
    """For the sender: what is wrong, and what to do."""


class Taken(Struct, frozen=True, kw_only=True):
    accepted: int
    """Those that were known already included: sending twice is no fault."""
    refused: tuple[Refusal, ...] = ()


class Brought(Struct, frozen=True, kw_only=True):
    """What became of spans that were kept elsewhere before."""

    new: int
    known: int
    """Those that were there already, and were left as they are."""
    refused: tuple[Refusal, ...] = ()


class Intake(Protocol):
    """Takes spans in. On return they are on the disk, and questions see them."""

    async def take(self, origin: Origin, told: Sequence[ToldSpan], *, replace: bool = False) -> Taken:
        """Check, understand, price and write spans; with ``replace`` they take the place of those with the same ids.

        Raises Overloaded, with a time to come again, while the store is behind, full or broken: nothing was taken then.
        """
        ...
