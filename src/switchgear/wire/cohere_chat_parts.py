"""The pieces that Cohere's messages are made of, in requests and answers alike.

A model that is about to call tools says what it means to do in ``tool_plan``; other dialects have a text before the
calls for that, so the last text of a message that calls tools is its plan. Cohere signs no thoughts. Those of another
vendor keep their signature, as a member beside ``thinking`` that Cohere's SDKs carry along, on their way to a client
and back; thoughts that only their vendor can read are a thinking block with ``data``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, cast

from msgspec import DecodeError, Raw, Struct, json
from msgspec.structs import replace

from switchgear.kernel.chat import Part, RedactedThinking, Refusal, Text, Thinking, ToolCall
from switchgear.kernel.errors import UnsupportedField
from switchgear.wire.json_body import as_object

_OWN_CITATIONS: Final = (None, "TEXT_CONTENT", "THINKING_CONTENT", "PLAN")
_PLAN: Final = "PLAN"


class TextContent(Struct, tag="text", forbid_unknown_fields=True):
    text: str


class ThinkingContent(Struct, tag="thinking", omit_defaults=True, forbid_unknown_fields=True):
    thinking: str
    signature: str | None = None
    data: str | None = None


class CalledFunction(Struct):
    name: str | None = None
    arguments: str | None = None


class WireToolCall(Struct, omit_defaults=True):
    id: str | None = None
    type: Literal["function"] | None = None
    function: CalledFunction | None = None


def read_thinking(content: ThinkingContent) -> Part:
    if content.data is not None:
        return RedactedThinking(data=content.data)
    return Thinking(text=content.thinking, signature=content.signature or None)


def read_calls(calls: Iterable[WireToolCall] | None) -> Iterator[Part]:
    """Tool calls in their order; one without an id gets its position for one."""
    for position, call in enumerate(calls or ()):
        function = call.function or CalledFunction()
        yield ToolCall(id=call.id or f"call_{position}", name=function.name or "", arguments=function.arguments or "{}")


def write_calls(parts: Iterable[Part]) -> list[WireToolCall] | None:
    """``tool_calls``, or None when there are none."""
    return [
        WireToolCall(
            id=part.id, type="function", function=CalledFunction(name=part.name, arguments=part.arguments or "{}")
        )
        for part in parts
        if isinstance(part, ToolCall)
    ] or None


def split_plan(parts: Sequence[Part]) -> tuple[list[Part], Text | None]:
    """What a message says without its calls, and apart from it the plan: the last text of one that calls tools."""
    said: list[Part] = [part for part in parts if not isinstance(part, ToolCall)]
    if len(said) == len(parts):
        return said, None
    at = max((at for at, part in enumerate(said) if isinstance(part, Text)), default=None)
    plan = None if at is None else cast("Text", said.pop(at))
    return said, plan


def place_citations(parts: Sequence[Part], citations: Sequence[Raw] | None, plan_at: int | None) -> list[Part]:
    """``parts`` with each citation at the text it stands in, or at the last text; without a text there is no place."""
    placed = list(parts)
    texts = [at for at, part in enumerate(parts) if isinstance(part, Text)]
    cited: dict[int, list[Raw]] = {}
    for citation in (citations or ()) if texts else ():
        at = cited_part(citation, plan_at)
        cited.setdefault(at if at in texts else texts[-1], []).append(citation)
    for at, found in cited.items():
        placed[at] = replace(cast("Text", placed[at]), citations=Raw(json.encode(found)))
    return placed


def cited_part(citation: Raw, plan_at: int | None) -> int | None:
    """The number of the part that a citation stands in, as far as it says."""
    place = _fields(citation)
    index = place.get("content_index")
    if place.get("type") == _PLAN:
        return plan_at
    return index if isinstance(index, int) else None


def is_own_citation(citation: Raw) -> bool:
    """Whether Cohere wrote it: another dialect's would make its SDKs stumble."""
    found = _fields(citation)
    return isinstance(found.get("start"), int) and found.get("type") in _OWN_CITATIONS


def _fields(citation: Raw) -> Mapping[str, object]:
    """The members of a citation; none of what is not one."""
    try:
        return as_object(citation)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def own_citations(parts: Iterable[Part]) -> list[Raw]:
    """The citations of all texts that Cohere itself wrote."""
    return [citation for citation in _citations(parts) if is_own_citation(citation)]


def check_citations(parts: Iterable[Part], place: str) -> None:
    """Raises UnsupportedField for citations that cannot go to Cohere."""
    if not all(is_own_citation(citation) for citation in _citations(parts)):
        raise refused(f"{place}.annotations", "annotations of another dialect cannot be sent to Cohere")


def _citations(parts: Iterable[Part]) -> Iterator[Raw]:
    for part in parts:
        if isinstance(part, Text) and part.citations is not None:
            yield from json.decode(part.citations, type=list[Raw])


def write_content(part: Part) -> TextContent | ThinkingContent | None:
    """A block of an assistant's content; None for what has no block. A refusal is plain text."""
    match part:
        case Text() | Refusal():
            return TextContent(text=part.text)
        case Thinking():
            return ThinkingContent(thinking=part.text, signature=part.signature)
        case RedactedThinking():
            return ThinkingContent(thinking="", data=part.data)
        case _:
            return None


def refused(param: str, reason: str) -> UnsupportedField:
    """The error for what Cohere's dialect cannot say."""
    return UnsupportedField(f"{param}: {reason}", param=param)
