"""Which deployments may write on what another one began."""

import pytest

from tests.routing.lanes import streams
from tests.routing.stand import Stand

HEL = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\n'


def broken(name: str, prefill: bool | None) -> list[str]:
    """Who was asked for an answer that breaks off at the first of two deployments."""
    second: dict[str, object] = {"model": f"{name}/m", "tier": 1}
    if prefill is not None:
        second["prefill"] = prefill
    stand = Stand({"fast": {"deployments": [{"model": "a/m"}, second], "resume": "prefill"}})
    stand.lane("a").always = streams(HEL)
    stand.ask(stream=True)
    return [each for _, each in stand.sent]


@pytest.mark.parametrize(
    ("name", "prefill", "asked"),
    [
        ("b", None, ["a/m", "b/m"]),
        ("b", False, ["a/m", "a/m", "a/m"]),
        ("chatty", None, ["a/m", "a/m", "a/m"]),
        ("chatty", True, ["a/m", "chatty/m"]),
    ],
)
def test_a_deployment_is_begun_as_its_provider_can_or_as_is_declared_of_it(
    name: str, prefill: bool | None, asked: list[str]
) -> None:
    assert broken(name, prefill) == asked
