"""The Azure door: OpenAI's operations at a path for each deployment, where the deployment is the model.

``api-version`` in the query says nothing here. A body may leave its model out, as Azure's may.
"""

from collections.abc import Mapping
from typing import Final

from msgspec.json import Decoder

from switchgear.doors.endpoint import Endpoint, Pipelines, Request
from switchgear.doors.errors import raise_defect
from switchgear.doors.openai import OPERATIONS
from switchgear.kernel.call import Head
from switchgear.kernel.dialect import Dialect
from switchgear.wire.json_body import splice, text

DOOR: Final = "azure"
PREFIX: Final = "/openai/deployments/{model}"
_HEAD: Final = Decoder(Head)


def endpoints(dialects: Mapping[str, Dialect], pipelines: Pipelines) -> list[Endpoint]:
    """All that the door offers."""
    bad_body = pipelines.wrap(raise_defect)
    answering = pipelines.wrap(pipelines.route)
    return [
        Endpoint(
            door=DOOR,
            operation=operation,
            method="POST",
            path=PREFIX + path,
            dialect=dialects[dialect],
            streams=operation != "embeddings",
            pipeline=answering,
            bad_body=bad_body,
            read_head=read_head,
            bad_request=pipelines.bad_request,
        )
        for operation, path, dialect in OPERATIONS
    ]


def read_head(request: Request) -> Head:
    """The head, with the model of the path; it is put into the body too, where every dialect of OpenAI's has it."""
    request.body = splice(request.body, {"model": text(request.captured)})
    return _HEAD.decode(request.body)
