"""Whole checks: all monitors of one model, 500 v 500 inputs. What they cost, and how often any of them tells drift."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace

from simulations.bars import Spent
from simulations.windows import Generator, Source, costs, hours_of_calls, languages, lengths, wordllama
from switchgear.traces.drift.monitors import Comparison, Monitors
from switchgear.traces.drift.observation import Embedder, Observation, Subject
from switchgear.traces.drift.rates import RATES, Rate
from switchgear.traces.drift.result import Plan

SIZE: Final = 500
CALLS_AN_HOUR: Final = 25
Inputs = Callable[[Generator], list[Observation]]


def lines_of(path: Path) -> Inputs:
    """Inputs that are lines of a file; languages are guessed of them, and embeddings made."""
    texts = path.read_text(encoding="utf-8").splitlines()

    def drawn(chance: Generator) -> list[Observation]:
        places: list[int] = chance.choice(len(texts), SIZE, replace=False).tolist()
        return [Observation(text=texts[place]) for place in places]

    return drawn


def points_of(source: Source) -> Inputs:
    """Inputs that bring their language and embedding."""

    def drawn(chance: Generator) -> list[Observation]:
        rows = zip(source(chance, SIZE).tolist(), languages(chance, SIZE), strict=True)
        return [Observation(embedding=tuple(row), language=language) for row, language in rows]

    return drawn


def of_checks(usual: Inputs, strange: Inputs, *, with_texts: bool, runs: int = 15) -> Iterable[Sequence[object]]:
    """Checks of windows that are alike, and of such of which everything has changed: all permutations are drawn."""
    for name, current, by in (("no change", usual, 1.0), ("all changed", strange, 2.0)):
        for embedder in (None, wordllama) if with_texts else (None,):
            spent = sorted(_milliseconds(usual, current, by, embedder, run) for run in range(runs))
            with_what = "" if embedder is None else "WordLlama, nothing remembered"
            yield name, with_what, *(Spent(spent[place]) for place in (0, runs // 2, -1))


def told(usual: Inputs, current: Inputs, runs: int) -> list[bool]:
    """Whether any monitor, judged with all others, tells drift where nothing but what is said may have changed."""
    verdicts: list[bool] = []
    for run in range(runs):
        findings = Monitors(None, Plan(seed=run)).compare(
            [_comparison(np.random.default_rng([run]), usual, current, 1.0)]
        )
        verdicts.append(any(found.result.verdict == "drift" for found in findings))
    return verdicts


def _milliseconds(
    usual: Inputs, current: Inputs, by: float, embedder: Callable[[], Embedder] | None, run: int
) -> float:
    comparison = _comparison(np.random.default_rng([run]), usual, current, by)
    monitors = Monitors(None if embedder is None else embedder(), Plan(seed=run))
    before = time.process_time()
    monitors.compare([comparison])
    return 1000 * (time.process_time() - before)


def _comparison(chance: Generator, usual: Inputs, current: Inputs, by: float) -> Comparison:
    return Comparison(
        subject=Subject(project="p", alias="a"),
        reference=_measured(chance, usual(chance), 1.0),
        current=_measured(chance, current(chance), by),
        rates=[
            Rate(
                monitor=monitor,
                reference=hours_of_calls(chance, 7 * 24, CALLS_AN_HOUR, 0.02),
                current=hours_of_calls(chance, 24, CALLS_AN_HOUR, 0.02 * by),
            )
            for monitor in RATES
        ],
    )


def _measured(chance: Generator, inputs: Sequence[Observation], by: float) -> list[Observation]:
    numbers = zip(lengths(chance, SIZE, by), lengths(chance, SIZE, by), costs(chance, SIZE, by), strict=True)
    uses_tool = chance.random(SIZE) < 0.3 * by
    return [
        replace(
            seen, length=int(asked), answer_length=int(answered), cost_nano_usd=int(cost), tools=("search",) * int(uses)
        )
        for seen, (asked, answered, cost), uses in zip(inputs, numbers, uses_tool, strict=True)
    ]
