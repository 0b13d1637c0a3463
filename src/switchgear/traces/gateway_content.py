"""What a captured call said, in the form of the GenAI conventions: read by the call's own dialect, off the gateway."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import DecodeError, Raw, json
from zstandard import ZstdDecompressor, ZstdError

from switchgear.kernel.chat import Completion, Done, Failure, Message
from switchgear.kernel.dialect import Dialect
from switchgear.kernel.fold import fold
from switchgear.kernel.record import CapturedRecord
from switchgear.kernel.retrieval import Embed, Embeddings, Ranking, Rerank
from switchgear.kernel.span import NOTHING, PREVIEW_CHARACTERS, Content
from switchgear.traces.gateway_spans import SILENT, Said
from switchgear.traces.genai_messages import message_json, text_of

CUT_REQUEST: Final = "capture: the request is over traces.max_capture_bytes"
CUT_ANSWER: Final = "capture: the answer is over traces.max_capture_bytes"
_LONGEST_CHARACTER_BYTES: Final = 4
_MOST_BYTES: Final = 64 * 1024 * 1024
_Read = Callable[[Dialect, bytes], Content]


class ContentReader:
    """Reads what records hold, by the dialects they name."""

    def __init__(self, dialects: Mapping[str, Dialect]) -> None:
        self._dialects = dialects
        self._decompress = ZstdDecompressor().decompress

    def said(self, record: CapturedRecord) -> Said:
        """What is to be kept with the call's span; nothing that a client or an upstream wrote makes this fail."""
        if record.capture == "none":
            return SILENT
        dialect = self._dialects.get(record.dialect)
        asked = _read(_request, dialect, record.request_body)
        answered = _read(_answer, dialect, self._unpacked(record.answer_frames) or record.answer_body)
        cuts = ((record.request_cut, CUT_REQUEST), (record.answer_cut, CUT_ANSWER))
        return Said(input=asked, output=answered, findings=tuple(finding for is_cut, finding in cuts if is_cut))

    def _unpacked(self, frames: bytes) -> bytes:
        try:
            return self._decompress(frames, max_output_size=_MOST_BYTES) if frames else b""
        except ZstdError:
            return b""


def _read(read: _Read, dialect: Dialect | None, body: bytes) -> Content:
    if not body:
        return NOTHING
    if dialect is None:
        return _as_it_came(body)
    try:
        return read(dialect, body)
    except Exception:  # noqa: BLE001 (a body that a dialect stumbles over must not hold up the calls behind it)
        return _as_it_came(body)


def _request(dialect: Dialect, body: bytes) -> Content:
    asked: object = dialect.read_request(body)
    if isinstance(asked, Embed):
        texts = [each for each in asked.inputs if isinstance(each, str)]
        return _value(json.encode(asked.inputs), "\n".join(texts))
    if isinstance(asked, Rerank):
        return _value(json.encode({"query": asked.query, "documents": asked.documents}), asked.query)
    messages: Sequence[Message] = dialect.read_request(body).messages
    parts = tuple(message_json(each.role, each.parts) for each in messages)
    return Content(parts=parts, is_messages=True, preview=_preview(_last_said(messages)))


def _last_said(messages: Sequence[Message]) -> str:
    """What the user said last; what anybody did, where no user spoke."""
    spoken = [text for each in messages if each.role == "user" and (text := text_of(each.parts))]
    if spoken:
        return spoken[-1]
    return text_of(messages[-1].parts) if messages else ""


def _answer(dialect: Dialect, body: bytes) -> Content:
    if dialect.family == "count_tokens":
        return NOTHING
    is_whole = body.lstrip()[:1] in (b"{", b"[")
    answer: Completion | Embeddings | Ranking = dialect.read_reply(body) if is_whole else _folded(dialect, body)
    if isinstance(answer, Embeddings):
        return NOTHING  # vectors say nothing to people, and are large
    if isinstance(answer, Ranking):
        return _value(json.encode(answer.results), "")
    parts = tuple(message_json("assistant", each.parts, each.finish or "") for each in answer.choices)
    first = text_of(answer.choices[0].parts) if answer.choices else ""
    return Content(parts=parts, is_messages=True, preview=_preview(first))


def _folded(dialect: Dialect, frames: bytes) -> Completion:
    """A stream as far as it was kept."""
    reader = dialect.events()
    events = [*reader.feed(frames), *reader.close()]
    return fold([*(event for event in events if not isinstance(event, Failure | Done)), Done()])


def _value(value: bytes, text: str) -> Content:
    return Content(parts=(value,), preview=_preview(text))


def _as_it_came(body: bytes) -> Content:
    """JSON as it is, other text as a JSON string, and nothing of what is no text."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if error.start < len(body) - _LONGEST_CHARACTER_BYTES:
            return NOTHING
        text = body[: error.start].decode()
    try:
        json.decode(text, type=Raw)
    except (DecodeError, RecursionError):
        return _value(json.encode(text), text)
    return _value(text.encode(), text)


def _preview(text: str) -> str:
    return text[:PREVIEW_CHARACTERS]
