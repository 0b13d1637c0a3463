"""A streamed answer and a whole one are the same answer: fold the first into the second, unfold it back.

What a stream cannot say (``Completion.extra``, an audio part's format and expiry) is not unfolded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, cast

from msgspec import Raw, json

from switchgear.kernel.chat import (
    Audio,
    Choice,
    ChoiceStop,
    Completion,
    Delta,
    DeltaKind,
    Done,
    Event,
    Failure,
    Logprobs,
    Part,
    PartKind,
    PartStart,
    PartStop,
    RedactedThinking,
    Refusal,
    Start,
    Text,
    Thinking,
    ToolCall,
    Usage,
    UsageReport,
)
from switchgear.kernel.errors import Internal, UpstreamTruncated

_Deltas = Callable[[DeltaKind], str]


class _PartPieces:
    """One part while it grows: how it opened, and its deltas."""

    __slots__ = ("opening", "pieces")

    def __init__(self, opening: PartStart) -> None:
        self.opening = opening
        self.pieces: list[Delta] = []

    def part(self) -> Part:
        return _BUILDERS[self.opening.kind](self.opening, self._joined, self._citations())

    def _joined(self, kind: DeltaKind) -> str:
        return "".join(piece.text for piece in self.pieces if piece.kind == kind)

    def _citations(self) -> Raw | None:
        found = [piece.text for piece in self.pieces if piece.kind == "citation"]
        return Raw(f"[{','.join(found)}]".encode()) if found else None


_BUILDERS: Final[dict[PartKind, Callable[[PartStart, _Deltas, Raw | None], Part]]] = {
    "text": lambda _, deltas, citations: Text(text=deltas("text"), citations=citations),
    "thinking": lambda _, deltas, __: Thinking(text=deltas("thinking"), signature=deltas("signature") or None),
    "redacted_thinking": lambda opening, _, __: RedactedThinking(data=opening.data),
    "refusal": lambda _, deltas, __: Refusal(text=deltas("refusal")),
    "tool_call": lambda opening, deltas, _: ToolCall(
        id=opening.tool_id, name=opening.tool_name, arguments=deltas("arguments")
    ),
    "audio": lambda opening, deltas, _: Audio(
        id=opening.data or None, data=deltas("audio"), transcript=deltas("transcript") or None
    ),
}


class _ChoicePieces:
    """One choice while it grows."""

    __slots__ = ("logprobs", "parts", "stop")

    def __init__(self) -> None:
        self.parts: dict[int, _PartPieces] = {}
        self.logprobs: list[Raw] = []
        self.stop: ChoiceStop | None = None

    def choice(self, index: int) -> Choice:
        return Choice(
            index=index,
            parts=tuple(self.parts[number].part() for number in sorted(self.parts)),
            finish=None if self.stop is None else self.stop.finish,
            stop_sequence=None if self.stop is None else self.stop.stop_sequence,
            logprobs=_merged(self.logprobs),
        )


class Folder:
    """Takes the events of one stream, one by one, and gives the whole answer."""

    __slots__ = ("_choices", "_done", "_start", "_usage")

    def __init__(self) -> None:
        self._start = Start(id="", model="")
        self._usage: Usage | None = None
        self._choices: dict[int, _ChoicePieces] = {}
        self._done = False

    def add(self, event: Event) -> None:
        """Raises the error of a Failure."""
        match event:
            case Delta():
                self._choice(event.choice).parts[event.part].pieces.append(event)
            case PartStart():
                self._choice(event.choice).parts[event.part] = _PartPieces(event)
            case ChoiceStop():
                self._choice(event.choice).stop = event
            case Logprobs():
                self._choice(event.choice).logprobs.append(event.value)
            case Start():
                self._start = event
                self._usage = event.usage
            case UsageReport():
                self._usage = event.usage
            case Failure():
                raise event.error
            case _:
                self._done = self._done or isinstance(event, Done)

    def completion(self) -> Completion:
        """The answer. Raises UpstreamTruncated when the stream has not said that it is done."""
        if not self._done:
            raise UpstreamTruncated("the upstream's stream ended before it was complete")
        return Completion(
            id=self._start.id,
            model=self._start.model,
            created_seconds=self._start.created_seconds,
            choices=tuple(self._choices[index].choice(index) for index in sorted(self._choices)),
            usage=self._usage,
            service_tier=self._start.service_tier,
            system_fingerprint=self._start.system_fingerprint,
        )

    def _choice(self, index: int) -> _ChoicePieces:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _ChoicePieces()
        return found


def fold(events: Iterable[Event]) -> Completion:
    """The whole answer that a stream tells. Raises the error of a Failure, or UpstreamTruncated without Done."""
    folder = Folder()
    for event in events:
        folder.add(event)
    return folder.completion()


def unfold(completion: Completion) -> list[Event]:
    """The events of an answer, each part in one delta. Raises Internal for a part that no stream can tell."""
    events: list[Event] = [
        Start(
            id=completion.id,
            model=completion.model,
            created_seconds=completion.created_seconds,
            usage=completion.usage,
            service_tier=completion.service_tier,
            system_fingerprint=completion.system_fingerprint,
        )
    ]
    for choice in completion.choices:
        events += _unfold_choice(choice)
    if completion.usage is not None:
        events.append(UsageReport(usage=completion.usage))
    events.append(Done())
    return events


def _unfold_choice(choice: Choice) -> Iterator[Event]:
    for number, part in enumerate(choice.parts):
        opening, deltas = _opened(part)
        yield PartStart(
            part=number,
            kind=opening.kind,
            choice=choice.index,
            tool_id=opening.tool_id,
            tool_name=opening.tool_name,
            data=opening.data,
        )
        for kind, text in deltas:
            if text:
                yield Delta(part=number, kind=kind, text=text, choice=choice.index)
        yield PartStop(part=number, choice=choice.index)
    if choice.logprobs is not None:
        yield Logprobs(value=choice.logprobs, choice=choice.index)
    if choice.finish is not None:
        yield ChoiceStop(finish=choice.finish, choice=choice.index, stop_sequence=choice.stop_sequence)


def _opened(part: Part) -> tuple[PartStart, list[tuple[DeltaKind, str | None]]]:
    """How a part opens, and what its deltas say."""
    match part:
        case Text():
            citations = json.decode(part.citations, type=list[Raw]) if part.citations is not None else []
            texts: list[tuple[DeltaKind, str | None]] = [("text", part.text)]
            return _opening("text"), texts + [("citation", bytes(item).decode()) for item in citations]
        case Thinking():
            return _opening("thinking"), [("thinking", part.text), ("signature", part.signature)]
        case RedactedThinking():
            return PartStart(part=0, kind="redacted_thinking", data=part.data), []
        case Refusal():
            return _opening("refusal"), [("refusal", part.text)]
        case ToolCall():
            opening = PartStart(part=0, kind="tool_call", tool_id=part.id, tool_name=part.name)
            return opening, [("arguments", part.arguments)]
        case Audio():
            opening = PartStart(part=0, kind="audio", data=part.id or "")
            return opening, [("audio", part.data), ("transcript", part.transcript)]
        case _:
            raise Internal(f"an answer cannot hold a part of the kind {type(part).__name__}")


def _opening(kind: PartKind) -> PartStart:
    return PartStart(part=0, kind=kind)


def _merged(found: Sequence[Raw]) -> Raw | None:
    """Log probabilities of one choice: lists of the same name are joined, other values replaced."""
    if len(found) <= 1:
        return found[0] if found else None
    merged: dict[str, object] = {}
    for value in found:
        for name, item in json.decode(value, type=dict[str, object]).items():
            before = merged.get(name)
            if isinstance(before, list) and isinstance(item, list):
                cast("list[object]", before).extend(cast("list[object]", item))
            elif item is not None or name not in merged:
                merged[name] = item
    return Raw(json.encode(merged))
