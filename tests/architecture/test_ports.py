"""Few ports, small ports: what the product asks of an engine fits on one screen."""

import ast

from tests.architecture.sources import Function, sources

MAX_PORTS = 6
MAX_METHODS = 5


def ports() -> dict[str, list[str]]:
    """Each Protocol of kernel/ports.py with the names of its methods."""
    found: dict[str, list[str]] = {}
    for source in sources("src/switchgear/kernel"):
        if not source.path.endswith("/ports.py"):
            continue
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases):
                found[node.name] = [method.name for method in node.body if isinstance(method, Function)]
    return found


def test_there_are_at_most_six_ports() -> None:
    assert len(ports()) <= MAX_PORTS, sorted(ports())


def test_a_port_has_at_most_five_methods() -> None:
    assert {name: methods for name, methods in ports().items() if len(methods) > MAX_METHODS} == {}
