"""One mapping of the file that is read; nothing in it is passed over without a line in the report."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, cast

from switchgear.cli.importing.report import Report, below

_ENVIRONMENT: Final = "os.environ/"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
UNKNOWN: Final = "not a setting that is known here"


class Section:
    """Its members are asked for one by one, and told of one by one."""

    def __init__(self, path: str, values: Mapping[str, object], report: Report) -> None:
        self.path = path
        self.values = values
        self.report = report
        self._told: set[str] = set()

    def at(self, key: str) -> str:
        """The path of a member."""
        return below(self.path, key)

    def get(self, key: str) -> object:
        """A member as it stands; None when it is not there, or nothing."""
        return self.values.get(key)

    def carried(self, key: str, target: str) -> None:
        self._told.add(key)
        self.report.carried(self.at(key), target)

    def differs(self, key: str, text: str) -> None:
        self._told.add(key)
        self.report.differs(self.at(key), text)

    def lost(self, key: str, text: str) -> None:
        self._told.add(key)
        self.report.lost(self.at(key), text)

    def told_later(self, key: str) -> None:
        """What became of a member is known only when all of the file is read; it is told of then."""
        self._told.add(key)

    def section(self, key: str) -> "Section | None":
        """A member that is a mapping; told of when it is another thing, or empty."""
        value = self.values.get(key)
        if isinstance(value, dict) and value:
            self._told.add(key)
            return Section(self.at(key), cast("dict[str, object]", value), self.report)
        if value is not None and value != {}:
            self.lost(key, "must be a mapping; nothing was read of it")
        elif key in self.values:
            self.carried(key, "nothing, for it is empty")
        return None

    def sections(self, key: str) -> Iterator["Section"]:
        """The mappings of a member that is a list."""
        value = self.values.get(key)
        if not isinstance(value, list):
            if key in self.values:
                self.lost(key, "must be a list; nothing was read of it")
            return
        self._told.add(key)
        if not value:
            self.report.carried(self.at(key), "nothing, for it is empty")
        for number, item in enumerate(cast("list[object]", value)):
            path = f"{self.at(key)}[{number}]"
            if isinstance(item, dict) and item:
                yield Section(path, cast("dict[str, object]", item), self.report)
            else:
                self.report.lost(path, "must be a mapping; nothing was read of it")

    def text(self, key: str) -> str | None:
        """A member as text for our file: a reference to the environment becomes ours. Told of when it is no text."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return None
        if isinstance(value, str | int | float):
            return template(str(value))
        self.lost(key, "must be a text; nothing was read of it")
        return None

    def number(self, key: str, least: float, most: float) -> int | float | str | None:
        """A member as a number within bounds, or a reference to one. Told of when it is neither."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, str) and variable(value):
            return template(value)
        number = _number(value)
        if number is None or not least <= number <= most:
            self.lost(key, f"must be a number from {least:g} to {most:g}")
            return None
        return int(number) if number.is_integer() else number

    def truth(self, key: str) -> bool:
        """Whether a member says yes."""
        value = self.values.get(key)
        return value is True or (isinstance(value, str) and value.lower() == "true")

    def names(self, key: str) -> list[str]:
        """The texts of a member that is a list, or one text."""
        value = self.values.get(key)
        found = cast("list[object]", value) if isinstance(value, list) else [value]
        return [name for name in found if isinstance(name, str)]

    def finish(self, known: Mapping[str, str], otherwise: str = UNKNOWN) -> None:
        """Tell of everything that was not told of yet; ``known`` says what to do about settings that have no equal."""
        for key in self.values:
            if key not in self._told:
                self.lost(key, known.get(key, otherwise))


def variable(value: object) -> str:
    """The name of the environment variable that a value stands for; empty when it is none."""
    if not isinstance(value, str) or not value.startswith(_ENVIRONMENT):
        return ""
    name = value.removeprefix(_ENVIRONMENT)
    return name if _NAME.fullmatch(name) else ""


def template(text: str) -> str:
    """A text as our file has it: ``os.environ/NAME`` is a reference, and what only looks like one is none."""
    name = variable(text)
    return f"${{{name}}}" if name else text.replace("${", "$${")


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number == number else None  # noqa: PLR0124 (the one number that is not itself)
