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
from switchgear.traces.drift.psi import psi
from switchgear.traces.drift.result import Plan, Result, off, too_few

MOST_INPUTS: Final = 2000
"""Of a window: MMD's cost grows with the square. The newest are looked at."""
MOST_PERMUTATIONS: Final = 9_999
NO_TOOL: Final = "none"
NO_EMBEDDER: Final = "there is no embedder: install the extra `embeddings`, `pip install --no-deps wordllama`"
NO_TEXT: Final = "what was said was not captured: set `traces.capture` to `previews` or `full`"
_UNKNOWN: Final = {
    "length": "no tokens were told",
    "cost": "no cost is known",
    "language": NO_TEXT,
    "tools": "no spans of tools were told",
}
Value = TypeVar("Value")
TESTS: Final = 6
"""That are made of each subject."""


class Comparison(Struct, frozen=True, kw_only=True):
    """The two windows of one subject, each oldest first."""

    subject: Subject
    reference: Sequence[Observation]
    current: Sequence[Observation]


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

        Each test has a seed of its own, made of the plan's, the subject and the monitor: its p-value depends on neither
        the order nor the number of other subjects, except that more of them have more permutations drawn.
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
            made = self._tests(comparison, plan)
            subjects += [comparison.subject] * len(made)
            results += made
        judged = believed(results, plan.level, self._control)
        return tuple(Finding(subject=subject, result=result) for subject, result in zip(subjects, judged, strict=True))

    def _tests(self, comparison: Comparison, plan: Plan) -> list[Result]:
        first, second = independent(comparison.reference), independent(comparison.current)
        both = bool(first and second)

        def seeded(monitor: str) -> Plan:
            return replace(plan, seed=seed_of(plan.seed, comparison.subject, monitor))

        def of_numbers(monitor: str, measure: Callable[[Observation], float | None]) -> Result:
            reference, current = _known(first, measure), _known(second, measure)
            if both and not (reference and current):
                return off(monitor, "psi", (len(reference), len(current)), plan, _UNKNOWN[monitor])
            return psi(monitor, reference, current, seeded(monitor))

        def of_names(monitor: str, name: Callable[[Observation], str | None]) -> Result:
            reference, current = _known(first, name), _known(second, name)
            if both and not (reference and current):
                return off(monitor, "chi_square", (len(reference), len(current)), plan, _UNKNOWN[monitor])
            return categories(monitor, reference, current, seeded(monitor))

        return [
            *self._embedded(first, second, seeded),
            of_numbers("length", lambda seen: seen.length),
            of_numbers("cost", lambda seen: seen.cost_nano_usd),
            of_names("language", _language),
            of_names("tools", _tools),
        ]

    def _embedded(
        self, first: Sequence[Observation], second: Sequence[Observation], seeded: Callable[[str], Plan]
    ) -> list[Result]:
        reference, current = self._embeddings(first), self._embeddings(second)
        mean_plan, mmd_plan = seeded("mean_distance"), seeded("mmd")
        if isinstance(reference, str) or isinstance(current, str):
            reason = reference if isinstance(reference, str) else str(current)
            sizes = (len(first), len(second))
            made = off if first and second else too_few
            return [
                made(EMBEDDING, "mean_distance", sizes, mean_plan, reason),
                made(EMBEDDING, "mmd", sizes, mmd_plan, reason),
            ]
        return [mean_distance(reference, current, mean_plan), mmd(reference, current, mmd_plan)]

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


def seed_of(seed: int, subject: Subject, monitor: str) -> int:
    """A seed for one test, the same on every machine."""
    text = "\0".join((str(seed), subject.project, subject.alias, subject.prompt, monitor))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _known(window: Iterable[Observation], measure: Callable[[Observation], Value | None]) -> list[Value]:
    return [value for seen in window if (value := measure(seen)) is not None]


def _language(seen: Observation) -> str | None:
    return seen.language or (guess(seen.text) if seen.text else None)


def _tools(seen: Observation) -> str | None:
    """All tools of an input together are one category: an input counts once."""
    return None if seen.tools is None else "+".join(sorted(set(seen.tools))) or NO_TOOL
