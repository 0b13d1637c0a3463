"""The lines of a batch's file: what is asked, and what is wrong with one, by OpenAI's own codes."""

from typing import Final

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError, json

from switchgear.batches.model import MESSAGES

MOST_ERRORS: Final = 100
_MAX_ID: Final = 512
_SHOWN: Final = 100


class LineError(Struct, kw_only=True):
    """One thing wrong with a file."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


class Request(Struct):
    """One line."""

    custom_id: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    body: Raw | UnsetType = UNSET


class _Body(Struct):
    model: str | UnsetType = UNSET
    stream: bool | None = None


class Looked(Struct, frozen=True, kw_only=True):
    """One line that was looked at."""

    number: int
    custom_id: str
    """Empty where none can be read."""
    error: LineError | None = None
    """What is wrong with it."""


class RequestReader:
    """Reads the lines of one file in their order."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._first_lines: dict[str, int] = {}
        self.errors: list[LineError] = []
        """The first of them."""
        self.sound = 0
        self.wrong = 0
        """Lines so far."""

    def read(self, number: int, line: bytes) -> Looked | None:
        """A line; None for one that is blank."""
        if not line.strip():
            return None
        found = self._look(number, line)
        if isinstance(found, str):
            self.sound += 1
            return Looked(number=number, custom_id=found)
        found.line = number
        self.wrong += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(found)
        return Looked(number=number, custom_id=_custom_id_in(line), error=found)

    def _look(self, number: int, line: bytes) -> str | LineError:
        """The custom_id, or what is wrong."""
        found = read_line(line)
        if isinstance(found, LineError):
            return found
        request, body = found
        if request.method != "POST":
            return LineError(code="invalid_method", message="The method of a request must be POST.", param="method")
        if request.url != self._endpoint:
            return LineError(
                code="url_mismatch",
                message=f"The url {str(request.url)[:_SHOWN]!r} is not the batch's endpoint {self._endpoint!r}.",
                param="url",
            )
        custom_id = str(request.custom_id)
        if not custom_id or len(custom_id) > _MAX_ID or "\0" in custom_id:
            text = f"The custom_id must have 1 to {_MAX_ID} characters, none of them NUL."
            return LineError(code="invalid_custom_id", message=text, param="custom_id")
        first = self._first_lines.setdefault(custom_id, number)
        if first != number:
            text = f"The custom_id {custom_id[:_SHOWN]!r} stands in line {first} already; answers are told by it."
            return LineError(code="duplicate_custom_id", message=text, param="custom_id")
        return _judged(body) or custom_id


def _custom_id_in(line: bytes) -> str:
    """What a wrong line is called, as far as it says so."""
    try:
        custom_id = json.decode(line, type=Request).custom_id
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return "" if custom_id is UNSET or len(custom_id) > _MAX_ID or "\0" in custom_id else custom_id


def _judged(body: _Body) -> LineError | None:
    if body.model is UNSET or not body.model:
        return LineError(code="missing_required_parameter", message="The body must name a model.", param="body.model")
    if body.stream:
        return LineError(
            code="unsupported_parameter",
            message="Nobody is there to read a stream; leave 'stream' out.",
            param="body.stream",
        )
    return None


def read_line(line: bytes) -> "tuple[Request, _Body] | LineError":
    """A line's members and the head of its body, or what is wrong with it."""
    try:
        request = json.decode(line, type=Request)
    except (ValidationError, DecodeError, UnicodeDecodeError, RecursionError) as error:
        if isinstance(error, ValidationError):
            return LineError(code="invalid_json_line", message=f"This line is no request: {error}.")
        return LineError(code="invalid_json_line", message="This line is not parseable as valid JSON.")
    for name in ("custom_id", "method", "url", "body"):
        if getattr(request, name) is UNSET:
            text = f"This line has no {name!r}."
            return LineError(code="missing_required_parameter", message=text, param=name)
    try:
        return request, json.decode(request.body or b"", type=_Body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = f"The body is no JSON object of a request: {error}."
        return LineError(code="invalid_json_line", message=text, param="body")


def body_of(line: bytes) -> bytes:
    """The body of a line that was found sound."""
    body = json.decode(line, type=Request).body
    return b"" if body is UNSET else bytes(body)


def request_line(custom_id: str, params: Raw) -> bytes:
    """A request of Anthropic's batches as a line of a file."""
    return json.encode({"custom_id": custom_id, "method": "POST", "url": MESSAGES, "body": params}) + b"\n"
