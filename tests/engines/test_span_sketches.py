"""Sketches: quantiles of many at once are those of each alone."""

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from switchgear.engines.sqlite_spans.sketch import RELATIVE_ERROR, bucket_of, merged, quantiles, sketch_bytes

LENGTHS = st.lists(st.integers(0, 2**62), max_size=20)
QUANTILES = st.sampled_from((0.0, 0.01, 0.5, 0.95, 1.0))


def sketch_of(lengths: list[int]) -> bytes:
    return sketch_bytes(Counter(map(bucket_of, lengths)))


@given(st.lists(LENGTHS, max_size=8), QUANTILES)
def test_of_each_group_the_quantile_is_within_the_error_of_the_true_one(groups: list[list[int]], q: float) -> None:
    for lengths, found in zip(groups, quantiles([sketch_of(each) for each in groups], q), strict=True):
        if not lengths:
            assert found is None
            continue
        true = sorted(lengths)[max(ceil(q * len(lengths)), 1) - 1]
        assert found is not None
        assert abs(found - true) <= RELATIVE_ERROR * true * 1.0001 + 0.5


def test_more_groups_than_are_looked_at_together_are_answered_each_by_its_own() -> None:
    sketches = [sketch_of([0, 7**number % 2**60, 2**60]) for number in range(1_500)]
    for q in (0.0, 0.5, 1.0):
        assert quantiles(sketches, q) == [quantiles([sketch], q)[0] for sketch in sketches]


@given(LENGTHS, LENGTHS, QUANTILES)
def test_joined_sketches_are_one_and_what_is_taken_out_leaves_nothing(
    one: list[int], other: list[int], q: float
) -> None:
    both = merged(sketch_of(one), sketch_of(other))
    assert quantiles([both], q) == quantiles([sketch_of(one + other)], q)
    less = merged(both, sketch_bytes({bucket: -count for bucket, count in Counter(map(bucket_of, other)).items()}))
    assert quantiles([less], q) == quantiles([sketch_of(one)], q)
