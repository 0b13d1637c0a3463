"""Names in Google's JSON: members in camelCase or, as the servers accept too, in snake_case; models under ``models/``.

The mapping is protobuf's (protobuf.dev/programming-guides/json): a parser takes both spellings of a field. What is no
message but the caller's own JSON (schemas, arguments, results) keeps its names.
"""

import re
from collections.abc import Mapping
from typing import Final, cast, get_args

from msgspec import DecodeError, Raw, Struct, json
from msgspec.structs import fields

_SNAKE_KEY: Final = re.compile(rb'"[a-z]+(?:_[a-z]+)+"\s*:')
_WORD_START: Final = re.compile(r"_([a-z0-9])")
_COLLECTIONS: Final = ("models/", "tunedModels/")


def camelled(kind: type[Struct], body: bytes) -> bytes:
    """``body`` with the members of ``kind``, and of the structs in it, under their names in camelCase.

    A body without any name in snake_case stays as it is, and so does one that is not JSON: its decoder will say so.
    """
    if _SNAKE_KEY.search(body) is None:
        return body
    try:
        return _renamed(kind, body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return body


def resource(model: str) -> str:
    """A model's name as Google's requests and paths spell it: ``models/gemini-2.5-flash``."""
    return model if model.startswith(_COLLECTIONS) else f"models/{model}"


def bare(model: str) -> str:
    """The name without ``models/``."""
    return model.removeprefix("models/")


def _renamed(kind: type[Struct], value: bytes) -> bytes:
    start = value.lstrip()[:1]
    if start == b"[":
        return b"[%b]" % b",".join(_renamed(kind, bytes(item)) for item in json.decode(value, type=list[Raw]))
    if start != b"{":
        return value
    below = _structs_below(kind)
    renamed: dict[str, Raw] = {}
    for name, member in json.decode(value, type=dict[str, Raw]).items():
        camel = _WORD_START.sub(lambda found: found[1].upper(), name)
        inner = below.get(camel)
        renamed[camel] = member if inner is None else Raw(_renamed(inner, bytes(member)))
    return json.encode(renamed)


def _structs_below(kind: type[Struct]) -> Mapping[str, type[Struct]]:
    """The fields that hold a struct, or a list of one, by their names on the wire."""
    found = ((field.encode_name, _struct_in(field.type)) for field in fields(kind))
    return {name: inner for name, inner in found if inner is not None}


def _struct_in(annotation: object) -> type[Struct] | None:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return annotation
    inner = (_struct_in(part) for part in cast("tuple[object, ...]", get_args(annotation)))
    return next((part for part in inner if part is not None), None)
