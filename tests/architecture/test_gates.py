"""The sizes and habits of DESIGN, held by the syntax tree; there is no list of exceptions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

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
ALSO: Mapping[str, tuple[Rule, ...]] = {"src": IN_THE_PRODUCT, "tests": (rules.patches,)}


def name_of(rule: Rule) -> str:
    return rule.__name__


@cache
def findings() -> Mapping[tuple[str, str], list[str]]:
    """What each rule finds in each folder, file by file: all trees at once would hold up everything else."""
    found: dict[tuple[str, str], list[str]] = {}
    for folder in CODE_FOLDERS:
        wanted = (*EVERYWHERE, *ALSO.get(folder, ()))
        found |= {(name_of(rule), folder): [] for rule in wanted}
        for source in map(replace, sources(folder)):
            for rule in wanted:
                found[name_of(rule), folder] += rule(source)
    return found


def broken(rule: Rule, *folders: str) -> list[str]:
    return [place for folder in folders for place in findings()[name_of(rule), folder]]


@pytest.mark.parametrize("rule", EVERYWHERE, ids=name_of)
def test_all_code_keeps_to(rule: Rule) -> None:
    assert broken(rule, *CODE_FOLDERS) == []


@pytest.mark.parametrize("rule", IN_THE_PRODUCT, ids=name_of)
def test_the_product_keeps_to(rule: Rule) -> None:
    assert broken(rule, "src") == []


def test_tests_use_real_objects_and_wait_for_events() -> None:
    assert broken(rules.patches, "tests") == []
