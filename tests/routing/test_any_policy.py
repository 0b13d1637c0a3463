"""Whatever is declared, and whatever upstreams do, a call ends: within its deadline, in no circle, leaving nothing."""

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from switchgear.routing.course import MAX_ATTEMPTS
from tests.routing.lanes import Answer, says
from tests.routing.policies import NAMES, PROVIDERS, answers, check, circular, good, reached_by_splits
from tests.routing.stand import Answered, Declared, Stand

MOST_RESUMED: Final = 2
HEDGES: Final = 1
DEFAULT_SECONDS: Final = 60.0
A_TICK: Final = 0.002
"""A wait ends no later than this after the time it was given."""
SETTINGS: Final = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Ask(Struct, frozen=True, kw_only=True):
    """One call to make: when, of what, and how."""

    at_seconds: float
    model: str
    stream: bool
    headers: Mapping[str, str]


asks: Final = st.lists(
    st.builds(
        Ask,
        at_seconds=st.sampled_from((0.0, 0.0, 0.1, 2.0, 20.0)),
        model=st.sampled_from((*NAMES, "p0/n")),
        stream=st.booleans(),
        headers=st.fixed_dictionaries(
            {},
            optional={
                "x-switchgear-timeout": st.sampled_from(("0.5", "3", "500")),
                "x-switchgear-retries": st.sampled_from(("0", "3", "10")),
                "x-switchgear-fallbacks": st.sampled_from(("a", "e, a, b", "p1/m, c, c")),
                "x-switchgear-priority": st.sampled_from(("high", "low")),
                "x-switchgear-session": st.sampled_from(("s", "t")),
                "x-beta": st.just("1"),
            },
        ),
    ),
    min_size=1,
    max_size=5,
)
behaviours: Final = st.fixed_dictionaries(
    {provider: st.tuples(st.lists(answers, max_size=4), answers) for provider in PROVIDERS}
)


def longest_seconds(models: Declared, ask: Ask) -> float:
    """The latest that the call may end, counted from its beginning."""
    entries = json.loads(json.dumps(models))
    declared = max(
        entries.get(name, {}).get("total_seconds", DEFAULT_SECONDS) for name in reached_by_splits(models, ask.model)
    )
    return min(declared, float(ask.headers.get("x-switchgear-timeout", "inf")))


def all_answered(models: Declared, asked: list[Ask], behaved: dict[str, tuple[list[Answer], Answer]]) -> list[Answered]:
    """Each call with what became of it, made at its time beside the others."""
    stand = Stand(
        {**models, "all": {"deployments": [{"model": f"{provider}/other"} for provider in PROVIDERS]}},
        {"total_seconds": DEFAULT_SECONDS},
    )
    for provider, (script, always) in behaved.items():
        stand.lane(provider).answers(*script)
        stand.lane(provider).always = always

    async def one(ask: Ask) -> Answered:
        await asyncio.sleep(ask.at_seconds)
        return await stand.answer(stand.call(ask.model, stream=ask.stream, headers=ask.headers))

    async def scene() -> list[Answered]:
        return await asyncio.gather(*map(one, asked))

    done = stand.play(scene())
    stand.assert_nothing_is_left_open()
    return done


def assert_they_ended(models: Declared, asked: list[Ask], done: list[Answered]) -> None:
    for ask, answered in zip(asked, done, strict=True):
        began = answered.call.started_monotonic_ns / 1e9
        deadline = began + longest_seconds(models, ask)
        assert answered.at_seconds <= deadline + A_TICK
        began_wall_ns = answered.call.started_wall_ns
        for attempt in answered.attempts:
            assert began + (attempt.started_ns - began_wall_ns) / 1e9 <= deadline + A_TICK
        assert len(answered.attempts) <= MAX_ATTEMPTS + HEDGES + MOST_RESUMED


@given(good, asks, behaviours)
@SETTINGS
def test_a_good_policy_is_accepted_and_no_call_outlives_its_deadline(
    models: Declared, asked: list[Ask], behaved: dict[str, tuple[list[Answer], Answer]]
) -> None:
    check(models)
    assert_they_ended(models, asked, all_answered(models, asked, behaved))


@given(circular, asks, behaviours)
@SETTINGS
def test_a_table_that_leads_in_circles_is_never_followed_around(
    models: Declared, asked: list[Ask], behaved: dict[str, tuple[list[Answer], Answer]]
) -> None:
    assert_they_ended(models, asked, all_answered(models, asked, behaved))


@given(good, asks)
@SETTINGS
def test_where_every_upstream_answers_every_call_is_answered_at_the_first_attempt(
    models: Declared, asked: list[Ask]
) -> None:
    alone = [ask for ask in asked[:1] if "x-switchgear-timeout" not in ask.headers]
    done = all_answered(models, alone, {provider: ([], says()) for provider in PROVIDERS})
    assert [(one.status, len(one.attempts)) for one in done] == [(200, 1)] * len(alone)
