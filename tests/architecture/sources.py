"""The project's own source files, read and parsed once for all gates."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "switchgear"
CODE_FOLDERS = ("src", "tests", "bench", "scripts", "simulations")
SKIPPED_FOLDERS = {"__pycache__", "build", "results"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file: its path below the root and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return ast.parse(self.text, self.path)
        except SystemError:
            # CPython 3.11 loses count of its depth now and then, when the collector runs in the middle (gh-106905).
            return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in self.nodes if isinstance(node, Function)]

    def at(self, node: ast.stmt | ast.expr, message: str) -> str:
        return f"{self.path}:{node.lineno}: {message}"


def files_below(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and not SKIPPED_FOLDERS.intersection(path.relative_to(ROOT).parts):
            yield path


def sources(*folders: str) -> list[Source]:
    """Every Python file below ``folders`` (paths relative to the root), in order."""
    return [source for folder in folders for source in _sources_below(folder)]


@cache
def _sources_below(folder: str) -> tuple[Source, ...]:
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in files_below(ROOT / folder, "*.py")
    )


def module_name(path: str) -> str:
    """``src/switchgear/kernel/__init__.py`` -> ``switchgear.kernel``."""
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
