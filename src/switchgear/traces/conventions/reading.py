"""What one span tells, by field: the one pass over its attributes, and what conventions make of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

from msgspec import Struct

from switchgear.kernel.span import ToldSpan
from switchgear.traces.conventions.convention import Convention, Family, Named, Words
from switchgear.traces.conventions.values import MOST_LEVELS, clean, name, text

Kind = TypeVar("Kind")
CONTENT: Final = frozenset(("input", "output", "system_text", "tool_input", "tool_output", "twin.input", "twin.output"))
_FROM_RESOURCE: Final = frozenset(("service", "environment", "release", "user", "session", "trace_name", "tags"))
_RESOURCE_RANK: Final = 1_000_000
_NOBODY: Final = -1


class Rule(Struct, frozen=True):
    """What one attribute tells."""

    rank: int
    field: str
    place: int
    """Of the convention among all; -1: the attribute shows no convention."""
    words: Words | None = None
    scopes: frozenset[str] = frozenset()
    path: tuple[str, ...] = ()
    """Below a family's prefix."""
    shape: str = ""


class Said(Struct):
    """One field as one attribute tells it."""

    rank: int
    value: Any
    words: Words | None = None


Tree = dict[str, Any]


class OfResource(Struct, frozen=True):
    """What a resource tells of each of its spans."""

    told: Mapping[str, object]
    clean: Mapping[str, object]
    said: tuple[tuple[str, Said], ...]


class Rules:
    """Looks attributes up; what was looked up is remembered, as senders use few names."""

    def __init__(self, conventions: Iterable[Convention]) -> None:
        self.conventions = tuple(conventions)
        self.seen: dict[str, Rule | None] = {}
        """What was looked up so far; nothing is not the same as never seen."""
        self._families: dict[str, tuple[int, Family]] = {}
        for place, convention in enumerate(self.conventions):
            self._learn(place, convention)
        self._known = dict(self.seen)
        self._resource = OfResource({}, {}, ())

    def _learn(self, place: int, convention: Convention) -> None:
        rank = place * 1000
        for table, shows in ((convention.names, place), (convention.shared, _NOBODY), (convention.scoped, place)):
            for attribute, told in table.items():
                rank += 1
                named = told if isinstance(told, Named) else Named(told)
                scopes = convention.scopes if table is convention.scoped else frozenset[str]()
                rule = Rule(rank, named.field, shows, named.words, scopes)
                self.seen.setdefault(attribute, rule)
        for prefix, family in convention.families.items():
            self._families.setdefault(prefix, (place, family))

    def __call__(self, attribute: str) -> Rule | None:
        """The rule of an attribute, or None."""
        try:
            return self.seen[attribute]
        except KeyError:
            rule = self._of_family(attribute)
        if len(self.seen) > 20_000:
            self.seen = dict(self._known)
        if len(attribute) <= 256:
            self.seen[attribute] = rule
        return rule

    def of_resource(self, told: Mapping[str, object]) -> OfResource:
        """What a resource tells; one that is given again, as by all spans of a request, is read once."""
        known = self._resource
        if known.told is not told:
            self._resource = known = self._read_resource(told)
        return known

    def _read_resource(self, told: Mapping[str, object]) -> OfResource:
        said: list[tuple[str, Said]] = []
        for key, value in told.items():
            rule = self(name(key))
            if rule is not None and not rule.shape and rule.field in _FROM_RESOURCE:
                said.append((rule.field, Said(rule.rank + _RESOURCE_RANK, value, rule.words)))
        return OfResource(told, {name(key): clean(value) for key, value in told.items()}, tuple(said))

    def _of_family(self, attribute: str) -> Rule | None:
        end = attribute.find(".")
        found: Rule | None = None
        while end != -1:
            held = self._families.get(attribute[: end + 1])
            if held is not None:
                place, family = held
                rest = attribute[end + 1 :]
                path = (rest,) if family.shape == "metadata" else tuple(rest.split(".", MOST_LEVELS))
                found = Rule(place * 1000 + 900, family.field, place, path=path, shape=family.shape)
            end = attribute.find(".", end + 1)
        return found


