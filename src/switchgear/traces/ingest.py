"""The one way in for spans: every door's, and the journal's.

Each span is checked by itself, understood, and priced; then all that came waits for the store's one writer, which takes
whatever waits in one write (group commit). Who sent them hears of success after that, and not before.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import Internal, Overloaded
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.span import Span, ToldSpan
from switchgear.traces.ingest_counts import IngestCounts
from switchgear.traces.intake import Brought, Intake, Origin, Refusal, Taken
from switchgear.traces.restored import mended, told_of, weight_of
from switchgear.traces.span_checks import MAX_SPAN_WEIGHT, Fault, SpanChecks

Normalise = Callable[[ToldSpan, Origin], Span]
Price = Callable[[Span], Span]
PROJECT: Final = "project"
"""The name in a span's metadata under which it says what its sender calls the project."""
_INLINE_SPANS: Final = 16
"""So many are understood on the event loop; more would hold it up, and go to a thread."""
_TOLD_PROJECTS: Final = ("openinference.project.name", "wandb.project")
"""Where a resource names its project, for senders that have no header for it."""


class Bounds(Struct, frozen=True, kw_only=True):
    """How much may wait, and be written at once."""

    max_waiting_spans: int = 50_000
    max_waiting_bytes: int = 256 * 1024 * 1024
    max_write_spans: int = 10_000
    behind_seconds: float = 1.0
    """When to come again while the store is behind."""
    broken_seconds: float = 5.0
    """The same while it cannot write."""


class _Sorted(Struct, frozen=True):
    """What of a request is kept, and what is not."""

    spans: list[Span]
    weight: int
    refused: tuple[Refusal, ...]
    notes: Counter[str]


class _Waiting(Struct, frozen=True, eq=False):
    spans: list[Span]
    weight: int
    replace: bool
    alone: bool
    """Nothing else is written with it."""
    written: asyncio.Future[int]
    """How many of what was written at once were new."""


