"""What the file says, as it says it: what names it declares, where an entry stands, how a value is written."""

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from msgspec import Struct
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from switchgear.config.document import problem_at
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.reader import Places
from switchgear.config.secret import MASK

Item = TypeVar("Item")


class Declared(Struct, frozen=True, kw_only=True):
    """What the file names, faulty entries included."""

    providers: frozenset[str]
    models: frozenset[str]
    faulty_keys: bool
    """Whether an entry under ``keys`` could not be read."""
    sections: Mapping[str, frozenset[str]]
    """The names under each section of those who call."""


class Written:
    """The file behind a configuration, for whoever tells what is wrong with it."""

    __slots__ = ("_places", "declared", "is_faulty")

    def __init__(self, places: Places, declared: Declared) -> None:
        self._places = places
        self.declared = declared
        self.is_faulty = places.is_faulty
        """Whether the file has fields for a struct that could not be read: they are told already."""

    def at(self, made: Struct, field: str, text: str) -> Problem:
        """A problem at a field, at its struct where the field is not in the file."""
        node = self.node(made, field)
        return Problem(0, 0, text) if node is None else problem_at(node, text)

    def node(self, made: Struct, field: str) -> Node | None:
        """Where a field stands; the struct's place where the field is not in the file."""
        return self._places.of(made, field)

    def line(self, made: Struct, field: str = "") -> int:
        """The line of a field, counted from 1; 0 when it is not in the file."""
        node = self.node(made, field)
        return 0 if node is None else node.start_mark.line + 1

    def value(self, made: Struct, field: str, value: str) -> str:
        """The value of a field as the file has it: a reference stays a reference."""
        node = self.node(made, field)
        if isinstance(node, ScalarNode):
            return str(node.value)
        return value if node is None else MASK

    def items(self, made: Struct, field: str, values: Sequence[Item]) -> list[tuple[Item, ScalarNode]]:
        """Each value of a list with its node; none when some could not be read, which is told elsewhere."""
        node = self.node(made, field)
        nodes = cast("list[Node]", node.value) if isinstance(node, SequenceNode) else []
        scalars = [item for item in nodes if isinstance(item, ScalarNode)]
        return list(zip(values, scalars, strict=True)) if len(values) == len(nodes) == len(scalars) else []

    def names(self, made: Struct, field: str) -> list[ScalarNode]:
        """The keys of a mapping; none when some entries could not be read."""
        node = self.node(made, field)
        pairs = cast("list[tuple[Node, Node]]", node.value) if isinstance(node, MappingNode) else []
        return [key for key, _ in pairs if isinstance(key, ScalarNode)]

    def unknown_model(self, name: str, written: str) -> str | None:
        """What is wrong with a name that may be called: it is no alias, and no declared provider's model."""
        if name in self.declared.models:
            return None
        provider, slash, rest = name.partition("/")
        if not (slash and rest):
            hint = suggestion(written, self.declared.models)
            by_provider = "" if hint.endswith("?") else "; a provider's model is 'provider/model'"
            return f"unknown model {shown(written)}{hint}{by_provider}"
        return self.unknown_provider(provider, written)

    def unknown_provider(self, provider: str, written: str) -> str | None:
        """What is wrong with the provider of ``provider/model``."""
        if provider in self.declared.providers:
            return None
        said = written.partition("/")[0]
        return f"unknown provider {shown(said)}{suggestion(said, self.declared.providers)}"
