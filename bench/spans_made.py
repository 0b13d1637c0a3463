"""Spans like those of an application, as many as are wanted, made alike from the same numbers each time.

A trace has ten spans over four levels; each says 1.2 KB of text of its own. Words are drawn anew for every span, by
Zipf's law from 20,000: a text that came again would make compression look better than it is, and words that are all
equally rare would do so to search.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import json

from switchgear.kernel.chat import Usage
from switchgear.kernel.span import Content, Span, SpanKind, ToldSpan

PER_TRACE: Final = 10
WEEK_NS: Final = 7 * 86_400_000_000_000
WORDS: Final = 20_000
ASKED_WORDS, ANSWERED_WORDS = 92, 46
PROJECTS: Final = ("shop", "shop", "shop", "shop", "shop", "shop", "shop", "support", "support", "research")
"""By the last digit of a trace's number."""
BUSIEST: Final = PROJECTS[0]
MODELS: Final = ("gpt-5", "gpt-5-mini", "claude-4.5", "claude-haiku", "gemini-3", "llama-4", "qwen-3", "mistral-4")
PROVIDERS: Final = ("openai", "openai", "anthropic", "anthropic", "gcp.gemini", "vllm", "vllm", "mistral_ai")
USERS: Final = 5_000
_SYLLABLES: Final = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "la",
    "me",
    "ni",
    "po",
    "ru",
    "sha",
    "ter",
    "lin",
    "gar",
    "ven",
    "mo",
    "stra",
    "ple",
    "qui",
    "ton",
)
_SEED: Final = 20_261


class Step(NamedTuple):
    """One of a trace's spans: what it is, below which, and when it begins and ends, in thousandths of the trace."""

    name: str
    kind: SpanKind
    parent: int
    began: int
    ended: int


STEPS: Final = (
    Step("answer the customer", "agent", -1, 0, 1000),
    Step("understand", "chain", 0, 5, 240),
    Step("chat classify", "llm", 1, 10, 230),
    Step("look up", "chain", 0, 245, 480),
    Step("embed", "embedding", 3, 250, 300),
    Step("search articles", "retrieval", 3, 305, 470),
    Step("chat draft", "llm", 0, 485, 700),
    Step("fetch order", "tool", 6, 500, 560),
    Step("check tone", "guardrail", 0, 705, 720),
    Step("chat write", "llm", 0, 725, 995),
)
CALLS: Final = tuple(place for place, step in enumerate(STEPS) if step.kind == "llm")


class _Facts(NamedTuple):
    """What is drawn for one span, whichever way it is told."""

    number: int
    trace: int
    place: int
    step: Step
    began_ns: int
    ended_ns: int
    failed: bool
    asked: str
    answered: str
    model: int
    input_tokens: int
    output_tokens: int


