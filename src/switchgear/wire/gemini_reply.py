"""Gemini's whole answers, both ways (``GenerateContentResponse`` of ai.google.dev/api/generate-content)."""

from typing import Final

from msgspec import Raw, Struct, json

from switchgear.kernel.chat import (
    Audio,
    Choice,
    Completion,
    File,
    Finish,
    Image,
    Part,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from switchgear.kernel.errors import BadRequest, UpstreamGarbled
from switchgear.wire.anthropic_blocks import as_input
from switchgear.wire.gemini_contents import own_citations
from switchgear.wire.gemini_errors import read_stream_error
from switchgear.wire.gemini_logprobs import read_logprobs, write_logprobs
from switchgear.wire.gemini_parts import AnswerPart, Block, read_part, write_parts
from switchgear.wire.gemini_usage import WireUsage, read_finish, read_usage, write_finish, write_usage
from switchgear.wire.json_body import ABSENT, decode_answer, said, unknown_members

BLOCKED: Final[Finish] = "content_filter"
"""How an answer ends whose prompt was refused."""
_ID_CHARACTERS: Final = 24
"""Of a response's id in a call's: OpenAI takes no longer ids back than 40 characters."""


class Citations(Struct, rename="camel"):
    citation_sources: list[Raw] | None = None
    citations: list[Raw] | None = None
    """Vertex AI's name for them."""


class AnswerContent(Struct):
    parts: list[AnswerPart] | None = None


class Candidate(Struct, rename="camel"):
    content: AnswerContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None
    logprobs_result: Raw = ABSENT
    citation_metadata: Citations | None = None

    def citations(self) -> list[Raw]:
        """What the answer was found to quote."""
        found = self.citation_metadata
        return [] if found is None else [*(found.citation_sources or ()), *(found.citations or ())]


class Feedback(Struct, rename="camel"):
    block_reason: str | None = None


class Answer(Struct, rename="camel"):
    """A whole answer, or one chunk of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: WireUsage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = ABSENT

    @property
    def is_blocked(self) -> bool:
        """The prompt was refused, so that there is no candidate."""
        return self.prompt_feedback is not None and bool(self.prompt_feedback.block_reason)


def decode_chunk(body: bytes) -> Answer:
    """Raises UpstreamGarbled, or UpstreamRefused for an error object under status 200."""
    answer = decode_answer(Answer, body)
    if said(answer.error) is not None:
        raise read_stream_error(body)
    return answer


def read_reply(body: bytes) -> Completion:
    """Raises as :func:`decode_chunk` does, and UpstreamGarbled for what no other dialect's answer can hold."""
    answer = decode_chunk(body)
    if answer.candidates is None and not answer.is_blocked:
        raise UpstreamGarbled("the upstream's answer has no candidates")
    choices = [_read_candidate(candidate, at, answer) for at, candidate in enumerate(answer.candidates or ())]
    if not choices and answer.is_blocked:
        choices.append(Choice(finish=BLOCKED))
    extra = unknown_members(Answer, body, UpstreamGarbled)
    return Completion(
        id=answer.response_id or "",
        model=answer.model_version or "",
        choices=tuple(choices),
        usage=None if answer.usage_metadata is None else read_usage(answer.usage_metadata),
        extra=tuple((name, value) for name, value in extra if said(value) is not None),
    )


def _read_candidate(candidate: Candidate, at: int, answer: Answer) -> Choice:
    index = at if candidate.index is None else candidate.index
    parts: list[Part] = []
    calls = 0
    for part in content_parts(candidate):
        parts += read_answer_part(part, made_up_id(answer.response_id, index, calls))
        calls += part.function_call is not None
    citations = candidate.citations()
    logprobs = said(candidate.logprobs_result)
    return Choice(
        index=index,
        parts=tuple(_cited(parts, citations) if citations else parts),
        finish=checked_finish(candidate, calls=bool(calls)),
        logprobs=None if logprobs is None else read_logprobs(logprobs),
    )


def content_parts(candidate: Candidate) -> list[AnswerPart]:
    """The parts of a candidate; there may be none."""
    return [] if candidate.content is None else candidate.content.parts or []


def made_up_id(response_id: str | None, choice: int, call: int) -> str:
    """The id of a call that has none: the same for the same answer, another for every other one."""
    pieces = ("call", (response_id or "")[-_ID_CHARACTERS:], str(choice or ""), str(call))
    return "_".join(piece for piece in pieces if piece)


def read_answer_part(part: AnswerPart, call_id: str) -> list[Part]:
    """The canonical parts; a text without characters is none. Raises UpstreamGarbled for pictures and files."""
    try:
        found = read_part(part, call_id)
    except (BadRequest, UnicodeDecodeError) as error:
        raise UpstreamGarbled(f"a function call of the upstream cannot be read: {error}") from None
    if any(isinstance(item, Image | File) for item in found):
        raise UpstreamGarbled("the upstream's answer holds a picture or a file, which no other dialect's answer can")
    return [item for item in found if item != Text(text="")]


def checked_finish(candidate: Candidate, *, calls: bool) -> Finish | None:
    """The finish, None while there is none. Raises UpstreamGarbled when it tells that the answer cannot be used."""
    reason = candidate.finish_reason
    if reason is None:
        return None
    finish = read_finish(reason, calls=calls)
    if finish is None:
        told = f": {candidate.finish_message}" if candidate.finish_message else ""
        raise UpstreamGarbled(f"the model's answer cannot be used ({reason}){told}")
    return finish


def _cited(parts: list[Part], citations: list[Raw]) -> list[Part]:
    """The parts with the candidate's citations at its last text, the only place there is for them."""
    at = max((at for at, part in enumerate(parts) if isinstance(part, Text)), default=-1)
    last = parts[at] if at >= 0 else None
    if isinstance(last, Text):
        parts[at] = Text(text=last.text, citations=Raw(json.encode(citations)))
    return parts


def write_reply(completion: Completion) -> bytes:
    """The body for a client. Raises UpstreamGarbled for what no candidate can hold."""
    answer: Block = {"candidates": [_write_candidate(choice) for choice in completion.choices]}
    if completion.usage is not None:
        answer["usageMetadata"] = write_usage(completion.usage)
    answer["modelVersion"] = completion.model
    answer["responseId"] = completion.id
    return json.encode(answer)


def _write_candidate(choice: Choice) -> Block:
    parts = [_checked(part, choice.finish) for part in choice.parts]
    refuses = any(isinstance(part, Refusal) for part in choice.parts)
    # Google's SDKs take a content without parts for no answer at all.
    content = {"parts": write_parts(parts, "content") or [{"text": ""}], "role": "model"}
    candidate: Block = {"content": content}
    finish = told_finish(choice.finish, refuses=refuses)
    if finish is not None:
        candidate["finishReason"] = write_finish(finish)
    candidate["index"] = choice.index
    cited = [item for part in choice.parts if isinstance(part, Text) for item in citations_of(part)]
    if cited:
        candidate["citationMetadata"] = {"citationSources": cited}
    logprobs = None if choice.logprobs is None else write_logprobs(choice.logprobs)
    return candidate if logprobs is None else candidate | {"logprobsResult": logprobs}


def citations_of(part: Text) -> list[Block]:
    """Those citations that a client of Gemini's can read."""
    return [] if part.citations is None else own_citations(part.citations)


def told_finish(finish: Finish | None, *, refuses: bool) -> Finish | None:
    """A refusal is a part elsewhere and a reason here."""
    return "refusal" if refuses and finish == "stop" else finish


def _checked(part: Part, finish: Finish | None) -> Part:
    if isinstance(part, ToolResult):
        raise UpstreamGarbled("the upstream's answer holds the result of a tool, which no answer can")
    if isinstance(part, Audio) and not part.data:
        raise UpstreamGarbled("the upstream's answer refers to sound by its id only")
    return checked_call(part, finish) if isinstance(part, ToolCall) else part


def checked_call(call: ToolCall, finish: Finish | None) -> ToolCall:
    """A call of an answer; one that the limit on tokens cut off has no arguments, and the finish says why.

    Raises UpstreamGarbled for arguments that are otherwise broken.
    """
    if as_input(call.arguments or "{}") is not None:
        return call
    if finish != "length":
        raise UpstreamGarbled(f"the arguments of the call {call.id} of {call.name} are not a JSON object")
    return ToolCall(id=call.id, name=call.name, arguments="{}")
