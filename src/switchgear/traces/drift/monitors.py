"""All monitors of one run: every test of every subject, judged together."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from switchgear.traces.drift.categories import categories
from switchgear.traces.drift.discoveries import Control, believed, needed_permutations
from switchgear.traces.drift.embedded import MONITOR as EMBEDDING
from switchgear.traces.drift.embedded import Embeddings, mean_distance, mmd
from switchgear.traces.drift.language import guess
from switchgear.traces.drift.observation import Embedder, Observation, Subject
from switchgear.traces.drift.page_hinkley import METHOD, page_hinkley
from switchgear.traces.drift.permutation import Deals
from switchgear.traces.drift.psi import psi
from switchgear.traces.drift.rates import NO_FINISH, RATES, Rate
from switchgear.traces.drift.result import Plan, Result, off, too_few

MOST_INPUTS: Final = 2000
"""Of a window: MMD's cost grows with the square. The newest are looked at."""
MOST_PERMUTATIONS: Final = 9_999
NO_TOOL: Final = "none"
NO_EMBEDDER: Final = "there is no embedder: install the extra `embeddings`, `pip install --no-deps wordllama`"
NO_TEXT: Final = "what was said was not captured: set `traces.capture` to `previews` or `full`"
_UNKNOWN: Final = {
    "length": "no tokens were told",
    "answer_length": "no tokens were told",
    "cost": "no cost is known",
    "language": NO_TEXT,
    "tools": "no spans of tools were told",
}
Value = TypeVar("Value")
TESTS: Final = 7 + len(RATES)
"""That are made of each subject."""


class Comparison(Struct, frozen=True, kw_only=True):
    """The two windows of one subject, each oldest first."""

    subject: Subject
    reference: Sequence[Observation]
    current: Sequence[Observation]
    rates: Sequence[Rate] = ()
    """Of all calls, and not of these alone."""


class Finding(Struct, frozen=True, kw_only=True):
    """What one monitor says of one subject."""

    subject: Subject
    result: Result


class Monitors:
    """Compares windows; costs tens of milliseconds for each subject, so it has no place on an event loop."""

    __slots__ = ("_control", "_embedder", "_plan")

    def __init__(self, embedder: Embedder | None, plan: Plan, control: Control = "benjamini_hochberg") -> None:
        """Without an embedder only inputs that bring their embedding have one. The plan's level is the run's rate."""
        self._embedder = embedder
        self._plan = plan
        self._control: Control = control

    def compare(self, comparisons: Sequence[Comparison]) -> tuple[Finding, ...]:
        """Make all tests of all subjects, and tell drift where at most ``level`` of what is told is false on average.

        Each subject has a seed of its own, made of the plan's and its name: p-values depend on neither the order nor
        the number of other subjects, except that more of them have more permutations drawn. Tests of one subject with
        windows of equal sizes look at the same deals.
        """
        plan = replace(
            self._plan,
            permutations=needed_permutations(
                TESTS * len(comparisons), self._plan.level, self._plan.permutations, MOST_PERMUTATIONS
            ),
        )
        subjects: list[Subject] = []
        results: list[Result] = []
        for comparison in comparisons:
            made = _Tests(comparison, plan, self._embedder).made()
            subjects += [comparison.subject] * len(made)
            results += made
        judged = believed(results, plan.level, self._control)
        return tuple(Finding(subject=subject, result=result) for subject, result in zip(subjects, judged, strict=True))


