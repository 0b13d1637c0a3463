"""Replaces what finders find, in texts and in whatever JSON holds, before anybody keeps it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, cast

from msgspec import DecodeError, Struct, json

from switchgear.guardrails.finders import Finder, Match

_MOST_DEPTH: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,99}", re.ASCII)
"""Keys of objects that only name a field; others can be somebody's data as well as any value."""
_HIGHEST: Final = 2**63 - 1
_JSON_STARTS: Final = ("{", "[")


class Mask(Struct, frozen=True, kw_only=True):
    """What is replaced by what."""

    name: str
    finder: Finder
    replacement: str


class Masker:
    """Applies masks in their order, and counts what each has found. For one thread at a time."""

    def __init__(self, masks: Sequence[Mask]) -> None:
        self._masks = masks
        self.found: Counter[str] = Counter()
        """Occurrences, by the mask's name."""

    def text(self, text: str, depth: int = 0) -> str:
        """The text without what the masks find; JSON in a text stays JSON."""
        if not text.startswith(_JSON_STARTS) or depth >= _MOST_DEPTH:
            return self._plain(text)
        before = self.found.total()
        masked = self.json(text.encode("utf-8", "replace"), depth)
        return text if self.found.total() == before else masked.decode()

    def json(self, value: bytes, depth: int = 0) -> bytes:
        """The same for a JSON text; untouched bytes where nothing is found. What is no JSON is taken for a text."""
        before = self.found.total()
        try:
            masked = self.value(json.decode(value), depth)
            return value if self.found.total() == before else json.encode(masked)
        except (DecodeError, RecursionError):
            return self._plain(value.decode("utf-8", "replace")).encode("utf-8", "replace")

    def value(self, value: object, depth: int = 0) -> object:
        """The same for texts, numbers, lists and objects; what lies too deep is one text."""
        match value:
            case str():
                return self.text(value, depth + 1)
            case bool() | None | float():
                return value
            case int():
                return self._number(value)
            case Mapping() | list() | tuple() if depth >= _MOST_DEPTH:
                return self._plain(json.encode(value).decode())
            case Mapping():
                return self.mapping(cast("Mapping[object, object]", value), depth)
            case list() | tuple():
                return [self.value(each, depth + 1) for each in cast("Sequence[object]", value)]
            case _:
                return value

    def mapping(self, values: Mapping[object, object], depth: int = 0) -> dict[object, object]:
        """An object's values, and those of its keys that are more than names."""
        return {self._key(key): self.value(value, depth + 1) for key, value in values.items()}

    def _key(self, key: object) -> object:
        return self._plain(key) if isinstance(key, str) and not _NAME.fullmatch(key) else key

    def _number(self, value: int) -> object:
        """A card's number is one without quotes too; one that JSON's readers have no room for becomes a text."""
        text = str(value)
        masked = self._plain(text)
        return value if masked == text and -_HIGHEST <= value <= _HIGHEST else masked

    def _plain(self, text: str) -> str:
        for mask in self._masks:
            text = self._without(mask, text)
        return text

    def _without(self, mask: Mask, text: str) -> str:
        is_one = mask.finder.is_one

        def replaced(match: Match) -> str:
            found = match.group()
            if is_one is not None and not is_one(found):
                return found
            self.found[mask.name] += 1
            return mask.replacement

        return mask.finder.pattern.sub(replaced, text)
