"""The drawing at the top of kernel/errors.py is the tree of its classes."""

import re
from collections.abc import Iterator

from switchgear.kernel import errors
from switchgear.kernel.errors import SwitchgearError

LINE = re.compile(r"^(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)(?:\s+(?P<status>\d{3}) (?P<code>[a-z_]+)$|\s|$)")


def drawn() -> Iterator[tuple[str, str, str | None, str | None]]:
    """(parent, name, status, code) of each line of the drawing."""
    above: list[tuple[int, str]] = [(-1, "Exception")]
    for line in (errors.__doc__ or "").splitlines():
        match = LINE.match(line)
        if match is None or not line.startswith("    "):
            continue
        column = match.start("name")
        while above[-1][0] >= column:
            above.pop()
        yield above[-1][1], match["name"], match["status"], match["code"]
        above.append((column, match["name"]))


def classes(root: type[SwitchgearError] = SwitchgearError) -> Iterator[type[SwitchgearError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from classes(child)


def test_the_drawing_shows_each_class_under_its_parent() -> None:
    assert {(parent, name) for parent, name, _, _ in drawn()} == {
        (str(kind.__base__ and kind.__base__.__name__), kind.__name__) for kind in classes()
    }


def test_the_drawing_shows_status_and_code_of_each_class() -> None:
    by_name = {kind.__name__: kind for kind in classes()}
    shown = {name: (int(status), code) for _, name, status, code in drawn() if status}
    assert shown == {name: (by_name[name].status, by_name[name].code) for name in shown}
    assert len(shown) > len(by_name) / 2


def test_each_error_says_what_it_means() -> None:
    assert [kind.__name__ for kind in classes() if not kind.__doc__] == []
