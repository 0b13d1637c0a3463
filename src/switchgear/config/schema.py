"""The JSON Schema of ``switchgear.yaml``, for editors."""

from typing import Final, cast

from msgspec import json

from switchgear.config.model import Config
from switchgear.config.secret import Secret

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = r"\$\{"
_TYPES_NOT_TEXT: Final = ("integer", "number", "boolean")
_SAID_OUTSIDE: Final = ("description", "default")


def schema() -> dict[str, object]:
    """JSON Schema 2020-12 of the configuration, with descriptions; any single value may be a ``${...}`` reference."""
    made = json.decode(json.encode(json.schema(Config, schema_hook=_secret)), type=dict[str, object])
    changed = {name: _with_references(part) for name, part in made.items()}
    return {"$schema": DIALECT, "title": "switchgear.yaml", **changed}


def _secret(kind: type) -> dict[str, object]:
    if issubclass(kind, Secret):
        return {"type": "string"}
    raise TypeError(f"a configuration holds no {kind.__name__}")


def _with_references(part: object) -> object:
    if isinstance(part, list):
        return [_with_references(each) for each in cast("list[object]", part)]
    if not isinstance(part, dict):
        return part
    node = cast("dict[str, object]", part)
    if node.get("type") in _TYPES_NOT_TEXT or "enum" in node or "pattern" in node:
        outside = {name: value for name, value in node.items() if name in _SAID_OUTSIDE}
        inside = {name: value for name, value in node.items() if name not in _SAID_OUTSIDE}
        return {**outside, "anyOf": [inside, {"type": "string", "pattern": _REFERENCE}]}
    return {name: _of_keyword(name, value) for name, value in node.items()}


def _of_keyword(name: str, value: object) -> object:
    """What stands under ``properties`` is named as our fields are: one of them may be called like a keyword."""
    if name == "propertyNames":
        return value
    if name == "properties":
        fields = cast("dict[str, object]", value)
        return {field: _with_references(each) for field, each in fields.items()}
    return _with_references(value)
