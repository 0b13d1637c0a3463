"""One score, whoever gives it: a number, a category, yes or no, or a text, of a span, a trace or a session."""

import math
import re
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct, structs

from switchgear.kernel.errors import BadRequest

Target = Literal["span", "trace", "session"]
DataType = Literal["numeric", "categorical", "boolean", "text"]
Source = Literal["human", "code", "judge"]
"""Who says it: a person, a program, or a model that judges."""
MaskText = Callable[[str, str], str]
"""A project's text as it may be kept."""
MAX_NAME: Final = 256
MAX_TEXT: Final = 8_192
MAX_METADATA: Final = 65_536
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}").fullmatch
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}").fullmatch


class Score(Struct, frozen=True, kw_only=True):
    """What somebody says of a span, a trace or a session.

    Given again under its ``id`` it takes the place of what was said before, and that is kept.
    """

    project: str
    id: str
    target: Target
    trace_id: str = ""
    """Of a span's score it may be missing where the sender did not say it."""
    span_id: str = ""
    session: str = ""
    name: str
    data_type: DataType
    number: float | None = None
    """0 or 1 for a boolean; a category may have one too."""
    text: str = ""
    """The category, or the text."""
    source: Source
    author: str = ""
    """Who gave it: a user, or the name of a key."""
    door: str = ""
    environment: str = ""
    comment: str = ""
    metadata: str = "{}"
    """A JSON object."""
    at_ns: int
    """When the sender says it was given, but not after ``created_ns``."""
    created_ns: int = 0
    """When it was said as it is here."""
    withdrawn: int = 0
    version: int = 0
    """How often it was said before."""


def as_it_is(project: str, text: str) -> str:
    """Where nothing is masked."""
    del project
    return text


def masked(score: Score, mask: MaskText) -> Score:
    """The score with its texts as they may be kept; a category stays, for it is what scores are counted by."""
    return structs.replace(
        score,
        text=mask(score.project, score.text) if score.data_type == "text" else score.text,
        comment=mask(score.project, score.comment),
        metadata=mask(score.project, score.metadata),
    )


def checked(score: Score) -> Score:
    """The score, if it can be kept. Raises BadRequest."""
    if not 0 < len(score.name) <= MAX_NAME or not 0 < len(score.id) <= MAX_NAME:
        raise BadRequest(f"a score needs a name and an id of 1 to {MAX_NAME} characters")
    _check_target(score)
    _check_value(score)
    if len(score.text) > MAX_TEXT or len(score.comment) > MAX_TEXT or len(score.metadata) > MAX_METADATA:
        raise BadRequest(f"score {score.name!r}: text and comment take {MAX_TEXT} characters, metadata {MAX_METADATA}")
    if not 0 < score.at_ns < 1 << 63:
        raise BadRequest(f"score {score.name!r}: the time it was given at is none of this age")
    for field in ("id", "name", "session", "text", "comment", "environment", "metadata"):
        if "\0" in getattr(score, field):
            raise BadRequest(f"score {score.name!r}: there is a NUL in its {field}", param=field)
    return score


def _check_target(score: Score) -> None:
    what = f"score {score.name[:MAX_NAME]!r}"
    if score.trace_id and not _TRACE_ID(score.trace_id):
        raise BadRequest(f"{what}: {score.trace_id[:64]!r} is no trace id of 32 hexadecimal digits", param="trace_id")
    if score.span_id and not _SPAN_ID(score.span_id):
        raise BadRequest(f"{what}: {score.span_id[:64]!r} is no span id of 16 hexadecimal digits", param="span_id")
    needed = {"span": score.span_id, "trace": score.trace_id, "session": score.session}[score.target]
    if not needed:
        raise BadRequest(f"{what} is of a {score.target}, and does not say which")


def _check_value(score: Score) -> None:
    what = f"score {score.name!r}"
    if score.number is not None and not math.isfinite(score.number):
        raise BadRequest(f"{what}: its number is not finite", param="number")
    if score.data_type in ("numeric", "boolean") and score.number is None:
        raise BadRequest(f"{what} is {score.data_type} and has no number", param="number")
    if score.data_type == "boolean" and score.number not in (0, 1):
        raise BadRequest(f"{what} is boolean: its number is 0 or 1", param="number")
    if score.data_type in ("categorical", "text") and not score.text:
        raise BadRequest(f"{what} is {score.data_type} and has no text", param="text")
