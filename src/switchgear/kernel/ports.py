"""What the product asks of outside engines: few ports, small ones, named for what they can do.

Each has a contract suite in ``testing/``, run over every engine of ``engines/``.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Literal, Protocol, TypeVar, runtime_checkable

from msgspec import Struct

from switchgear.kernel.query import Aggregate, Doomed, Find, Found, Group
from switchgear.kernel.span import Span


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


FailMode = Literal["open", "closed", "local_share"]
"""Let pass and count; refuse; or enforce this gateway's share of the limit."""


class Claim(Struct, frozen=True, gc=False):
    """What a call wants of one counter.

    A counter counts in windows of equal meaning: ``window`` names the present one, and its count begins at zero. Where
    ``previous`` names the one before, the count slides: the previous window's count weighs ``previous_parts`` of
    ``PARTS``, rounded up: the share of it that the last so-many seconds still cover (two buckets; the true count of a
    sliding window is met exactly when calls came evenly).
    """

    counter: str
    """Without its window: ``key=support-bot requests minute``. No two claims of a call name the same one."""
    amount: int
    """How much more, never below 0; 0 only asks how it stands."""
    limit: int
    """The count, this claim's amount taken in, that may not be passed."""
    window: str = ""
    """Empty: the counter has no window, it is what is held at this moment (calls at once), and settling returns all."""
    previous: str = ""
    previous_parts: int = 0
    keep_seconds: float = 0.0
    """How long from now the window's count is still asked for; afterwards the engine may forget it."""
    enforced: bool = True
    """Whether a limit that is passed refuses; otherwise it is counted all the same, and told."""
    when_unreachable: FailMode = "open"
    """What the limit does while the engine that gateways share cannot be asked."""


PARTS: Final = 1_000_000


class Standing(Struct, frozen=True, gc=False):
    """How one counter stands after a claim.

    What is over the limit without ``held`` is spent; with it, it may come free again in a moment.
    """

    used: int
    """What counts against the limit, held and settled; the claim's own amount too, unless it was refused."""
    fits: bool
    """Whether the claim fitted below the limit."""
    held: int = 0
    """How much of ``used`` is held in this window and not settled yet."""
    known: bool = True
    """False: the shared engine could not be asked, and ``used`` is only what this gateway knows."""


class Counters(Protocol):
    """Counts that gateways share, changed over many counters at once or not at all.

    A reservation holds amounts until it is settled. One whose owner dies is let go after its time: what it held is
    given back. A call counts whole in the windows in which it was first reserved, however long it takes: who reserves
    more for it, or settles it, names the same windows. Counts are exact whole numbers up to 2⁶³; they are compared
    exactly up to 2⁵³. All methods raise OSError when the engine itself fails, and it is then unknown whether it acted.
    """

    async def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        ttl_seconds: float,
        amounts: Sequence[int] | None = None,
    ) -> tuple[Standing, ...]:
        """Hold all of ``claims``, or none when an enforced one does not fit; how each counter stands, in their order.

        A reservation that is held already grows by them, and its time begins anew. ``amounts`` count in place of the
        claims' own: who asks the same again and again, only of other amounts, need not make the claims anew.
        """
        ...

    async def settle(self, reservation: str, claims: Sequence[Claim] = (), amounts: Sequence[int] = ()) -> None:
        """End a reservation: of each claim the counter keeps the amount in the same place, which may be more than held.

        What else was held is given back, and all that counters without a window hold. Settling twice changes nothing.
        A reservation that was let go before counts all the same. One that never was counts nothing, and it is not
        certain that it can still be reserved.
        """
        ...

    async def count(self, entry: str, claims: Sequence[Claim]) -> None:
        """Add each claim's amount, which may be below 0 here, once for each ``entry``, whatever the limits are.

        For what no reservation held: corrections, replays, what was counted elsewhere meanwhile. An entry is
        remembered for a day.
        """
        ...

    async def standings(self, claims: Sequence[Claim]) -> tuple[Standing, ...]:
        """How counters stand, without holding anything."""
        ...


Connection_co = TypeVar("Connection_co", covariant=True)


class Database(Protocol[Connection_co]):
    """Control data in tables, read and changed in transactions through a ``Connection`` of the SQL library.

    It is small and precious: nothing of it vanishes, and nobody on the data path waits for it. All methods raise
    OSError when the engine cannot be reached or is busy for too long; nothing was changed then.
    """

    def read(self) -> AbstractAsyncContextManager[Connection_co]:
        """A transaction that sees one state of everything, and changes nothing."""
        ...

    def write(self) -> AbstractAsyncContextManager[Connection_co]:
        """A transaction that is committed at the end of the block, and undone when the block raises.

        Writers on SQLite come one after the other; on Postgres two may meet, so what must not happen twice at once
        locks a row (``SELECT ... FOR UPDATE``).
        """
        ...

    def changes(self) -> AsyncGenerator[None]:
        """One item at once, and one whenever something may have been committed, by this process or another.

        At most a second later, and now and then for nothing, also when the engine cannot be reached. It never ends by
        itself.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class TraceStore(Protocol):
    """Spans of projects: written once, found again by questions, deleted as a whole trace, a user or an age.

    All methods raise OSError when the store cannot be reached, is full or is broken; nothing was changed then.
    """

    async def write(self, spans: Sequence[Span], *, replace: bool = False) -> int:
        """Keep spans; on return they are on the disk, and questions see them. How many were new, or else: came.

        A span whose project, trace and id are known is left as it is; with ``replace`` it takes the other's place.
        """
        ...

    async def find(self, question: Find) -> Found:
        """A page of spans or traces, without their contents."""
        ...

    async def aggregate(self, question: Aggregate) -> list[Group]:
        """Measures, by group and bucket."""
        ...

    async def read(self, project: str, trace_id: str, span_ids: Sequence[str]) -> list[Span]:
        """Whole spans, contents and attributes included; those that are not there are left out."""
        ...

    async def delete(self, doomed: Doomed) -> int:
        """Delete traces, or all of a user, or all that ended before a time; how many spans."""
        ...


class Arrived(Struct, frozen=True, kw_only=True):
    """Spans in the order in which they arrived."""

    spans: tuple[Span, ...] = ()
    """Whole."""
    position: int
    """Behind the last of them: where to go on."""
    newest: int
    """The position behind the last that the store tells of now."""
    behind: int = 0
    """How many it tells of behind ``position``, or a few more."""


class Holdings(TraceStore, Protocol):
    """A store that knows whose spans it has."""

    async def projects(self) -> list[str]:
        """All projects with a span in it, in any order. Raises OSError."""
        ...


@runtime_checkable
class Arrivals(Protocol):
    """A store whose spans can be followed in the order in which they arrived.

    A span that took another's place has arrived anew; one that was deleted meanwhile is passed over.
    """

    async def arrived(self, after: int, most: int, most_bytes: int) -> Arrived:
        """Spans behind a position, at most so many and about so many bytes, but at least one where there is one.

        The position before the first is 0. With ``most`` 0 it only tells how far it is. Raises OSError.
        """
        ...
