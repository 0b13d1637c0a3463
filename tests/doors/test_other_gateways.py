"""Clients that were written for LiteLLM, Portkey or Helicone, with nothing changed but the base URL and the key."""

import json
from collections.abc import Mapping

import pytest

from switchgear.config.model import Compatibility, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry, RetriesEntry, RoutingEntry
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, House, chat, running

FAILING = {"failing": ModelEntry(deployments=(DeploymentEntry(model="sim/error-500"),))}
AT_ONCE = RoutingEntry(retries=RetriesEntry(attempts=2, base_seconds=0, max_seconds=0, budget=1))
LITELLM_BODY = Compatibility(litellm_body=True)


async def ask(
    house: House, body: Mapping[str, object], headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str], bytes]:
    return await house.post("/v1/chat/completions", body, **headers)


# ------------------------------------------------------------------------------------------------- the gateway's key


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Helicone-Auth", f"Bearer {KEY}"),
        ("Helicone-Auth", f"bearer  {KEY} "),
        ("x-portkey-api-key", KEY),
        ("x-litellm-api-key", f"Bearer {KEY}"),
    ],
)
async def test_the_gateways_key_stands_where_the_other_gateway_had_it(header: str, value: str) -> None:
    async with running() as house:
        status, _, _ = await ask(house, chat(), {header: value, "authorization": "Bearer sk-of-a-vendor"})
        assert status == 200
        assert house.journal.records[0].key == "tester"


async def test_a_wrong_key_in_the_other_gateways_place_is_not_made_good_by_another_header() -> None:
    async with running() as house:
        assert (await ask(house, chat(), {"Helicone-Auth": "Bearer sk-helicone-of-old"}))[0] == 401
        assert (await ask(house, chat(), {"Helicone-Auth": f"Basic {KEY}"}))[0] == 401


async def test_the_vendors_key_beside_it_goes_nowhere() -> None:
    seen: list[bytes] = []

    async def answer(peer: Peer) -> None:
        seen.append(b"".join(await peer.request()))
        await peer.send(b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    async with ScriptedUpstream(answer) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        async with running(providers={"up": ProviderEntry(kind="openai_compatible", base_url=url)}) as house:
            headers = {"Helicone-Auth": f"Bearer {KEY}", "authorization": "Bearer sk-of-a-vendor"}
            await ask(house, chat("up/m"), {**headers, "Helicone-User-Id": "ada"})
    assert len(seen) == 1
    for word in (b"sk-of-a-vendor", KEY.encode(), b"helicone", b"ada"):
        assert word not in seen[0].lower()


# ---------------------------------------------------------------------------------------------------- what is recorded


async def test_what_a_client_says_is_in_the_record_even_of_a_call_that_fails() -> None:
    async with running(models=FAILING) as house:
        headers = {"x-switchgear-user": "ada", "x-switchgear-tags": "a,b", "x-switchgear-metadata": '{"team": "x"}'}
        await ask(house, chat("failing"), {**headers, "x-switchgear-session": "s1"})
        await ask(house, chat(), {"authorization": "", "Helicone-User-Id": "nobody"})
        await ask(house, chat(), {})
    failed, unknown, silent = house.journal.records
    assert (failed.outcome, failed.user, failed.session, failed.tags) == ("failed", "ada", "s1", ("a", "b"))
    assert failed.metadata == {"team": "x"}
    assert (unknown.status, unknown.user) == (401, "nobody")
    assert (silent.user, silent.session, silent.tags, silent.metadata) == ("", "", (), {})


async def test_an_address_in_a_header_is_refused_and_says_what_to_do() -> None:
    async with running() as house:
        status, _, body = await ask(house, chat(), {"Helicone-Target-URL": "https://api.openai.com"})
        assert status == 400
        assert "name a model as 'provider/model'" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    "header",
    ["Helicone-Model-Override", "Helicone-Cache-Enabled", "Helicone-RateLimit-Policy", "x-portkey-provider",
     "x-litellm-enable-message-redaction", "x-portkey-cache-force-refresh"],
)  # fmt: skip
async def test_headers_without_an_effect_here_do_no_harm(header: str) -> None:
    async with running() as house:
        assert (await ask(house, chat(), {header: "true"}))[0] == 200


# ---------------------------------------------------------------------------------------------- headers of the replies


def of(headers: Mapping[str, str], prefix: str) -> set[str]:
    return {name for name in headers if name.startswith(prefix)}


async def test_a_client_of_litellm_finds_its_headers_and_no_other_client_does() -> None:
    async with running() as house:
        _, plain, _ = await ask(house, chat(), {})
        _, told, _ = await ask(house, chat(), {"x-litellm-tags": "a"})
    assert of(plain, "x-litellm-") == of(plain, "helicone-") == of(told, "helicone-") == set()
    assert told["x-litellm-call-id"] == house.journal.records[1].id
    assert told["x-litellm-model-id"] == "sim/echo"
    assert told["x-litellm-model-group"] == "echo"
    assert told["x-litellm-attempted-retries"] == told["x-litellm-attempted-fallbacks"] == "0"
    assert float(told["x-litellm-response-duration-ms"]) > 0


