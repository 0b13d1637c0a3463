"""The smallest value that fits a JSON Schema: what the simulator answers when asked for structured output or tools.

Covers what structured output uses: types, enum, const, required properties, array and string minima, numeric bounds,
anyOf/oneOf/allOf and local references. ``pattern`` and ``format`` are not solved.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Final, cast

from msgspec import DecodeError, Raw
from msgspec.json import decode, encode

_DEEPEST: Final = 32
_MOST_ITEMS: Final = 1000
_MOST_VALUES: Final = 1000

Schema = Mapping[str, object]


def example_of(schema: Raw | None) -> str:
    """JSON text of a minimal instance of ``schema``; ``{}`` when there is none or it is no object."""
    try:
        root: object = decode(schema) if schema is not None else {}
    except DecodeError:
        root = {}
    return encode(_Examples(_mapping(root)).of(root, 0)).decode() if root else "{}"


class _Examples:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._values_left = _MOST_VALUES

    def of(self, node: object, depth: int) -> object:
        """A minimal value; None where the schema is too deep or too wide, so that no schema can hold up the loop."""
        self._values_left -= 1
        if depth > _DEEPEST or self._values_left < 0:
            return None
        schema = self._resolved(_mapping(node))
        if "const" in schema:
            return schema["const"]
        for choices in ("enum", "examples"):
            if options := _sequence(schema.get(choices)):
                return options[0]
        for combined in ("anyOf", "oneOf"):
            if options := _sequence(schema.get(combined)):
                return self.of({**_without(schema, combined), **_mapping(options[0])}, depth + 1)
        if options := _sequence(schema.get("allOf")):
            return self.of(self._merged(_without(schema, "allOf"), options), depth + 1)
        return self._by_type(schema, depth)

    def _by_type(self, schema: Schema, depth: int) -> object:
        match _type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                count = min(_whole(schema.get("minItems")), _MOST_ITEMS)
                return [self.of(schema.get("items"), depth + 1) for _ in range(count)]
            case "string":
                return "s" * min(_whole(schema.get("minLength")), _MOST_ITEMS)
            case "integer":
                return _number(schema, whole=True)
            case "number":
                return _number(schema, whole=False)
            case "boolean":
                return False
            case _:
                return None

    def _object(self, schema: Schema, depth: int) -> dict[str, object]:
        properties = _mapping(schema.get("properties"))
        required = (name for name in _sequence(schema.get("required")) if isinstance(name, str))
        return {name: self.of(properties.get(name), depth + 1) for name in required}

    def _merged(self, schema: Schema, others: Sequence[object]) -> Schema:
        merged = dict(schema)
        for other in others:
            resolved = self._resolved(_mapping(other))
            properties = {**_mapping(merged.get("properties")), **_mapping(resolved.get("properties"))}
            required = [*_sequence(merged.get("required")), *_sequence(resolved.get("required"))]
            merged |= {**resolved, "properties": properties, "required": required}
        return merged

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            schema = self._at(reference)
        return schema

    def _at(self, reference: str) -> Schema:
        """What a local reference (``#/$defs/name``) points at; an empty schema when it points at nothing."""
        node: object = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            node = _mapping(node).get(step.replace("~1", "/").replace("~0", "~")) if step else node
        return _mapping(node)


def _type_of(schema: Schema) -> object:
    named = schema.get("type")
    if options := _sequence(named):
        return options[0]
    if named is None and ("properties" in schema or "required" in schema):
        return "object"
    return named


def _number(schema: Schema, *, whole: bool) -> float:
    lowest = _bound(schema, "minimum", "exclusiveMinimum", 1)
    highest = _bound(schema, "maximum", "exclusiveMaximum", -1)
    value: float = 0
    if lowest is not None and value < lowest:
        value = ceil(lowest) if whole else lowest
    elif highest is not None and value > highest:
        value = floor(highest) if whole else highest
    return value


def _bound(schema: Schema, inclusive: str, exclusive: str, step: int) -> float | None:
    if isinstance(bound := schema.get(inclusive), int | float):
        return bound
    if isinstance(bound := schema.get(exclusive), int | float):
        return floor(bound) + 1 if step > 0 else ceil(bound) - 1
    return None


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _mapping(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else ()


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}
