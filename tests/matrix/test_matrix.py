"""Every door before every upstream, with all that a request can hold: what arrives there, and what comes back.

Each wire is described once, in a file of its own in ``wires/``; the cells are their products. What an upstream must be
sent is its own description of the feature, whoever asked; what a client must be told is what the upstream said.
"""

import json
from collections.abc import AsyncGenerator
from typing import Final

import pytest
import pytest_asyncio
from msgspec import structs

from switchgear.wire.registry import discover
from tests.matrix.stand import Stand, standing
from tests.matrix.subject import FEATURES
from tests.matrix.table import REFUSED, wires
from tests.matrix.wire import Wire, difference

WIRES: Final = wires()
CELLS: Final = [
    pytest.param(door, upstream, feature, id=f"{door.name}-{upstream.name}-{feature.replace(' ', '_')}")
    for door in WIRES.values()
    for upstream in WIRES.values()
    for feature in FEATURES
    if feature in door.asks
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand() -> AsyncGenerator[Stand]:
    async with standing(WIRES) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("door", "upstream", "feature"), CELLS)
async def test_a_cell_is_carried_or_refused_by_the_name_of_its_field(
    stand: Stand, door: Wire, upstream: Wire, feature: str, *, streams: bool
) -> None:
    says = stand.upstreams.says = FEATURES[feature]
    model = f"{upstream.name}/{upstream.model}"
    status, kind, body = await stand.ask(door, model, door.asks[feature], streams=streams)
    field = REFUSED.get((feature, upstream.name))
    if field is not None and door is not upstream:
        assert (status, stand.upstreams.sent) == (400, []), body
        assert door.refused_field(json.loads(body)) == door.words.get(field, field)
        return
    assert status == 200, body
    (sent,) = stand.upstreams.sent
    differs = difference(upstream.tidy(sent), upstream.wanted(feature, door.name))
    assert not differs, differs
    expected = says if upstream.signs else structs.replace(says, signature="")
    if streams:
        assert kind.startswith(door.stream_type)
        assert door.told_stream(body) == expected
    else:
        assert kind.startswith("application/json")
        assert door.told(json.loads(body)) == expected


def test_every_dialect_of_conversations_has_a_description() -> None:
    prompts_only = {"openai_completions"}
    spoken = {name for name, dialect in discover().items() if dialect.family == "chat"}
    assert spoken - prompts_only == set(WIRES)


def test_a_cell_that_is_refused_is_one_that_somebody_can_ask_for() -> None:
    for feature, upstream in REFUSED:
        assert any(feature in door.asks for door in WIRES.values() if door.name != upstream)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@pytest.mark.parametrize("feature", FEATURES)
def test_a_description_says_the_same_whole_and_streamed(wire: Wire, feature: str) -> None:
    says = FEATURES[feature] if wire.signs else structs.replace(FEATURES[feature], signature="")
    assert wire.told(wire.answer(says)) == says
    assert wire.told_stream(wire.stream(says)) == says
