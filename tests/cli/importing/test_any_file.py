"""Whatever a file of LiteLLM's holds: it is read or refused, every setting is told of, and no secret is copied."""

import json
from collections.abc import Iterator, Mapping
from typing import Final, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from switchgear.cli.importing import Imported, import_litellm
from switchgear.cli.importing.report import below
from switchgear.cli.importing.vendors import VENDORS
from switchgear.kernel.errors import ConfigError

SECRET: Final = "sk-planted-0123456789-planted"
PARAMETERS: Final = (
    "model", "api_key", "api_base", "api_version", "rpm", "tpm", "weight", "order", "timeout", "stream_timeout",
    "max_parallel_requests", "extra_headers", "aws_region_name", "aws_secret_access_key", "vertex_project",
    "additional_drop_params", "num_retries", "litellm_credential_name", "input_cost_per_token", "made_up",
)  # fmt: skip
SETTINGS: Final = (
    "routing_strategy", "num_retries", "timeout", "request_timeout", "allowed_fails", "cooldown_time", "fallbacks",
    "context_window_fallbacks", "default_fallbacks", "model_group_alias", "master_key", "database_url", "cache_params",
    "retry_after", "stream_timeout", "optional_pre_call_checks", "disable_cooldowns", "made_up",
)  # fmt: skip
MODELS: Final = (*(f"{prefix}/m" for prefix in VENDORS), "openai/*", "*", "gpt-4o", "nobody/m", "a b", "é/ü", "")
TEXTS: Final = (*MODELS, "os.environ/NAME", "os.environ/", "os.environ/BAD-NAME", "${NAME}", "1", "least-busy", "a\tb")
Strategy = st.SearchStrategy[object]
some_text: Final = st.text(st.characters(exclude_categories=("C", "Z")), max_size=6)
scalars: Final[Strategy] = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(TEXTS) | some_text


def below_that(inner: Strategy) -> Strategy:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TEXTS) | some_text, inner, max_size=3)


def mapping(
    optional: Mapping[str, Strategy], required: Mapping[str, Strategy] | None = None
) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(dict(required or {}), optional=dict(optional))


anything: Final[Strategy] = st.recursive(scalars, below_that, max_leaves=12)
part: Final[Strategy] = st.dictionaries(st.sampled_from(SETTINGS), anything, max_size=6)
any_model: Final = {"model": st.sampled_from(MODELS)}
entry: Final = mapping(
    {
        "model_name": st.sampled_from(MODELS) | anything,
        "litellm_params": st.dictionaries(st.sampled_from(PARAMETERS), anything, max_size=8)
        | mapping(dict.fromkeys(PARAMETERS[1:], anything), any_model),
        "model_info": anything,
        "made_up": anything,
    }
)
values: Final[Strategy] = (
    st.sampled_from([1, 0.5, "30", "os.environ/NAME", "https://h.example/v1", ["a", "b"], {"x-a": "b"}]) | anything
)
likely_entry: Final = mapping(
    {"model_info": mapping({"input_cost_per_token": values, "id": values})},
    {
        "model_name": st.sampled_from(["m", "n", "a b", "openai/*", "openai/m", "groq/m"]),
        "litellm_params": mapping(dict.fromkeys(PARAMETERS[1:], values), any_model),
    },
)
names: Final = st.sampled_from(["m", "n", "a b", "openai/m", "groq/m", "*", "nobody"])
chains: Final = st.lists(st.dictionaries(names, st.lists(names, max_size=3), max_size=2), max_size=3)
likely_part: Final = mapping(
    {
        **dict.fromkeys(SETTINGS, values),
        "fallbacks": chains,
        "context_window_fallbacks": chains,
        "default_fallbacks": st.lists(names, max_size=2),
        "model_group_alias": st.dictionaries(st.sampled_from(["x", "groq/x", "m"]), names, max_size=2),
    }
)
parts: Final[Mapping[str, Strategy]] = {
    "router_settings": likely_part | part | anything,
    "litellm_settings": likely_part | part | anything,
    "general_settings": part | anything,
    "environment_variables": anything,
    "credential_list": anything,
    "made_up": anything,
}
document: Final = mapping(parts, {"model_list": st.lists(likely_entry, min_size=1, max_size=5)}) | mapping(
    {"model_list": st.lists(entry, max_size=4) | anything, **parts}
)


def as_yaml(tree: object) -> str:
    """Every JSON text is YAML, as long as its letters are not escaped in halves."""
    return json.dumps(tree, ensure_ascii=False)


def imported(text: str) -> Imported | ConfigError:
    """What became of a file, or why it was refused."""
    try:
        return import_litellm(text, "file")
    except ConfigError as error:
        return error


def settings_of(value: object, path: str = "") -> Iterator[str]:
    """The path of everything in a document that holds nothing further."""
    if isinstance(value, dict) and value:
        for key, child in cast("dict[str, object]", value).items():
            yield from settings_of(child, below(path, key))
    elif isinstance(value, list) and value:
        for number, child in enumerate(cast("list[object]", value)):
            yield from settings_of(child, f"{path}[{number}]")
    elif path:
        yield path


@given(document)
@example({"router_settings": {"model_group_alias": {"m": "m"}}, "litellm_settings": {"model_group_alias": {"m": "m"}}})
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_every_setting_of_any_document_is_told_of(tree: dict[str, object]) -> None:
    made = imported(as_yaml(tree))
    if isinstance(made, ConfigError):
        return
    assert [path for path in settings_of(tree) if not made.report.covers(path)] == []
    assert made.report.text(whole=True).count("\n") >= len(made.report.lines)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    made = imported(text)
    assert made.message.startswith("file") if isinstance(made, ConfigError) else made.text


@given(document, st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_secret_is_copied_whatever_stands_around_it(tree: dict[str, object], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["openai", "azure", "bedrock", "vertex_ai", "ollama", "nobody"]))
    place = data.draw(st.sampled_from(["api_key", "aws_secret_access_key", "vertex_credentials", "made_up"]))
    planted = {
        "model_name": "m",
        "litellm_params": {"model": f"{name}/m", place: SECRET, "extra_headers": {"Authorization": f"Bearer {SECRET}"}},
    }
    given_list = tree.get("model_list")
    model_list = [*cast("list[object]", given_list), planted] if isinstance(given_list, list) else [planted]
    general = {"master_key": SECRET, "database_url": f"postgresql://u:{SECRET}@db/x"}
    everything = {**tree, "model_list": model_list, "general_settings": general, "environment_variables": {"A": SECRET}}
    made = imported(as_yaml(everything))
    if isinstance(made, ConfigError):
        assert SECRET not in made.message
    else:
        assert SECRET not in made.text + made.report.text(whole=True) + str(made.to_set)


@pytest.mark.parametrize("text", ["", "- a list", "model_list: [", "a: 1\na: 2", "a: !!python/object:x y", "&a [*a]"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        import_litellm(text, "file")


def test_a_file_that_swells_behind_aliases_is_refused_in_time() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="more than"):
        import_litellm("\n".join(lines), "file")