class Made:
    """``count`` spans over ``over_ns`` from ``begin_ns`` on; ``mark`` tells the ids of one run from another's."""

    def __init__(self, count: int, begin_ns: int, mark: int = 0, over_ns: int = WEEK_NS) -> None:
        draw = np.random.default_rng(_SEED)
        self.count = count
        self.words = _words(draw)
        self._mark = mark
        self._begin_ns = begin_ns
        self._trace_ns = over_ns * PER_TRACE // max(count, PER_TRACE)
        chances = 1 / np.arange(1, WORDS + 1)
        self._chances = np.cumsum(chances / chances.sum())

    def trace_id(self, trace: int) -> str:
        """Of the trace with this number."""
        return f"{self._mark:016x}{trace + 1:016x}"

    def project(self, trace: int) -> str:
        """Whose it is."""
        return PROJECTS[trace % len(PROJECTS)]

    def spans(self, numbers: range) -> list[Span]:
        """As the store keeps them."""
        return [self._span(facts) for facts in self._facts(numbers)]

    def told(self, numbers: range) -> list[ToldSpan]:
        """As senders tell them: calls by the GenAI conventions, all else by OpenInference."""
        return [self._told(facts) for facts in self._facts(numbers)]

    def _facts(self, numbers: range) -> Iterator[_Facts]:
        draw = np.random.default_rng((_SEED, numbers.start))
        size = len(numbers)
        places = np.searchsorted(self._chances, draw.random((size, ASKED_WORDS + ANSWERED_WORDS)))
        drawn: list[list[int]] = np.minimum(places, WORDS - 1).tolist()
        seconds: list[float] = draw.lognormal(1.0, 0.8, size).tolist()
        others: list[list[int]] = draw.integers(0, 1 << 30, (size, 4)).tolist()
        for at, number in enumerate(numbers):
            trace, place = divmod(number, PER_TRACE)
            step, other = STEPS[place], others[at]
            # A trace is as long as its number says, so that its spans fit in each other whichever batch they are in.
            long_ns = (1 + trace * 7919 % 30_000) * 1_000_000
            began_ns = self._begin_ns + trace * self._trace_ns + step.began * long_ns // 1000
            texts = [self.words[word] for word in drawn[at]]
            yield _Facts(
                number=number,
                trace=trace,
                place=place,
                step=step,
                began_ns=began_ns,
                ended_ns=began_ns + (step.ended - step.began) * long_ns // 1000,
                failed=other[0] % 100 == 0,
                asked=f"ticket t{trace} {' '.join(texts[:ASKED_WORDS])}",
                answered=f"{' '.join(texts[ASKED_WORDS:])} in {seconds[at]:.3f} s",
                model=(trace * 31 + place) % len(MODELS),
                input_tokens=150 + other[1] % 2_000,
                output_tokens=20 + other[2] % 600,
            )

    def _span(self, facts: _Facts) -> Span:
        step, trace = facts.step, facts.trace
        is_call = step.kind == "llm"
        return Span(
            project=self.project(trace),
            trace_id=self.trace_id(trace),
            span_id=_span_id(facts.number),
            parent_id=_span_id(facts.number - facts.place + step.parent) if facts.place else "",
            name=step.name,
            kind=step.kind,
            started_ns=facts.began_ns,
            ended_ns=facts.ended_ns,
            status="error" if facts.failed else "ok",
            status_message="the upstream answered 503" if facts.failed else "",
            user=_user(trace),
            session=_session(trace),
            environment="production" if trace % 8 else "staging",
            service=f"api-{trace % 5}",
            release=f"2026.{trace % 3}",
            operation="chat" if is_call else "",
            model=MODELS[facts.model] if is_call else "",
            request_model=MODELS[facts.model] if is_call else "",
            provider=PROVIDERS[facts.model] if is_call else "",
            usage=Usage(input=facts.input_tokens, output=facts.output_tokens) if is_call else None,
            cost_nano_usd=facts.input_tokens * 250 + facts.output_tokens * 2_000 if is_call else None,
            cost_source="computed" if is_call else "",
            prompt_name=f"prompt-{facts.place}" if is_call else "",
            prompt_version=str(trace % 4) if is_call else "",
            tags=("nightly",) if trace % 50 == 0 else (),
            metadata={"tenant": f"tenant-{trace % 97}"} if facts.place == 0 else {},
            input=_content("user", facts.asked),
            output=_content("assistant", facts.answered),
            attributes=_settings(facts) if is_call else {},
            resource=_resource(trace),
            scope="bench@1",
        )

    def _told(self, facts: _Facts) -> ToldSpan:
        step, trace = facts.step, facts.trace
        of_trace = {"user.id": _user(trace), "session.id": _session(trace)}
        return ToldSpan(
            trace_id=self.trace_id(trace),
            span_id=_span_id(facts.number),
            parent_id=_span_id(facts.number - facts.place + step.parent) if facts.place else "",
            name=step.name,
            started_ns=facts.began_ns,
            ended_ns=facts.ended_ns,
            status="error" if facts.failed else "ok",
            status_message="the upstream answered 503" if facts.failed else "",
            attributes=of_trace | (_of_call(facts) if step.kind == "llm" else _of_step(facts)),
            resource=_resource(trace),
            scope_name="bench",
            scope_version="1",
        )


def batches(count: int, size: int) -> Iterable[range]:
    """The numbers of ``count`` spans, some at a time."""
    return (range(at, min(at + size, count)) for at in range(0, count, size))


def _words(draw: np.random.Generator) -> Sequence[str]:
    found: dict[str, None] = {}
    while len(found) < WORDS:
        # Words that are often said are short.
        syllables = draw.integers(0, len(_SYLLABLES), 1 + min(len(found) // 15, 2) + int(draw.integers(0, 2)))
        places: list[int] = syllables.tolist()
        found["".join(_SYLLABLES[each] for each in places)] = None
    return list(found)


def _content(role: str, text: str) -> Content:
    return Content(parts=(_message(role, text),), is_messages=True, preview=text[:200])


def _message(role: str, text: str) -> bytes:
    return json.encode({"role": role, "parts": [{"type": "text", "content": text}]})


def _of_call(facts: _Facts) -> dict[str, object]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS[facts.model],
        "gen_ai.request.model": MODELS[facts.model],
        "gen_ai.response.model": MODELS[facts.model],
        "gen_ai.usage.input_tokens": facts.input_tokens,
        "gen_ai.usage.output_tokens": facts.output_tokens,
        "gen_ai.input.messages": f"[{_message('user', facts.asked).decode()}]",
        "gen_ai.output.messages": f"[{_message('assistant', facts.answered).decode()}]",
        **_settings(facts),
    }


def _of_step(facts: _Facts) -> dict[str, object]:
    return {
        "openinference.span.kind": facts.step.kind.upper(),
        "input.value": facts.asked,
        "output.value": facts.answered,
    }


def _settings(facts: _Facts) -> dict[str, object]:
    return {
        "gen_ai.request.temperature": facts.trace % 10 / 10,
        "server.address": f"{PROVIDERS[facts.model]}.example.com",
        "server.port": 443,
    }


def _resource(trace: int) -> dict[str, object]:
    host = f"host-{trace % 40}"
    return {"service.name": f"api-{trace % 5}", "host.name": host, "telemetry.sdk.language": "python"}


def _span_id(number: int) -> str:
    return f"{number + 1:016x}"


def _user(trace: int) -> str:
    return f"user-{trace * 7919 % USERS}"


def _session(trace: int) -> str:
    return f"session-{trace // 3}"
