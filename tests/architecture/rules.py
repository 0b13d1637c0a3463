"""The gates as pure functions: a source goes in, the places that break the rule come out."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.sources import Function, Source

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_ARGUMENTS = 6
MAX_NESTING = 3
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|managers?)($|_)|_v\d+$")
MUTATING_METHODS = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "setdefault",
    "update",
}
CONTAINER_LITERALS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
CONTAINER_CALLS = {"list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter"}
NESTING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def long_files(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{source.path}: {lines} lines, at most {MAX_FILE_LINES}"


def long_functions(source: Source) -> Iterator[str]:
    for function in source.functions:
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield source.at(function, f"{function.name} has {lines} lines, at most {MAX_FUNCTION_LINES}")


def argument_count(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    if named and named[0].arg in {"self", "cls"}:
        named = named[1:]
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    return len(named) + len(arguments.kwonlyargs) + len(stars)


def many_arguments(source: Source) -> Iterator[str]:
    for function in source.functions:
        count = argument_count(function)
        if count > MAX_ARGUMENTS:
            yield source.at(function, f"{function.name} takes {count} arguments, at most {MAX_ARGUMENTS}")


def nesting(node: ast.AST) -> int:
    """Blocks inside blocks below ``node``; an ``elif`` is no deeper than its ``if``, an inner function starts anew."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, SCOPES):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        step = 1 if isinstance(child, NESTING) and not is_elif else 0
        deepest = max(deepest, step + nesting(child))
    return deepest


def deep_nesting(source: Source) -> Iterator[str]:
    for function in source.functions:
        depth = nesting(function)
        if depth > MAX_NESTING:
            yield source.at(function, f"{function.name} nests {depth} blocks, at most {MAX_NESTING}")


def global_statements(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Global):
            yield source.at(node, f"global {', '.join(node.names)}: give the value through a constructor")


def function_level_imports(source: Source) -> Iterator[str]:
    imports = [node for node in source.nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    for function in source.functions:
        for node in imports:
            if function.lineno <= node.lineno <= (function.end_lineno or function.lineno):
                yield source.at(node, f"import inside {function.name}: imports stand at the top")


def forbidden_names(source: Source) -> Iterator[str]:
    """Files and folders that say nothing about what they hold."""
    for part in source.path.removesuffix(".py").split("/"):
        if FORBIDDEN_NAMES.search(part):
            yield f"{source.path}: the name {part!r} does not say what is inside"


def is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        function = value.func.value if isinstance(value.func, ast.Subscript) else value.func
        return isinstance(function, ast.Name) and function.id in CONTAINER_CALLS
    return isinstance(value, CONTAINER_LITERALS)


def module_containers(source: Source) -> dict[str, ast.stmt]:
    """Names bound at module level to something that can be changed."""
    found: dict[str, ast.stmt] = {}
    for statement in source.tree.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if is_container(statement.value):
            found |= {target.id: statement for target in targets if isinstance(target, ast.Name)}
    found.pop("__all__", None)
    return found


def changed_name(node: ast.AST) -> str | None:
    """The name whose content ``node`` changes: ``x[...] = ``, ``del x[...]``, ``x.append()``."""
    owner: ast.expr | None = None
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        owner = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATING_METHODS:
        owner = node.func.value
    return owner.id if isinstance(owner, ast.Name) else None


def bound_inside(function: Function) -> set[str]:
    """Names that ``function`` binds itself, so that they hide the module's."""
    arguments = function.args
    bound = {argument.arg for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    stored = (node for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return bound | {node.id for node in stored}


def mutable_module_state(source: Source) -> Iterator[str]:
    containers = module_containers(source)
    for name, statement in containers.items():
        if name != name.upper():
            yield source.at(statement, f"{name}: a container at module level is a constant in capitals, or no global")
    for function in source.functions if containers else ():
        hidden = bound_inside(function)
        for node in ast.walk(function):
            name = changed_name(node)
            if name in containers and name not in hidden:
                yield f"{source.path}: {function.name} changes the module's {name}"


def import_time_work(source: Source) -> Iterator[str]:
    for statement in source.tree.body:
        if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
            yield source.at(statement, "runs when the module is imported")
        if isinstance(statement, ast.For | ast.While | ast.With):
            yield source.at(statement, "runs when the module is imported")


def patches(source: Source) -> Iterator[str]:
    """Replacing attributes of living code, or waiting by the clock instead of for the event."""
    for node in source.nodes:
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        if (node.value.id, node.attr) in {("monkeypatch", "setattr"), ("time", "sleep")}:
            yield source.at(node, f"{node.value.id}.{node.attr}: use a real object, or wait for the event itself")
