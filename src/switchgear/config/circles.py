"""Names that lead to each other, and circles among them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from yaml.nodes import ScalarNode

from switchgear.config.problems import shown

_SHOWN_NAMES: Final = 8


class Way(Struct, frozen=True):
    """From one name to another, and where that is written."""

    to: str
    node: ScalarNode


class Circle(Struct, frozen=True):
    """Names that lead back to the first of them, and the way that closes the circle."""

    names: tuple[str, ...]
    node: ScalarNode

    def told(self) -> str:
        """The names in their order, the first again at the end; of many, not all."""
        quoted = [shown(name) for name in (*self.names, self.names[0])]
        if len(quoted) > _SHOWN_NAMES:
            quoted[_SHOWN_NAMES - 1 : -1] = ["…"]
        return " -> ".join(quoted)


def circles(ways: Mapping[str, Sequence[Way]]) -> Iterator[Circle]:
    """A circle for each way that closes one; depth first, but not recursive: chains may be long."""
    done: set[str] = set()
    for start in ways:
        path = {} if start in done else {start: iter(ways[start])}
        while path:
            name, rest = next(reversed(path.items()))
            way = next(rest, None)
            if way is None:
                done.add(name)
                del path[name]
            elif way.to in path:
                names = list(path)
                yield Circle(tuple(names[names.index(way.to) :]), way.node)
            elif way.to in ways and way.to not in done:
                path[way.to] = iter(ways[way.to])
