"""What a deployment is not told: the call goes on without it, and its reply says so."""

import json

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry
from tests.doors.house import JSON, chat, running

OPENAI = "/v1/chat/completions"
ANTHROPIC = "/v1/messages"
OWN: JSON = {"context_management": {"edits": ["a"]}, "thinking": {"type": "adaptive", "display": "omitted"}}


def answered_by(model: str, *drop: str) -> dict[str, ModelEntry]:
    return {"coder": ModelEntry(deployments=(DeploymentEntry(model=model, drop=drop),))}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "model"), [(ANTHROPIC, "sim/openai_chat:echo"), (ANTHROPIC, "sim/echo"), (OPENAI, "sim/echo")]
)
async def test_a_reply_names_what_was_left_out_of_its_request(path: str, model: str, *, stream: bool) -> None:
    async with running(models=answered_by(model, "context_management", "thinking", "speed")) as house:
        asked = {**chat("coder", stream=stream, max_tokens=50), **OWN}
        status, headers, body = await house.post(path, asked)
        assert status == 200, body
        assert headers["x-switchgear-dropped"] == "context_management, thinking"
        assert house.journal.records[0].attempts[0].dropped == ("context_management", "thinking")


async def test_a_reply_to_a_request_that_lost_nothing_has_no_such_header() -> None:
    async with running(models=answered_by("sim/openai_chat:echo", "context_management")) as house:
        status, headers, _ = await house.post(ANTHROPIC, chat("coder", max_tokens=50))
        assert status == 200
        assert "x-switchgear-dropped" not in headers


async def test_a_failure_names_what_was_left_out_too() -> None:
    async with running(models=answered_by("sim/openai_chat:error-503", "context_management", "thinking")) as house:
        status, headers, _ = await house.post(ANTHROPIC, {**chat("coder", max_tokens=50), **OWN})
        assert status == 503
        assert headers["x-switchgear-dropped"] == "context_management, thinking"


async def test_without_the_list_the_field_is_refused_by_name() -> None:
    async with running(models=answered_by("sim/openai_chat:echo")) as house:
        asked = chat("coder", max_tokens=50, context_management={"edits": []})
        status, headers, body = await house.post(ANTHROPIC, asked)
        assert status == 400
        assert json.loads(body)["error"]["message"].startswith("context_management: ")
        assert "x-switchgear-dropped" not in headers


async def test_what_a_provider_is_not_told_is_left_out_under_every_name_of_its_models() -> None:
    providers = {"other": ProviderEntry(kind="simulator", drop=("context_management", "thinking"))}
    models = answered_by("other/openai_chat:echo", "speed", "thinking")
    async with running(providers=providers, models=models) as house:
        for name in ("other/openai_chat:echo", "coder"):
            asked = {**chat(name, max_tokens=50), **OWN}
            status, headers, body = await house.post(ANTHROPIC, asked)
            assert status == 200, body
            assert headers["x-switchgear-dropped"] == "context_management, thinking"