class Reading:
    """The fields of one span as they were told, the most specific first."""

    __slots__ = (
        "attributes",
        "content",
        "counted",
        "fields",
        "metadata",
        "places",
        "rank",
        "resource",
        "rules",
        "told",
        "trees",
        "used",
    )

    def __init__(self, told: ToldSpan, rules: Rules) -> None:
        self.told = told
        self.rules = rules
        self.fields: dict[str, list[Said]] = {}
        self.metadata: dict[str, object] = {}
        self.trees: dict[str, tuple[int, Tree]] = {}
        self.attributes: dict[str, object] = {}
        self.content: dict[str, tuple[str, object]] = {}
        """Attributes that may become content, with their field and value."""
        self.places: set[int] = set()
        self.used: set[str] = set()
        """Fields of content that were used."""
        self.resource: Mapping[str, object] = {}
        """As it is kept: one object for all spans that came with the same one."""
        self.counted = True
        self.rank = 0
        """At which conventions' functions speak."""
        self._read(told)

    def _read(self, told: ToldSpan) -> None:
        look, fields, scope, attributes = self.rules, self.fields, told.scope_name, self.attributes
        seen = look.seen
        for key, value in told.attributes.items():
            attribute = key if type(key) is str and key.isascii() else name(key)
            rule = seen[attribute] if attribute in seen else look(attribute)
            plain = type(value) is str and value.isascii()
            if rule is None or (rule.scopes and scope not in rule.scopes):
                attributes[attribute] = value if plain else clean(value)
                continue
            field = rule.field
            if rule.place >= 0:
                self.places.add(rule.place)
            if rule.shape:
                self._of_family(attribute, rule, value)
                continue
            if field in CONTENT:
                self.content[attribute] = (field, value)
            else:
                attributes[attribute] = value if plain else clean(value)
            if field in fields:
                fields[field].append(Said(rule.rank, value, rule.words))
            else:
                fields[field] = [Said(rule.rank, value, rule.words)]
        if told.resource:
            known = look.of_resource(told.resource)
            self.resource = known.clean
            for field, said in known.said:
                fields.setdefault(field, []).append(said)

    def _of_family(self, attribute: str, rule: Rule, value: object) -> None:
        if rule.shape == "metadata":
            self.metadata.setdefault(rule.path[0], value)
            self.attributes[attribute] = clean(value)
            return
        _, tree = self.trees.setdefault(f"{rule.field}@{rule.place}", (rule.rank, {}))
        if planted(tree, rule.path, value):
            self.content[attribute] = (rule.field, value)
        else:
            self.attributes[attribute] = clean(value)

    def settle(self) -> None:
        """Put everything in order, once all conventions have spoken."""
        for said in self.fields.values():
            if len(said) > 1:
                said.sort(key=_rank)

    def say(self, field: str, value: object, *, better: bool = True) -> None:
        """Tell a field in a convention's name: before what its attributes say, or behind."""
        if value is not None and value != "":
            self.fields.setdefault(field, []).append(Said(self.rank if better else self.rank + 950, value))

    def first(self, field: str, read: Callable[[object], Kind], nothing: Kind) -> Kind:
        """The first of what was told of a field that can be read."""
        held = self.fields.get(field)
        if held is None:
            return nothing
        for said in held:
            value = said.value
            if said.words is not None:
                value = said.words.get(text(value).lower())
                if value is None:
                    continue
            found = read(value)
            if found != nothing:
                return found
        return nothing

    def word(self, field: str) -> str:
        """The first text that was told of a field."""
        held = self.fields.get(field)
        if held is None:
            return ""
        value = held[0].value
        if type(value) is str and value and value.isascii() and held[0].words is None:
            return value
        return self.first(field, text, "")

    def raw(self, field: str) -> object:
        """The first value that was told of a field, as it came; None where there is none."""
        for said in self.fields.get(field, ()):
            if said.value is not None and said.value != "":
                return said.value
        return None

    def attribute(self, key: str) -> object:
        """An attribute as it came."""
        return self.told.attributes.get(key)


def _rank(said: Said) -> int:
    return said.rank


def planted(tree: Tree, path: tuple[str, ...], value: object) -> bool:
    """Put a value where a path leads to; False where something else stands in its way."""
    branch = tree
    for step in path[:-1]:
        grown = branch.setdefault(step, {})
        if type(grown) is not dict:
            return False
        branch = cast("Tree", grown)
    return branch.setdefault(path[-1], value) is value


def grown(tree: object, levels: int = MOST_LEVELS + 1) -> object:
    """A tree with lists where all names are numbers, in their order."""
    if type(tree) is not dict or levels == 0:
        return cast("object", tree)
    branch = cast("Tree", tree)
    held = {key: grown(value, levels - 1) for key, value in branch.items()}
    if held and all(type(key) is str and key.isascii() and key.isdigit() for key in held):
        return [held[key] for key in sorted(held, key=_number)]
    return held


def _number(step: str) -> tuple[int, str]:
    return len(step.lstrip("0")), step.lstrip("0")


def events_named(told: ToldSpan, names: frozenset[str] | Mapping[str, object]) -> list[Any]:
    """The events of these names, in their order."""
    return [event for event in told.events if event.name in names]
