"""The sixteen scenarios of failoverbench (methodology v0.1), judged as its users would: through the real OpenAI SDK.

Each scenario breaks the first deployment in its own way. A pass is what the application wants: the whole answer, once,
in good time; or, where nothing may be done (S13, S14), the truth. The SDK keeps its own default retries, and whether it
needed them is read from the journal: one call, whatever happened behind it. Waits are scaled down, limits with them.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from switchgear.kernel.record import CallRecord
from tests.e2e.live import KEY, LiveServer, records

CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
keys: [{{name: tester, key: {key}}}]
providers:
  first: {{kind: simulator}}
  second: {{kind: simulator}}
routing: {{retries: {{base_seconds: 0.05, max_seconds: 0.2}}, resume: prefill, total_seconds: 20}}
models:
  s01: {{deployments: [{{model: "first/error-429?retry_after_seconds=2"}}, {{model: second/lorem, tier: 1}}]}}
  s02: {{deployments: [{{model: first/error-429}}], fallbacks: {{any: [whole]}}}}
  s03: {{deployments: [{{model: first/error-500}}, {{model: second/lorem, tier: 1}}]}}
  s04: {{deployments: [{{model: first/error-503}}, {{model: second/lorem, tier: 1}}]}}
  s05: {{deployments: [{{model: "first/reset?fault_after_tokens=0"}}, {{model: second/lorem, tier: 1}}]}}
  s06: {{deployments: [{{model: first/stall-first, timers: &short {{first_byte_seconds: 0.5, first_token_seconds: 0.5,
         idle_seconds: 0.5}}}}, {{model: second/lorem, tier: 1}}]}}
  s07: {{deployments: [{{model: "first/lorem?ttft_ms=20000", timers: *short}}, {{model: second/lorem, tier: 1}}]}}
  s08: {{deployments: [{{model: "first/truncate?tokens=60&fault_after_tokens=40"}},
         {{model: "second/lorem?tokens=60", tier: 1}}]}}
  s09: {{deployments: [{{model: "first/stall?tokens=60&fault_after_tokens=40", timers: *short}},
         {{model: "second/lorem?tokens=60", tier: 1}}]}}
  s10: {{deployments: [{{model: first/garbage}}, {{model: second/lorem, tier: 1}}]}}
  s11: {{deployments: [{{model: first/no-done}}, {{model: second/lorem, tier: 1}}]}}
  s12: {{deployments: [{{model: first/too-long}}, {{model: first/too-long, tier: 1}}],
         fallbacks: {{context_length: [whole]}}}}
  s13: {{deployments: [{{model: first/filtered}}, {{model: second/lorem, tier: 1}}],
         fallbacks: {{any: [whole]}}}}
  s14: {{deployments: [{{model: first/truncate}}, {{model: second/error-400, tier: 1}}]}}
  s15: {{deployments: [{{model: "first/flap?period_ms=150"}}, {{model: second/lorem, tier: 1}}],
         breaker: {{open_seconds: 0.05, max_open_seconds: 0.05}}}}
  s16: {{deployments: [{{model: first/error-500}}, {{model: second/lorem, tier: 1}}]}}
  whole: {{deployments: [{{model: second/lorem}}]}}
"""

STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


class Bench:
    """A live server, and the SDK as an application has it."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self.client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, timeout=15)

    def ask(self, model: str, *, stream: bool) -> str:
        """What the application reads. Raises what the SDK raises."""
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say something long."}]
        if not stream:
            done = self.client.chat.completions.create(model=model, messages=messages)
            return done.choices[0].message.content or ""
        text = ""
        with self.client.chat.completions.create(model=model, messages=messages, stream=True) as chunks:
            for chunk in chunks:
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
        return text

    def record(self) -> CallRecord:
        """The one record of the one call since the last look: the SDK did not have to try again."""
        found = records(self._server)
        assert len(found) == 1, [(record.status, record.error) for record in found]
        return found[0]

    def whole(self, model: str = "whole") -> str:
        """The answer that the second deployment gives."""
        text = self.ask(model, stream=False)
        self.record()
        return text


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with LiveServer(tmp_path, CONFIG) as server:
        made = Bench(server)
        try:
            yield made
        finally:
            made.client.close()


@STREAMED
@pytest.mark.parametrize("scenario", ["s01", "s02", "s03", "s04", "s05", "s06", "s07", "s10", "s12"])
def test_a_failure_before_any_content_is_not_noticed(bench: Bench, scenario: str, *, stream: bool) -> None:
    wanted = bench.whole()
    started = time.monotonic()
    assert bench.ask(scenario, stream=stream) == wanted
    assert time.monotonic() - started < 10
    record = bench.record()
    assert record.outcome == "ok"
    assert record.attempts[-1].outcome == "ok"
    assert len(record.attempts) <= 4


def test_s01_the_key_that_said_when_is_not_asked_before(bench: Bench) -> None:
    bench.ask("s01", stream=False)
    assert [attempt.provider for attempt in bench.record().attempts] == ["first", "second"]
    bench.ask("s01", stream=False)
    assert [attempt.provider for attempt in bench.record().attempts] == ["second"]


def test_s12_the_same_model_is_not_asked_again_with_the_same_prompt(bench: Bench) -> None:
    bench.ask("s12", stream=False)
    assert [attempt.outcome for attempt in bench.record().attempts] == ["failed", "ok"]


@pytest.mark.parametrize("scenario", ["s08", "s09"])
def test_an_answer_cut_or_stalled_at_forty_of_sixty_tokens_is_completed_once(bench: Bench, scenario: str) -> None:
    wanted = bench.whole("second/lorem?tokens=60")
    assert bench.ask(scenario, stream=True) == wanted
    record = bench.record()
    assert [(attempt.outcome, attempt.why) for attempt in record.attempts] == [("failed", ""), ("ok", "resume")]


def test_s11_an_answer_without_its_end_mark_is_whole_and_ends(bench: Bench) -> None:
    assert bench.ask("s11", stream=True) == "Say something long."
    assert bench.record().outcome == "ok"


@STREAMED
def test_s13_a_content_filter_is_not_routed_around(bench: Bench, *, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        bench.ask("s13", stream=stream)
    assert caught.value.code == "content_filter"
    assert [attempt.provider for attempt in bench.record().attempts] == ["first"]


def test_s14_a_continuation_that_is_refused_is_an_error_and_no_short_answer(bench: Bench) -> None:
    with pytest.raises(openai.APIError):
        bench.ask("s14", stream=True)
    assert bench.record().outcome == "failed"


@STREAMED
def test_s15_a_deployment_that_comes_and_goes_costs_no_call(bench: Bench, *, stream: bool) -> None:
    ended = time.monotonic() + 2
    served: set[str] = set()
    while time.monotonic() < ended:
        assert bench.ask("s15", stream=stream)
        served.add(bench.record().attempts[-1].provider)
    assert served == {"first", "second"}


def test_s16_each_attempt_of_a_failover_is_accounted_for_what_it_was(bench: Bench) -> None:
    bench.ask("s16", stream=False)
    failed, served = bench.record().attempts
    assert (failed.status, failed.outcome, failed.cause, failed.usage) == (500, "failed", "server_error", None)
    assert (served.status, served.outcome, served.why) == (200, "ok", "fallback")
    assert served.usage is not None
    assert served.usage.output > 0
    assert not served.usage.estimated
