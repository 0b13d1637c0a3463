"""What became of each setting: a line for every one, whatever it was."""

from typing import Final, Literal

from msgspec import Struct

Verdict = Literal["carried", "differs", "no equal"]

MAX_KEY: Final = 80
_WIDTH: Final = 9


class Line(Struct, frozen=True, kw_only=True):
    """One setting, by its path in the file that was read."""

    path: str
    verdict: Verdict
    text: str
    """``carried``: as what. ``differs``: as what, and the difference. ``no equal``: what to do instead."""


class Report:
    """Lines in the order in which they were told."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def carried(self, path: str, target: str) -> None:
        """It means the same as ``target`` does here."""
        self.lines.append(Line(path=path, verdict="carried", text=target))

    def differs(self, path: str, text: str) -> None:
        """It became something that is not quite the same."""
        self.lines.append(Line(path=path, verdict="differs", text=text))

    def lost(self, path: str, text: str) -> None:
        """There is nothing like it here."""
        self.lines.append(Line(path=path, verdict="no equal", text=text))

    def _in_order(self) -> list[Line]:
        """Lines of one part of the file together; what is known last is often of the first part."""
        parts = {part: number for number, part in enumerate(dict.fromkeys(_part(line.path) for line in self.lines))}
        return sorted(self.lines, key=lambda line: parts[_part(line.path)])

    def covers(self, path: str) -> bool:
        """Whether a line speaks of the setting ``path``, or of a part of the file that it belongs to."""
        return any(_within(path, line.path) for line in self.lines)

    def text(self, *, whole: bool) -> str:
        """A line to each setting that was not simply carried, or with ``whole`` to every one; then the counts."""
        shown = [line for line in self._in_order() if whole or line.verdict != "carried"]
        count = {verdict: sum(line.verdict == verdict for line in self.lines) for verdict in ("carried", "differs")}
        rest = len(self.lines) - sum(count.values())
        lines = [f"{line.verdict:{_WIDTH}} {line.path}: {line.text}" for line in shown]
        lines.append(
            f"{count['carried']} carried, {count['differs']} carried with a difference, {rest} without an equal"
        )
        return "\n".join(lines)


def _part(path: str) -> str:
    """The part of the file: a member of the top, or an entry of one."""
    return path.partition(".")[0]


def below(path: str, key: str) -> str:
    """The path of a member of a mapping."""
    shown = key if len(key) <= MAX_KEY else f"{key[:MAX_KEY]}…"
    shown = shown if shown.isprintable() else ascii(shown)
    return f"{path}.{shown}" if path else shown


def _within(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith((f"{ancestor}.", f"{ancestor}["))
