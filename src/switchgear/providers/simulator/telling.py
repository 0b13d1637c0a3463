"""How an answer is told: whole, or as events with one token in each delta."""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from switchgear.kernel.chat import (
    Choice,
    ChoiceStop,
    Completion,
    Delta,
    DeltaKind,
    Done,
    Event,
    Part,
    PartKind,
    PartStart,
    PartStop,
    Refusal,
    Start,
    Text,
    Thinking,
    ToolCall,
    Usage,
    UsageReport,
)
from switchgear.providers.simulator.answers import Answer
from switchgear.providers.simulator.words import count_tokens, split_tokens

FINGERPRINT: Final = "simulator"


def completion(
    answer: Answer, *, id: str, model: str, created_seconds: int, choices: int, input_tokens: int
) -> Completion:
    """The whole answer, once for each choice, with its exact usage."""
    thoughts = count_tokens(part for part in answer.parts if isinstance(part, Thinking))
    words = count_tokens(answer.parts) - thoughts
    choice = Choice(parts=answer.parts, finish=answer.finish, stop_sequence=answer.stop_sequence)
    return Completion(
        id=id,
        model=model,
        created_seconds=created_seconds,
        choices=tuple(replace(choice, index=index) for index in range(choices)),
        usage=Usage(input=input_tokens, output=words * choices, reasoning=thoughts * choices),
        system_fingerprint=FINGERPRINT,
    )


def events(whole: Completion) -> Iterator[Event]:
    """The same answer as a stream; without usage and end where ``whole`` has none."""
    usage = whole.usage
    yield Start(
        id=whole.id,
        model=whole.model,
        created_seconds=whole.created_seconds,
        usage=Usage(input=usage.input) if usage is not None else None,
        system_fingerprint=whole.system_fingerprint,
    )
    for choice in whole.choices:
        for at, part in enumerate(choice.parts):
            yield from _part(choice.index, at, part)
        finish = choice.finish or "stop"
        yield ChoiceStop(choice=choice.index, finish=finish, stop_sequence=choice.stop_sequence)
    if usage is not None:
        yield UsageReport(usage=usage)
    yield Done()


def _part(choice: int, at: int, part: Part) -> Iterator[Event]:
    kind, delta, text = _spoken(part)
    if isinstance(part, ToolCall):
        yield PartStart(choice=choice, part=at, kind=kind, tool_id=part.id, tool_name=part.name)
    else:
        yield PartStart(choice=choice, part=at, kind=kind)
    for token in split_tokens(text):
        yield Delta(choice=choice, part=at, kind=delta, text=token)
    if isinstance(part, Thinking) and part.signature is not None:
        yield Delta(choice=choice, part=at, kind="signature", text=part.signature)
    yield PartStop(choice=choice, part=at)


def _spoken(part: Part) -> tuple[PartKind, DeltaKind, str]:
    match part:
        case Thinking():
            return "thinking", "thinking", part.text
        case Refusal():
            return "refusal", "refusal", part.text
        case ToolCall():
            return "tool_call", "arguments", part.arguments
        case Text():
            return "text", "text", part.text
        case _:
            raise TypeError(f"the simulator never says a {type(part).__name__}")
