"""The smallest value that fits a schema, and that no schema can hold the simulator up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.json import decode, encode

from switchgear.providers.simulator.schema_example import example_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3)
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "required", "items", "anyOf", "allOf", "$ref", "enum", "minItems", "a"]
)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "{}"),
        ({"type": "object"}, "{}"),
        ({"required": ["a"], "properties": {"a": {"type": ["string", "null"]}}}, '{"a":""}'),
        ({"type": "string", "minLength": 3}, '"sss"'),
        ({"type": "integer", "minimum": 2.5}, "3"),
        ({"type": "integer", "exclusiveMinimum": 2}, "3"),
        ({"type": "integer", "maximum": -1}, "-1"),
        ({"type": "number", "minimum": 0.5}, "0.5"),
        ({"type": "boolean"}, "false"),
        ({"type": "null"}, "null"),
        ({"type": "array", "items": {"type": "boolean"}}, "[]"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, "[false,false]"),
        ({"enum": ["red", "green"]}, '"red"'),
        ({"const": {"a": 1}}, '{"a":1}'),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "0"),
        ({"$ref": "#/$defs/colour", "$defs": {"colour": {"enum": ["blue"]}}}, '"blue"'),
        (
            {
                "allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}],
                "type": "object",
            },
            '{"a":0,"b":null}',
        ),
    ],
)
def test_an_example_is_minimal(schema: object, expected: str) -> None:
    assert example_of(Raw(encode(schema))) == expected


def test_no_schema_means_an_empty_object() -> None:
    assert example_of(None) == "{}"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": "object", "required": ["a", "b"], "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}},
        {"type": "array", "minItems": 10**9, "items": {"$ref": "#"}},
        {"type": "string", "minLength": 10**9},
    ],
)
def test_endless_schemas_end(schema: object) -> None:
    assert len(example_of(Raw(encode(schema)))) < 2_000_000


SCHEMAS = st.recursive(
    st.dictionaries(KEYWORDS, JSON, max_size=4),
    lambda inner: st.dictionaries(KEYWORDS, inner | st.lists(inner, max_size=3), max_size=4),
    max_leaves=20,
)


@given(SCHEMAS)
def test_any_schema_gives_json(schema: object) -> None:
    decode(example_of(Raw(encode(schema))))
