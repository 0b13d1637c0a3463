"""One answer told to a client, by one upstream or by several: what a second one adds goes on where the first broke off.

This is an EventWriter around the client's own. It keeps the text that went out; of a second stream it drops the
beginning, and lets its first text go on in the part that is still open. A failure is not written: whoever reads the
frames decides whether it is the end.
"""

from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from switchgear.kernel.capture import KeptFrames
from switchgear.kernel.chat import (
    ChoiceStop,
    Delta,
    Done,
    Event,
    Failure,
    PartStart,
    PartStop,
    Start,
    Usage,
    UsageReport,
)
from switchgear.kernel.dialect import EventWriter

_COUNTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "audio_input",
           "audio_output", "image_input")  # fmt: skip


class Telling:
    """Of one call; :meth:`begin` is called once, :meth:`again` before each further stream."""

    __slots__ = (
        "_carried",
        "_count",
        "_map",
        "_open",
        "_overlap",
        "_pieces",
        "_writer",
        "finished",
        "is_plain",
        "kept",
        "started",
    )

    def __init__(self) -> None:
        self._writer: EventWriter | None = None
        self._pieces: list[str] = []
        self._map: dict[int, int | None] = {}
        self._count = 0
        self._open: int | None = None
        self._overlap = ""
        self._carried: Usage | None = None
        self.started = False
        self.finished = False
        """The answer's finish was told; at most its end mark is missing."""
        self.kept: KeptFrames | None = None
        """What is kept of the answer, whoever goes on with it."""
        self.is_plain = True
        """Nothing but one text was told: another model can go on with it."""

    @property
    def text(self) -> str:
        """What the client has read."""
        return "".join(self._pieces)

    def begin(self, writer: EventWriter) -> "Telling":
        """Tell in the client's dialect; a later stream goes on in the first one's writer."""
        if self._writer is None:
            self._writer = writer
        return self

    def again(self, spent: Usage | None) -> str:
        """Another stream follows, for an answer that cost ``spent`` so far; what it is to go on from.

        White space at the end is left to the next stream, because some models refuse to be begun with it.
        """
        self._map = {}
        self._carried = _sum(self._carried, spent)
        whole = self.text
        told = whole.rstrip()
        self._overlap = whole[len(told) :]
        return told

    def end(self) -> bytes:
        """The end of an answer that lacks only its end mark."""
        return self._told(Done())

    def write(self, event: Event) -> bytes:
        match event:
            case Delta():
                return self._delta(event)
            case PartStart():
                return self._part(event)
            case PartStop():
                return self._stop(event)
            case Start():
                again, self.started = self.started, True
                return b"" if again else self._told(event)
            case UsageReport():
                return self._told(UsageReport(usage=_sum(self._carried, event.usage) or event.usage))
            case Failure():
                return b""
            case ChoiceStop():
                self.finished = True
                return self._told(event)
            case _:
                return self._told(event)

    def _told(self, event: Event) -> bytes:
        return b"" if self._writer is None else self._writer.write(event)

    def _part(self, event: PartStart) -> bytes:
        resumed = self._open is not None and not self._map
        if resumed and event.kind == "text":
            self._map[event.part] = self._open
            return b""
        if event.kind != "text" or event.choice:
            self.is_plain = False
        closing = b""
        if resumed and self._open is not None:
            if event.kind != "tool_call":
                self._map[event.part] = None
                return b""
            closing = self._told(PartStop(part=self._open))
        number = self._map[event.part] = self._count
        self._count += 1
        self._open = number if event.kind == "text" else None
        return closing + self._told(replace(event, part=number))

    def _delta(self, event: Delta) -> bytes:
        number = self._map.get(event.part)
        if number is None:
            return b""
        text = event.text
        if event.kind == "text":
            if self._overlap:
                text = self._without_overlap(text)
            self._pieces.append(text)
        return self._told(replace(event, part=number, text=text)) if text else b""

    def _without_overlap(self, text: str) -> str:
        """What is new of a continuation that may begin with the white space that was told already."""
        for at, character in enumerate(self._overlap):
            if not text.startswith(character, at):
                self._overlap = ""
                return text[at:]
        rest, self._overlap = text[len(self._overlap) :], ""
        return rest

    def _stop(self, event: PartStop) -> bytes:
        number = self._map.get(event.part)
        if number is None:
            return b""
        if number == self._open:
            self._open = None
        return self._told(replace(event, part=number))


def _sum(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    counts = {name: cast("int", getattr(one, name)) + cast("int", getattr(other, name)) for name in _COUNTS}
    return Usage(**counts, estimated=one.estimated or other.estimated)


if TYPE_CHECKING:
    _: type[EventWriter] = Telling
