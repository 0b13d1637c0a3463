"""Calls that ask more of a model than it can do: routed to a deployment that can, or refused by the field's name."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, FallbacksEntry, ModelEntry, RoutingEntry
from switchgear.kernel.capabilities import Capabilities, CapabilityPolicy
from switchgear.models.card import ModelCard
from tests.doors.house import House, chat, configured, running, serving

PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n").decode()
IMAGE = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
SMALL = Capabilities(
    context_tokens=1000,
    max_output_tokens=50,
    input=("text",),
    output=("text",),
    tools=False,
    structured_output=False,
    reasoning=False,
)
LARGE = Capabilities(context_tokens=100_000, input=("text", "image"))
Parts = tuple[Mapping[str, ProviderEntry], Mapping[str, ModelEntry], RoutingEntry]
POLICIES: tuple[tuple[CapabilityPolicy, int], ...] = (("check", 502), ("known", 400), ("ignore", 502))


def offering(card: Capabilities, **more: Any) -> Mapping[str, ModelEntry]:
    deployments = (DeploymentEntry(model="sim/echo"),)
    return {"small": ModelEntry(deployments=deployments, card=ModelCard(capabilities=card), **more)}


def images(content: object) -> Mapping[str, object]:
    return {"model": "small", "messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (chat("small", max_tokens=51), "capability_missing", "max_tokens"),
        (chat("small", max_completion_tokens=51), "capability_missing", "max_completion_tokens"),
        (chat("small", content="word " * 1700), "context_length_exceeded", "messages"),
        (images(IMAGE), "capability_missing", "messages"),
        (chat("small", tools=[TOOL]), "capability_missing", "tools"),
        (chat("small", response_format=SCHEMA), "capability_missing", "response_format"),
        (chat("small", reasoning_effort="low"), "capability_missing", "reasoning_effort"),
    ],
)
async def test_what_no_deployment_can_do_is_refused_by_the_fields_name(
    body: Mapping[str, object], code: str, param: str
) -> None:
    async with running(models=offering(SMALL)) as house:
        status, _, answer = await house.post("/v1/chat/completions", body)
        error = json.loads(answer)["error"]
        assert (status, error["code"], error["param"]) == (400, code, param), error
        record = house.journal.records[0]
        assert (record.outcome, record.attempts) == ("refused", [])


@pytest.mark.parametrize(
    "body",
    [
        chat("small", max_tokens=50),
        chat("small", content="word " * 1500),
        chat("small", tools=[]),
        chat("small", response_format={"type": "json_object"}),
        chat("small", reasoning_effort="none"),
        chat("small", stream=True),
    ],
)
async def test_what_it_can_do_goes_through(body: Mapping[str, object]) -> None:
    async with running(models=offering(SMALL)) as house:
        assert (await house.post("/v1/chat/completions", body))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/messages", {**chat("small", max_tokens=51)}, "max_tokens"),
        ("/v1/responses", {"model": "small", "max_output_tokens": 51, "input": "hi"}, "max_output_tokens"),
        (
            "/v1beta/models/small:generateContent",
            {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 51}},
            "generationConfig.maxOutputTokens",
        ),
        (
            "/model/small/converse",
            {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 51}},
            "inferenceConfig.maxTokens",
        ),
    ],
)  # fmt: skip
async def test_every_client_is_told_the_field_as_it_knows_it(path: str, body: Mapping[str, object], param: str) -> None:
    async with running(models=offering(SMALL)) as house:
        status, _, answer = await house.post(path, body)
        assert status == 400
        assert param in answer.decode()


def two(
    policy: CapabilityPolicy = "check",
) -> tuple[Mapping[str, ProviderEntry], Mapping[str, ModelEntry], RoutingEntry]:
    providers = {
        "sim": ProviderEntry(kind="simulator", capabilities={"echo": SMALL}),
        "large": ProviderEntry(kind="simulator", capabilities={"*": LARGE}),
    }
    deployments = (DeploymentEntry(model="sim/echo", weight=1000), DeploymentEntry(model="large/echo"))
    return providers, {"small": ModelEntry(deployments=deployments)}, RoutingEntry(capabilities=policy)


async def deployment_of(house: House, body: Mapping[str, object]) -> str:
    assert (await house.post("/v1/chat/completions", body))[0] == 200
    return house.journal.records[-1].attempts[0].deployment


async def test_a_field_that_is_hidden_by_an_escape_is_seen() -> None:
    body = json.dumps(images(IMAGE)).replace("image_url", "\\u0069mage_url").encode()
    async with running(models=offering(SMALL)) as house:
        assert (await house.post("/v1/chat/completions", body))[0] == 400


async def test_a_call_goes_to_the_deployment_that_can_take_it() -> None:
    providers, models, routing = two()
    async with running(providers=providers, models=models, routing=routing) as house:
        assert await deployment_of(house, images(IMAGE)) == "large/echo"
        assert await deployment_of(house, chat("small", tools=[TOOL])) == "large/echo"
        assert await deployment_of(house, chat("small", max_tokens=51)) == "large/echo"


async def test_a_prompt_that_may_be_too_long_goes_where_it_fits_surely() -> None:
    providers, models, routing = two()
    async with running(providers=providers, models=models, routing=routing) as house:
        assert await deployment_of(house, chat("small", content="word " * 1200)) == "large/echo"


async def test_nothing_is_checked_where_that_is_declared() -> None:
    providers, models, routing = two("ignore")
    async with running(providers=providers, models=models, routing=routing) as house:
        assert await deployment_of(house, chat("small", max_tokens=51)) == "sim/echo"


async def test_a_model_has_a_policy_of_its_own() -> None:
    async with running(models=offering(SMALL, capabilities="ignore")) as house:
        assert (await house.post("/v1/chat/completions", chat("small", max_tokens=51)))[0] == 200


async def test_another_name_may_answer_for_one_that_cannot() -> None:
    chains = FallbacksEntry(unsupported=("echo",), context_length=("echo",))
    async with running(models=offering(SMALL, fallbacks=chains)) as house:
        assert await deployment_of(house, chat("small", max_tokens=51)) == "sim/echo"
        assert await deployment_of(house, chat("small", content="word " * 1700)) == "sim/echo"


async def test_a_name_that_could_stand_in_and_cannot_leaves_the_first_error_standing() -> None:
    unreachable = ProviderEntry(kind="openai_compatible", base_url="http://127.0.0.1:9/v1")
    first = ModelEntry(deployments=(DeploymentEntry(model="down/m"),), fallbacks=FallbacksEntry(any=("small",)))
    models = {**offering(SMALL), "first": first}
    async with running(providers={"down": unreachable}, models=models) as house:
        status, _, answer = await house.post("/v1/chat/completions", chat("first", max_tokens=51))
        assert (status, json.loads(answer)["error"]["code"]) == (502, "upstream_unreachable")


async def test_what_the_package_knows_is_held_against_calls_only_where_that_is_declared() -> None:
    body = chat("openai/gpt-3.5-turbo", max_tokens=100_000)
    providers = {"openai": ProviderEntry(kind="openai", base_url="http://127.0.0.1:9/v1")}
    for policy, status in POLICIES:
        routing = RoutingEntry(capabilities=policy)
        async with serving(configured(providers, routing=routing)) as house:
            assert (await house.post("/v1/chat/completions", body))[0] == status, policy


async def test_vectors_longer_than_the_models_are_refused() -> None:
    card = ModelCard(capabilities=Capabilities(dimensions=64))
    models = {"vectors": ModelEntry(deployments=(DeploymentEntry(model="sim/embed"),), card=card)}
    async with running(models=models) as house:
        body = {"model": "vectors", "input": "hi"}
        assert (await house.post("/v1/embeddings", {**body, "dimensions": 64}))[0] == 200
        status, _, answer = await house.post("/v1/embeddings", {**body, "dimensions": 65})
        assert (status, json.loads(answer)["error"]["param"]) == (400, "dimensions")


async def test_a_body_that_the_gateway_cannot_read_is_the_upstreams_to_judge() -> None:
    async with running(models=offering(SMALL)) as house:
        status, _, answer = await house.post("/v1/chat/completions", chat("small", max_tokens=51, messages="none"))
        assert status == 400
        assert json.loads(answer)["error"]["param"] == "max_tokens"
