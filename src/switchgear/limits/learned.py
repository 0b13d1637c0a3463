"""How long answers come to be where a call does not bound them: the 95th percentile of the last ones."""

from collections import OrderedDict, deque
from typing import Final

_KEPT: Final = 64
_ENOUGH: Final = 8
_PERCENTILE: Final = 0.95
_MOST_NAMES: Final = 10_000
UNKNOWN_TOKENS: Final = 1024
"""For the first calls of a key to a model."""


class _Last:
    """The last answers of one key and model."""

    __slots__ = ("_seen", "_tokens", "expected")

    def __init__(self) -> None:
        self.expected = UNKNOWN_TOKENS
        self._tokens: deque[int] = deque(maxlen=_KEPT)
        self._seen = 0

    def see(self, output_tokens: int) -> None:
        self._tokens.append(output_tokens)
        self._seen += 1
        if self._seen >= _ENOUGH:
            self._seen = 0 if len(self._tokens) == _KEPT else self._seen - 1
            self.expected = sorted(self._tokens)[round(_PERCENTILE * (len(self._tokens) - 1))]


class Learned:
    """Output tokens of the last calls, by key and model; who has not called for long is forgotten.

    Once there are many, they are looked through at every eighth.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], _Last] = OrderedDict()

    def see(self, key: str, model: str, output_tokens: int) -> None:
        """A call has written so many."""
        last = self._last.get((key, model))
        if last is None:
            last = self._last[key, model] = _Last()
            if len(self._last) > _MOST_NAMES:
                self._last.popitem(last=False)
        last.see(output_tokens)

    def expected(self, key: str, model: str) -> int:
        """What the next call will hardly write more than."""
        last = self._last.get((key, model))
        return UNKNOWN_TOKENS if last is None else last.expected
