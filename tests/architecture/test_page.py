"""The page on the architecture tells stages, seams and bounds as they are."""

import ast
import re
import tomllib

from tests.architecture import rules, test_files_crossed, test_imports, test_ports
from tests.architecture.sources import ROOT, Function, sources

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """What stands under ``heading``."""
    return PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]


def stages() -> set[str]:
    """The classes of the slices' stages."""
    found: set[str] = set()
    for source in sources("src/switchgear"):
        classes = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
        calls = {each.name: {method.name for method in each.body if isinstance(method, Function)} for each in classes}
        if re.fullmatch(r"src/switchgear/[a-z]+/stage\.py", source.path):
            found |= {name for name, methods in calls.items() if "__call__" in methods}
    return found


def test_the_diagram_has_every_stage() -> None:
    diagram = section("What one call passes through").split("```")[1].splitlines()[1]
    told = {word for word in diagram.strip().split(" ──► ") if word[0].isupper()}
    assert told == stages()


def test_the_seams_have_every_port() -> None:
    rows = [line for line in section("The seams").splitlines() if "kernel/ports.py" in line]
    told = set(re.findall(r"`(\w+)`:", "".join(rows)))
    assert told == test_ports.ports().keys()


def test_the_floors_are_those_that_lint_keeps() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["id"] == "floors"]
    cells = [line.split(" | ")[-1] for line in section("The floors").splitlines() if line.startswith("| ")]
    assert set(re.findall(r"`(\w+)`", "".join(cells))) == set(re.findall(r"\w+", " ".join(layers)))


def test_the_gates_have_the_bounds_that_are_tested() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    rows = dict(re.findall(r"^\| (.*) \| (.*) \|$", section("Gates"), re.MULTILINE))
    bounds = {
        "lines in a file": (rules.MAX_FILE_LINES, rules.MAX_FUNCTION_LINES),
        "arguments": (rules.MAX_ARGUMENTS, rules.MAX_NESTING, lint["mccabe"]["max-complexity"]),
        "ports": (test_ports.MAX_PORTS, test_ports.MAX_METHODS),
        "modules of others": (test_imports.MAX_FOREIGN_MODULES,),
        "files of the package": (test_files_crossed.MOST_FILES,),
    }
    for start, numbers in bounds.items():
        (told,) = [bound for rule, bound in rows.items() if rule.startswith(start)]
        assert tuple(map(int, re.findall(r"\d+", told))) == numbers, start
