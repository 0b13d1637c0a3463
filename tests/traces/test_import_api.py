"""Spans imported over the management API: as they were exported, each once, and by whom it is allowed alone."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.app.management import Sources
from switchgear.kernel.chat import Usage
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.span import Content, Span, SpanEvent
from switchgear.rest.written import encoded
from switchgear.traces.api import shown_span
from switchgear.traces.import_api import Imports
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser
from switchgear.traces.restored import read_span
from switchgear.wire import otlp_json
from tests.management import SOURCES, as_, bind, client, management
from tests.memory_spans import MemorySpans
from tests.traces.spans import NOW_NS, SECOND_NS, kept, told

ADA, BOB = as_("user:ada"), as_("user:bob")
WHOLE = kept(
    1,
    1,
    kind="llm",
    user="carol",
    usage=Usage(input=10, output=5),
    cost_nano_usd=7,
    cost_source="computed",
    price="2026-11",
    metadata={"project": "bot"},
    tags=("beta", "new"),
    input=Content(parts=(b'{"role":"user","parts":["a blue whale"]}',), is_messages=True, preview="a blue whale"),
    output=Content(preview="no more was captured"),
    attributes={"gen_ai.request.model": "gpt-5", "list": [1, {"a": None}]},
    resource={"service.name": "shop"},
    events=(SpanEvent(name="retried", at_ns=NOW_NS, attributes={"after": 2}),),
)


def priced(span: Span) -> Span:
    return structs.replace(span, cost_nano_usd=99, cost_source="computed")


def hidden(span: Span) -> Span:
    return structs.replace(span, name=span.name.replace("secret", "[hidden]"))


@pytest.fixture
def store() -> MemorySpans:
    return MemorySpans()


@pytest.fixture
async def api(database: ControlDatabase, store: MemorySpans) -> AsyncGenerator[httpx.AsyncClient]:
    sources = Sources(
        version="1",
        models=list,
        metrics=str,
        newest=SOURCES.newest,
        routes=SOURCES.routes,
        spans=store,
        imports=Imports(importing=Ingest(store, Normaliser(), priced, FrozenClock()), mask=hidden),
    )
    async with client(control(sources, management(database))) as made:
        await bind(made, "ada", "user:ada", "admin", project="shop")
        await bind(made, "bob", "user:bob", "engineer", project="shop")
        yield made


def line(span: Span) -> dict[str, Any]:
    """A span as an export has it."""
    return json.loads(encoded(shown_span(span)))


async def imported(api: httpx.AsyncClient, project: str = "shop", **body: object) -> dict[str, Any]:
    answer = await api.post("/traces/import", params={"project": project}, json=body, headers=ADA)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_span_is_as_it_was_exported_its_cost_and_the_price_behind_it_included(
    api: httpx.AsyncClient, store: MemorySpans
) -> None:
    assert await imported(api, spans=[line(structs.replace(WHOLE, project="elsewhere"))]) == {
        "new": 1,
        "known": 0,
        "refused": [],
    }
    assert await store.read("shop", WHOLE.trace_id, [WHOLE.span_id]) == [WHOLE]
    assert await store.read("elsewhere", WHOLE.trace_id, [WHOLE.span_id]) == []


async def test_what_is_known_stays_and_what_is_refused_is_named_with_its_place(
    api: httpx.AsyncClient, store: MemorySpans
) -> None:
    await store.write([WHOLE])
    spans = [
        line(structs.replace(WHOLE, name="another")),
        {"span": {"name": "nothing else"}},
        line(kept(2, started_ns=7)),
        line(kept(3, started_ns=NOW_NS + 2 * 86_400 * SECOND_NS)),
        line(kept(4, cost_nano_usd=1 << 70)),
        line(kept(5)),
    ]
    done = await imported(api, spans=spans)
    assert (done["new"], done["known"]) == (1, 1)
    assert [(each["place"], each["reason"]) for each in done["refused"]] == [
        (1, "unreadable"),
        (2, "bad_times"),
        (3, "in_the_future"),
        (4, "unreadable"),
    ]
    assert "missing required field" in done["refused"][0]["message"]
    assert await store.read("shop", WHOLE.trace_id, [WHOLE.span_id]) == [WHOLE]


async def test_a_span_that_is_too_large_is_refused_and_masks_hide_what_they_find(
    api: httpx.AsyncClient, store: MemorySpans
) -> None:
    large = Content(parts=(json.dumps("x" * 9_000_000).encode(),))
    done = await imported(api, spans=[line(kept(1, input=large)), line(kept(2, name="a secret"))])
    assert [(each["place"], each["reason"]) for each in done["refused"]] == [(0, "too_large")]
    [span] = await store.read("shop", f"{1:032x}", [f"{2:016x}"])
    assert span.name == "a [hidden]"


async def test_spans_of_otlp_are_understood_and_priced_as_if_they_came_by_their_door(
    api: httpx.AsyncClient, store: MemorySpans
) -> None:
    spans = [told(1, attributes={"gen_ai.request.model": "gpt-5"}), told(2, started_ns=1)]
    done = await imported(api, otlp=json.loads(otlp_json.write(spans)))
    assert (done["new"], [each["place"] for each in done["refused"]]) == (1, [1])
    assert (await imported(api, otlp=json.loads(otlp_json.write(spans))))["known"] == 1
    [span] = await store.read("shop", f"{1:032x}", [f"{1:016x}"])
    assert (span.request_model, span.cost_nano_usd) == ("gpt-5", 99)


async def test_it_takes_one_form_and_not_too_much_at_once(api: httpx.AsyncClient) -> None:
    bodies: tuple[tuple[int, dict[str, object]], ...] = (
        (422, {}),
        (422, {"spans": [line(WHOLE)], "otlp": {"resourceSpans": []}}),
        (422, {"spans": [line(WHOLE)] * 1_001}),
        (400, {"otlp": {"resourceLogs": []}}),
        (400, {"otlp": json.loads(otlp_json.write([told(number) for number in range(1, 1_002)]))}),
    )
    for status, body in bodies:
        answer = await api.post("/traces/import", params={"project": "shop"}, json=body, headers=ADA)
        assert answer.status_code == status, answer.text


async def test_only_who_may_write_traces_of_the_project_imports_some(
    api: httpx.AsyncClient, store: MemorySpans
) -> None:
    for who, project in ((BOB, "shop"), (ADA, "another")):
        answer = await api.post(
            "/traces/import", params={"project": project}, json={"spans": [line(WHOLE)]}, headers=who
        )
        assert answer.status_code == 403
        assert await store.read(project, WHOLE.trace_id, [WHOLE.span_id]) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)


@given(
    st.text(min_size=1, max_size=10),
    st.lists(VALUES, max_size=3),
    st.text(min_size=1, max_size=10),
    MAPPINGS,
    st.integers(0, 1 << 61),
)
def test_whatever_is_exported_is_read_back(
    name: str, parts: list[object], preview: str, attributes: dict[str, object], cost: int
) -> None:
    said = Content(parts=tuple(encoded(part) for part in parts), is_messages=bool(cost % 2), preview=preview)
    span = kept(name=name, input=said, output=said, attributes=attributes, resource=attributes, cost_nano_usd=cost)
    assert read_span(encoded(shown_span(span)), "shop") == span
