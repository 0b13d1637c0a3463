"""Whatever a file holds, reading it gives a configuration or a ConfigError, soon."""

import contextlib
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchgear.config import Config, load, parse
from switchgear.config.document import MAX_FILE_BYTES
from switchgear.kernel.errors import ConfigError
from switchgear.providers import discover

KINDS: Final = discover()
CASES: Final = tuple(
    path.read_text(encoding="utf-8").partition("-" * 40)[0]
    for path in sorted((Path(__file__).parent / "cases").glob("*.case"))
)
NAMES: Final = ("server", "port", "keys", "name", "hash", "models", "providers", "sim", "kind", "simulator", "timers")
VALUES: Final = ("sim/echo", "~", "1", "-1", "1e9", ".nan", "true", "${A}", "${B:-1}", "$${", "${", "sk-a-secret")
MARKS: Final = (*"*[]{}-:?|>!,#'\"\\%@`", "&a", "*a", "!!int", "---", "...", "<<", "deployments")
WORDS: Final = st.sampled_from((*NAMES, *VALUES, *MARKS))
SPACES: Final = st.sampled_from([" ", "\n", "\n  ", "\n    ", ": ", "\t", ""])
yaml_like: Final = st.lists(st.tuples(WORDS, SPACES), max_size=40).map(
    lambda pairs: "".join(word + space for word, space in pairs)
)
values: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


def read(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse(text, "file", {"A": "a-value-nobody-may-see"}, KINDS), Config)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)


@given(yaml_like)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_anything_like_yaml_is_read_or_refused(text: str) -> None:
    read(text)


@given(st.dictionaries(st.sampled_from(["server", "journal", "keys", "providers", "models"]), values))
def test_any_values_in_any_place_are_read_or_refused(tree: dict[str, object]) -> None:
    read(repr(tree).replace("None", "null").replace("True", "true").replace("False", "false"))


@given(st.sampled_from(CASES), st.data())
def test_a_configuration_with_a_piece_cut_out_is_read_or_refused(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    read(text[:start] + text[end:])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=8))
def test_a_value_of_the_environment_is_never_told(value: str) -> None:
    secret = f"nobody-may-see-{value}"
    text = (
        "server: {port: ${S}, host: ${S}}\nkeys: [{name: ${S}, hash: ${S}, models: ['${S}', x, '${S}/x', '*${S}']},\n"
        "  {name: '${S}'}, {name: '${S}', key: '${S}'}, {name: other, key: '${S}'}, {name: '${T}', key: '${T}'}]\n"
        "providers:\n  a: {kind: ${S}}\n  b: {kind: openai_compatible, base_url: ${S}, api_key: ${S}}\n"
        "  c: {kind: openai, headers: {a: ${S}, 'b:': ${S}}}\n  d: {kind: simulator, query: {tokens: ${S}}}\n"
        "models:\n  m: {deployments: [{model: ${S}, weight: ${S}}, {model: '${S}/x'}]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        parse(text, "file", {"S": secret, "T": "nobody-may-see"}, KINDS)
    assert "nobody-may-see" not in caught.value.message


def test_aliases_that_swell_to_billions_are_refused_soon() -> None:
    layers = ["server: &l0 [a, a, a, a, a, a, a, a, a]"]
    layers += [f"x{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 20)]
    with pytest.raises(ConfigError, match="more than 500000 values"):
        parse("\n".join(layers), "file", {}, KINDS)


def test_a_list_that_contains_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="1:35: contains itself"):
        parse("models: {a: &a {deployments: [*a, {b: *a}]}}", "file", {}, KINDS)


def test_a_list_repeated_by_aliases_is_bounded() -> None:
    deployments = ", ".join(["{model: sim/echo}"] * 1000)
    aliases = "\n".join(f"  m{n}: *first" for n in range(900))
    text = (
        f"providers: {{sim: {{kind: simulator}}}}\nmodels:\n  first: &first {{deployments: [{deployments}]}}\n{aliases}"
    )
    with pytest.raises(ConfigError, match="more than 500000 values"):
        parse(text, "file", {}, KINDS)


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        load(path, {}, KINDS)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"server:\n  host: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2:1: not UTF-8"):
        load(path, {}, KINDS)


def test_a_byte_order_mark_and_the_line_ends_of_windows_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfproviders:\r\n  sim: {kind: simulator}\r\nserver: {port: 1}\r\n")
    assert load(path, {}, KINDS).server.port == 1
    path.write_bytes(b"\xef\xbb\xbfproviders:\r\n  sim: {kind: simulator}\r\nserver: {prot: 1}\r\n")
    with pytest.raises(ConfigError, match=r"windows\.yaml:3:10: unknown key 'prot'"):
        load(path, {}, KINDS)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read: No such file"):
        load(tmp_path / "missing.yaml", {}, KINDS)


def test_a_circle_of_thousands_of_names_is_told_without_recursion() -> None:
    names = [f"m{number}" for number in range(5000)]
    entries = [
        f"  {name}: {{deployments: [{{model: sim/echo}}], fallbacks: {{any: [{following}]}}}}"
        for name, following in zip(names, [*names[1:], names[0]], strict=True)
    ]
    text = "\n".join(["providers: {sim: {kind: simulator}}", "models:", *entries])
    with pytest.raises(ConfigError, match=r"in a circle, 'm0' -> 'm1' -> .* -> … -> 'm0'") as caught:
        parse(text, "file", {})
    assert len(caught.value.message) < 300
