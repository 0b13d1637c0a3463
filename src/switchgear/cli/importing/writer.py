"""A tree of plain values as commented YAML, in block style, every text so that it is read back as it was."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

Path = tuple[str, ...]

_PLAIN: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9_./-]*|\$\{[A-Za-z_][A-Za-z0-9_]*\}|https?://[A-Za-z0-9_./:-]*[A-Za-z0-9_/-]"
)
_WORDS_OF_YAML: Final = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))
_WIDTH: Final = 118


def write(tree: Mapping[str, object], comments: Mapping[Path, Sequence[str]]) -> str:
    """The text of ``tree``; a comment stands above the member whose path it has."""
    return "\n".join([*_mapping(tree, (), comments, 0), ""])


def _mapping(
    tree: Mapping[str, object], path: Path, comments: Mapping[Path, Sequence[str]], depth: int
) -> Iterator[str]:
    space = "  " * depth
    for key, value in tree.items():
        here = (*path, key)
        if depth == 0:
            yield ""
        for comment in comments.get(here, ()):
            yield from _comment(comment, space)
        if isinstance(value, dict) and value:
            yield f"{space}{_text(key)}:"
            yield from _mapping(cast("dict[str, object]", value), here, comments, depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{space}{_text(key)}:"
            yield from _items(cast("list[dict[str, object]]", value), here, comments, depth + 1)
        else:
            yield f"{space}{_text(key)}: {_scalar(cast('object', value))}"


def _items(
    items: Sequence[Mapping[str, object]], path: Path, comments: Mapping[Path, Sequence[str]], depth: int
) -> Iterator[str]:
    space = "  " * depth
    for number, item in enumerate(items):
        here = (*path, str(number))
        for comment in comments.get(here, ()):
            yield from _comment(comment, space)
        first, *rest = _mapping(item, here, comments, depth + 1)
        yield f"{space}- {first.lstrip()}"
        yield from rest


def _comment(text: str, space: str) -> Iterator[str]:
    line = f"{space}#"
    for word in text.split():
        if len(line) + len(word) >= _WIDTH and len(line) > len(space) + 1:
            yield line
            line = f"{space}#"
        line += f" {word}"
    yield line


def _scalar(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_scalar(each) for each in cast('list[object]', value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{}"
    return _text(value) if isinstance(value, str) else _number(value)


def _number(value: object) -> str:
    return f"{value:.10f}".rstrip("0").rstrip(".") if isinstance(value, float) and abs(value) < 1e15 else str(value)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    return f'"{"".join(_character(character) for character in value)}"'


def _character(character: str) -> str:
    """As it stands between double quotes (YAML 1.1 §5.6)."""
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
