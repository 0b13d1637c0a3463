"""Google's ``Schema`` as JSON Schema.

A Schema (ai.google.dev/api/caching#Schema) is a subset of OpenAPI 3.0 with type names in capitals, integers as JSON
strings, ``nullable`` and ``propertyOrdering``. The other way needs nothing: Gemini takes JSON Schema as it is.
"""

from collections.abc import Mapping
from typing import Final, cast

from msgspec import Raw, json

from switchgear.kernel.errors import BadRequest

_INTEGERS: Final = ("maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties")
_RENAMED: Final = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
}
_UNSPECIFIED: Final = "type_unspecified"

Schema = dict[str, object]


def json_schema(schema: Raw, place: str) -> Raw:
    """The JSON Schema that says the same; ``place`` names the field in errors. Raises BadRequest."""
    found: object = json.decode(schema)
    if not isinstance(found, dict):
        raise BadRequest(f"{place} must be an object", param=place)
    return Raw(json.encode(_translated(cast("Schema", found))))


def _translated(schema: Schema) -> Schema:
    written: Schema = {}
    for given, value in schema.items():
        name = _RENAMED.get(given, given)
        match name:
            case "type":
                written |= _type(value)
            case "properties":
                written[name] = {key: _inner(inner) for key, inner in _mapping(value).items()}
            case "items":
                written[name] = _inner(value)
            case "anyOf":
                written[name] = [_inner(inner) for inner in _sequence(value)]
            case "example":
                written["examples"] = [value]
            case "nullable" | "propertyOrdering":
                pass
            case _:
                written[name] = _integer(value) if name in _INTEGERS else value
    _order(written, _sequence(schema.get("propertyOrdering") or schema.get("property_ordering")))
    return _nullable(written) if schema.get("nullable") is True else written


def _type(value: object) -> Schema:
    name = value.lower() if isinstance(value, str) else value
    return {} if name == _UNSPECIFIED else {"type": name}


def _order(schema: Schema, names: list[object]) -> None:
    """Put the properties into the order that ``propertyOrdering`` asks for: JSON Schema has no word for it."""
    properties = _mapping(schema.get("properties"))
    first = {name: properties[name] for name in names if isinstance(name, str) and name in properties}
    if first:
        schema["properties"] = first | {name: value for name, value in properties.items() if name not in first}


def _nullable(schema: Schema) -> Schema:
    kind = schema.get("type")
    if kind is None:
        return {"anyOf": [schema, {"type": "null"}]}
    nullable = schema | {"type": [kind, "null"]}
    if "enum" in schema:
        nullable["enum"] = [*_sequence(schema["enum"]), None]
    return nullable


def _inner(value: object) -> object:
    return _translated(cast("Schema", value)) if isinstance(value, dict) else value


def _integer(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Schema", value) if isinstance(value, dict) else {}


def _sequence(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
