"""Each gate finds what it is for, and lets pass what it should."""

from collections.abc import Callable, Iterator

import pytest

from tests.architecture import rules
from tests.architecture.sources import Source

Rule = Callable[[Source], Iterator[str]]

ELIF_CHAIN = "def f(a):\n    if a:\n        pass\n" + "    elif a:\n        pass\n" * 3
DEEP = "def f(a):\n if a:\n  for b in a:\n   with b:\n    while b:\n     pass\n"

CAUGHT: list[tuple[Rule, str]] = [
    (rules.long_files, "x = 1\n" * 401),
    (rules.long_functions, "def f():\n" + "    x = 1\n" * 50),
    (rules.many_arguments, "def f(a, b, c, *, d, e, f, g): ..."),
    (rules.many_arguments, "class A:\n    def f(self, a, b, c, d, e, f, **g): ..."),
    (rules.deep_nesting, DEEP),
    (rules.global_statements, "def f():\n    global x\n    x = 1\n"),
    (rules.function_level_imports, "async def f():\n    import os\n"),
    (rules.function_level_imports, "def f():\n    if f:\n        from os import path\n"),
    (rules.mutable_module_state, "cache = {}\n"),
    (rules.mutable_module_state, "cache: dict[str, int] = dict()\n"),
    (rules.mutable_module_state, "SEEN = set[str]()\ndef f():\n    SEEN.add('a')\n"),
    (rules.mutable_module_state, "SEEN = {}\nclass A:\n    def f(self):\n        SEEN['a'] = 1\n"),
    (rules.mutable_module_state, "SEEN = [1]\ndef f():\n    del SEEN[0]\n"),
    (rules.import_time_work, "import os\nos.getpid()\n"),
    (rules.import_time_work, "for a in range(3):\n    b = a\n"),
    (rules.patches, "def test(monkeypatch):\n    monkeypatch.setattr(a, 'b', 1)\n"),
]
PASSED: list[tuple[Rule, str]] = [
    (rules.long_files, "x = 1\n" * 400),
    (rules.long_functions, "def f():\n" + "    x = 1\n" * 49),
    (rules.many_arguments, "class A:\n    def f(self, a, b, c, d, e, f): ..."),
    (rules.deep_nesting, ELIF_CHAIN),
    (rules.deep_nesting, DEEP.replace("with b:", "def g():")),
    (rules.function_level_imports, "if True:\n    import os\n"),
    (rules.mutable_module_state, "NAMES = {'a': 1}\ndef f():\n    return NAMES['a']\n"),
    (rules.mutable_module_state, "NAMES = [1]\ndef f(NAMES):\n    NAMES.append(1)\n"),
    (rules.mutable_module_state, "__all__ = ['a']\n"),
    (rules.import_time_work, '"""Docstring."""\nX = f()\n'),
    (rules.patches, "def test(monkeypatch):\n    monkeypatch.setenv('A', 'b')\n"),
]


def found(rule: Rule, text: str) -> list[str]:
    return list(rule(Source("src/switchgear/sample.py", text)))


@pytest.mark.parametrize(("rule", "text"), CAUGHT)
def test_a_gate_catches_its_fault(rule: Rule, text: str) -> None:
    assert len(found(rule, text)) == 1


@pytest.mark.parametrize(("rule", "text"), PASSED)
def test_a_gate_lets_good_code_pass(rule: Rule, text: str) -> None:
    assert found(rule, text) == []


@pytest.mark.parametrize("name", ["utils", "http_helpers", "common", "key_manager", "limiter_v2", "util"])
def test_names_that_say_nothing_are_caught(name: str) -> None:
    assert list(rules.forbidden_names(Source(f"src/switchgear/{name}.py", "")))
    assert list(rules.forbidden_names(Source(f"src/switchgear/{name}/keys.py", "")))


@pytest.mark.parametrize("name", ["commonest", "management", "v2", "utility_billing"])
def test_names_that_only_look_alike_pass(name: str) -> None:
    assert not list(rules.forbidden_names(Source(f"src/switchgear/{name}.py", "")))