class Ingest:
    """An Intake over one store."""

    def __init__(
        self,
        store: TraceStore,
        normalise: Normalise,
        price: Price,
        clock: Clock,
        bounds: Bounds | None = None,
        counts: IngestCounts | None = None,
    ) -> None:
        """``counts``: those of another way in, where both are one to whoever looks at them."""
        self.counts = counts or IngestCounts()
        self._store = store
        self._normalise = normalise
        self._price = price
        self._clock = clock
        self._bounds = Bounds() if bounds is None else bounds
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    async def take(self, origin: Origin, told: Sequence[ToldSpan], *, replace: bool = False) -> Taken:
        """Check, understand, price and write spans. Raises Overloaded: nothing was taken then."""
        self._refuse_when_behind(origin)
        if len(told) <= _INLINE_SPANS:
            found = self._sorted(origin, told)
        else:
            found = await asyncio.to_thread(self._sorted, origin, told)
        if found.spans:
            await self._write(origin, found, replace=replace)
        self._count(origin.door, found)
        return Taken(accepted=len(found.spans), refused=found.refused)

    async def bring(self, origin: Origin, told: Sequence[ToldSpan]) -> Brought:
        """Take spans as from any sender, but by themselves: how many of them were new is known then."""
        self._refuse_when_behind(origin)
        return await self._brought(origin, await asyncio.to_thread(self._sorted, origin, told))

    async def restore(self, origin: Origin, spans: Sequence[Span]) -> Brought:
        """Write spans that were understood, masked and priced before; they are checked like all others.

        Raises Overloaded: nothing was taken then.
        """
        self._refuse_when_behind(origin)
        return await self._brought(origin, await asyncio.to_thread(self._checked, spans))

    async def aclose(self) -> None:
        """Wait until all that was taken is written."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    def _sorted(self, origin: Origin, told: Sequence[ToldSpan]) -> _Sorted:
        check = SpanChecks(self._clock.wall_ns(), told)
        spans: list[Span] = []
        refused: list[Refusal] = []
        notes: Counter[str] = Counter()
        weight = 0
        for place, one in enumerate(told):
            checked = check(one)
            if isinstance(checked, Fault):
                refused.append(Refusal(place=place, reason=checked.reason, message=checked.message))
                continue
            spans.append(self._understood(checked.told, origin))
            weight += checked.weight
            if checked.notes:
                notes.update(checked.notes)
        return _Sorted(spans, weight, tuple(refused), notes)

    def _checked(self, spans: Sequence[Span]) -> _Sorted:
        """Spans that were understood before."""
        told = [told_of(span) for span in spans]
        check = SpanChecks(self._clock.wall_ns(), told)
        found = _Sorted([], 0, (), Counter())
        refused: list[Refusal] = []
        weight = 0
        for place, (span, one) in enumerate(zip(spans, told, strict=True)):
            checked = check(one)
            if isinstance(checked, Fault):
                refused.append(Refusal(place=place, reason=checked.reason, message=checked.message))
                continue
            own = checked.weight + weight_of(span)
            if own > MAX_SPAN_WEIGHT:
                message = f"the span holds more than {MAX_SPAN_WEIGHT} bytes"
                refused.append(Refusal(place=place, reason="too_large", message=message))
                continue
            found.spans.append(mended(span, checked.told) if checked.notes else span)
            found.notes.update(checked.notes)
            weight += own
        return structs.replace(found, weight=weight, refused=tuple(refused))

    async def _brought(self, origin: Origin, found: _Sorted) -> Brought:
        new = await self._write(origin, found, replace=False, alone=True) if found.spans else 0
        self._count(origin.door, found)
        return Brought(new=new, known=len(found.spans) - new, refused=found.refused)

    def _understood(self, told: ToldSpan, origin: Origin) -> Span:
        span = self._normalise(told, origin)
        project = origin.sender_project or _told_project(told)
        if project and PROJECT not in span.metadata:
            span = structs.replace(span, metadata={**span.metadata, PROJECT: project})
        return self._price(span)

    # -------------------------------------------------------------------------------------------------------- writing

    def _refuse_when_behind(self, origin: Origin, weight: int = 0) -> None:
        """Raises Overloaded while too much waits; something is always taken while nothing does."""
        bounds = self._bounds
        too_heavy = self._waiting_bytes + weight > bounds.max_waiting_bytes
        if not self.counts.waiting or (self.counts.waiting < bounds.max_waiting_spans and not too_heavy):
            return
        self.counts.turned_away[origin.door, "behind"] += 1
        raise Overloaded(
            f"{self.counts.waiting} spans wait to be written; send these again",
            retry_after_seconds=bounds.behind_seconds,
        )

    async def _write(self, origin: Origin, found: _Sorted, *, replace: bool, alone: bool = False) -> int:
        """Wait until the spans are written; how many of all that were with them were new.

        Raises Overloaded or Internal.
        """
        # Asked again, for others may have come while these were understood.
        self._refuse_when_behind(origin, found.weight)
        written: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(found.spans, found.weight, replace, alone, written)
        self._waiting.append(waiting)
        self.counts.waiting += len(waiting.spans)
        self._waiting_bytes += waiting.weight
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())
        try:
            return await waiting.written
        except OSError as error:
            self.counts.turned_away[origin.door, "broken"] += 1
            raise Overloaded(
                f"the store of spans cannot write: {error.strerror or error}; send these again later",
                retry_after_seconds=self._bounds.broken_seconds,
            ) from error

    async def _write_all(self) -> None:
        """Write until nothing waits."""
        try:
            while self._waiting:
                await self._write_some(self._next())
        finally:
            self._writer = None

    def _next(self) -> list[_Waiting]:
        """Those of one kind that wait longest, as many as one write takes."""
        if self._waiting[0].alone:
            return [self._waiting.popleft()]
        replace = self._waiting[0].replace
        found: list[_Waiting] = []
        spans = 0
        for each in takewhile(lambda each: each.replace == replace and not each.alone, self._waiting):
            spans += len(each.spans)
            if found and spans > self._bounds.max_write_spans:
                break
            found.append(each)
        for _ in found:
            self._waiting.popleft()
        return found

    async def _write_some(self, group: list[_Waiting]) -> None:
        failure: Exception | None = None
        new = 0
        try:
            new = await self._store.write([span for each in group for span in each.spans], replace=group[0].replace)
        except OSError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 (a defect in the store's code must not end the writer)
            if len(group) > 1:
                # One of them brings it out: the others are not to suffer for it.
                for each in group:
                    await self._write_some([each])
                return
            failure = Internal(f"a span could not be written: {error!r}")
        self.counts.writes += failure is None
        for each in group:
            self.counts.waiting -= len(each.spans)
            self._waiting_bytes -= each.weight
            _end(each.written, failure, new)

    def _count(self, door: str, found: _Sorted) -> None:
        self.counts.taken[door] += len(found.spans)
        for refusal in found.refused:
            self.counts.refused[door, refusal.reason] += 1
        for note, count in found.notes.items():
            self.counts.mended[door, note] += count


def _end(written: asyncio.Future[int], failure: Exception | None, new: int) -> None:
    """Tell who waits; a sender that is gone hears nothing."""
    if written.done():
        return
    if failure is None:
        written.set_result(new)
    else:
        written.set_exception(failure)


def _told_project(told: ToldSpan) -> str:
    for name in _TOLD_PROJECTS:
        project = told.resource.get(name)
        if isinstance(project, str) and project:
            return project
    return ""


if TYPE_CHECKING:
    _: type[Intake] = Ingest
