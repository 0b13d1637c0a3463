"""What models can do: whose word counts, and what the package knows."""

import json
from importlib.resources import files

import pytest

from switchgear.app.catalogue import Catalogue
from switchgear.config.model import Config, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry, RoutingEntry
from switchgear.kernel.capabilities import Capabilities, CapabilityPolicy
from switchgear.models.capability_table import packaged_capabilities
from switchgear.models.card import ModelCard
from switchgear.models.price_table import packaged_table
from switchgear.providers import discover

OWN = Capabilities(max_output_tokens=7)


def deployed(*names: str, card: Capabilities | None = None, policy: CapabilityPolicy | None = None) -> ModelEntry:
    deployments = tuple(DeploymentEntry(model=name) for name in names)
    return ModelEntry(deployments=deployments, card=ModelCard(capabilities=card or Capabilities()), capabilities=policy)


def catalogue(policy: CapabilityPolicy = "check", **models: ModelEntry) -> Catalogue:
    openai = ProviderEntry(kind="openai", capabilities={"gpt-4": OWN, "*": Capabilities(tools=False)})
    return Catalogue(
        Config(
            providers={"openai": openai, "vllm": ProviderEntry(kind="vllm")},
            models=models,
            routing=RoutingEntry(capabilities=policy),
        )
    )


def test_the_providers_word_goes_before_the_packages_and_the_cards_before_both() -> None:
    found = catalogue(m=deployed("openai/gpt-4", card=Capabilities(context_tokens=100))).capabilities("m")

    assert (found.context_tokens, found.max_output_tokens, found.tools, found.input) == (100, 7, False, ("text",))


def test_an_edition_can_do_what_its_model_can() -> None:
    assert catalogue().known("openai", "gpt-4o-2024-08-06").context_tokens == 128_000
    assert catalogue().known("openai", "gpt-4o-2024-05-13").max_output_tokens == 4096


def test_a_name_can_do_what_one_of_its_deployments_can() -> None:
    found = catalogue(m=deployed("openai/gpt-4", "openai/gpt-4o")).capabilities("m")

    assert (found.context_tokens, found.max_output_tokens) == (128_000, 16_384)
    assert set(found.input) >= {"text", "image"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("ignore", None),
        ("check", Capabilities(tools=False)),
        ("known", packaged_capabilities().find("openai", "gpt-4o")),
    ],
)
def test_what_is_held_against_calls_is_a_matter_of_policy(
    policy: CapabilityPolicy, expected: Capabilities | None
) -> None:
    entry = deployed("openai/gpt-4o")
    found = catalogue(policy, m=entry).enforced(entry, entry.deployments[0])

    assert found == (None if expected is None else Capabilities(tools=False).over(expected))


def test_a_model_that_nothing_is_declared_of_is_held_against_nothing() -> None:
    assert catalogue().enforced_undeclared("vllm", "anything") is None


@pytest.mark.parametrize(
    ("deployments", "cap"),
    [
        (("openai/gpt-4",), 7),
        (("openai/gpt-4", "openai/gpt-4o"), 16_384),
        (("openai/gpt-4", "vllm/anything"), None),
        (("vllm/anything",), None),
    ],
)
def test_the_cap_of_an_estimate_is_that_of_the_most_talkative_deployment(
    deployments: tuple[str, ...], cap: int | None
) -> None:
    assert catalogue(m=deployed(*deployments)).output_cap("m") == cap


def test_a_cap_is_known_of_names_that_nobody_declared() -> None:
    assert catalogue().output_cap("openai/gpt-4o") == 16_384
    assert catalogue().output_cap("nobody/knows") is None


def test_the_packages_table_says_who_says_so_and_knows_only_models_with_a_price() -> None:
    kinds = discover()
    table = json.loads((files("switchgear.models") / "capabilities.json").read_bytes())
    prices = packaged_table()

    for vendor in table["vendors"].values():
        assert vendor["source"].startswith("https://")
        assert all(kind in kinds for kind in vendor["kinds"])
        assert [name for name in vendor["models"] if prices.find(vendor["kinds"][0], name) is None] == []
    assert len(list(packaged_capabilities().listed())) > 40
