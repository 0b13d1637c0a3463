"""YAML text → a tree of nodes with positions, within bounds that a hostile file cannot break.

The text is walked twice: first as events, which need no recursion and no memory, to count depth, nodes and aliases;
then as a tree. Values are never built here, so no tag can make an object.
"""

from collections.abc import Iterator
from typing import Final, Protocol

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from switchgear.config.hints import for_syntax
from switchgear.config.problems import Problem, refusal, shown
from switchgear.config.references import RESERVED, protect, restore

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 32
MAX_ALIASES: Final = 1000
MAX_VALUES: Final = 500_000
"""Values read, those behind aliases counted each time: what a small file may swell to."""
_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
)
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Mark(Protocol):
    """A place in the text, counted from 0; libyaml's marks and PyYAML's own are two unrelated classes."""

    line: int
    column: int


def read_document(text: str, path: str) -> Node | None:
    """The root node of ``text``, None for an empty file.

    Raises ConfigError with every problem of the document as such: syntax, keys given twice, tags, bounds.
    """
    if len(text) > MAX_FILE_BYTES:
        raise refusal(path, [Problem(0, 0, f"the file is larger than {MAX_FILE_BYTES} bytes")])
    reserved = RESERVED.search(text)
    if reserved:
        line = text.count("\n", 0, reserved.start()) + 1
        column = reserved.start() - text.rfind("\n", 0, reserved.start())
        raise refusal(path, [Problem(line, column, f"the character {reserved[0]!a} is reserved")])
    root = _compose(protect(text), path)
    if root is not None:
        problems = _settle(root)
        problems = problems or list(_swollen(root))
        if problems:
            raise refusal(path, problems)
    return root


def problem_at(node: Node, text: str) -> Problem:
    """A problem at the start of ``node``."""
    return _problem_at_mark(node.start_mark, text)


def _compose(text: str, path: str) -> Node | None:
    try:
        _check_bounds(text, path)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise refusal(path, [_syntax_problem(error, text)]) from None
    except (yaml.YAMLError, UnicodeError) as error:
        reason = str(getattr(error, "reason", "") or "it cannot be read")
        raise refusal(path, [Problem(0, 0, f"not valid YAML: {reason}")]) from None
    return root


def _check_bounds(text: str, path: str) -> None:
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            what = f"nested deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_ALIASES} aliases"
            raise refusal(path, [_problem_at_mark(event.start_mark, what)])


def _syntax_problem(error: yaml.MarkedYAMLError, source: str) -> Problem:
    said = restore(" ".join(part for part in (error.context, error.problem) if part))
    mark = error.problem_mark or error.context_mark
    lines = source.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    hint = "" if mark is None else for_syntax(said, line, mark.column)
    return _problem_at_mark(mark, f"not valid YAML: {said}{hint}")


def _problem_at_mark(mark: Mark | None, text: str) -> Problem:
    return Problem(0, 0, text) if mark is None else Problem(mark.line + 1, mark.column + 1, text)


def _settle(root: Node) -> list[Problem]:
    """Give every scalar its text back, and find what no configuration may hold."""
    problems: list[Problem] = []
    nodes = _all_nodes(root)
    for node in nodes:
        if node.tag not in _TAGS:
            problems.append(problem_at(node, f"the tag {shown(restore(node.tag))} means nothing here"))
        if isinstance(node, ScalarNode):
            node.value = restore(node.value)
    for node in nodes:
        if isinstance(node, MappingNode):
            problems += _repeated_keys(node)
    return problems


def _all_nodes(root: Node) -> list[Node]:
    """Every node once, however many aliases lead to it."""
    seen = {id(root): root}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        for child in _children(node):
            if id(child) not in seen:
                seen[id(child)] = child
                waiting.append(child)
    return list(seen.values())


def _swollen(root: Node) -> Iterator[Problem]:
    """What is too much when aliases are followed, found without following each of them."""
    counts: dict[int, int] = {}
    begun: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        node, is_counted_below = waiting.pop()
        children = [value for _, value in node.value] if isinstance(node, MappingNode) else _children(node)
        if is_counted_below:
            if any(id(child) not in counts for child in children):
                yield problem_at(node, "contains itself, by an alias")
                return
            counts[id(node)] = 1 + sum(counts[id(child)] for child in children)
        elif id(node) not in begun:
            begun.add(id(node))
            waiting.append((node, True))
            waiting += [(child, False) for child in children]
    if counts[id(root)] > MAX_VALUES:
        yield problem_at(root, f"more than {MAX_VALUES} values, counting those behind aliases")


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, SequenceNode) else []


def _repeated_keys(mapping: MappingNode) -> Iterator[Problem]:
    first: dict[str, Node] = {}
    for key, _ in mapping.value:
        if not isinstance(key, ScalarNode):
            yield problem_at(key, "a key must be a plain text")
        elif key.value in first:
            line = first[key.value].start_mark.line + 1
            yield problem_at(key, f"the key {shown(key.value)} is given twice; first in line {line}")
        else:
            first[key.value] = key
