"""Models are checked by what checks the file: what a file may say agrees, whatever of it is said."""

from pathlib import Path

from msgspec import convert

from switchgear.app.registry.agreement import Disagreement, disagreements
from switchgear.config import load
from switchgear.config.routing import ModelEntry
from tests.registry.stand import FILE, entry

EXAMPLE = Path(__file__).resolve().parents[2] / "switchgear.example.yaml"


def test_whatever_a_file_can_say_of_models_agrees() -> None:
    config = load(EXAMPLE, {})
    assert disagreements(config, config.models) == []


def test_what_is_wrong_is_told_without_a_place_that_nobody_has_seen() -> None:
    told = disagreements(FILE, {"a": entry("acme/m"), "b": entry(aliases=["a"])})
    assert told == [
        Disagreement("a", "unknown provider 'acme'; known: openai, sim"),
        Disagreement("b", "the name 'a' is taken: it is a model already"),
    ]


def test_two_models_that_contradict_each_other_are_both_named() -> None:
    one, other = (
        convert({"deployments": [{"model": "sim/echo", "max_in_flight": most}]}, ModelEntry) for most in (1, 2)
    )
    told = disagreements(FILE, {"a": entry(), "b": one, "c": other})
    assert [each.model for each in told] == ["c"]
    assert "'max_in_flight' is another in the model 'b'" in told[0].text


def test_keys_of_a_provider_are_deployments_that_a_call_can_be_hedged_between() -> None:
    config = load(EXAMPLE, {})
    hedged = {"m": entry("anthropic/claude-haiku-4-5", hedging={})}
    assert disagreements(config, hedged) == []
    assert "only one" in disagreements(FILE, {"m": entry(hedging={})})[0].text
