"""Tokens by the rule of thumb."""

import pytest

from switchgear.kernel.chat import Usage
from switchgear.kernel.estimate import estimate_tokens, estimated_usage


@pytest.mark.parametrize(("byte_count", "tokens"), [(0, 1), (1, 1), (4, 1), (5, 2), (4000, 1000)])
def test_tokens_are_estimated_from_bytes_and_never_none(byte_count: int, tokens: int) -> None:
    assert estimate_tokens(byte_count) == tokens


@pytest.mark.parametrize(("frames", "byte_count", "tokens"), [(9, 8, 9), (1, 80, 20), (1, 81, 21), (0, 0, 0)])
def test_an_answer_has_a_token_to_a_frame_or_to_four_bytes_whichever_is_more(
    frames: int, byte_count: int, tokens: int
) -> None:
    assert estimated_usage(3, frames, byte_count) == Usage(input=3, output=tokens, estimated=True)
