"""Node tree → structs, led by the types of the structs; every fault is noted with its place and reading goes on.

A scalar is read as the type of its field, from its text: ``name: 123`` is a text and ``port: "4000"`` is not a
number, whatever YAML thinks of them. A value that came from the environment is never shown, only its reference.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec.inspect as shape
from msgspec import UNSET, Struct, UnsetType
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from switchgear.config import hints
from switchgear.config.document import problem_at
from switchgear.config.model import IN_WORDS
from switchgear.config.names import HIDDEN
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.references import BadReference, has_reference, resolve
from switchgear.config.secret import Secret, SecretLines

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_QUOTED: Final = frozenset("'\"|>")
"""Styles of scalars that are no plain ones."""
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}(?:_[0-9]{1,30})*")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9_]{1,30}\.?[0-9_]{0,30}|\.[0-9_]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Places:
    """Where in the file each field of each struct came from."""

    __slots__ = ("_faulty", "_kept", "_nodes")

    def __init__(self) -> None:
        self._faulty: set[int] = set()
        self._nodes: dict[int, Mapping[str, Node]] = {}
        self._kept: list[Struct] = []

    def remember(self, made: Struct, nodes: Mapping[str, Node], *, faulty: bool) -> None:
        """Note the nodes of ``made``'s fields, and whether some had to be left out; the empty name is the struct's."""
        if faulty:
            self._faulty.add(id(made))
        self._kept.append(made)  # an id means something only while its object lives
        self._nodes[id(made)] = nodes

    def is_faulty(self, made: Struct) -> bool:
        """Whether the file has fields for ``made`` that could not be read."""
        return id(made) in self._faulty

    def of(self, made: Struct, field: str = "") -> Node | None:
        """The node of a field, of the struct when the field is not in the file, or None when neither is."""
        nodes = self._nodes.get(id(made), {})
        return nodes.get(field) or nodes.get("")


class Reader:
    """Reads one document; problems and places gather in its attributes."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.places = Places()
        self._environ = environ

    def read(self, node: Node, kind: shape.Type, name: str) -> object:
        """The value of ``node`` as ``kind``; UNSET when it cannot be one."""
        hidden = getattr(kind, "extra", None) == HIDDEN
        kind = plain_type(kind)
        if isinstance(kind, shape.StructType):
            return self._struct(node, kind, name)
        if isinstance(kind, shape.DictType):
            return self._mapping(node, kind, name)
        if isinstance(kind, shape.VarTupleType):
            return self._sequence(node, kind, name)
        return self._scalar(node, kind, name, hidden=hidden)

    def _note(self, node: Node, text: str) -> UnsetType:
        self.problems.append(problem_at(node, text))
        return UNSET

    def _struct(self, node: Node, kind: shape.StructType, name: str) -> object:
        if not isinstance(node, MappingNode):
            hint = hints.for_mapping(kind, _what(node)) if name else ""
            return self._note(node, f"{name or 'the file'} must be a mapping, not {_what(node)}{hint}")
        fields = {field.encode_name: field for field in kind.fields}
        nodes: dict[str, Node] = {"": node}
        values: dict[str, object] = {}
        for key, value in _pairs(node):
            field = fields.get(key.value)
            if field is None:
                self._note(key, f"unknown key {shown(key.value)}{_inside(name)}{suggestion(key.value, fields)}")
            elif not _is_null(value):
                nodes[key.value] = value
                values[key.value] = self.read(value, field.type, f"{name}.{key.value}" if name else key.value)
        return self._build(kind, name, nodes, values)

    def _build(
        self, kind: shape.StructType, name: str, nodes: Mapping[str, Node], values: Mapping[str, object]
    ) -> object:
        required = [field.encode_name for field in kind.fields if field.required]
        for missing in (each for each in required if each not in nodes):
            self._note(nodes[""], f"{name} has no {shown(missing)}")
        usable = {each: value for each, value in values.items() if value is not UNSET}
        if any(each not in usable for each in required):
            return UNSET
        made: Struct = kind.cls(**usable)
        self.places.remember(made, nodes, faulty=len(usable) < len(values))
        return made

    def _mapping(self, node: Node, kind: shape.DictType, name: str) -> object:
        if not isinstance(node, MappingNode):
            return self._note(
                node, f"{name} must be a mapping, not {_what(node)}{hints.for_mapping(kind, _what(node))}"
            )
        made: dict[str, object] = {}
        for key, child in _pairs(node):
            if not self._fits(key, key.value, plain_type(kind.key_type), f"{name}: the name"):
                continue
            value = self.read(child, kind.value_type, f"{name}.{key.value}")
            if value is not UNSET:
                made[key.value] = value
        return made

    def _sequence(self, node: Node, kind: shape.VarTupleType, name: str) -> object:
        if not isinstance(node, SequenceNode):
            return self._note(node, f"{name} must be a list, not {_what(node)}{hints.for_list(_what(node))}")
        if len(node.value) < (kind.min_length or 0):
            return self._note(node, f"{name} must not be empty")
        items = [self.read(child, kind.item_type, f"{name}[{at}]") for at, child in enumerate(node.value)]
        return tuple(item for item in items if item is not UNSET)

    def _scalar(self, node: Node, kind: shape.Type, name: str, *, hidden: bool) -> object:
        if not isinstance(node, ScalarNode):
            return self._note(node, f"{name} must be {expected(kind)}, not {_what(node)}")
        try:
            text = resolve(node.value, self._environ)
        except BadReference as error:
            return self._note(node, f"{name}: {error}")
        if isinstance(kind, shape.CustomType):
            return self._secret(node, text, name, kind.cls)
        value = _parse(node, text, kind)
        if value is UNSET:
            hint = hints.for_scalar(node.value, kind, name, quoted=node.style in _QUOTED)
            return self._note(node, f"{name} must be {expected(kind)}, not {_said(node)}{hint}")
        return value if self._fits(node, value, kind, name, hidden=hidden) else UNSET

    def _secret(self, node: ScalarNode, text: str, name: str, kind: type) -> object:
        text = text.strip()
        has_lines = issubclass(kind, SecretLines)
        if not text or (_CONTROL_IN_LINES if has_lines else _CONTROL).search(text):
            what = "is empty" if not text else "holds a control character"
            return self._note(node, f"{name} {what}")
        return SecretLines(text) if has_lines else Secret(text)

    def _fits(self, node: ScalarNode, value: object, kind: shape.Type, name: str, *, hidden: bool = False) -> bool:
        wrong = next(_violations(value, kind), None)
        if wrong is not None:
            said = "" if hidden else f", not {_said(node)}{hints.for_number(value, kind)}"
            self._note(node, f"{name} {wrong}{said}")
        return wrong is None


