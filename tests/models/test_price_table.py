"""Tables of prices: how a model is found, and that a broken one is refused whole."""

import json
from collections.abc import Mapping
from importlib.resources import files

import jsonschema_rs
import pytest

from switchgear.kernel.errors import ConfigError
from switchgear.models.price_table import PriceTable, packaged_table, read_table, table_schema
from switchgear.providers import discover


def table(models: Mapping[str, object], **vendor: object) -> bytes:
    """A table of one vendor, for providers of kind ``openai``."""
    made = {"kinds": ["openai"], "source": "a contract", "models": models, **vendor}
    return json.dumps({"version": "v1", "vendors": {"acme": made}}).encode()


def read(models: Mapping[str, object], **vendor: object) -> PriceTable:
    return read_table(table(models, **vendor), "prices.json")


CARD = {"input": "1", "output": "2"}
OTHER = {"input": "3", "output": "4"}


@pytest.mark.parametrize("edition", ["m-2024-08-06", "m-20250929", "m@20250929", "m-latest", "m-001"])
def test_an_edition_costs_what_its_model_costs(edition: str) -> None:
    found = read({"m": CARD})

    assert found.find("openai", edition) == found.find("openai", "m") is not None


def test_an_edition_with_a_price_of_its_own_has_that() -> None:
    found = read({"m": CARD, "m-2024-05-13": OTHER})

    assert found.find("openai", "m-2024-05-13") != found.find("openai", "m")


@pytest.mark.parametrize("model", ["m-mini", "other", "", "M", "m-2024", "m-2024-08-06-preview"])
def test_a_model_that_is_not_listed_has_no_price(model: str) -> None:
    assert read({"m": CARD}).find("openai", model) is None


def test_a_price_is_for_its_kinds_of_provider_only() -> None:
    assert read({"m": CARD}).find("anthropic", "m") is None


def test_a_vendor_may_have_one_price_for_every_other_model() -> None:
    found = read({"m": CARD}, any_model=OTHER)

    assert found.find("openai", "anything") != found.find("openai", "m")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "prices.json is not JSON"),
        (b"[" * 100_000, "prices.json is no table of prices"),
        (b'{"vendors":' * 100_000, "prices.json"),
        (b"\xff", "prices.json is not JSON"),
        (b"{}", "prices.json is no table of prices: .*version"),
        (table({"m": {"input": "1"}}), r"no table of prices: .*output.*vendors.*models"),
        (table({"m": {"input": 1, "output": "1"}}), "no table of prices: Expected `str`"),
        (table({"m": {**CARD, "inptu": "1"}}), "no table of prices: .*inptu"),
        (table({"m": {"input": "0.0000001", "output": "1"}}), r"vendors\.acme\.models\.m: input: .*six decimal places"),
        (table({"m": CARD, "n": {"input": "-1", "output": "1"}}), "no table of prices"),
    ],
)
def test_a_broken_table_is_refused_whole_and_the_place_is_named(content: bytes, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_table(content, "prices.json")


def test_the_schema_takes_the_packaged_table_and_refuses_what_the_reader_refuses() -> None:
    schema = jsonschema_rs.validator_for(table_schema())
    packaged = (files("switchgear.models") / "prices.json").read_bytes()

    assert schema.is_valid(json.loads(packaged))
    assert schema.is_valid(json.loads(table({"m": CARD})))
    for wrong in ({"m": {"input": "1"}}, {"m": {**CARD, "inptu": "1"}}, {"m": {"input": "-1", "output": "1"}}):
        assert not schema.is_valid(json.loads(table(wrong)))


def test_the_packaged_table_names_kinds_that_exist_and_sources_that_can_be_looked_up() -> None:
    kinds = discover()
    lines = list(packaged_table().listed())

    assert len(lines) > 50
    assert {line.vendor for line in lines} >= {"openai", "anthropic", "google", "cohere", "amazon", "self-hosted"}
    for kind in ("openai", "anthropic", "gemini", "cohere", "bedrock", "vllm", "simulator"):
        assert kind in kinds
    assert all(line.source.startswith("https://") for line in lines if line.model != "*")


def test_a_server_of_ones_own_costs_nothing_by_the_token() -> None:
    price = packaged_table().find("vllm", "anything")

    assert price is not None
    assert price.standard.rates.input == price.standard.rates.output == 0
