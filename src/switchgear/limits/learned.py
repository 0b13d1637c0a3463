"""How long answers come to be where a call does not bound them: the 95th percentile of the last ones."""

from collections import OrderedDict, deque
from typing import Final

_KEPT: Final = 64
_ENOUGH: Final = 8
_PERCENTILE: Final = 0.95
_MOST_NAMES: Final = 10_000
UNKNOWN_TOKENS: Final = 1024
"""For the first calls of a key to a model."""


class Learned:
    """Output tokens of the last calls, by key and model; who has not called for long is forgotten."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()

    def see(self, key: str, model: str, output_tokens: int) -> None:
        """A call has written so many."""
        last = self._last.get((key, model))
        if last is None:
            last = self._last[key, model] = deque(maxlen=_KEPT)
            if len(self._last) > _MOST_NAMES:
                self._last.popitem(last=False)
        last.append(output_tokens)

    def expected(self, key: str, model: str) -> int:
        """What the next call will hardly write more than."""
        last = self._last.get((key, model))
        if last is None or len(last) < _ENOUGH:
            return UNKNOWN_TOKENS
        return sorted(last)[round(_PERCENTILE * (len(last) - 1))]
