"""Imports go down the floors, form no cycle, and the data path needs next to nothing from outside."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.architecture.sources import ROOT, Source, module_name, sources

DATA_PATH = ("kernel", "wire", "upstream", "providers", "doors", "routing")
WIRES_OF_SPANS = {
    "switchgear.wire.inflate": {"zstandard"},
    "switchgear.wire.otlp": {"opentelemetry"},
    "switchgear.wire.otlp_json": set[str](),
    "switchgear.wire.otlp_protobuf": {"google", "opentelemetry"},
}
"""Of the control process: a gateway loads none of them."""
DATA_PATH_FILES = ("auth/stage.py", "traces/journal.py", "traces/stage.py")
ALLOWED = {
    "kernel": {"msgspec"},
    "wire": {"msgspec"},
    "providers": {"msgspec"},
    "routing": {"msgspec"},
    "auth": {"msgspec"},
    "traces": {"msgspec"},
    # upstream/ speaks HTTP: its parser, its loop, and the declared fallback transport with the URL type that it takes.
    "upstream": {"msgspec", "httptools", "uvloop", "aiohttp", "yarl"},
    # doors/ is served by these and may subclass the server's protocol.
    "doors": {"msgspec", "httptools", "uvicorn", "uvloop"},
}


def slice_of(path: str) -> str:
    return path.removeprefix("src/switchgear/").split("/")[0]


def data_path_sources() -> list[Source]:
    found = sources(*(f"src/switchgear/{folder}" for folder in DATA_PATH))
    single = {f"src/switchgear/{path}" for path in DATA_PATH_FILES}
    return found + [source for source in sources("src") if source.path in single]


def packages_imported(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("source", data_path_sources(), ids=lambda source: source.path)
def test_a_data_path_file_imports_only_what_its_floor_allows(source: Source) -> None:
    outside = set(packages_imported(source)) - sys.stdlib_module_names - {"switchgear"}
    assert outside <= ALLOWED[slice_of(source.path)] | WIRES_OF_SPANS.get(module_name(source.path), set())


def test_no_call_through_a_gateway_needs_the_wires_of_spans() -> None:
    graph = grimp.build_graph("switchgear")
    needed = graph.find_upstream_modules("switchgear.processes.gateway")
    assert needed & WIRES_OF_SPANS.keys() == set()


def test_kernel_imports_nothing_of_the_floors_above() -> None:
    graph = grimp.build_graph("switchgear")
    kernel = {name for name in graph.modules if name.startswith("switchgear.kernel")}
    used = {target for name in kernel for target in graph.find_modules_directly_imported_by(name)}
    assert used - kernel - {"switchgear"} == set()


def test_modules_form_no_cycle() -> None:
    graph = grimp.build_graph("switchgear")
    edges = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        order = list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")
    assert len(order) == len(graph.modules)


def test_every_floor_is_kept() -> None:
    """The contracts of `[tool.importlinter]`, as `make lint` checks them."""
    tool = Path(sys.executable).parent / "lint-imports"
    finished = subprocess.run([tool, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_data_path_loads_little_and_no_web_framework() -> None:
    """How long that takes is the bench's to say; how much it is decides that, and is the same on every machine."""
    # The fallback transport is loaded only where the configuration asks for it.
    always = [source for source in data_path_sources() if "aiohttp" not in packages_imported(source)]
    program = IMPORT_PROGRAM.format(names=[module_name(source.path) for source in always])
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    foreign, *banned = finished.stdout.split()
    assert banned == []
    assert int(foreign) < MAX_FOREIGN_MODULES


MAX_FOREIGN_MODULES = 400
"""Of the standard library and other packages."""

IMPORT_PROGRAM = """
import importlib, sys
for name in {names}:
    importlib.import_module(name)
foreign = [name for name in sys.modules if not name.startswith("switchgear")]
banned = "fastapi starlette pydantic httpx httpx2 sqlalchemy typer rich litellm tokenizers aiohttp".split()
print(len(foreign), *(name for name in banned if name in sys.modules))
"""
