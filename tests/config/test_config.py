"""What a configuration is worth once it is read: defaults, secrets, versions, the schema, the example."""

import hashlib
import pickle
from pathlib import Path
from typing import Final, cast

import pytest
from msgspec import structs

from switchgear.config import Config, Secret, config_version, discover, listening, load, parse, schema
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Timers

ROOT: Final = Path(__file__).parents[2]
SECRET: Final = "sk-a-value-nobody-may-see"
KEY_HASH: Final = f"sha256:{'ab' * 32}"
TEXT: Final = f"""
server: {{port: 4100}}
keys:
  - {{name: bot, key: ${{KEY}}, models: [fast]}}
  - {{name: batch, hash: {KEY_HASH}}}
providers:
  openai: {{kind: openai, api_key: ${{KEY}}, headers: {{x-team: ${{KEY}}}}}}
  sim: {{kind: simulator}}
models:
  fast:
    deployments:
      - {{model: openai/gpt-4o-mini, weight: 3, timers: {{idle_seconds: 7}}}}
      - {{model: sim/openai:echo}}
"""


def read(text: str = TEXT, key: str = SECRET) -> Config:
    return parse(text, "file", {"KEY": key})


def test_deployments_know_their_provider_and_the_name_there() -> None:
    first, second = read().models["fast"].deployments
    assert (first.provider, first.upstream_model, first.weight) == ("openai", "gpt-4o-mini", 3)
    assert (second.provider, second.upstream_model, second.weight) == ("sim", "openai:echo", 1)
    assert first.timers.timers(600) == Timers(idle_seconds=7)
    assert second.timers.timers(600) == Timers()


def test_a_key_has_one_digest_whichever_way_it_is_given() -> None:
    bot, batch = read().keys
    assert bot.digest() == hashlib.sha256(SECRET.encode()).digest()
    assert batch.digest() == bytes.fromhex("ab" * 32)


def test_a_provider_gets_its_secrets_in_clear() -> None:
    settings = read().providers["openai"].settings("openai")
    assert (settings.name, settings.api_key, settings.headers) == ("openai", SECRET, {"x-team": SECRET})


def test_no_secret_is_in_any_representation() -> None:
    config = read()
    for said in (repr(config), str(config), f"{config.keys[0].key}", f"{config.keys[0].key!r}"):
        assert SECRET not in said
    assert repr(Secret(SECRET)) == "Secret(****)"


def test_secrets_are_equal_by_content_and_survive_a_pickle() -> None:
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    restored = cast("object", pickle.loads(pickle.dumps(Secret(SECRET))))
    assert restored == Secret(SECRET)


def test_a_version_follows_the_content_and_not_the_layout() -> None:
    version = config_version(read())
    assert len(version) == 12
    assert config_version(read(f"# a comment\n{TEXT}")) == version
    blocks = TEXT.replace("  sim: {kind: simulator}\n", "").replace(
        "providers:\n", "providers:\n  sim: {kind: simulator}\n"
    )
    assert config_version(read(blocks)) == version
    assert config_version(read(TEXT.replace("weight: 3", "weight: 4"))) != version
    assert config_version(read(key=f"{SECRET}-renewed")) != version
    assert config_version(read(key=f"{SECRET}-renewed")) == config_version(read(key=f"{SECRET}-renewed"))


def test_without_a_file_the_simulator_and_the_providers_of_the_environment_are_served() -> None:
    config = discover({"OPENAI_API_KEY": SECRET, "OLLAMA_HOST": "0.0.0.0:11434", "ANTHROPIC_API_KEY": " "})
    assert {name: entry.kind for name, entry in config.providers.items()} == {
        "ollama": "ollama",
        "openai": "openai",
        "sim": "simulator",
    }
    assert config.providers["openai"].api_key == Secret(SECRET)
    assert config.providers["ollama"].base_url == "http://127.0.0.1:11434/v1"
    assert (config.server.host, config.server.port, config.keys) == ("127.0.0.1", 4000, ())


def test_an_environment_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\$\{VLLM_BASE_URL\}") as caught:
        discover({"VLLM_BASE_URL": f"nonsense-{SECRET}"})
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_callers_on_this_machine_need_no_key(host: str) -> None:
    assert listening(discover({}), host, 0).server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example", "localhost.example"])
def test_it_refuses_to_listen_elsewhere_without_a_key(host: str) -> None:
    with pytest.raises(ConfigError, match="refuses to listen elsewhere"):
        listening(discover({}), host, None)
    assert listening(read(), host, None).server.host == host


def test_what_the_command_line_leaves_out_stays() -> None:
    config = read()
    assert listening(config, None, None) == config
    assert listening(config, None, 0).server == structs.replace(config.server, port=0)


def test_the_example_is_good_and_holds_every_field() -> None:
    path = ROOT / "switchgear.example.yaml"
    config = load(path, {})
    text = path.read_text(encoding="utf-8")
    assert config.models["fast"].deployments[0].weight == 3
    definitions = cast("dict[str, dict[str, dict[str, object]]]", schema()["$defs"])
    fields = {field for definition in definitions.values() for field in definition["properties"]}
    assert [field for field in sorted(fields) if f"{field}:" not in text] == []


def test_the_schema_describes_every_field_and_allows_references_everywhere() -> None:
    definitions = cast("dict[str, dict[str, dict[str, dict[str, object]]]]", schema()["$defs"])
    for name, definition in definitions.items():
        assert definition["additionalProperties"] is False
        for field, property_ in definition["properties"].items():
            assert property_.get("description"), f"{name}.{field}"
    port = definitions["Server"]["properties"]["port"]
    assert port["anyOf"] == [
        {"type": "integer", "minimum": 0, "maximum": 65535},
        {"type": "string", "pattern": r"\$\{"},
    ]
    assert port["default"] == 4000
