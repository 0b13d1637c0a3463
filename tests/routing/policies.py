"""Configurations of routing drawn at random: good ones, and tables that no check would let pass."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from hypothesis import strategies as st

from switchgear.config import parse
from switchgear.kernel.errors import UpstreamError, UpstreamTruncated, UpstreamUnreachable
from tests.routing.lanes import SILENCE, Answer, breaks, refuses, says, streams
from tests.routing.stand import Declared

PROVIDERS: Final = ("p0", "p1", "p2")
NAMES: Final = ("a", "b", "c", "d", "e")
_ONWARD: Final = ("any", "server_error", "timeout", "rate_limited", "busy", "unreachable", "garbled")
_BACK: Final = ("context_length", "content_filter", "refused")
"""Causes whose chains may lead back where those of the others lead on, for no call fails by both at once."""
_BOUNDS: Final[Mapping[str, Declared]] = {
    "p0/m": {"max_in_flight": 1, "waiting_seconds": 3},
    "p0/n": {},
    "p1/m": {"requests_per_minute": 2},
    "p1/n": {"max_in_flight": 2, "max_waiting": 1},
    "p2/m": {},
}
"""The same under every name: names that contradict each other are refused."""
_CONDITIONS: Final = ("stream", "tools", 'header("x-beta") == "1"')
_HELLO: Final = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'


def _refusal(status: int, after: float, retry_after: str) -> Answer:
    return refuses(status, retry_after=retry_after, after=after)


def _errors() -> st.SearchStrategy[Answer]:
    errors: Sequence[UpstreamError] = (UpstreamUnreachable("no route"), UpstreamTruncated("cut"))
    refused = st.builds(
        _refusal,
        st.sampled_from((401, 402, 404, 413, 422, 429, 500, 503, 529)),
        st.sampled_from((0.0, 0.5, 4.0)),
        st.sampled_from(("", "1", "45")),
    )
    return st.one_of(refused, st.sampled_from(errors).map(breaks), st.just(refuses(400, "content_filter")))


answers: Final = st.one_of(
    st.sampled_from((0.0, 1.0, 9.0)).map(lambda after: says(after=after)),
    _errors(),
    st.sampled_from(
        (
            Answer(after_seconds=10_000),
            Answer(steps=(b"<html>",)),
            streams(b""),
            streams(b": ping\n\n", SILENCE),
            streams(*(b": ping\n\n", 0.5) * 200),
            streams(_HELLO, SILENCE),
            streams(_HELLO, UpstreamTruncated("cut")),
            streams(*(_HELLO, 0.5) * 200),
        )
    ),
)
"""What an upstream may do: answer, refuse, be silent, break off, or talk without an end."""


def _terms(name: str) -> st.SearchStrategy[Declared]:
    timers = st.fixed_dictionaries(
        {},
        optional={
            "first_byte_seconds": st.sampled_from((0.5, 3.0)),
            "first_token_seconds": st.sampled_from((0.5, 3.0)),
            "idle_seconds": st.sampled_from((0.25, 2.0)),
            "total_seconds": st.sampled_from((2.0, 20.0)),
        },
    )
    return st.fixed_dictionaries(
        {"model": st.just(name), **{field: st.just(value) for field, value in _BOUNDS[name].items()}},
        optional={"tier": st.integers(0, 2), "weight": st.integers(1, 5), "timers": timers},
    )


_deployments: Final = st.lists(st.sampled_from(tuple(_BOUNDS)), min_size=1, max_size=3, unique=True).flatmap(
    lambda names: st.tuples(*map(_terms, names)).map(list)
)


def _chains(onward: Sequence[str], back: Sequence[str]) -> st.SearchStrategy[Declared]:
    def chain(names: Sequence[str]) -> st.SearchStrategy[list[str]]:
        return st.lists(st.sampled_from((*names, "p0/n", "p2/other")), max_size=3, unique=True)

    return st.fixed_dictionaries(
        {},
        optional={
            **{cause: chain(onward) for cause in _ONWARD},
            **{cause: chain(back) for cause in _BACK},
        },
    )


def _splits(name: str, targets: Sequence[str]) -> st.SearchStrategy[list[Declared]]:
    shares = st.tuples(st.sampled_from((name, *targets, "p1/n")), st.integers(0, 100)).map(
        lambda drawn: {drawn[0]: 100} if drawn[0] == name else {name: 100 - drawn[1], drawn[0]: drawn[1]}
    )
    conditions = st.lists(st.sampled_from(_CONDITIONS), max_size=2, unique=True)
    sticky = st.sampled_from(("none", "user", "session"))

    def entries(whens: Sequence[str]) -> st.SearchStrategy[list[Declared]]:
        return st.tuples(
            *(st.fixed_dictionaries({"when": st.just(when), "to": shares, "sticky": sticky}) for when in whens)
        ).map(list)

    return conditions.flatmap(entries)


def _model(name: str, onward: Sequence[str], back: Sequence[str]) -> st.SearchStrategy[Declared]:
    retries = st.fixed_dictionaries(
        {}, optional={"attempts": st.integers(1, 10), "base_seconds": st.sampled_from((0, 0.25, 30))}
    )
    return st.fixed_dictionaries(
        {"deployments": _deployments},
        optional={
            "balance": st.sampled_from(("weighted", "least_busy", "fastest")),
            "affinity": st.sampled_from(("session", "prompt")),
            "total_seconds": st.sampled_from((0.5, 5.0, 30.0)),
            "retries": retries,
            "resume": st.sampled_from(("none", "prefill")),
            "fallbacks": _chains(onward, back),
            "splits": _splits(name, onward),
        },
    )


def _whole(models: Mapping[str, Declared], hedged: bool) -> Declared:
    hedging: Declared = {"hedging": {"after_seconds": 0.5, "budget": 1}}
    return {
        name: {**entry, **(hedging if hedged and len(cast("list[object]", entry["deployments"])) > 1 else {})}
        for name, entry in models.items()
    }


good: Final = st.builds(
    _whole,
    st.fixed_dictionaries({name: _model(name, NAMES[at + 1 :], NAMES[:at]) for at, name in enumerate(NAMES)}),
    st.booleans(),
)
"""Models that the checks accept: chains of one cause, and splits, go in no circle."""
circular: Final = st.builds(
    _whole, st.fixed_dictionaries({name: _model(name, NAMES, NAMES) for name in NAMES}), st.booleans()
)
"""Models whose fallbacks and splits lead anywhere, back to themselves included."""


def check(models: Declared) -> None:
    """Raises ConfigError for models that ``switchgear check`` refuses."""
    providers = {name: {"kind": "simulator"} for name in PROVIDERS}
    parse(json.dumps({"providers": providers, "models": models}), "file", {})


def reached_by_splits(models: Declared, name: str) -> set[str]:
    """The names that calls of ``name`` may be sent to, itself included."""
    entries = json.loads(json.dumps(models))
    found: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            splits = entries.get(here, {}).get("splits", [])
            waiting += [target for split in splits for target in split["to"]]
    return found
