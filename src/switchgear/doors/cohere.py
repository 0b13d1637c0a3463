"""The Cohere door: chat, embeddings, reranking; and reranking as Jina, and many after it, offer it."""

from collections.abc import Mapping
from typing import Final

from switchgear.doors.endpoint import Endpoint, Pipelines
from switchgear.doors.errors import raise_defect
from switchgear.kernel.dialect import Dialect

DOOR: Final = "cohere"

OPERATIONS: Final = (
    ("chat", "/v2/chat", "cohere_chat"),
    ("embeddings", "/v2/embed", "cohere_embed"),
    ("rerank", "/v2/rerank", "cohere_rerank"),
    ("rerank", "/v1/rerank", "jina_rerank"),
    ("rerank", "/rerank", "jina_rerank"),
)


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines) -> list[Endpoint]:
    """All that the door offers."""
    bad_body = pipelines.wrap(raise_defect)
    answering = pipelines.wrap(pipelines.route)
    return [
        Endpoint(
            door=DOOR,
            operation=operation,
            method="POST",
            path=path,
            dialect=dialects[dialect],
            streams=operation == "chat",
            pipeline=answering,
            bad_body=bad_body,
            bad_request=pipelines.bad_request,
        )
        for operation, path, dialect in OPERATIONS
    ]
