"""The sixteen scenarios of failoverbench (methodology v0.1), judged as its users would: through the real OpenAI SDK.

Each scenario breaks the first deployment in its own way. A pass is what the application wants: the whole answer, once,
in good time; or, where nothing may be done (S13, S14), the truth. The SDK keeps its own default retries, and whether it
needed them is read from the journal: one call, whatever happened behind it. Waits are scaled down, limits with them.
All tests share a server and nothing in it: each has a model of its own, behind a first provider of its own.
"""

import re
import time
from collections.abc import Iterator
from itertools import pairwise

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from switchgear.kernel.record import CallRecord
from tests.e2e.live import KEY, LiveServer, records

CONFIG = """
server: {{port: 0, drain_seconds: 5}}
journal: {{directory: {journal}}}
keys: [{{name: tester, key: {key}}}]
routing: {{retries: {{base_seconds: 0.05, max_seconds: 0.2}}, resume: prefill, total_seconds: 20}}
"""
MODELS = """
  s01-WAY: {{deployments: [{{model: "first-s01-WAY/error-429?retry_after_seconds=2"}},
             {{model: second/lorem, tier: 1}}]}}
  s02-WAY: {{deployments: [{{model: "first-s02-WAY/error-429?retry_after_seconds=0.3"}}],
             fallbacks: {{any: [whole]}}}}
  s03-WAY: {{deployments: [{{model: first-s03-WAY/error-500}}, {{model: second/lorem, tier: 1}}]}}
  s04-WAY: {{deployments: [{{model: first-s04-WAY/error-503}}, {{model: second/lorem, tier: 1}}]}}
  s05-WAY: {{deployments: [{{model: "first-s05-WAY/reset?fault_after_tokens=0"}}, {{model: second/lorem, tier: 1}}]}}
  s06-WAY: {{deployments: [{{model: first-s06-WAY/stall-first, timers: SHORT}}, {{model: second/lorem, tier: 1}}]}}
  s07-WAY: {{deployments: [{{model: "first-s07-WAY/lorem?ttft_ms=20000", timers: SHORT}},
             {{model: second/lorem, tier: 1}}]}}
  s08-WAY: {{deployments: [{{model: "first-s08-WAY/truncate?tokens=60&fault_after_tokens=40"}},
             {{model: "second/lorem?tokens=60", tier: 1}}]}}
  s09-WAY: {{deployments: [{{model: "first-s09-WAY/stall?tokens=60&fault_after_tokens=40", timers: SHORT}},
             {{model: "second/lorem?tokens=60", tier: 1}}]}}
  s10-WAY: {{deployments: [{{model: first-s10-WAY/garbage}}, {{model: second/lorem, tier: 1}}]}}
  s11-WAY: {{deployments: [{{model: first-s11-WAY/no-done}}, {{model: second/lorem, tier: 1}}]}}
  s12-WAY: {{deployments: [{{model: first-s12-WAY/too-long}}, {{model: first-s12-WAY/too-long, tier: 1}}],
             fallbacks: {{context_length: [whole]}}}}
  s13-WAY: {{deployments: [{{model: first-s13-WAY/filtered}}, {{model: second/lorem, tier: 1}}],
             fallbacks: {{any: [whole]}}}}
  s14-WAY: {{deployments: [{{model: first-s14-WAY/truncate}}, {{model: second/error-400, tier: 1}}]}}
  s15-WAY: {{deployments: [{{model: "first-s15-WAY/flap?period_ms=150"}}, {{model: second/lorem, tier: 1}}],
             breaker: {{open_seconds: 0.05, max_open_seconds: 0.05}}}}
  s16-WAY: {{deployments: [{{model: first-s16-WAY/error-500}}, {{model: second/lorem, tier: 1}}]}}
"""
SHORT = "{{first_byte_seconds: 0.3, first_token_seconds: 0.3, idle_seconds: 0.3}}"
WAYS = ("streamed", "whole", "looked-at")
"""How a scenario is gone through, which is never twice by one name."""


def configuration() -> str:
    """Every scenario for every way through it; the second provider is everybody's, and never at fault."""
    models = "".join(MODELS.replace("WAY", way) for way in WAYS).replace("SHORT", SHORT)
    firsts = sorted(set(re.findall(r"first-s\d\d-[a-z-]+", models)))
    providers = "".join(f"  {name}: {{{{kind: simulator}}}}\n" for name in (*firsts, "second"))
    whole = "  whole: {{deployments: [{{model: second/lorem}}]}}"
    return f"{CONFIG}providers:\n{providers}models:\n{whole}{models}"


STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


