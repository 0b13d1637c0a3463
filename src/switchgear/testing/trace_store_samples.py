"""Random spans and random questions for the contract of TraceStore: few values, so that they meet."""

from typing import Any, Final

from hypothesis import strategies as st
from msgspec import json

from switchgear.kernel.chat import Usage
from switchgear.kernel.query import (
    Aggregate,
    Compare,
    Either,
    Every,
    Filter,
    Find,
    Measure,
    Not,
    Noted,
    OneOf,
    Said,
    StartsWith,
    Tagged,
    Window,
)
from switchgear.kernel.span import Content, Span

MINUTE_NS: Final = 60_000_000_000
BEGIN_NS: Final = 1_699_920_000_000_000_000
"""A midnight of UTC."""
_TEXTS: Final = ("", "a", "A", "ab", "größe", "x'y\"%_")
_WORDS: Final = ("alpha", "Beta", "größe", "x1")
_TEXT_FIELDS: Final = (
    "user",
    "model",
    "provider",
    "session",
    "environment",
    "key",
    "prompt_name",
    "trace_name",
    "name",
)
_NUMBER_FIELDS: Final = (
    "duration_ns", "first_token_ns", "input_tokens", "output_tokens", "cost_nano_usd", "started_ns", "ended_ns",
)  # fmt: skip
_SUMMED: Final = _NUMBER_FIELDS[:5]
_IDS: Final = tuple(f"{number:016x}" for number in range(6))
_TRACES: Final = tuple(f"{number:032x}" for number in range(3))
_MOMENTS: Final = (0, 1, MINUTE_NS - 1, MINUTE_NS, 59 * MINUTE_NS, 60 * MINUTE_NS, 1440 * MINUTE_NS, 1500 * MINUTE_NS)


def sample(trace: int, number: int, **changes: Any) -> Span:
    """A plain span."""
    told: dict[str, Any] = {
        "project": "p",
        "trace_id": f"{trace:032x}",
        "span_id": f"{number:016x}",
        "name": "step",
        "started_ns": BEGIN_NS + number,
    }
    told |= changes
    told.setdefault("ended_ns", told["started_ns"] + 1_000_000)
    return Span(**told)


def _contents() -> st.SearchStrategy[Content]:
    part = st.lists(st.sampled_from(_WORDS), max_size=3).map(lambda words: json.encode({"content": " ".join(words)}))
    return st.builds(Content, parts=st.lists(part, max_size=2).map(tuple), preview=st.sampled_from(("", "p")))


def _lasting(duration: int, started_ns: int, **told: Any) -> Span:
    return Span(started_ns=started_ns, ended_ns=started_ns + duration, **told)


def _spans() -> st.SearchStrategy[Span]:
    text = st.sampled_from(_TEXTS)
    started = st.sampled_from(_MOMENTS).map(lambda moment: BEGIN_NS + moment)
    return st.builds(
        _lasting,
        duration=st.sampled_from((0, 1, 7, 1_000_000, 2 * MINUTE_NS)),
        started_ns=started,
        project=st.sampled_from(("p", "p", "p", "q")),
        trace_id=st.sampled_from(_TRACES),
        span_id=st.sampled_from(_IDS),
        parent_id=st.sampled_from(("", *_IDS)),
        kind=st.sampled_from(("llm", "llm", "chain", "embedding")),
        status=st.sampled_from(("ok", "error", "unset")),
        usage=st.none()
        | st.builds(Usage, input=st.integers(0, 9), cache_read=st.integers(0, 3), output=st.integers(0, 9)),
        cost_nano_usd=st.none() | st.integers(0, 1000),
        cost_source=st.sampled_from(("", "unknown", "computed")),
        first_token_ns=st.sampled_from((0, 0, 5, 70)),
        counted=st.booleans(),
        tags=st.lists(st.sampled_from(("t", "u")), max_size=2, unique=True).map(tuple),
        metadata=st.dictionaries(st.sampled_from("kl"), text, max_size=1),
        input=_contents(),
        output=_contents(),
        **dict.fromkeys(_TEXT_FIELDS, text),
    )


def spans_of_traces() -> st.SearchStrategy[list[Span]]:
    return st.lists(_spans(), max_size=12)


