"""Somebody else's YAML as plain values: mappings, lists, texts, numbers, truths and nothing."""

from typing import Final, cast

from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from switchgear.config.document import problem_at, read_document
from switchgear.config.problems import refusal

MAX_VALUES: Final = 200_000
"""Those behind aliases counted each time."""
MAX_DEPTH: Final = 32
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"


def read_values(text: str, path: str) -> object:
    """What ``text`` says; None for an empty file.

    Raises ConfigError, with lines, for what is no YAML, gives a key twice, or swells beyond bounds.
    """
    root = read_document(text, path)
    return None if root is None else _Reader(path).value(root, 0)


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path
        self._constructor = SafeConstructor()
        self._count = 0

    def value(self, node: Node, depth: int) -> object:
        self._count += 1
        if self._count > MAX_VALUES or depth > MAX_DEPTH:
            what = f"more than {MAX_VALUES} values, those behind aliases counted each time"
            if depth > MAX_DEPTH:
                what = f"nested deeper than {MAX_DEPTH} levels, aliases followed"
            raise refusal(self._path, [problem_at(node, what)])
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, SequenceNode):
            return [self.value(each, depth + 1) for each in cast("list[Node]", node.value)]
        return self._scalar(cast("ScalarNode", node))

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, object]:
        """The mapping, with what a merge key brings under what stands there itself."""
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key, child in cast("list[tuple[ScalarNode, Node]]", node.value):
            value = self.value(child, depth + 1)
            if key.tag != _MERGE:
                own[key.value] = value
                continue
            for source in cast("list[object]", value) if isinstance(value, list) else [value]:
                if not isinstance(source, dict):
                    raise refusal(self._path, [problem_at(key, "'<<' must name a mapping")])
                merged = {**cast("dict[str, object]", source), **merged}
        return {**merged, **own}

    def _scalar(self, node: ScalarNode) -> object:
        make = {
            f"{_TAG}int": self._constructor.construct_yaml_int,
            f"{_TAG}float": self._constructor.construct_yaml_float,
            f"{_TAG}bool": self._constructor.construct_yaml_bool,
            f"{_TAG}null": self._constructor.construct_yaml_null,
        }.get(node.tag)
        if make is None:
            return node.value
        try:
            return make(node)
        except (ValueError, KeyError, IndexError, OverflowError, ConstructorError):
            return node.value
