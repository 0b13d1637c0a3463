"""`__all__`, where a module has one, is the truth."""

import ast
import importlib
from dataclasses import replace

from tests.architecture.sources import Source, module_name, sources


def declares_all(source: Source) -> bool:
    assigned = (target for node in source.tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in assigned)


def declaring_modules() -> list[str]:
    return [module_name(source.path) for source in map(replace, sources("src")) if declares_all(source)]


def test_all_names_in_all_exist_once_and_none_is_private() -> None:
    for name in declaring_modules():
        module = importlib.import_module(name)
        public: list[str] = list(module.__all__)
        assert [missing for missing in public if not hasattr(module, missing)] == [], name
        assert [private for private in public if private.startswith("_") and private != "__version__"] == [], name
        assert len(public) == len(set(public)), name
