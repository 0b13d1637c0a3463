"""The OpenAI SDK as it was set up for another gateway, pointed at a live server; the record holds what it said."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import openai
import pytest

from switchgear.kernel.record import CallRecord
from tests.e2e.live import CONFIG, KEY, LiveServer, records

ASK = "hello there"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose operator expects clients of LiteLLM."""
    directory: Path = tmp_path_factory.mktemp("gateways")
    with LiveServer(directory, f"{CONFIG}\ncompatibility: {{{{litellm_body: true}}}}\n") as running:
        yield running


def answer(
    server: LiveServer, headers: Mapping[str, str], key: str = KEY, extra_body: Mapping[str, object] | None = None
) -> tuple[CallRecord, Mapping[str, str]]:
    """One call with these default headers: its record, and the headers of its reply."""
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=20, default_headers=headers
    ) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="echo", messages=[{"role": "user", "content": ASK}], extra_body=dict(extra_body or {})
        )
    assert ASK in (raw.parse().choices[0].message.content or "")
    call_id = raw.headers["x-request-id"].removeprefix("req_")
    return next(record for record in records(server) if record.id == call_id), raw.headers


def test_a_client_of_litellm(server: LiveServer) -> None:
    headers = {
        "x-litellm-tags": "batch,nightly",
        "x-litellm-customer-id": "ada",
        "x-litellm-session-id": "s-1",
        "x-litellm-spend-logs-metadata": json.dumps({"project": "alpha"}),
        "x-litellm-timeout": "15",
        "x-litellm-enable-message-redaction": "true",
    }
    record, told = answer(server, headers, extra_body={"num_retries": 1, "cache": {"no-cache": True}})
    assert (record.user, record.session, record.tags) == ("ada", "s-1", ("batch", "nightly"))
    assert record.metadata == {"project": "alpha"}
    assert told["x-litellm-call-id"] == record.id
    assert told["x-litellm-model-group"] == "echo"


def test_a_client_of_portkey(server: LiveServer) -> None:
    headers = {
        "x-portkey-api-key": KEY,
        "x-portkey-provider": "openai",
        "x-portkey-trace-id": "trace-7",
        "x-portkey-metadata": json.dumps({"_user": "bob", "environment": "staging"}),
    }
    record, _ = answer(server, headers, key="sk-of-a-vendor")
    assert (record.key, record.user) == ("tester", "bob")
    assert record.metadata == {"_user": "bob", "environment": "staging", "trace_id": "trace-7"}


def test_a_client_of_helicone(server: LiveServer) -> None:
    headers = {
        "Helicone-Auth": f"Bearer {KEY}",
        "Helicone-User-Id": "kim",
        "Helicone-Session-Id": "s-9",
        "Helicone-Session-Path": "/plan/search",
        "Helicone-Property-App": "mobile",
        "Helicone-Request-Id": "8c5f0d2e",
        "Helicone-Cache-Enabled": "true",
        "Helicone-Model-Override": "gpt-4o",
    }
    record, told = answer(server, headers, key="sk-of-a-vendor")
    assert (record.key, record.user, record.session) == ("tester", "kim", "s-9")
    assert record.metadata == {"request_id": "8c5f0d2e", "session_path": "/plan/search", "app": "mobile"}
    assert told["helicone-id"] == "8c5f0d2e"


def test_a_client_of_our_own(server: LiveServer) -> None:
    headers = {
        "x-switchgear-user": "ada",
        "x-switchgear-session": "s-2",
        "x-switchgear-tags": "a,b",
        "x-switchgear-metadata": json.dumps({"team": "support"}),
    }
    record, told = answer(server, headers)
    assert (record.user, record.session, record.tags) == ("ada", "s-2", ("a", "b"))
    assert record.metadata == {"team": "support"}
    assert not [name for name in told if name.startswith(("x-litellm-", "helicone-"))]