async def test_litellms_headers_may_be_had_with_every_reply() -> None:
    async with running() as house:
        house.change(compatibility=Compatibility(litellm_headers=True))
        _, answered, _ = await ask(house, chat(), {})
        status, refused, _ = await ask(house, chat("no such\nmodel"), {})
    assert answered["x-litellm-model-group"] == "echo"
    assert status == 404
    assert "x-litellm-call-id" in refused
    assert "x-litellm-model-group" not in refused


async def test_attempts_are_counted_in_the_headers_of_a_reply_that_took_more_than_one() -> None:
    async with running(models=FAILING, routing=AT_ONCE) as house:
        headers = {"x-litellm-num-retries": "2", "x-switchgear-fallbacks": "echo"}
        status, told, _ = await ask(house, chat("failing"), headers)
        _, plain, _ = await ask(house, chat(), {})
    assert status == 200
    made = house.journal.records[0].attempts
    assert told["x-switchgear-attempts"] == str(len(made))
    assert len(made) > 1
    tried = [attempt.why for attempt in made]
    assert told["x-litellm-attempted-retries"] == str(tried.count("retry"))
    assert told["x-litellm-attempted-fallbacks"] == str(tried.count("fallback"))
    assert "x-switchgear-attempts" not in plain


async def test_a_client_of_helicone_finds_its_request_again() -> None:
    async with running() as house:
        _, chosen, _ = await ask(house, chat(), {"Helicone-Request-Id": "123e4567-e89b-12d3"})
        _, given, _ = await ask(house, chat(), {"Helicone-User-Id": "ada"})
        _, odd, _ = await ask(house, chat(), {"Helicone-Request-Id": "x" * 500})
    assert chosen["helicone-id"] == "123e4567-e89b-12d3"
    assert chosen["helicone-fallback-index"] == "0"
    assert given["helicone-id"] == house.journal.records[1].id
    assert odd["helicone-id"] == house.journal.records[2].id


# ------------------------------------------------------------------------------------------- LiteLLM's fields in bodies

EXTRAS: Mapping[str, object] = {
    "fallbacks": ["echo"],
    "num_retries": 0,
    "timeout": 20,
    "stream_timeout": 10,
    "tags": ["a", "b, c"],
    "metadata": {"tags": ["not these"], "generation_name": "g", "nested": {"a": 1}},
    "cache": {"no-cache": True},
    "litellm_session_id": "s1",
}


async def test_litellms_fields_are_acted_on_and_left_out_of_the_body() -> None:
    async with running(models=FAILING) as house:
        house.change(compatibility=LITELLM_BODY)
        status, _, _ = await ask(house, {**chat("failing"), **EXTRAS}, {})
    assert status == 200
    (record,) = house.journal.records
    assert [attempt.deployment for attempt in record.attempts] == ["sim/error-500", "sim/echo"]
    assert (record.session, record.tags) == ("s1", ("a", "b, c"))
    assert record.metadata["generation_name"] == "g"
    assert record.metadata["nested"] == '{"a":1}'


async def test_an_upstream_never_sees_litellms_fields_and_all_else_as_it_was() -> None:
    seen: list[bytes] = []

    async def answer(peer: Peer) -> None:
        seen.append((await peer.request())[1])
        await peer.send(b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    async with ScriptedUpstream(answer) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        providers = {"up": ProviderEntry(kind="openai_compatible", base_url=url)}
        async with running(providers=providers) as house:
            house.change(compatibility=LITELLM_BODY)
            await ask(house, chat("up/m", num_retries=0, user="ada", seed=1, tags=["a"], made_up={"x": 1}), {})
    body = json.loads(seen[0])
    assert body == {"model": "m", "messages": chat()["messages"], "user": "ada", "seed": 1, "made_up": {"x": 1}}


async def test_tags_inside_the_metadata_count_where_there_are_no_others() -> None:
    async with running() as house:
        house.change(compatibility=LITELLM_BODY)
        await ask(house, chat(metadata={"tags": ["inside"]}), {})
        await ask(house, chat(tags=["outside"], metadata={"tags": ["inside"]}), {})
        await ask(house, chat(tags=["outside"]), {"x-litellm-tags": "header"})
    assert [record.tags for record in house.journal.records] == [("inside",), ("outside",), ("header",)]


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_retries", "many"), ("timeout", {"read": 1}), ("fallbacks", [{"model": "echo", "api_key": "k"}])],
)
async def test_a_field_of_litellms_that_cannot_be_followed_is_refused(field: str, value: object) -> None:
    async with running(models=FAILING) as house:
        house.change(compatibility=LITELLM_BODY)
        assert (await ask(house, {**chat("failing"), field: value}, {}))[0] == 400


async def test_fields_stay_where_they_are_unless_the_operator_says_so() -> None:
    async with running() as house:
        status, _, _ = await ask(house, chat("sim/anthropic:echo", num_retries=1), {})
        assert status == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b'{"model": "echo", "tags": [}'])
async def test_a_body_that_is_no_object_is_refused_as_ever(body: bytes) -> None:
    async with running() as house:
        house.change(compatibility=LITELLM_BODY)
        assert (await house.post("/v1/chat/completions", body))[0] == 400
