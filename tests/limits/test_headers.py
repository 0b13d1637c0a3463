"""What clients are told of their limits in headers, as time passes."""

import pytest

from switchgear.kernel.ports import Standing
from switchgear.limits.headers import ANTHROPIC, OPENAI, Headers, Pair, Resets
from switchgear.limits.model import NANOSECONDS, Period, Quantity, Rule

HOUR_NS = 1_700_000_000_000_000_000 // (3_600 * NANOSECONDS) * 3_600 * NANOSECONDS
MINUTE: Period = "minute"


def rule(limit: int, quantity: Quantity = "requests", period: Period | None = MINUTE) -> Rule:
    return Rule(name="l", quantity=quantity, limit=limit, scopes=(), period=period)


def told(headers: Headers, used: list[int], now_ns: int) -> list[Pair]:
    return list(headers.of([Standing(each, True) for each in used], now_ns))


@pytest.mark.parametrize(
    ("period", "passed_ms", "reset"),
    [
        ("minute", 0, b"1m0s"), ("minute", 1, b"1m0s"), ("minute", 100, b"59.9s"), ("minute", 101, b"59.9s"),
        ("minute", 58_301, b"1.7s"), ("minute", 59_999, b"0.1s"), ("hour", 0, b"1h0m0s"), ("hour", 1_000, b"59m59s"),
        ("hour", 1_001, b"59m59s"), ("second", 0, b"1.0s"),
    ],
)  # fmt: skip
def test_openai_clients_are_told_how_long_a_window_lasts_rounded_up(
    period: Period, passed_ms: int, reset: bytes
) -> None:
    headers = Headers([rule(5, period=period)], Resets(OPENAI))
    # What was said earlier must not be said again.
    for now_ns in (HOUR_NS, HOUR_NS + passed_ms * 1_000_000):
        found = told(headers, [2], now_ns)
    assert found == [
        (b"x-ratelimit-limit-requests", b"5"),
        (b"x-ratelimit-remaining-requests", b"3"),
        (b"x-ratelimit-reset-requests", reset),
    ]


def test_a_clock_that_is_set_back_is_believed() -> None:
    headers = Headers([rule(5)], Resets(OPENAI))
    assert told(headers, [1], HOUR_NS + 70 * NANOSECONDS)[2][1] == b"50.0s"
    assert told(headers, [1], HOUR_NS + 20 * NANOSECONDS)[2][1] == b"40.0s"


def test_anthropic_clients_are_told_the_moment_of_the_window_in_which_the_call_is() -> None:
    headers = Headers([rule(5, "output_tokens")], Resets(ANTHROPIC))
    for at, moment in ((0, b"2023-11-14T22:01:00Z"), (59, b"2023-11-14T22:01:00Z"), (60, b"2023-11-14T22:02:00Z")):
        now_ns = HOUR_NS + at * NANOSECONDS
        assert told(headers, [7], now_ns) == [
            (b"anthropic-ratelimit-output-tokens-limit", b"5"),
            (b"anthropic-ratelimit-output-tokens-remaining", b"0"),
            (b"anthropic-ratelimit-output-tokens-reset", moment),
        ]


def test_of_each_kind_the_tightest_is_told_and_what_has_no_window_or_no_word_is_not() -> None:
    rules = [rule(10), None, rule(100, period="hour"), rule(1, "usd"), rule(1, "concurrent", None), rule(7, "tokens")]
    headers = Headers(rules, Resets(OPENAI))
    for used, limit in (([1, 0, 20, 1, 1, 0], b"100"), ([3, 9, 20, 1, 1, 0], b"10"), ([2, 9, 20, 1, 1, 0], b"10")):
        found = dict(told(headers, used, HOUR_NS))
        assert (found[b"x-ratelimit-limit-requests"], found[b"x-ratelimit-limit-tokens"], len(found)) == (
            limit,
            b"7",
            6,
        )
