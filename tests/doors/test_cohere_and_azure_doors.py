"""The doors of Cohere and Azure: which paths there are, where the model stands, and whose words an error has."""

import json

import pytest

from tests.doors.house import House, running

ASKED = {"messages": [{"role": "user", "content": "hello there"}]}
RANKED = {"model": "sim/rerank", "query": "red fox", "documents": ["a blue bird", "the red fox"]}


async def posted(house: House, path: str, body: dict[str, object], **headers: str) -> tuple[int, dict[str, object]]:
    status, _, answer = await house.post(path, body, **headers)
    return status, json.loads(answer)


@pytest.mark.parametrize("model", [{}, {"model": "whatever the body says"}])
@pytest.mark.parametrize("name", ["echo", "sim/echo", "sim%2Fecho", "sim/anthropic:echo", "sim/cohere_chat:echo"])
async def test_the_model_of_azures_path_is_the_model(model: dict[str, object], name: str) -> None:
    async with running() as house:
        path = f"/openai/deployments/{name}/chat/completions?api-version=2024-10-21"
        status, answer = await posted(house, path, {**model, **ASKED})
        assert status == 200
        assert answer["choices"][0]["message"]["content"] == "hello there"  # type: ignore[index]
        assert house.journal.records[0].door == "azure"
        assert house.journal.records[0].model == name.replace("%2F", "/")


async def test_azures_key_header_is_a_key() -> None:
    async with running() as house:
        path = "/openai/deployments/echo/chat/completions"
        assert (await posted(house, path, dict(ASKED), authorization="", api_key="sk-sg-test-0123456789abcdef"))[
            0
        ] == 200
        status, answer = await posted(house, path, dict(ASKED), authorization="", api_key="wrong")
        assert (status, answer["error"]["code"]) == (401, "invalid_api_key")  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "invalid_request"), (b"[1]", "invalid_request"), (b'{"messages":[]}', "model_not_found")]
)
async def test_what_azures_door_cannot_use_is_refused_in_openais_words(body: bytes, code: str) -> None:
    async with running() as house:
        status, _, answer = await house.post("/openai/deployments/nothing-like-it/chat/completions", body)
        assert status in (400, 404)
        assert json.loads(answer)["error"]["code"] == code
        assert [record.door for record in house.journal.records] == ["azure"]


async def test_azures_embeddings_and_completions_answer() -> None:
    async with running() as house:
        status, answer = await posted(house, "/openai/deployments/sim/embed/embeddings", {"input": ["a", "b"]})
        assert (status, len(answer["data"])) == (200, 2)  # type: ignore[arg-type]
        status, answer = await posted(house, "/openai/deployments/sim/echo/completions", {"prompt": "say it"})
        assert status == 200


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
@pytest.mark.parametrize("model", ["sim/rerank", "sim/cohere_rerank:rerank"])
async def test_documents_are_ranked_for_clients_of_jinas(path: str, model: str) -> None:
    async with running() as house:
        status, answer = await posted(house, path, {**RANKED, "model": model})
        assert status == 200
        assert [item["index"] for item in answer["results"]] == [1, 0]  # type: ignore[union-attr,index]
        assert house.journal.records[0].operation == "rerank"


async def test_documents_are_ranked_for_clients_of_coheres_by_another_dialect_too() -> None:
    async with running() as house:
        for model in ("sim/rerank", "sim/jina_rerank:rerank"):
            status, answer = await posted(house, "/v2/rerank", {**RANKED, "model": model})
            assert status == 200
            assert answer["meta"]["billed_units"] == {"search_units": 1}  # type: ignore[index]
        usage = house.journal.records[0].attempts[0].usage
        assert usage is not None
        assert (usage.total_input, usage.total_output, usage.estimated) == (0, 0, False)


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v2/chat", {"model": "sim/anthropic:echo", **ASKED, "documents": ["One."]}, 400, "documents"),
        ("/v2/chat", {"model": "nobody", **ASKED}, 404, "model"),
        ("/v2/embed", {"model": "sim/openai_embeddings:embed", "input_type": "image", "images": ["x"]}, 400, "images"),
        ("/v2/embed", {"model": "sim/echo", "input_type": "search_query", "texts": ["a"]}, 400, "model"),
        ("/v2/rerank", {"model": "sim/rerank", "query": "q"}, 400, "documents"),
    ],
)
async def test_errors_have_coheres_shape(path: str, body: dict[str, object], status: int, param: str) -> None:
    async with running() as house:
        found, answer = await posted(house, path, body)
        assert found == status
        assert isinstance(answer["message"], str)
        assert answer["param"] == param
        assert str(answer["id"]).startswith("req_") or str(answer["id"]).startswith("sim-")


async def test_token_ids_are_refused_where_only_texts_are_embedded() -> None:
    async with running() as house:
        status, answer = await posted(
            house, "/v1/embeddings", {"model": "sim/cohere_embed:embed", "input": [[1, 2], [3]]}
        )
        assert status == 400
        assert answer["error"]["param"] == "input[0]"  # type: ignore[index]
        assert answer["error"]["code"] == "unsupported_field"  # type: ignore[index]


async def test_types_of_vectors_that_only_cohere_makes_are_refused_elsewhere_by_name() -> None:
    async with running() as house:
        asked = {"model": "sim/openai_embeddings:embed", "input_type": "search_query", "texts": ["a"]}
        status, answer = await posted(house, "/v2/embed", {**asked, "embedding_types": ["int8"]})
        assert (status, answer["param"]) == (400, "embedding_types")