def plain_type(kind: shape.Type) -> shape.Type:
    """``kind`` without its description and without the None that an optional field may be."""
    while isinstance(kind, shape.Metadata | shape.UnionType):
        if isinstance(kind, shape.Metadata):
            kind = kind.type
        else:
            kind = next(each for each in kind.types if not isinstance(each, shape.NoneType))
    return kind


def expected(kind: shape.Type) -> str:
    """What a scalar of ``kind`` is, in words."""
    if isinstance(kind, shape.LiteralType):
        return " or ".join(repr(value) for value in kind.values)
    if isinstance(kind, shape.BoolType):
        return "true or false"
    if isinstance(kind, shape.IntType):
        return "a whole number"
    return "a number" if isinstance(kind, shape.FloatType) else "a text"


def _parse(node: ScalarNode, text: str, kind: shape.Type) -> object:
    """The scalar as ``kind``, or UNSET. Quotes make a text, except around a reference, which has no type yet."""
    if isinstance(kind, shape.StrType):
        return text
    if isinstance(kind, shape.LiteralType):
        return text if text in kind.values else UNSET
    if node.style in _QUOTED and not has_reference(node.value):
        return UNSET
    if isinstance(kind, shape.BoolType):
        return _BOOLEANS.get(text, UNSET)
    if isinstance(kind, shape.IntType):
        return int(text) if _INTEGER.fullmatch(text) else UNSET
    return _number(text) if _NUMBER.fullmatch(text) else UNSET


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return UNSET


def _violations(value: object, kind: shape.Type) -> Iterator[str]:
    if isinstance(kind, shape.StrType) and isinstance(value, str):
        yield from _text_violations(value, kind)
    if isinstance(kind, shape.IntType | shape.FloatType) and isinstance(value, int | float):
        yield from _number_violations(value, kind)


def _text_violations(value: str, kind: shape.StrType) -> Iterator[str]:
    if _CONTROL.search(value):
        yield "must hold no control characters"
    if kind.min_length is not None and len(value) < kind.min_length:
        yield "must not be empty"
    if kind.max_length is not None and len(value) > kind.max_length:
        yield f"must have at most {kind.max_length} characters"
    if kind.pattern is not None and not re.search(kind.pattern, value):
        yield f"must be {IN_WORDS.get(kind.pattern, kind.pattern)}"


def _number_violations(value: float, kind: shape.IntType | shape.FloatType) -> Iterator[str]:
    if kind.gt is not None and not value > kind.gt:
        yield f"must be more than {kind.gt}"
    if kind.ge is not None and not value >= kind.ge:
        yield f"must be at least {kind.ge}"
    if kind.le is not None and not value <= kind.le:
        yield f"must be at most {kind.le}"


def _pairs(node: MappingNode) -> list[tuple[ScalarNode, Node]]:
    return node.value


def _is_null(node: Node) -> bool:
    """A key with nothing behind it: as if it were not there."""
    return isinstance(node, ScalarNode) and node.style not in _QUOTED and node.value in _NULLS


def _said(node: ScalarNode) -> str:
    return f"the text {shown(node.value)}" if node.style in _QUOTED else shown(node.value)


def _what(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return "nothing" if _is_null(node) else "a single value"


def _inside(name: str) -> str:
    return f" in {name}" if name else ""
