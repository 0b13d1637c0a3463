"""The model that a body names which is otherwise passed through: in JSON or in an uploaded form."""

from collections.abc import Mapping

from msgspec import Struct, json

from switchgear.kernel.errors import BadRequest
from switchgear.wire.json_body import decode, set_model
from switchgear.wire.json_member import MemberFinder
from switchgear.wire.multipart import FieldFinder, is_form

_FIELD = "model"


class _Named(Struct):
    model: str | None = None


class NamedModel(Struct, frozen=True):
    """What a body calls its model; an empty name where it calls none."""

    name: str
    body: bytes
    span: tuple[int, int] | None = None
    """Where the name stands; None in JSON that is whole."""
    quoted: bool = False
    """Whether it stands there as text of JSON."""

    def renamed(self, model: str) -> bytes:
        """The body with another name of the model, every other byte as it came."""
        if self.span is None:
            return set_model(self.body, json.encode(model))
        start, end = self.span
        written = json.encode(model) if self.quoted else model.encode()
        return b"%b%b%b" % (self.body[:start], written, self.body[end:])


def named_model(body: bytes, headers: Mapping[bytes, bytes]) -> NamedModel:
    """Read the model of a whole body. Raises BadRequest where it is unclear which one it names."""
    content_type = headers.get(b"content-type", b"")
    if is_form(content_type):
        finder = FieldFinder(content_type, _FIELD.encode())
        finder.feed(body)
        if not finder.ended:
            raise BadRequest("the form ends before its closing boundary")
        return form_model(finder, body)
    # Whatever the header says: a server may read JSON where it finds it.
    if not body.lstrip().startswith(b"{"):
        return NamedModel("", body)
    return NamedModel(decode(_Named, body).model or "", body)


def member_model(finder: MemberFinder, body: bytes) -> NamedModel:
    """The model as far as JSON was read, of which ``body`` is the beginning."""
    found = finder.found
    if found is None or not found.value:
        return NamedModel("", body)
    return NamedModel(found.value, body, (found.start, found.end), quoted=True)


def form_model(finder: FieldFinder, body: bytes) -> NamedModel:
    """The model as far as a form was read, of which ``body`` is the beginning. Raises BadRequest."""
    field = finder.field
    if field is None:
        return NamedModel("", body)
    try:
        return NamedModel(field.value.decode(), body, (field.start, field.end))
    except UnicodeDecodeError:
        raise BadRequest("the model's name is not UTF-8", param=_FIELD) from None
