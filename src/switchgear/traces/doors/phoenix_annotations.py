"""Phoenix' annotations and notes as scores, and scores as its annotations."""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import json

from switchgear.kernel.errors import BadRequest
from switchgear.rest.written import moment
from switchgear.traces.doors.reading import as_text, number, text
from switchgear.traces.drafts import object_in
from switchgear.traces.intake import Origin
from switchgear.traces.scores.model import DataType, Score, Source, checked

Of = Literal["span", "trace", "session"]
NOTE: Final = "note"
_SOURCES: Final[Mapping[str, Source]] = {"HUMAN": "human", "CODE": "code", "LLM": "judge"}
_BESIDE: Final = "phoenix"


def read_annotation(fields: Mapping[str, object], of: Of, origin: Origin, now_ns: int) -> Score:
    """A score; given again for the same target under the same name and identifier it takes the place of the one before.

    Raises BadRequest.
    """
    kind = text(fields, "annotator_kind")
    if kind not in _SOURCES:
        raise BadRequest(f"annotator_kind is one of {', '.join(_SOURCES)}, not {kind[:40]!r}")
    result = object_in(fields, "result")
    label, value = text(result, "label"), number(result.get("score"))
    explanation = text(result, "explanation")
    data_type: DataType = "categorical" if label else "numeric" if value is not None else "text"
    if data_type == "text" and not explanation:
        raise BadRequest("an annotation's result has a label, a score or an explanation")
    return _score(fields, of, origin, now_ns, (data_type, value, label or (explanation if value is None else "")))


def read_note(fields: Mapping[str, object], of: Of, origin: Origin, now_ns: int, fresh_id: str) -> Score:
    """A note, which is a text of a person; each is one by itself, unless it has an identifier. Raises BadRequest."""
    identifier = text(fields, "identifier") or fresh_id
    said = {**fields, "name": NOTE, "annotator_kind": "HUMAN", "identifier": identifier}
    return _score(said, of, origin, now_ns, ("text", None, text(fields, "note")))


def _score(
    fields: Mapping[str, object], of: Of, origin: Origin, now_ns: int, value: tuple[DataType, float | None, str]
) -> Score:
    target, name, identifier = text(fields, f"{of}_id"), text(fields, "name"), text(fields, "identifier")
    data_type, as_number, words = value
    metadata = {**object_in(fields, "metadata"), **({_BESIDE: {"identifier": identifier}} if identifier else {})}
    explanation = text(object_in(fields, "result"), "explanation")
    return checked(
        Score(
            project=origin.project,
            id=f"phoenix-{_digest(of, target, name, identifier)}",
            target=of,
            trace_id=target.lower() if of == "trace" else "",
            span_id=target.lower() if of == "span" else "",
            session=target if of == "session" else "",
            name=name,
            data_type=data_type,
            number=as_number,
            text=words,
            source=_SOURCES[text(fields, "annotator_kind")],
            author=origin.key,
            door=origin.door,
            comment=explanation,
            metadata=as_text(metadata),
            at_ns=now_ns,
        )
    )


def shown_annotation(score: Score) -> dict[str, object]:
    """A score as Phoenix' API shows it."""
    metadata = json.decode(score.metadata, type=dict[str, object])
    identifier = text(object_in(metadata, _BESIDE), "identifier")
    metadata.pop(_BESIDE, None)
    target = {"span": score.span_id, "trace": score.trace_id, "session": score.session}[score.target]
    kind = next(theirs for theirs, ours in _SOURCES.items() if ours == score.source)
    explanation = score.comment or (score.text if score.data_type == "text" else "")
    label = score.text if score.data_type != "text" else ""
    return {
        "id": score.id,
        f"{score.target}_id": target,
        "name": score.name,
        "annotator_kind": kind,
        "result": {"label": label or None, "score": score.number, "explanation": explanation or None},
        "metadata": metadata,
        "identifier": identifier,
        "source": "API",
        "user_id": None,
        "created_at": moment(score.at_ns),
        "updated_at": moment(score.created_ns or score.at_ns),
    }


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]