class _Tests:
    """The tests of one comparison."""

    def __init__(self, comparison: Comparison, plan: Plan, embedder: Embedder | None) -> None:
        self._first = independent(comparison.reference)
        self._second = independent(comparison.current)
        self._rates = comparison.rates
        self._plan = replace(plan, seed=seed_of(plan.seed, comparison.subject))
        self._deals = Deals(self._plan.seed)
        self._embedder = embedder

    def made(self) -> list[Result]:
        """All of them, in an order that never changes."""
        return [
            *self._embedded(),
            self._numbers("length", lambda seen: seen.length),
            self._numbers("answer_length", lambda seen: seen.answer_length),
            self._numbers("cost", lambda seen: seen.cost_nano_usd),
            self._names("language", _language),
            self._names("tools", _tools),
            *(self._rate(rate) for rate in self._rates),
        ]

    def _numbers(self, monitor: str, measure: Callable[[Observation], float | None]) -> Result:
        reference, current = _known(self._first, measure), _known(self._second, measure)
        sizes = (len(reference), len(current))
        if not self._is_told(sizes):
            return off(monitor, "psi", sizes, self._plan, _UNKNOWN[monitor])
        return psi(monitor, reference, current, self._plan, self._deals)

    def _names(self, monitor: str, name: Callable[[Observation], str | None]) -> Result:
        reference, current = _known(self._first, name), _known(self._second, name)
        sizes = (len(reference), len(current))
        if not self._is_told(sizes):
            return off(monitor, "chi_square", sizes, self._plan, _UNKNOWN[monitor])
        return categories(monitor, reference, current, self._plan, self._deals)

    def _rate(self, rate: Rate) -> Result:
        before, now = (sum(step.trials for step in steps) for steps in (rate.reference, rate.current))
        if not self._is_told((before, now)):
            return off(rate.monitor, METHOD, (before, now), self._plan, NO_FINISH)
        return page_hinkley(rate.monitor, rate.reference, rate.current, self._plan)

    def _is_told(self, sizes: tuple[int, int]) -> bool:
        """Whether calls, where there are any, say what a monitor looks at."""
        return min(sizes) > 0 or not (self._first and self._second)

    def _embedded(self) -> list[Result]:
        reference, current = self._embeddings(self._first), self._embeddings(self._second)
        if isinstance(reference, str) or isinstance(current, str):
            reason = reference if isinstance(reference, str) else str(current)
            sizes = (len(self._first), len(self._second))
            made = off if self._first and self._second else too_few
            return [made(EMBEDDING, method, sizes, self._plan, reason) for method in ("mean_distance", "mmd")]
        return [
            mean_distance(reference, current, self._plan, self._deals),
            mmd(reference, current, self._plan, self._deals),
        ]

    def _embeddings(self, window: Sequence[Observation]) -> Embeddings | str:
        """One row for each input that has an embedding or can be given one; a text: why there are none."""
        given = [seen.embedding for seen in window if seen.embedding is not None]
        if given:
            if len({len(one) for one in given}) > 1:
                return "embeddings of different dimensions are in one window"
            rows = np.asarray(given, dtype=np.float32)
            return rows[np.isfinite(rows).all(axis=1)]
        texts = [seen.text for seen in window if seen.text]
        if self._embedder is None or not texts:
            return NO_EMBEDDER if self._embedder is None else NO_TEXT
        return self._embedder.embed(texts)


def independent(window: Sequence[Observation]) -> list[Observation]:
    """The newest inputs, one of each session: tests would take those of one for many witnesses, and alarm too often."""
    kept: list[Observation] = []
    sessions: set[str] = set()
    for seen in reversed(window):
        if seen.session in sessions:
            continue
        if seen.session:
            sessions.add(seen.session)
        kept.append(seen)
        if len(kept) == MOST_INPUTS:
            break
    return kept[::-1]


def seed_of(seed: int, subject: Subject) -> int:
    """A seed for the tests of one subject, the same on every machine."""
    text = "\0".join((str(seed), subject.project, subject.alias, subject.prompt))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _known(window: Iterable[Observation], measure: Callable[[Observation], Value | None]) -> list[Value]:
    return [value for seen in window if (value := measure(seen)) is not None]


def _language(seen: Observation) -> str | None:
    return seen.language or (guess(seen.text) if seen.text else None)


def _tools(seen: Observation) -> str | None:
    """All tools of an input together are one category: an input counts once."""
    return None if seen.tools is None else "+".join(sorted(set(seen.tools))) or NO_TOOL
