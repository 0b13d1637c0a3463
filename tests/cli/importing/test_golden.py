"""Golden cases: a configuration of LiteLLM's, what becomes of it, and what is said of it.

`NAME.yaml` in `cases/` is LiteLLM's file, `NAME.switchgear.yaml` ours, `NAME.report` the whole report.
"""

from pathlib import Path
from typing import Final

import pytest

from switchgear.cli.importing import import_litellm

CASES: Final = Path(__file__).parent / "cases"


def names() -> list[str]:
    return sorted(path.stem for path in CASES.glob("*.yaml") if not path.stem.endswith(".switchgear"))


def case(name: str, suffix: str) -> str:
    return (CASES / f"{name}.{suffix}").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", names())
def test_a_configuration_of_litellm_becomes_one_of_ours_with_a_word_on_every_setting(name: str) -> None:
    made = import_litellm(case(name, "yaml"), f"{name}.yaml")
    assert made.text == case(name, "switchgear.yaml")
    assert f"{made.report.text(whole=True)}\n" == case(name, "report")
    assert "planted" not in made.text + made.report.text(whole=True) + str(made.to_set)
    # Nothing is left for `switchgear check` to find.
    assert not [line for line in made.report.lines if line.text.startswith("to be corrected by hand")]