def calls_of_a_trace() -> st.SearchStrategy[list[Span]]:
    """Calls of models in one trace, whose parents are any of them: they hang together, often in a circle."""

    def call(numbers: tuple[int, int, int], kind: str, *, counted: bool) -> Span:
        own, above, began = numbers
        told: dict[str, Any] = {"parent_id": _IDS[above], "usage": Usage(input=2**own), "cost_nano_usd": 3**own}
        return sample(1, own, kind=kind, started_ns=BEGIN_NS + began, counted=counted, **told)

    number = st.integers(0, len(_IDS) - 1)
    numbers = st.tuples(number, number, st.integers(0, 3))
    kinds = st.sampled_from(("llm",) * 9 + ("chain",))
    return st.lists(st.builds(call, numbers, kinds, counted=st.sampled_from((True,) * 9 + (False,))), max_size=9)


def _filters() -> st.SearchStrategy[Filter]:
    operations = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
    text, number = st.sampled_from(_TEXTS), st.sampled_from((0, 1, 5, 7, 1_000_000, BEGIN_NS, BEGIN_NS + MINUTE_NS))
    texts, numbers = st.sampled_from(_TEXT_FIELDS), st.sampled_from(_NUMBER_FIELDS)
    leaves = st.one_of(
        st.builds(Compare, field=texts, op=operations, value=text),
        st.builds(Compare, field=numbers, op=operations, value=number),
        st.builds(Compare, field=st.just("counted"), op=st.sampled_from(("==", "!=")), value=st.booleans()),
        st.builds(Compare, field=st.just("trace_id"), op=operations, value=st.sampled_from((*_TRACES, "z"))),
        st.builds(
            Compare, field=st.sampled_from(("parent_id", "span_id")), op=operations, value=st.sampled_from(("", *_IDS))
        ),
        st.builds(OneOf, field=texts, values=st.lists(text, max_size=3).map(tuple)),
        st.builds(OneOf, field=numbers, values=st.lists(number, max_size=3).map(tuple)),
        st.builds(StartsWith, field=texts, prefix=text),
        st.builds(Tagged, name=st.sampled_from(("t", "u", "v"))),
        st.builds(Noted, key=st.sampled_from("kl"), value=text),
        st.builds(Said, text=st.lists(st.sampled_from((*_WORDS, "ALPHA", "alph")), max_size=2).map("; ".join)),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Every, filters=st.lists(inner, max_size=3).map(tuple)),
            st.builds(Either, filters=st.lists(inner, max_size=3).map(tuple)),
            st.builds(Not, filter=inner),
        ),
        max_leaves=5,
    )


def _windows() -> st.SearchStrategy[Window]:
    edges = st.sampled_from(_MOMENTS).map(lambda moment: BEGIN_NS + moment)
    since = st.one_of(st.just(0), edges)
    until = st.one_of(st.just(2**62), st.just(BEGIN_NS + 3000 * MINUTE_NS), edges)
    return st.builds(Window, project=st.just("p"), since_ns=since, until_ns=until)


def finds() -> st.SearchStrategy[Find]:
    return st.builds(
        Find,
        window=_windows(),
        where=st.none() | _filters(),
        of=st.sampled_from(("spans", "traces")),
        newest_first=st.booleans(),
        limit=st.sampled_from((1, 3, 100)),
    )


def aggregates() -> st.SearchStrategy[Aggregate]:
    plain = st.sampled_from(("count", "errors")).map(lambda name: Measure(reduction=name))
    summed = st.builds(Measure, reduction=st.sampled_from(("sum", "mean")), field=st.sampled_from(_SUMMED))
    numeric = st.builds(
        Measure,
        reduction=st.sampled_from(("min", "max", "quantile", "distinct")),
        field=st.sampled_from(_NUMBER_FIELDS),
        q=st.sampled_from((0.0, 0.1, 0.5, 0.95, 1.0)),
    )
    rolled = ("model", "provider", "kind", "status", "prompt_name", "key")
    by = st.sampled_from(rolled) | st.sampled_from(("user", "counted", "trace_id", "input_tokens", *rolled))
    few = st.builds(Compare, field=st.sampled_from(("model", "provider", "key")), value=st.sampled_from(_TEXTS))
    return st.builds(
        Aggregate,
        window=_windows(),
        where=st.one_of(st.none(), few, _filters()),
        by=st.lists(by, max_size=2, unique=True).map(tuple),
        bucket=st.sampled_from((None, "minute", "hour", "day")),
        measures=st.lists(st.one_of(plain, summed, numeric), min_size=1, max_size=3).map(tuple),
        limit=st.sampled_from((1, 2, 1000)),
    )
