"""Made-up inputs: topics in a space of embeddings, lengths, costs, languages, tools; and what makes them drift."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from switchgear.engines.wordllama import WordLlama, installed
from switchgear.traces.drift.page_hinkley import Step

Embeddings = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]
Generator = np.random.Generator
Source = Callable[[Generator, int], Embeddings]
"""So many embeddings, by chance."""

DIMENSIONS: Final = 256
_TOPICS: Final = 60
_STRAY: Final = 0.45
"""How far an input is from its topic, where topics are 1 from their common middle."""
_APART: Final = 0.4
"""How far the middles of two kinds of topics are apart, so that tests have about the power that real inputs give."""
LANGUAGES: Final = ("en", "de", "fr", "es", "und", "ja", "pl", "tr", "sv", "he", "th", "vi")
_LANGUAGE_SHARES: Final = (0.62, 0.12, 0.08, 0.06, 0.05, 0.03, 0.015, 0.01, 0.006, 0.004, 0.003, 0.002)
_NANO_USD: Final = 1_000_000_000
_HOUR_NS: Final = 3_600_000_000_000


def topics(seed: int, middle: int = 0) -> Source:
    """Inputs around topics of a seed, popular ones far more often than others (Zipf); equal ``middle``, near topics."""
    generator = np.random.default_rng(seed)
    falling = 1 / np.sqrt(np.arange(1, DIMENSIONS + 1))
    falling /= np.linalg.norm(falling)
    centres = generator.standard_normal((_TOPICS, DIMENSIONS)) * falling
    centres += _APART * np.random.default_rng(middle).standard_normal(DIMENSIONS) * falling
    shares = 1 / np.arange(1, _TOPICS + 1)
    shares /= shares.sum()

    def drawn(chance: Generator, count: int) -> Embeddings:
        chosen = chance.choice(_TOPICS, size=count, p=shares)
        rows = centres[chosen] + _STRAY * chance.standard_normal((count, DIMENSIONS)) * falling
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return drawn


def wordllama() -> WordLlama:
    """A fresh one, which remembers nothing. Raises FileNotFoundError."""
    folder = installed()
    if folder is None:
        raise FileNotFoundError("simulations: wordllama is not installed; pip install --no-deps wordllama")
    return WordLlama(folder)


def texts(path: Path) -> Source:
    """Inputs of a file, one to a line, each at most once in what is drawn at a time. Needs ``wordllama``."""
    rows = wordllama().embed(path.read_text(encoding="utf-8").splitlines())

    def drawn(chance: Generator, count: int) -> Embeddings:
        return rows[chance.choice(len(rows), size=count, replace=count > len(rows))]

    return drawn


def contaminated(usual: Source, strange: Source, share: float) -> Source:
    """Of each window, a share (rounded) comes from elsewhere."""

    def drawn(chance: Generator, count: int) -> Embeddings:
        others = round(share * count)
        return np.concatenate([usual(chance, count - others), strange(chance, others)])

    return drawn


def lengths(chance: Generator, count: int, longer_by: float = 1.0) -> list[float]:
    """Tokens of prompts: log-normal, in whole numbers."""
    return [float(value) for value in np.ceil(chance.lognormal(4.5, 0.9, count) * longer_by)]


def costs(chance: Generator, count: int, dearer_by: float = 1.0) -> list[float]:
    """In nano-dollars: two in five are free, the others log-normal."""
    paid = np.ceil(chance.lognormal(-7, 1.1, count) * dearer_by * _NANO_USD)
    return [float(value) for value in np.where(chance.random(count) < 0.4, 0, paid)]


def languages(chance: Generator, count: int, others: float = 0.0) -> list[str]:
    """Languages of users, twelve of them, half of them rare; ``others``: this share has turned to German."""
    drawn = chance.choice(len(LANGUAGES), size=count, p=_LANGUAGE_SHARES)
    turned = chance.random(count) < others
    return [LANGUAGES[1] if turn else LANGUAGES[index] for index, turn in zip(drawn, turned, strict=True)]


def hours_of_calls(chance: Generator, hours: int, calls: int, rate: float, burst: float = 0.0) -> list[Step]:
    """Hours with so many calls on average, few at night, of which ``rate`` fail.

    With ``burst`` each hour has a rate of its own, from a beta distribution in which calls of one hour are so much
    alike: 0.01 makes the variance of hours with 100 calls twice what it is.
    """
    by_day = 1 + 0.8 * np.sin(np.arange(hours) * 2 * np.pi / 24)
    trials = chance.poisson(calls * by_day)
    certainty = 1 / burst - 1 if burst else 0.0
    rates = chance.beta(rate * certainty, (1 - rate) * certainty, hours) if burst else np.full(hours, rate)
    events = chance.binomial(trials, rates)
    return [
        Step(hour * _HOUR_NS, int(of), int(seen)) for hour, (of, seen) in enumerate(zip(trials, events, strict=True))
    ]


def in_sessions(usual: Source, chance: Generator, sessions: int, each: int) -> Embeddings:
    """Inputs of sessions, one behind the other: each is half the session's subject and half its own."""
    subjects = np.repeat(usual(chance, sessions), each, axis=0)
    rows = (subjects + usual(chance, sessions * each)) / 2
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def share_of(verdicts: Sequence[bool]) -> float:
    return sum(verdicts) / len(verdicts)
