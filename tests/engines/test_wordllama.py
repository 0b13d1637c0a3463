"""WordLlama's two files are read as they are; what its own tokenizer makes of a text, ours makes too."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from switchgear.engines.wordllama import MOST_CHARACTERS, TOKENIZER, WEIGHTS, WordLlama, installed

VOCABULARY = ["<unk>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab", "<0xC3>", "<0xA9>"]
MERGES = ["a b", "\u2581 a", "\u2581 ab"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights = np.arange(len(VOCABULARY) * 2, dtype="<f2").reshape(-1, 2)
    header = json.dumps({"embedding.weight": {"dtype": "F16", "shape": [len(VOCABULARY), 2]}}).encode()
    for name in (WEIGHTS, TOKENIZER):
        (tmp_path / name).parent.mkdir()
    (tmp_path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + weights.tobytes())
    model = {"vocab": {name: place for place, name in enumerate(VOCABULARY)}, "merges": MERGES}
    (tmp_path / TOKENIZER).write_text(json.dumps({"model": model}), encoding="utf-8")
    return tmp_path


def test_pairs_are_merged_in_the_order_of_training_and_strangers_spelled_in_bytes(folder: Path) -> None:
    embedder = WordLlama(folder)
    assert embedder.encode("ab a") == [6, 4]
    assert embedder.encode("b\u00e9") == [1, 3, 7, 8]
    assert embedder.encode("ab a") == embedder.encode("ab a")


def test_a_text_is_the_mean_of_its_tokens_with_length_one_and_nothing_is_zeros(folder: Path) -> None:
    rows = WordLlama(folder).embed(["ab a", ""])
    mean = np.asarray([(12 + 8) / 2, (13 + 9) / 2])
    assert np.allclose(rows[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert not rows[1].any()
    assert WordLlama(folder).embed([]).shape == (0, 2)


def test_texts_become_the_tokens_of_the_package_itself() -> None:
    folder = installed()
    if folder is None:
        pytest.skip("wordllama is not installed")
    theirs = Tokenizer.from_file(str(folder / TOKENIZER))
    ours = WordLlama(folder)
    for text in (
        "What is it?",
        "h\u00e9llo  w\u00f6rld\n\n \u3053\u3093\u306b\u3061\u306f \U0001f600",
        " lead",
        "a" * 300,
        "x = {\n    'a': 1}",
    ):
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids
    words = [token[1:] for token in theirs.get_vocab() if token.startswith("\u2581") and "\u2581" not in token[1:]]
    for first in range(0, len(words), 500):
        text = " ".join(words[first : first + 500])
        assert ours.encode(text) == theirs.encode(text[:MOST_CHARACTERS], add_special_tokens=False).ids
