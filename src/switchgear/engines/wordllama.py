"""Texts to vectors by WordLlama's static embeddings: one vector for each token, and their mean for a text.

Two files of the package ``wordllama`` (MIT) are read, its weights (32,000 x 256, half precision, 16 MB, mapped) and
its tokenizer's tables; its code and what it depends on are not. The tokenizer is Llama 2's byte-pair encoding: spaces
become ``\u2581``, each word is split into characters, and the pair that was merged first in training is merged first.
What no token covers is spelled in bytes. Merges never cross a space: words are encoded one by one, and remembered. A
word that is a token becomes that token: in training, what its last merge joined was made by earlier ones in the same
way.
"""

import heapq
import json
import re
import struct
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypedDict, cast

import numpy as np
import numpy.typing as npt

NAME: Final = "wordllama/l2_supercat_256"
WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
MOST_CHARACTERS: Final = 8000
"""Of a text: its beginning says what it is about."""
_MOST_WORDS: Final = 50_000
_LONGEST_WORD: Final = 64
"""Longer runs without a space hardly come again, and are not remembered."""
_SPACE: Final = "\u2581"
_WORD: Final = re.compile(f"{_SPACE}*[^{_SPACE}]+|{_SPACE}+")


class _Model(TypedDict):
    vocab: dict[str, int]
    merges: list[str]


class WordLlama:
    """Embeds texts; not for several threads at once."""

    __slots__ = ("_ranks", "_tokens", "_weights", "_words")

    def __init__(self, folder: Path) -> None:
        """Read from ``folder``, where the package is. Raises OSError or ValueError when its files are not there."""
        self._weights = _mapped(folder / WEIGHTS)
        model = cast("Mapping[str, _Model]", json.loads((folder / TOKENIZER).read_text(encoding="utf-8")))["model"]
        self._tokens = model["vocab"]
        self._ranks = {merge: rank for rank, merge in enumerate(model["merges"])}
        self._words: dict[str, tuple[int, ...]] = {}

    @property
    def name(self) -> str:
        return NAME

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One row of length one for each text; zeros for a text in which there is nothing."""
        rows = np.zeros((len(texts), self._weights.shape[1]), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            if tokens := self.encode(text):
                np.add.reduce(np.take(self._weights, tokens, axis=0).astype(np.float32), axis=0, out=row)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        # The sum has the direction of the mean.
        return rows / np.maximum(lengths, np.finfo(np.float32).tiny)

    def encode(self, text: str) -> list[int]:
        """The tokens of the first characters of ``text``."""
        if not text:
            return []
        spaced = _SPACE + text[:MOST_CHARACTERS].replace(" ", _SPACE)
        tokens: list[int] = []
        for word in _WORD.findall(spaced):
            tokens += self._words.get(word) or self._remembered(word)
        return tokens

    def _remembered(self, word: str) -> tuple[int, ...]:
        token = self._tokens.get(word)
        tokens = self._encode_word(word) if token is None else (token,)
        if len(self._words) >= _MOST_WORDS:
            self._words.clear()
        if len(word) <= _LONGEST_WORD:
            self._words[word] = tokens
        return tokens

    def _encode_word(self, word: str) -> tuple[int, ...]:
        parts: list[str] = list(word)
        following = list(range(1, len(parts) + 1))
        before = list(range(-1, len(parts) - 1))
        waiting = [
            (rank, place)
            for place in range(len(parts) - 1)
            if (rank := self._ranks.get(f"{parts[place]} {parts[place + 1]}")) is not None
        ]
        heapq.heapify(waiting)
        while waiting:
            rank, place = heapq.heappop(waiting)
            after = following[place]
            if after >= len(parts) or self._ranks.get(f"{parts[place]} {parts[after]}") != rank or not parts[place]:
                continue
            parts[place] += parts[after]
            parts[after] = ""
            following[place] = following[after]
            if following[place] < len(parts):
                before[following[place]] = place
            for left in (before[place], place):
                if left < 0 or following[left] >= len(parts):
                    continue
                if (next_rank := self._ranks.get(f"{parts[left]} {parts[following[left]]}")) is not None:
                    heapq.heappush(waiting, (next_rank, left))
        return tuple(token for part in parts if part for token in self._tokens_of(part))

    def _tokens_of(self, part: str) -> list[int]:
        token = self._tokens.get(part)
        if token is not None:
            return [token]
        return [self._tokens[f"<0x{byte:02X}>"] for byte in part.encode("utf-8", "replace")]


def installed() -> Path | None:
    """The folder of the package, which is not imported; None where it is not installed."""
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _mapped(path: Path) -> npt.NDArray[np.float16]:
    """The one matrix of a safetensors file: 8 bytes with the size of a JSON header, the header, the numbers."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = cast("dict[str, dict[str, object]]", json.loads(file.read(size)))
    matrix = header["embedding.weight"]
    if matrix["dtype"] != "F16":
        raise ValueError(f"{path}: numbers of type {matrix['dtype']}, F16 was expected; install wordllama 0.4")
    shape = cast("list[int]", matrix["shape"])
    mapped = np.memmap(path, dtype="<f2", mode="r", offset=8 + size, shape=(shape[0], shape[1]))
    # As a plain array over the same pages, which is read several times as fast.
    return np.asarray(mapped)
