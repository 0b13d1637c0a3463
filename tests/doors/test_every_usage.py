"""Every way in, streamed or not, leaves a usage or says why there is none: a new one that forgets it fails here."""

import json
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from switchgear.config.model import PassThroughEntry, ProviderEntry
from switchgear.doors.endpoint import Endpoint, Request
from switchgear.kernel.record import Attempt, CallRecord
from switchgear.models.rate_card import PriceCard
from tests.doors.house import KEY, House, configured, serving
from tests.doors.vendors import FORM, form

MEASURED = frozenset(
    (
        "chat",
        "completions",
        "embeddings",
        "rerank",
        "images",
        "audio_speech",
        "audio_transcriptions",
        "audio_translations",
    )
)
"""Operations of which every call is billed by what its answer tells."""
FREE = frozenset(("count_tokens", "models", "files", "uploads", "moderations"))
UNTOLD = frozenset(("batches", "fine_tuning", "vector_stores", "passthrough"))
"""Operations whose answers tell nothing of what vendors bill."""
ELSEWHERE = frozenset(("realtime", "responses"))
"""Sessions and conversations, which have tests of their own; to make a response is among those below."""
CALL_NANO_USD = 1_000_000
READING = frozenset(("GET", "HEAD", "DELETE"))

TURNS = [{"role": "user", "content": "hello"}]
BODIES: Mapping[str, Mapping[str, object]] = {
    "openai_chat": {"messages": TURNS},
    "openai_completions": {"prompt": "hello"},
    "openai_embeddings": {"input": "hello"},
    "openai_responses": {"input": "hello"},
    "openai_responses_input_tokens": {"input": "hello"},
    "anthropic": {"messages": TURNS, "max_tokens": 50},
    "anthropic_count_tokens": {"messages": TURNS},
    "cohere_chat": {"messages": TURNS},
    "cohere_embed": {"texts": ["hello"], "input_type": "search_query", "embedding_types": ["float"]},
    "cohere_rerank": {"query": "hello", "documents": ["a", "b"]},
    "jina_rerank": {"query": "hello", "documents": ["a", "b"]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    "gemini_count_tokens": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    "gemini_embed_content": {"content": {"parts": [{"text": "hello"}]}},
    "gemini_embeddings": {"requests": [{"model": "models/sim/embed", "content": {"parts": [{"text": "hello"}]}}]},
    "bedrock_converse": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
}
PASSED: Mapping[str, Mapping[str, object]] = {
    "images": {"prompt": "a cat"},
    "audio_speech": {"input": "hello", "voice": "alloy"},
}
HEARD = frozenset(("audio_transcriptions", "audio_translations"))
PATH_NAMES_MODEL = frozenset(("gemini", "bedrock", "azure"))


def model_of(endpoint: Endpoint) -> str:
    """A model of the simulator that can do it."""
    return {"embeddings": "sim/embed", "rerank": "sim/rerank"}.get(endpoint.operation, "sim/echo")


def body_of(endpoint: Endpoint, *, stream: bool) -> bytes:
    """What a client would send."""
    if endpoint.method in READING:
        return b""
    said = dict(PASSED.get(endpoint.operation) or BODIES[endpoint.dialect.name])
    if endpoint.door not in PATH_NAMES_MODEL:
        said["model"] = model_of(endpoint)
    if stream and endpoint.door not in {"gemini", "bedrock"}:
        said["stream"] = True
    return json.dumps(said).encode()


async def made(house: House, endpoint: Endpoint, *, stream: bool) -> tuple[int, CallRecord]:
    """One call, read to its end, and its record."""
    headers = {b"host": b"x", b"content-type": b"application/json", b"authorization": f"Bearer {KEY}".encode()}
    request = Request(endpoint.method, endpoint.path, "", headers, loopback=True)
    request.endpoint = endpoint
    opened = {"/{path}": "mounted/things", "/passthrough/{path}": "sim/files"}
    named = model_of(endpoint) if "{model}" in endpoint.path else "some_id"
    request.captured = opened.get(endpoint.path, named) if "{" in endpoint.path else ""
    request.body = body_of(endpoint, stream=stream)
    house.journal.records.clear()
    if endpoint.operation in HEARD:
        status, _, _ = await house.ask("POST", endpoint.path, form(("model", "sim/echo")), **FORM)
        (record,) = house.journal.records
        return status, record
    reply = await house.server.gateway.answer(request)
    if reply.frames is not None:
        async for _ in reply.frames:
            pass
    reply.close()
    (record,) = house.journal.records
    return reply.status, record


def measured(attempt: Attempt) -> bool:
    """Whether anything was counted of it."""
    usage = attempt.usage
    counted = usage is not None and usage.total_input + usage.total_output > 0
    return bool(counted or attempt.characters or attempt.audio_seconds or attempt.images)


def check(endpoint: Endpoint, status: int, record: CallRecord) -> None:
    """What holds for every endpoint."""
    makes_response = endpoint.operation == "responses" and endpoint.path.endswith("/responses")
    if endpoint.operation in MEASURED or makes_response:
        assert status == 200, f"{status} {record.error}"
        (attempt,) = record.attempts
        assert measured(attempt) or endpoint.operation == "rerank"  # which is billed by the call
        assert (attempt.cost, attempt.cost_nano_usd > 0) == ("settled", True), (attempt.cost, attempt.reason)
        return
    for attempt in record.attempts:
        assert attempt.cost, "nothing was said of its cost"
        if endpoint.operation in FREE or endpoint.method in READING:
            by_the_call = endpoint.operation == "moderations" and attempt.cost_nano_usd == CALL_NANO_USD
            assert attempt.cost == "void" or by_the_call, (attempt.cost, attempt.reason)
        else:
            assert (attempt.cost, attempt.cost_nano_usd) in {("unknown", 0), ("void", 0)}, attempt.cost


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_every_endpoint_leaves_a_usage_and_a_cost_or_says_why_there_is_none(*, stream: bool) -> None:
    card = PriceCard(input="1", output="2", call="0.001", characters="3", audio_minute="0.006", image="0.04")
    providers = {"sim": ProviderEntry(kind="simulator", passthrough=True, prices={"*": card})}
    mounts = (PassThroughEntry(path="/mounted/", provider="sim"),)
    async with serving(replace(configured(providers), passthrough=mounts)) as house:
        endpoints = house.server.gateway.endpoints
        operations = {endpoint.operation for endpoint in endpoints}
        assert operations == MEASURED | FREE | UNTOLD | ELSEWHERE, "say of a new operation how it is accounted for"
        for endpoint in endpoints:
            if endpoint.operation == "realtime":
                continue
            status, record = await made(house, endpoint, stream=stream)
            try:
                check(endpoint, status, record)
            except AssertionError as error:
                raise AssertionError(f"{endpoint.door}: {endpoint.method} {endpoint.path}: {error}") from error
