"""Windows of users' inputs from a store of spans: bounded, spread evenly over the time, and drawn by hash.

An input is what a call of a model was asked last, by the first characters that lists show. Up to ``MOST_ROWS`` calls of
a window are read: all, or of each hour its share. Of each session (or trace, where there is none) the newest is taken;
of more than ``MOST_SAMPLED`` those are kept whose session's hash is smallest, so a check repeated sees the same.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from msgspec import structs

from switchgear.kernel.ports import TraceStore
from switchgear.kernel.query import Aggregate, Bucket, Compare, Every, Filter, Find, Group, Measure, SpanRow, Window
from switchgear.traces.drift.observation import Observation, Subject
from switchgear.traces.drift.rates import BY

MOST_ROWS: Final = 5_000
MOST_SAMPLED: Final = 1_000
MOST_TOOLS: Final = 10_000
"""Pairs of traces and tools in a window; of more, tools are not known."""
_COUNT: Final = (Measure(reduction="count"),)
_HOUR_NS: Final = 3_600_000_000_000
_INPUTS: Final = Compare(field="kind", value="llm")
Tools = Mapping[str, tuple[str, ...]]
"""By trace."""


class Sampler:
    """Draws windows from a store. All methods raise OSError when it does not answer."""

    def __init__(self, store: TraceStore, most_rows: int = MOST_ROWS) -> None:
        self._store = store
        self._most_rows = most_rows

    async def subjects(self, window: Window, model: str, prompt: str) -> list[tuple[Subject, int]]:
        """Models, and prompts to them, with how many calls each has in ``window``: the most called first."""
        groups = await self._store.aggregate(
            Aggregate(
                window=window,
                where=_narrowed(model, prompt),
                by=("request_model", "prompt_name"),
                measures=_COUNT,
            )
        )
        counts: dict[Subject, int] = {}
        for group in groups:
            alias, name = (str(value or "") for value in group.values)
            if not alias:
                continue
            for told in {"", name} if not prompt else {prompt}:
                subject = Subject(project=window.project, alias=alias, prompt=told)
                counts[subject] = counts.get(subject, 0) + int(group.measures[0] or 0)
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    async def tools(self, window: Window) -> Tools | None:
        """The tools of each trace; None: there are too many to know."""
        groups = await self._store.aggregate(
            Aggregate(
                window=window,
                where=Compare(field="kind", value="tool"),
                by=("trace_id", "tool_name"),
                measures=_COUNT,
                limit=MOST_TOOLS,
            )
        )
        if len(groups) == MOST_TOOLS:
            return None
        found: dict[str, tuple[str, ...]] = {}
        for group in groups:
            trace_id, name = (str(value or "") for value in group.values)
            found[trace_id] = (*found.get(trace_id, ()), name)
        return found

    async def calls(self, subject: Subject, window: Window, bucket: Bucket) -> list[Group]:
        """How many calls of a subject ended how, by ``BY`` and bucket."""
        where = _narrowed(subject.alias, subject.prompt)
        return await self._store.aggregate(Aggregate(window=window, where=where, by=BY, bucket=bucket, measures=_COUNT))

    async def inputs(
        self, subject: Subject, window: Window, calls: Sequence[Group], tools: Tools | None
    ) -> list[Observation]:
        """A sample of a subject's inputs, oldest first; ``calls`` are those of the window."""
        where = _narrowed(subject.alias, subject.prompt)
        total = count_of(calls)
        if total <= self._most_rows:
            return [_observed(row, tools) for row in sampled(await self._rows(window, where, total or 1))]
        hours: dict[int, int] = {}
        for group in calls:
            began_ns = (group.bucket_ns or 0) // _HOUR_NS * _HOUR_NS
            hours[began_ns] = hours.get(began_ns, 0) + count_of([group])
        rows: list[SpanRow] = []
        for began_ns, count in hours.items():
            rows += await self._rows(_within(window, began_ns), where, max(1, self._most_rows * count // total))
        return [_observed(row, tools) for row in sampled(rows)]

    async def _rows(self, window: Window, where: Filter, limit: int) -> Sequence[SpanRow]:
        return (await self._store.find(Find(window=window, where=where, limit=limit))).spans


def count_of(groups: Sequence[Group]) -> int:
    """How many there are in all."""
    return sum(int(group.measures[0] or 0) for group in groups)


def sampled(rows: Sequence[SpanRow]) -> list[SpanRow]:
    """The newest of each session, of many sessions those with the smallest hashes; oldest first."""
    newest: dict[str, SpanRow] = {}
    for row in sorted(rows, key=lambda row: (row.started_ns, row.trace_id, row.span_id)):
        newest[row.session or row.trace_id] = row
    kept = sorted(newest, key=lambda session: blake2b(session.encode(), digest_size=8).digest())[:MOST_SAMPLED]
    return sorted((newest[session] for session in kept), key=lambda row: (row.started_ns, row.trace_id))


def _observed(row: SpanRow, tools: Tools | None) -> Observation:
    return Observation(
        text=row.input_preview,
        length=row.input_tokens,
        answer_length=row.output_tokens,
        cost_nano_usd=row.cost_nano_usd,
        tools=None if tools is None else tools.get(row.trace_id, ()),
    )


def _narrowed(model: str, prompt: str) -> Filter:
    named = (("request_model", model), ("prompt_name", prompt))
    more = [Compare(field=field, value=value) for field, value in named if value]
    return Every(filters=(_INPUTS, *more)) if more else _INPUTS


def _within(window: Window, began_ns: int) -> Window:
    return structs.replace(
        window, since_ns=max(window.since_ns, began_ns), until_ns=min(window.until_ns, began_ns + _HOUR_NS)
    )
