"""What a call cost, as the record and the client are told; and a model that nobody knows the price of."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from msgspec import structs

from switchgear.app.prices import declared_version
from switchgear.config.model import Prices, ProviderEntry, WhenUnpriced
from switchgear.config.routing import DeploymentEntry, FallbacksEntry, ModelEntry
from switchgear.models.rate_card import DatedCard, PriceCard
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import House, chat, configured, running, serving

DEAR = {"echo": PriceCard(input="1000000", output="2000000")}
"""A dollar for each token that is read, two for each that is written."""


async def test_the_record_says_what_a_call_cost_and_by_which_price() -> None:
    async with running(providers={"sim": ProviderEntry(kind="simulator", prices=DEAR)}) as house:
        status, _, _ = await house.post("/v1/chat/completions", chat())
        assert status == 200
        attempt = house.journal.records[0].attempts[0]
        assert attempt.usage is not None
        assert attempt.cost_nano_usd == 1_000_000_000 * (attempt.usage.input + 2 * attempt.usage.output) > 0
        assert (attempt.cost, attempt.price) == ("settled", declared_version(DEAR["echo"]))


async def test_a_price_that_has_begun_is_the_one_that_counts() -> None:
    card = PriceCard(
        input="1", output="1",
        later=(DatedCard(effective_from="2020-01-01", input="1000000", output="0"),
               DatedCard(effective_from="2999-01-01", input="5", output="5")),
    )  # fmt: skip
    async with running(providers={"sim": ProviderEntry(kind="simulator", prices={"echo": card})}) as house:
        await house.post("/v1/chat/completions", chat())
        attempt = house.journal.records[0].attempts[0]
        assert attempt.usage is not None
        assert attempt.cost_nano_usd == 1_000_000_000 * attempt.usage.input


async def test_a_stream_is_paid_for_like_a_whole_answer() -> None:
    async with running(providers={"sim": ProviderEntry(kind="simulator", prices=DEAR)}) as house:
        await house.post("/v1/chat/completions", chat())
        await house.post("/v1/chat/completions", chat(stream=True))
        whole, streamed = (record.attempts[0] for record in house.journal.records)
        assert whole.cost_nano_usd == streamed.cost_nano_usd > 0


async def test_clients_of_litellm_are_told_the_cost() -> None:
    async with running(providers={"sim": ProviderEntry(kind="simulator", prices=DEAR)}) as house:
        _, headers, _ = await house.post("/v1/chat/completions", chat(), **{"x-litellm-tags": "a"})
        cost = house.journal.records[0].attempts[0].cost_nano_usd
        assert float(headers["x-litellm-response-cost"]) == cost / 1e9


async def test_a_cost_that_is_not_wholly_known_is_not_told_as_if_it_were() -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()

    async with ScriptedUpstream(cut) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        providers = {
            "sim": ProviderEntry(kind="simulator", prices=DEAR),
            "cuts": ProviderEntry(kind="openai_compatible", base_url=url, prices={"m": DEAR["echo"]}),
        }
        first = ModelEntry(deployments=(DeploymentEntry(model="cuts/m"),), fallbacks=FallbacksEntry(any=("echo",)))
        async with running(providers=providers, models={"first": first}) as house:
            status, headers, _ = await house.post("/v1/chat/completions", chat("first"), **{"x-litellm-tags": "a"})
            costs = [attempt.cost for attempt in house.journal.records[0].attempts]
            assert (status, costs) == (200, ["unknown", "settled"])
            assert "x-litellm-response-cost" not in headers


async def completion(peer: Peer) -> None:
    while True:
        await peer.request()
        body = json.dumps(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            }
        )
        await peer.send(
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )


@asynccontextmanager
async def before_an_unpriced_vendor(unknown: WhenUnpriced) -> AsyncGenerator[House]:
    """A house with the simulator, ``up``, of whose models nobody knows the price, and names for both."""
    async with ScriptedUpstream(completion) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        both = (DeploymentEntry(model="up/m"), DeploymentEntry(model="sim/echo"))
        base = configured(
            {"up": ProviderEntry(kind="openai_compatible", base_url=url)},
            {
                "either": ModelEntry(deployments=both),
                "first": ModelEntry(deployments=both[:1], fallbacks=FallbacksEntry(unsupported=("echo",))),
            },
        )
        async with serving(structs.replace(base, prices=Prices(unknown=unknown))) as house:
            yield house


async def test_a_call_of_unknown_price_is_made_and_marked() -> None:
    async with before_an_unpriced_vendor("flag") as house:
        assert (await house.post("/v1/chat/completions", chat("up/m")))[0] == 200
        attempt = house.journal.records[0].attempts[0]
        assert (attempt.cost, attempt.cost_nano_usd, attempt.price) == ("unknown", 0, "")


async def test_a_call_of_unknown_price_is_not_made_where_that_is_forbidden() -> None:
    async with before_an_unpriced_vendor("block") as house:
        status, _, body = await house.post("/v1/chat/completions", chat("up/m"))
        error = json.loads(body)["error"]
        assert (status, error["code"], error["param"]) == (400, "price_unknown", "model")
        assert "declare it under 'prices' of its provider" in error["message"]
        assert house.journal.records[0].attempts == []


async def test_a_deployment_of_known_price_answers_for_one_that_is_withheld() -> None:
    async with before_an_unpriced_vendor("block") as house:
        for _ in range(8):
            assert (await house.post("/v1/chat/completions", chat("either")))[0] == 200
        assert {record.attempts[0].deployment for record in house.journal.records} == {"sim/echo"}


async def test_another_name_may_answer_for_a_model_that_is_withheld() -> None:
    async with before_an_unpriced_vendor("block") as house:
        assert (await house.post("/v1/chat/completions", chat("first")))[0] == 200
