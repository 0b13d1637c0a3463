"""All tests of a run are judged together, those of a subject by its seed, with one input of each session."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from switchgear.traces.drift.language import guess
from switchgear.traces.drift.monitors import MOST_INPUTS, NO_EMBEDDER, Comparison, Monitors, independent
from switchgear.traces.drift.observation import Observation, Subject
from switchgear.traces.drift.page_hinkley import Step
from switchgear.traces.drift.rates import NO_FINISH, Rate
from switchgear.traces.drift.result import Plan

PLAN = Plan(seed=1, least=60, permutations=399)


class LettersCounted:
    """An embedder whose vectors are shares of a few letters."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.asarray([[text.count(letter) for letter in "aeiou"] for text in texts], dtype=np.float32)


def window(seed: int, words: str, longer_by: int = 0) -> list[Observation]:
    chance = np.random.default_rng(seed)
    return [
        Observation(
            text=" ".join(chance.choice(words.split(), size=8)),
            length=int(chance.integers(5, 50)) + longer_by,
            answer_length=int(chance.integers(5, 50)),
            cost_nano_usd=int(chance.integers(0, 9)),
            tools=("search",) if chance.random() < 0.5 else (),
        )
        for _ in range(120)
    ]


ENGLISH = "how is the weather in there today and what can you do for me"
GERMAN = "wie ist das wetter und was kann ich für dich mit dem auto tun"


def test_what_changed_is_told_and_what_did_not_is_not() -> None:
    subject = Subject(project="shop", alias="support", prompt="greeting")
    moved = Comparison(subject=subject, reference=window(1, ENGLISH), current=window(2, GERMAN, longer_by=30))
    still = Comparison(
        subject=Subject(project="shop", alias="search"), reference=window(3, ENGLISH), current=window(4, ENGLISH)
    )
    findings = Monitors(LettersCounted(), PLAN).compare([moved, still])
    told = {(found.subject.alias, found.result.monitor) for found in findings if found.result.verdict == "drift"}
    assert told == {("support", "embedding"), ("support", "length"), ("support", "language")}
    assert len(findings) == 14
    assert all(found.result.adjusted_p is not None for found in findings)


def test_the_order_of_subjects_changes_nothing() -> None:
    comparisons = [
        Comparison(subject=Subject(project="p", alias=alias), reference=window(1, ENGLISH), current=window(2, ENGLISH))
        for alias in ("a", "b")
    ]
    monitors = Monitors(LettersCounted(), PLAN)
    backwards = monitors.compare(comparisons[::-1])
    assert monitors.compare(comparisons) == backwards[7:] + backwards[:7]


def test_without_an_embedder_the_other_monitors_go_on() -> None:
    compared = Comparison(
        subject=Subject(project="p", alias="a"), reference=window(1, ENGLISH), current=window(2, ENGLISH)
    )
    findings = Monitors(None, PLAN).compare([compared])
    assert [(found.result.verdict, found.result.reason) for found in findings[:2]] == [("off", NO_EMBEDDER)] * 2
    assert {found.result.verdict for found in findings[2:]} == {"none"}


def test_rates_are_judged_with_the_other_monitors_and_are_off_where_nothing_was_told() -> None:
    still = [Step(hour, 50, 2) for hour in range(48)]
    risen = [*still[:18], *(Step(hour, 50, 12) for hour in range(18, 24))]
    compared = Comparison(
        subject=Subject(project="p", alias="a"),
        reference=window(1, ENGLISH),
        current=window(2, ENGLISH),
        rates=[
            Rate(monitor="errors", reference=still, current=risen),
            Rate(monitor="refusals", reference=[], current=[]),
        ],
    )
    errors, refusals = (found.result for found in Monitors(None, PLAN).compare([compared])[-2:])
    assert (errors.monitor, errors.method, errors.verdict) == ("errors", "page_hinkley", "drift")
    assert errors.adjusted_p is not None
    assert errors.adjusted_p > errors.p_value
    assert (refusals.verdict, refusals.reason) == ("off", NO_FINISH)


def test_a_session_counts_once_and_windows_are_bounded_by_the_newest() -> None:
    seen = [Observation(session="s", length=1), Observation(length=2), Observation(session="s", length=3)]
    assert [one.length for one in independent(seen)] == [2, 3]
    many = [Observation(length=index) for index in range(MOST_INPUTS + 5)]
    assert [one.length for one in independent(many)][:1] == [5]


def test_languages_are_guessed_by_script_and_small_words_and_left_open_otherwise() -> None:
    texts = {
        "What is the best way to learn this?": "en",
        "Wie kann ich das mit dem Auto tun?": "de",
        "Quelle est la meilleure façon de le faire ?": "fr",
        "¿Cómo puedo hacer esto para mi casa?": "es",
        "これは何ですか": "ja",
        "这是什么": "zh",
        "Привет, ты как?": "ru",
        "Як справи? Дякую, їжа": "uk",
        "안녕하세요 여러분": "ko",
        "```the of and```": "und",
        "12 + 3 = 15": "und",
        "": "und",
    }
    assert {text: guess(text) for text in texts} == texts
