"""Spans without what masks find: before they are priced, sent on or kept, whichever way they came in."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Final, cast

from msgspec import DecodeError, json, structs

from switchgear.guardrails.masking import Mask, Masker
from switchgear.kernel.span import NOTHING, PREVIEW_CHARACTERS, Content, Span, SpanEvent, ToldSpan
from switchgear.traces.families import Family
from switchgear.traces.intake import Origin

Masks = Callable[[str], Sequence[Mask]]
"""Those in force for a project."""
_FOUND: Final = (
    "switchgear_span_values_masked_total",
    "counter",
    "Values that masks replaced in spans and in what is said of them.",
)


class SpanMasks:
    """Masks spans of all projects, on any thread, and counts what was found."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self.found: Counter[str] = Counter()
        """Values, by the mask's name."""
        self._lock = Lock()

    def __call__(self, span: Span) -> Span:
        """The span as it may be kept: its names of trace, user, session and model stay, so that it is found by them."""
        masks = self._masks(span.project)
        if not masks:
            return span
        masker = Masker(masks)
        masked = _masked(span, masker, Masker(masks))
        self._count(masker)
        return masked

    def text(self, project: str, text: str) -> str:
        """A text that somebody says of a span, as it may be kept."""
        masks = self._masks(project)
        if not masks:
            return text
        masker = Masker(masks)
        masked = masker.text(text)
        self._count(masker)
        return masked

    def exposition(self) -> str:
        """What was found, in Prometheus' text format."""
        family = Family(*_FOUND, ("mask",))
        return family.text(family.line((name,), count) for name, count in sorted(self.found.items()))

    def _count(self, masker: Masker) -> None:
        if masker.found:
            with self._lock:
                self.found.update(masker.found)


class MaskedNormaliser:
    """Understands spans by another normaliser, and masks what that made of them."""

    def __init__(self, normalise: Callable[[ToldSpan, Origin], Span], masks: SpanMasks) -> None:
        self._normalise = normalise
        self._masks = masks

    def __call__(self, told: ToldSpan, origin: Origin) -> Span:
        return self._masks(self._normalise(told, origin))


def _masked(span: Span, masker: Masker, again: Masker) -> Span:
    """``again`` masks what was counted before."""
    return structs.replace(
        span,
        name=masker.text(span.name),
        status_message=masker.text(span.status_message),
        tags=tuple([masker.text(tag) for tag in span.tags]),
        metadata={name: masker.text(value) for name, value in span.metadata.items()},
        input=_content(span.input, masker, again),
        output=_content(span.output, masker, again),
        attributes=_mapping(span.attributes, masker),
        resource=_mapping(span.resource, masker),
        events=tuple([_event(event, masker) for event in span.events]),
    )


def _event(event: SpanEvent, masker: Masker) -> SpanEvent:
    return structs.replace(event, name=masker.text(event.name), attributes=_mapping(event.attributes, masker))


def _mapping(values: Mapping[str, object], masker: Masker) -> Mapping[str, object]:
    return cast("Mapping[str, object]", masker.mapping(cast("Mapping[object, object]", values))) if values else values


def only_previews(span: Span) -> Span:
    """Without messages: what they began with is left."""
    said = (Content(preview=content.preview) if content.parts else content for content in (span.input, span.output))
    return structs.replace(span, input=next(said), output=next(said))


def _content(content: Content, masker: Masker, again: Masker) -> Content:
    if content is NOTHING:
        return content
    parts = tuple([masker.json(part) for part in content.parts])
    counted = again if parts else masker
    return structs.replace(content, parts=parts, preview=_preview(content, counted))


def _preview(content: Content, masker: Masker) -> str:
    """Masked before it is cut: half of an address is not found, and tells who it is all the same."""
    preview = content.preview
    if len(preview) < PREVIEW_CHARACTERS:
        return masker.text(preview)
    whole = next((text for part in content.parts for text in _texts(part) if text.startswith(preview)), None)
    if whole is not None:
        return masker.text(whole)[:PREVIEW_CHARACTERS]
    # What it was cut from is not known: its last word may be half of something, and so may numbers before it.
    return masker.text(preview.rstrip("0123456789 .()+-/").rpartition(" ")[0])


def _texts(part: bytes) -> Iterator[str]:
    """All texts in some JSON, however deep; none where it is too deep to be read."""
    try:
        waiting: list[object] = [json.decode(part)]
    except (DecodeError, RecursionError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += cast("dict[str, object]", value).values()
        elif isinstance(value, list):
            waiting += cast("list[object]", value)
