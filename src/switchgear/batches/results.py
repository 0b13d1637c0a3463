"""What became of a line, as OpenAI's files of results and Anthropic's results have it."""

from typing import Final

from msgspec import DecodeError, Raw, json

from switchgear.batches.model import DoneLine

_COMPACT: Final = -1
_GIVEN_UP: Final = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed, because the batch was cancelled."),
}
_OF_ANTHROPIC: Final = {"expired": {"type": "expired"}, "cancelled": {"type": "canceled"}}


def compact(body: bytes) -> bytes:
    """An answer's body as JSON without line ends; one that is no JSON as a JSON string."""
    try:
        return json.format(body, indent=_COMPACT)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return json.encode(body.decode("utf-8", "replace"))


def call_id(batch: str, number: int) -> str:
    """What the request in a line is called, however often it is sent."""
    return f"batch_req_{batch.rpartition('_')[2]}_{number}"


def openai_line(batch: str, line: DoneLine) -> bytes:
    """A line of a file of results."""
    result = line.result
    response: dict[str, object] | None = None
    error: dict[str, object] | None = None
    if result.state in _GIVEN_UP:
        code, message = _GIVEN_UP[result.state]
        error = {"code": code, "message": message}
    elif not result.status:
        # It was wrong, and never sent.
        error = json.decode(result.response or b"{}", type=dict[str, object])
    else:
        body = Raw(result.response or b"null")
        response = {"status_code": result.status, "request_id": result.request_id, "body": body}
    said = {
        "id": call_id(batch, line.number),
        "custom_id": line.custom_id or None,
        "response": response,
        "error": error,
    }
    return json.encode(said) + b"\n"


def anthropic_line(line: DoneLine) -> bytes:
    """A line of the results of a message batch."""
    result = line.result
    said: dict[str, object]
    if result.state in _OF_ANTHROPIC:
        said = dict(_OF_ANTHROPIC[result.state])
    elif result.state == "succeeded":
        said = {"type": "succeeded", "message": Raw(result.response or b"null")}
    else:
        said = {"type": "errored", "error": Raw(result.response or b"null")}
    return json.encode({"custom_id": line.custom_id, "result": said}) + b"\n"
