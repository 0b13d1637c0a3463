"""Checks a project for drift: two windows of each model and prompt, compared by all monitors and judged together."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import Overloaded
from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Bucket, Window
from switchgear.rest.written import moment
from switchgear.traces.drift.monitors import Comparison, Finding, Monitors
from switchgear.traces.drift.observation import Embedder, Subject
from switchgear.traces.drift.rates import rates
from switchgear.traces.drift.report import Compared, Question, Report, Stretch
from switchgear.traces.drift.result import Plan
from switchgear.traces.drift.sampling import Sampler, count_of

MOST_SUBJECTS: Final = 10
"""Of one check: each takes tens to hundreds of milliseconds of a processor."""
_LEAST_HOURS: Final = 6
"""In shorter windows rates are looked at by the minute."""
_HOUR_NS: Final = 3_600_000_000_000
_RETRY_SECONDS: Final = 10.0


class Checks:
    """Checks one project at a time: an embedder is not for several threads, and processors are for calls."""

    def __init__(
        self, store: TraceStore, clock: Clock, embedder: Callable[[], Embedder | None], plan: Plan | None = None
    ) -> None:
        """``embedder`` is asked at the first check, in a thread; None: there is none."""
        self._sampler = Sampler(store)
        self._clock = clock
        self._embedder = embedder
        self._plan = Plan() if plan is None else plan
        self._monitors: Monitors | None = None
        self._embedder_name = ""
        self._busy = asyncio.Lock()

    async def check(self, question: Question) -> Report:
        """Compare now. Raises OSError of the store, Overloaded while another check goes on."""
        if self._busy.locked():
            raise Overloaded("another check for drift is going on", retry_after_seconds=_RETRY_SECONDS)
        async with self._busy:
            return await self._check(question)

    async def _check(self, question: Question) -> Report:
        reference, current = windows_of(question, self._clock.wall_ns())
        found = await self._sampler.subjects(current, question.model, question.prompt)
        asked = [subject for subject, _ in found[:MOST_SUBJECTS]]
        if not asked and question.model:
            asked = [Subject(project=question.project, alias=question.model, prompt=question.prompt)]
        comparisons, calls = await self._gathered(asked, reference, current)
        findings = await asyncio.to_thread(self._compare, comparisons)
        return Report(
            project=question.project,
            reference=_stretch(reference),
            current=_stretch(current),
            compared=tuple(_compared(subject, findings, calls[subject]) for subject in asked),
            left_out=max(len(found) - MOST_SUBJECTS, 0),
            embedder=self._embedder_name,
        )

    async def _gathered(
        self, subjects: Sequence[Subject], reference: Window, current: Window
    ) -> tuple[list[Comparison], dict[Subject, tuple[int, int]]]:
        used = [await self._sampler.tools(window) for window in (reference, current)]
        # Without any tool in both windows nobody tells of tools; in one window alone it is a change.
        tools = used if all(each is not None for each in used) and any(used) else [None, None]
        comparisons: list[Comparison] = []
        calls: dict[Subject, tuple[int, int]] = {}
        for subject in subjects:
            before = await self._sampler.calls(subject, reference, "hour")
            now = await self._sampler.calls(subject, current, _bucket_of(current))
            comparison = Comparison(
                subject=subject,
                reference=await self._sampler.inputs(subject, reference, before, tools[0]),
                current=await self._sampler.inputs(subject, current, now, tools[1]),
                rates=rates(before, now),
            )
            comparisons.append(comparison)
            calls[subject] = (count_of(before), count_of(now))
        return comparisons, calls

    def _compare(self, comparisons: Sequence[Comparison]) -> Sequence[Finding]:
        if self._monitors is None:
            embedder = self._embedder()
            self._embedder_name = "" if embedder is None else embedder.name
            self._monitors = Monitors(embedder, self._plan)
        return self._monitors.compare(comparisons)


def windows_of(question: Question, now_ns: int) -> tuple[Window, Window]:
    """The reference window and the current one, which begins where the other ends."""
    began_ns = now_ns - question.current_hours * _HOUR_NS
    first_ns = began_ns - question.reference_days * 24 * _HOUR_NS
    return (
        Window(project=question.project, since_ns=first_ns, until_ns=began_ns),
        Window(project=question.project, since_ns=began_ns, until_ns=now_ns),
    )


def _bucket_of(window: Window) -> Bucket:
    """Of a few hours each minute can be looked at."""
    return "minute" if window.until_ns - window.since_ns < _LEAST_HOURS * _HOUR_NS else "hour"


def _stretch(window: Window) -> Stretch:
    return Stretch(since=moment(window.since_ns), until=moment(window.until_ns))


def _compared(subject: Subject, findings: Sequence[Finding], calls: tuple[int, int]) -> Compared:
    results = tuple(finding.result for finding in findings if finding.subject == subject)
    return Compared(
        model=subject.alias,
        prompt=subject.prompt,
        reference_calls=calls[0],
        current_calls=calls[1],
        drifted=any(result.verdict == "drift" for result in results),
        results=results,
    )
