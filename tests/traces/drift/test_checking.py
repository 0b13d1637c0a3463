"""Windows are drawn from a store of spans, bounded and the same each time, and a project is checked for drift."""

import asyncio
from collections.abc import Sequence

import pytest

from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import Overloaded
from switchgear.kernel.query import Aggregate, Group, SpanRow
from switchgear.kernel.span import NOTHING, Content, Span
from switchgear.traces.drift.checking import MOST_SUBJECTS, Checks, windows_of
from switchgear.traces.drift.monitors import NO_EMBEDDER, NO_TEXT
from switchgear.traces.drift.observation import Subject
from switchgear.traces.drift.rates import NO_FINISH
from switchgear.traces.drift.report import Compared, Question, Report
from switchgear.traces.drift.result import Plan
from switchgear.traces.drift.sampling import MOST_SAMPLED, Sampler, count_of, sampled
from tests.memory_spans import MemorySpans
from tests.traces.spans import NOW_NS, kept

HOUR_NS = 3_600_000_000_000
PLAN = Plan(seed=1, least=60, permutations=199)
QUESTION = Question(project="shop", current_hours=24, reference_days=2)
SHORT = ("how is the weather today", "what can you do for me", "why is the sky blue and not green")
GERMAN = ("wie ist das wetter heute und morgen", "was kann ich für dich tun", "das ist nicht mein auto")


def calls(first: int, hours_ago: float, said: Sequence[str], tokens: int = 10, /, **changes: object) -> list[Span]:
    """100 calls within an hour, each of a trace of its own."""
    began_ns = NOW_NS - int(hours_ago * HOUR_NS)
    common: dict[str, object] = {"kind": "llm", "request_model": "support", **changes}
    return [
        kept(
            number,
            number,
            **{
                "started_ns": began_ns + number,
                "ended_ns": began_ns + number + 1,
                "usage": Usage(input=tokens + number % 7, output=1),
                "input": Content(preview=said[number % len(said)]) if said else NOTHING,
                **common,
            },
        )
        for number in range(first, first + 100)
    ]


async def checked(spans: Sequence[Span], question: Question = QUESTION) -> Report:
    store = MemorySpans()
    await store.write(spans)
    return await Checks(store, FrozenClock(NOW_NS), lambda: None, PLAN).check(question)


def verdicts(compared: Compared) -> dict[str, str]:
    return {result.monitor: result.verdict for result in compared.results}


def reasons(compared: Compared) -> dict[str, str]:
    return {result.monitor: result.reason for result in compared.results if result.verdict == "off"}


async def test_what_changed_is_told_by_the_monitor_that_saw_it() -> None:
    (compared,) = (await checked(calls(1, 30, SHORT) + calls(200, 2, GERMAN, 50))).compared
    assert compared.drifted
    assert (compared.reference_calls, compared.current_calls) == (100, 100)
    told = verdicts(compared)
    assert (told["length"], told["language"]) == ("drift", "drift")


async def test_what_stayed_is_not_told_and_monitors_without_anything_to_see_are_off_by_name() -> None:
    (compared,) = (await checked(calls(1, 30, SHORT) + calls(200, 2, SHORT))).compared
    assert not compared.drifted
    assert verdicts(compared) == {
        "embedding": "off",
        "length": "none",
        "answer_length": "none",
        "cost": "off",
        "language": "none",
        "tools": "off",
        "errors": "none",
        "refusals": "off",
        "cut_off": "off",
    }
    assert reasons(compared) == {
        "embedding": NO_EMBEDDER,
        "cost": "no cost is known",
        "tools": "no spans of tools were told",
        "refusals": NO_FINISH,
        "cut_off": NO_FINISH,
    }


async def test_without_captured_words_the_other_monitors_go_on() -> None:
    (compared,) = (await checked(calls(1, 30, ()) + calls(200, 2, (), 50))).compared
    assert (verdicts(compared)["language"], reasons(compared)["language"]) == ("off", NO_TEXT)
    assert verdicts(compared)["length"] == "drift"


