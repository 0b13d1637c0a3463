"""Golden cases: a configuration, and every problem that is told of it.

A file in `cases/` holds YAML, a line of dashes, then the expected problems without the file's name, one to a line.
Nothing below the dashes means that the configuration is good.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from switchgear.config import parse
from switchgear.kernel.errors import ConfigError

CASES: Final = Path(__file__).parent / "cases"
DASHES: Final = "-" * 40
ENVIRONMENT: Final[Mapping[str, str]] = {
    "GOOD_KEY": "sk-a-value-nobody-may-see",
    "PORT": "4100",
    "EMPTY": "",
    "BAD_URL": "ht!tp://a-value-nobody-may-see",
}


def cases() -> list[Path]:
    return sorted(CASES.glob("*.case"))


def problems(text: str) -> list[str]:
    try:
        parse(text, "file", ENVIRONMENT)
    except ConfigError as error:
        return [line.removeprefix("file:").strip() for line in error.message.split("\n")]
    return []


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.stem)
def test_every_problem_of_a_configuration_is_told_with_its_place(case: Path) -> None:
    text, dashes, expected = case.read_text(encoding="utf-8").partition(f"{DASHES}\n")
    assert dashes
    told = problems(text)
    assert told == expected.splitlines()
    assert "nobody-may-see" not in "".join(told)
    assert case.stem.startswith("good_") == (not told)
