"""W3C Trace Context, as far as a gateway needs it."""

import pytest

from switchgear.kernel.trace_context import onward, read_context, span_id_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_valid_parent_is_read_and_goes_on_under_another_span() -> None:
    context = read_context(f"00-{TRACE}-{SPAN}-01".encode(), b"a=1,b=2")

    assert context is not None
    assert (context.trace_id, context.parent_span_id) == (TRACE, SPAN)
    assert onward(context, "ab" * 8) == (("traceparent", f"00-{TRACE}-{'ab' * 8}-01"), ("tracestate", "a=1,b=2"))


def test_a_later_version_is_read_as_far_as_this_one_goes() -> None:
    context = read_context(f"01-{TRACE}-{SPAN}-00-more".encode())

    assert context is not None
    assert onward(context, SPAN) == (("traceparent", f"00-{TRACE}-{SPAN}-00"),)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
    ],
)
def test_what_is_no_parent_means_nothing(parent: str) -> None:
    assert read_context(parent.encode()) is None


def test_the_spans_of_a_call_have_ids_of_their_own() -> None:
    call_id = "0190a0b1c2d37e4f8a0b1c2d3e4f5a6b"

    assert span_id_of(call_id) == "8a0b1c2d3e4f5a6b"
    assert span_id_of(call_id, 1) == "8a0b1c2d3e4f5a6c"


@pytest.mark.parametrize("half", ["0000000000000000", "ffffffffffffffff", "fffffffffffffffe"])
def test_ids_at_the_end_of_their_numbers_go_round_and_stay_apart(half: str) -> None:
    ids = {span_id_of("0" * 16 + half, number) for number in range(4)}

    assert len(ids) == 4
    assert "0" * 16 not in ids