@pytest.mark.parametrize("hours", [24, 4])
async def test_a_rate_that_rose_is_told_with_the_time_from_which_on(hours: int) -> None:
    before = [span for hour in (52, 44, 30) for span in calls(hour * 1000, hour, SHORT, finish="stop")]
    now = [*calls(1, 3, SHORT, finish="stop"), *calls(200, 1, SHORT, 10, status="error")]
    (compared,) = (await checked([*before, *now], Question(project="shop", current_hours=hours))).compared
    told = {result.monitor: result for result in compared.results}
    assert (told["errors"].verdict, told["refusals"].verdict) == ("drift", "none")
    assert told["errors"].since == "2023-11-14T21:13:00+00:00" if hours < 6 else "2023-11-14T21:00:00+00:00"
    assert (told["errors"].current_size, told["refusals"].current_size) == (200, 100)


async def test_tools_that_begin_to_be_called_are_a_change() -> None:
    spans = calls(1, 30, SHORT) + calls(200, 2, SHORT)
    tools = [
        kept(1000 + number, number, kind="tool", tool_name="search", started_ns=NOW_NS - HOUR_NS)
        for number in range(200, 260)
    ]
    (compared,) = (await checked(spans + tools)).compared
    assert verdicts(compared)["tools"] == "drift"


async def test_models_and_prompts_are_compared_by_themselves_the_most_called_first() -> None:
    spans = [
        *calls(1, 2, SHORT, prompt_name="greet"),
        *calls(200, 2, SHORT, request_model="search"),
        *calls(300, 2, SHORT),
        *calls(400, 2, SHORT, project="other", request_model="secret"),
    ]
    compared = (await checked(spans)).compared
    assert [(each.model, each.prompt, each.current_calls) for each in compared] == [
        ("support", "", 200),
        ("search", "", 100),
        ("support", "greet", 100),
    ]
    only = (await checked(spans, Question(project="shop", model="support", prompt="greet"))).compared
    assert [(each.model, each.prompt) for each in only] == [("support", "greet")]
    (nobody,) = (await checked(spans, Question(project="shop", model="nobody"))).compared
    assert set(verdicts(nobody).values()) == {"too_few"}


async def test_models_with_fewer_calls_than_the_first_ones_are_counted_and_left_out() -> None:
    spans = [
        kept(number, number, kind="llm", request_model=f"m{number}", started_ns=NOW_NS - 1)
        for number in range(MOST_SUBJECTS + 3)
    ]
    report = await checked(spans)
    assert (len(report.compared), report.left_out) == (MOST_SUBJECTS, 3)


async def test_of_many_calls_each_hour_gives_its_share() -> None:
    store = MemorySpans()
    await store.write([*calls(1, 20, ("early",)), *calls(200, 10, ("late",)), *calls(400, 10, ("late",))])
    _, current = windows_of(QUESTION, NOW_NS)
    sampler, subject = Sampler(store, 40), Subject(project="shop", alias="support")
    counted = await sampler.calls(subject, current, "minute")
    assert count_of(counted) == 300
    seen = await sampler.inputs(subject, current, counted, None)
    assert [sum(one.text == text for one in seen) for text in ("early", "late")] == [13, 26]


def row(number: int, session: str) -> SpanRow:
    return SpanRow(
        trace_id=f"{number:032x}", span_id="", parent_id="", name="", kind="llm", started_ns=number, duration_ns=0,
        status="ok", status_message="", model="", provider="", user="", session=session, input_tokens=None,
        output_tokens=None, cost_nano_usd=None, cost_source="", first_token_ns=0, counted=True, child_count=0,
        input_preview="", output_preview="", tags=(),
    )  # fmt: skip


def test_a_session_gives_one_input_and_the_same_sessions_are_drawn_in_any_order() -> None:
    rows = [row(number, f"s{number // 2}" if number < 10 else "") for number in range(MOST_SAMPLED * 2)]
    drawn = sampled(rows)
    assert drawn == sampled(rows[::-1])
    assert len(drawn) == MOST_SAMPLED
    assert {one.started_ns % 2 for one in drawn if one.session} <= {1}


async def test_one_check_goes_on_at_a_time() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemorySpans):
        async def aggregate(self, question: Aggregate) -> list[Group]:
            asked.set()
            await go_on.wait()
            return await super().aggregate(question)

    checks = Checks(Slow(), FrozenClock(NOW_NS), lambda: None)
    first = asyncio.create_task(checks.check(QUESTION))
    await asked.wait()
    with pytest.raises(Overloaded, match="another check"):
        await checks.check(QUESTION)
    go_on.set()
    assert (await first).compared == ()
