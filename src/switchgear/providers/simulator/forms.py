"""Reads the bodies that reach the simulator's studio: JSON objects and uploaded forms."""

import re
from collections.abc import Mapping
from typing import Final, cast

from msgspec import DecodeError, Struct, json

_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')
_NAME: Final = re.compile(rb'[; ]name="([^"]*)"')
_FILE_NAME: Final = re.compile(rb'[; ]filename="([^"]*)"')


class Upload(Struct, frozen=True):
    """A file in a form."""

    name: str
    content: bytes


class Form(Struct, frozen=True):
    """The fields of a request, whichever way they came."""

    fields: Mapping[str, object]

    def text(self, name: str, absent: str = "") -> str:
        """A field as text; ``absent`` where it is missing or null."""
        value = self.fields.get(name)
        return absent if value is None or isinstance(value, Upload) else str(value)

    def truth(self, name: str) -> bool:
        """Whether a field is true, in JSON or spelled out."""
        return self.text(name).lower() == "true"


def read_form(body: bytes, content_type: str) -> Form | None:
    """The fields of a body; none for an empty one, None for one that cannot be read."""
    if not body:
        return Form({})
    if content_type.lower().startswith("multipart/form-data"):
        found = _BOUNDARY.search(content_type)
        return None if found is None else Form(_parts(body, found[1].encode()))
    try:
        decoded: object = json.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Form(cast("dict[str, object]", decoded)) if isinstance(decoded, dict) else None


def _parts(body: bytes, boundary: bytes) -> dict[str, object]:
    found: dict[str, object] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None:
            continue
        file_name = _FILE_NAME.search(head)
        value: object = content.decode("utf-8", "replace")
        if file_name is not None:
            value = Upload(file_name[1].decode("utf-8", "replace"), content)
        found[name[1].decode("utf-8", "replace")] = value
    return found