class Bench:
    """A live server, and the SDK as an application has it."""

    def __init__(self, server: LiveServer, client: openai.OpenAI) -> None:
        self._server = server
        self._client = client

    def ask(self, model: str, *, stream: bool) -> str:
        """What the application reads. Raises what the SDK raises."""
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say something long."}]
        if not stream:
            done = self._client.chat.completions.create(model=model, messages=messages)
            return done.choices[0].message.content or ""
        text = ""
        with self._client.chat.completions.create(model=model, messages=messages, stream=True) as chunks:
            for chunk in chunks:
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
        return text

    def record(self, model: str) -> CallRecord:
        """The one record of the one call of ``model`` since the last look: the SDK did not have to try again."""
        found = [record for record in records(self._server) if record.model == model]
        assert len(found) == 1, [(record.status, record.error) for record in found]
        return found[0]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with (
        LiveServer(tmp_path_factory.mktemp("bench"), configuration()) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, timeout=15) as client,
    ):
        yield Bench(server, client)


def through(scenario: str, *, stream: bool) -> str:
    """The model that is the scenario's for this way through it."""
    return f"{scenario}-streamed" if stream else f"{scenario}-whole"


@STREAMED
@pytest.mark.parametrize("scenario", ["s01", "s02", "s03", "s04", "s05", "s06", "s07", "s10", "s12"])
def test_a_failure_before_any_content_is_not_noticed(bench: Bench, scenario: str, *, stream: bool) -> None:
    wanted, model = bench.ask("whole", stream=False), through(scenario, stream=stream)
    started = time.monotonic()
    assert bench.ask(model, stream=stream) == wanted
    assert time.monotonic() - started < 10
    record = bench.record(model)
    assert record.outcome == "ok"
    assert record.attempts[-1].outcome == "ok"
    assert len(record.attempts) <= 4


def test_s01_the_key_that_said_when_is_not_asked_before(bench: Bench) -> None:
    bench.ask("s01-looked-at", stream=False)
    first = [attempt.provider for attempt in bench.record("s01-looked-at").attempts]
    bench.ask("s01-looked-at", stream=False)
    then = [attempt.provider for attempt in bench.record("s01-looked-at").attempts]
    assert (first, then) == (["first-s01-looked-at", "second"], ["second"])


def test_s12_the_same_model_is_not_asked_again_with_the_same_prompt(bench: Bench) -> None:
    bench.ask("s12-looked-at", stream=False)
    assert [attempt.outcome for attempt in bench.record("s12-looked-at").attempts] == ["failed", "ok"]


@pytest.mark.parametrize("scenario", ["s08", "s09"])
def test_an_answer_cut_or_stalled_at_forty_of_sixty_tokens_is_completed_once(bench: Bench, scenario: str) -> None:
    wanted, model = bench.ask("second/lorem?tokens=60", stream=False), through(scenario, stream=True)
    assert bench.ask(model, stream=True) == wanted
    record = bench.record(model)
    assert [(attempt.outcome, attempt.why) for attempt in record.attempts] == [("failed", ""), ("ok", "resume")]


def test_s11_an_answer_without_its_end_mark_is_whole_and_ends(bench: Bench) -> None:
    assert bench.ask("s11-streamed", stream=True) == "Say something long."
    assert bench.record("s11-streamed").outcome == "ok"


@STREAMED
def test_s13_a_content_filter_is_not_routed_around(bench: Bench, *, stream: bool) -> None:
    model = through("s13", stream=stream)
    with pytest.raises(openai.BadRequestError) as caught:
        bench.ask(model, stream=stream)
    assert caught.value.code == "content_filter"
    assert [attempt.provider for attempt in bench.record(model).attempts] == [f"first-{model}"]


def test_s14_a_continuation_that_is_refused_is_an_error_and_no_short_answer(bench: Bench) -> None:
    with pytest.raises(openai.APIError):
        bench.ask("s14-streamed", stream=True)
    assert bench.record("s14-streamed").outcome == "failed"


@STREAMED
def test_s15_a_deployment_that_comes_and_goes_costs_no_call(bench: Bench, *, stream: bool) -> None:
    model, deadline = through("s15", stream=stream), time.monotonic() + 20
    served: list[str] = []
    while changes(served) < 4:
        assert time.monotonic() < deadline, served
        assert bench.ask(model, stream=stream)
        served.append(bench.record(model).attempts[-1].provider)
    assert set(served) == {f"first-{model}", "second"}


def changes(served: list[str]) -> int:
    """How often somebody else answered than the time before."""
    return sum(before != after for before, after in pairwise(served))


def test_s16_each_attempt_of_a_failover_is_accounted_for_what_it_was(bench: Bench) -> None:
    bench.ask("s16-looked-at", stream=False)
    failed, served = bench.record("s16-looked-at").attempts
    assert (failed.status, failed.outcome, failed.cause, failed.usage) == (500, "failed", "server_error", None)
    assert (served.status, served.outcome, served.why) == (200, "ok", "fallback")
    assert served.usage is not None
    assert served.usage.output > 0
    assert not served.usage.estimated
