"""Models of the control database beside the file's: the file's word counts, and what it does not let be is left out."""

import logging
from pathlib import Path

import pytest
from msgspec import convert, structs

from switchgear.config.effective import laid_over
from switchgear.config.feed import Feed
from switchgear.config.model import Config, ProviderEntry
from switchgear.config.routing import ModelEntry
from switchgear.models.card import ModelCard, Stage
from switchgear.models.rate_card import PriceCard


def entry(model: str, *aliases: str) -> ModelEntry:
    return convert({"deployments": [{"model": model}], "aliases": aliases}, ModelEntry)


def names(caplog: pytest.LogCaptureFixture, **kept: ModelEntry) -> dict[str, str]:
    """The models in force, with their first deployment."""
    file = Config(providers={"sim": ProviderEntry(kind="simulator")}, models={"house": entry("sim/echo", "home")})
    with caplog.at_level(logging.WARNING, "switchgear.config"):
        found = laid_over(file, Feed(models=kept), Path("feed"), None)
    return {name: one.deployments[0].model for name, one in found.models.items()}


def test_models_of_both_are_in_force(caplog: pytest.LogCaptureFixture) -> None:
    assert names(caplog, m=entry("sim/lorem")) == {"m": "sim/lorem", "house": "sim/echo"}
    assert caplog.messages == []


def test_where_both_have_a_name_the_files_is_meant(caplog: pytest.LogCaptureFixture) -> None:
    assert names(caplog, house=entry("sim/lorem")) == {"house": "sim/echo"}


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (entry("acme/m"), "no provider acme"),
        (entry("sim/m", "house"), "house is taken"),
        (entry("sim/m", "home"), "home"),
    ],
)
def test_what_the_file_no_longer_lets_be_is_left_out_and_told(
    caplog: pytest.LogCaptureFixture, kept: ModelEntry, why: str
) -> None:
    assert names(caplog, m=kept, n=entry("sim/lorem")) == {"house": "sim/echo", "n": "sim/lorem"}
    assert why in caplog.text


def test_a_model_goes_on_without_its_ways_to_what_the_file_no_longer_serves(caplog: pytest.LogCaptureFixture) -> None:
    file = Config(
        providers={"sim": ProviderEntry(kind="simulator")},
        models={"old": ending(entry("sim/echo", "older"), "retired"), "house": entry("sim/echo")},
    )
    kept = convert(
        {
            "deployments": [{"model": "sim/lorem"}],
            "fallbacks": {"any": ["gone", "house", "older"], "timeout": ["old"], "busy": ["sim/echo", "acme/m"]},
            "splits": [{"to": {"gone": 30, "house": 30, "old": 40}, "when": 'model == "m"'}],
            "shadow": {"to": "out"},
            "card": {"redirect_to": "gone"},
        },
        ModelEntry,
    )
    with caplog.at_level(logging.WARNING, "switchgear.config"):
        found = laid_over(file, Feed(models={"m": kept, "out": entry("acme/m")}), Path("feed"), None).models["m"]
    assert found.fallbacks.chains() == {"any": ("house",), "busy": ("sim/echo",)}
    assert (found.splits[0].to, found.splits[0].when) == ({"house": 30, "m": 70}, 'model == "m"')
    assert (found.shadow, found.card.redirect_to) == (None, None)
    assert "the model m of the control database no longer leads to what is not served: acme/m, gone" in caplog.text


def test_a_redirect_may_lead_to_what_redirects_in_turn(caplog: pytest.LogCaptureFixture) -> None:
    kept = {"m": ending(entry("sim/lorem"), "retired", to="n"), "n": ending(entry("sim/lorem"), "retired", to="house")}
    file = Config(providers={"sim": ProviderEntry(kind="simulator")}, models={"house": entry("sim/echo")})
    found = laid_over(file, Feed(models=kept), Path("feed"), None)
    assert found.models["m"].card.redirect_to == "n"
    assert caplog.messages == []


def ending(model: ModelEntry, stage: Stage, to: str | None = None) -> ModelEntry:
    return structs.replace(model, card=ModelCard(stage=stage, redirect_to=to))


def test_prices_of_the_database_go_before_tables_and_behind_the_files() -> None:
    own, kept = PriceCard(input="1", output="1"), PriceCard(input="2", output="2")
    file = Config(
        providers={"sim": ProviderEntry(kind="simulator", prices={"a": own}), "other": ProviderEntry(kind="x")}
    )
    feed = Feed(prices={"sim/a": kept, "sim/b": kept, "gone/c": kept})
    found = laid_over(file, feed, Path("feed"), None)
    assert found.providers["sim"].prices == {"a": own, "b": kept}
    assert found.providers["other"].prices == {}
