"""What vectors are for, at models that make the same ones for every purpose: left out, and said to be."""

import json

import pytest

from tests.doors.house import JSON, running

COHERES: JSON = {"input_type": "search_query", "texts": ["a"]}
GOOGLES: JSON = {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"}


@pytest.mark.parametrize("dialect", ["openai_embeddings", "bedrock_titan_embeddings"])
@pytest.mark.parametrize(("path", "asked"), [("/v2/embed", COHERES), ("/v1beta/models/{}:embedContent", GOOGLES)])
async def test_a_purpose_is_no_reason_to_refuse_but_the_reply_names_it(path: str, asked: JSON, dialect: str) -> None:
    async with running() as house:
        model = f"sim/{dialect}:embed"
        status, headers, answer = await house.post(path.format(model), {"model": model, **asked})
        assert status == 200, answer
        assert headers["x-switchgear-dropped"] == "input_type"
        assert house.journal.records[0].attempts[0].dropped == ("input_type",)


@pytest.mark.parametrize("dialect", ["cohere_embed", "gemini_embed_content"])
@pytest.mark.parametrize(("path", "asked"), [("/v2/embed", COHERES), ("/v1beta/models/{}:embedContent", GOOGLES)])
async def test_a_purpose_that_arrives_is_not_named(path: str, asked: JSON, dialect: str) -> None:
    async with running() as house:
        model = f"sim/{dialect}:embed"
        status, headers, answer = await house.post(path.format(model), {"model": model, **asked})
        assert (status, "x-switchgear-dropped" in headers) == (200, False), answer


async def test_who_says_no_purpose_loses_none() -> None:
    async with running() as house:
        path = "/v1beta/models/sim/openai_embeddings:embed:embedContent"
        status, headers, answer = await house.post(path, {"content": GOOGLES["content"]})
        assert (status, "x-switchgear-dropped" in headers) == (200, False)
        assert json.loads(answer)["embedding"]["values"]
