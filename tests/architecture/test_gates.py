"""The sizes and habits of DESIGN, held by the syntax tree; there is no list of exceptions."""

from collections.abc import Callable, Iterator

import pytest

from tests.architecture import rules
from tests.architecture.sources import CODE_FOLDERS, Source, sources

Rule = Callable[[Source], Iterator[str]]

EVERYWHERE: tuple[Rule, ...] = (
    rules.long_files,
    rules.long_functions,
    rules.many_arguments,
    rules.global_statements,
    rules.function_level_imports,
    rules.forbidden_names,
)
IN_THE_PRODUCT: tuple[Rule, ...] = (rules.deep_nesting, rules.mutable_module_state, rules.import_time_work)


def name_of(rule: Rule) -> str:
    return rule.__name__


def broken(rule: Rule, *folders: str) -> list[str]:
    return [place for source in sources(*folders) for place in rule(source)]


@pytest.mark.parametrize("rule", EVERYWHERE, ids=name_of)
def test_all_code_keeps_to(rule: Rule) -> None:
    assert broken(rule, *CODE_FOLDERS) == []


@pytest.mark.parametrize("rule", IN_THE_PRODUCT, ids=name_of)
def test_the_product_keeps_to(rule: Rule) -> None:
    assert broken(rule, "src") == []


def test_tests_use_real_objects_and_wait_for_events() -> None:
    assert broken(rules.patches, "tests") == []
