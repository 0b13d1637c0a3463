"""LangSmith's runs as they come: one JSON object, a batch, or a form whose parts are named by run and member."""

import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from msgspec import Struct, field

from switchgear.kernel.errors import BadRequest
from switchgear.traces.doors.asking import read_json
from switchgear.traces.doors.reading import a_list, an_object, text
from switchgear.traces.drafts import Fields

ACTS: Final = ("post", "patch")
_MEMBERS: Final = frozenset(("inputs", "outputs", "events", "extra", "error", "serialized"))
_BOUNDARY: Final = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?')
_NAME: Final = re.compile(rb'content-disposition:[^\r\n]*?;\s*name="([^"\r\n]{1,300})"', re.IGNORECASE)
_TYPE: Final = re.compile(rb"content-type:\s*([^\r\n]{1,200})", re.IGNORECASE)
_HEAD_END: Final = b"\r\n\r\n"
_MAX_PARTS: Final = 100_000


class Refused(Struct, frozen=True, kw_only=True):
    """Something of a request that is not kept, and why."""

    name: str
    message: str


class Said(Struct, kw_only=True):
    """What a request tells."""

    runs: list[tuple[str, Fields]] = field(default_factory=list[tuple[str, Fields]])
    """Each with its act: ``post`` or ``patch``."""
    feedback: list[Fields] = field(default_factory=list[Fields])
    refused: list[Refused] = field(default_factory=list[Refused])
    is_whole: bool = True
    """False: the form broke off."""

    def take(self, act: str, value: object, name: str) -> None:
        """A run as JSON; refused by itself where it cannot be one."""
        try:
            self.runs.append((act, checked_run(an_object(value, f"run {name}"))))
        except BadRequest as error:
            self.refused.append(Refused(name=name, message=error.message))


def checked_run(fields: Fields) -> Fields:
    """A run with an id. Raises BadRequest."""
    name = text(fields, "id")
    try:
        fields["id"] = str(UUID(name))
    except ValueError:
        raise BadRequest(f"a run's id is a UUID, and {name[:64]!r} is none") from None
    return fields


def read_batch(raw: bytes) -> Said:
    """A batch in JSON. Raises BadRequest."""
    body = an_object(read_json(raw), "the body")
    said = Said()
    for act in ACTS:
        for place, run in enumerate(a_list(body.get(act) or [], f"the body's member {act!r}")):
            said.take(act, run, f"{act}[{place}]")
    return said


def read_form(content_type: str, raw: bytes) -> Said:
    """A form; of one that breaks off, the runs before the one in which it does. Raises BadRequest."""
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/form-data"):
        raise BadRequest("the body is to be multipart/form-data with a boundary")
    delimiter = b"--" + found.group(1).strip().encode()
    said = Said()
    runs: dict[str, dict[str, bytes]] = {}
    attached: dict[str, list[dict[str, object]]] = {}
    last = ""
    pieces = (b"\r\n" + raw).split(b"\r\n" + delimiter, _MAX_PARTS)
    said.is_whole = pieces[-1].startswith(b"--")
    for piece in pieces[1 : -1 if len(pieces) > 1 else None]:
        head, between, content = piece.partition(_HEAD_END)
        name = _NAME.search(head)
        if not between or name is None:
            said.refused.append(Refused(name="?", message="a part of the form has no name"))
            continue
        kind, _, rest = name.group(1).decode("utf-8", "replace").partition(".")
        run_id, _, member = rest.partition(".")
        if kind in ACTS:
            last = f"{kind}.{run_id}"
            runs.setdefault(last, {})[member] = content
        elif kind == "feedback":
            _take_feedback(said, run_id, content)
        elif kind == "attachment":
            about: dict[str, object] = {"name": member, "media_type": _media_type(head), "bytes": len(content)}
            attached.setdefault(run_id, []).append(about)
        else:
            said.refused.append(Refused(name=f"{kind}.{rest}"[:200], message="parts of this name are not known here"))
    if not said.is_whole and last:
        # What was still to come belongs to it: half of a run is worse than one that is sent again.
        runs.pop(last)
        said.refused.append(Refused(name=last, message="the form breaks off in this run"))
    for name, members in runs.items():
        _take_run(said, name, members, attached)
    return said


def _take_run(
    said: Said, name: str, members: Mapping[str, bytes], attached: Mapping[str, list[dict[str, object]]]
) -> None:
    act, _, run_id = name.partition(".")
    try:
        fields = an_object(read_json(members.get("", b"{}")), f"the part {name}")
        for member, content in members.items():
            if member in _MEMBERS:
                fields[member] = read_json(content)
            elif member:
                said.refused.append(Refused(name=f"{name}.{member}", message="a run has no such member"))
    except BadRequest as error:
        said.refused.append(Refused(name=name, message=error.message))
        return
    fields["id"] = text(fields, "id") or run_id
    if run_id in attached:
        fields["attachments"] = attached[run_id]
    said.take(act, fields, name)


def _take_feedback(said: Said, name: str, content: bytes) -> None:
    try:
        fields = an_object(read_json(content), f"feedback {name}")
    except BadRequest as error:
        said.refused.append(Refused(name=f"feedback.{name}", message=error.message))
        return
    said.feedback.append({"id": name, **fields})


def _media_type(head: bytes) -> str:
    found = _TYPE.search(head)
    return found.group(1).decode("latin-1").partition(";")[0].strip() if found else ""
