"""Bodies that are passed on while they arrive: how many bytes went by, and which model a form names."""

from typing import TYPE_CHECKING, Final

from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest, Internal
from switchgear.kernel.upload import Upload
from switchgear.wire.multipart import FieldFinder
from switchgear.wire.named_model import NamedModel, form_model

_MOST_HELD_BYTES: Final = 1024 * 1024
"""How much of a form is held while its model is looked for: clients write fields before files."""
_CONTENT_TYPE: Final = b"content-type"


class Counted:
    """The upload of a call, counted in it."""

    __slots__ = ("_call", "_upload", "size_bytes")

    def __init__(self, call: Call, upload: Upload) -> None:
        self._call = call
        self._upload = upload
        self.size_bytes = upload.size_bytes

    def __aiter__(self) -> "Counted":
        return self

    async def __anext__(self) -> bytes:
        piece = await self._upload.__anext__()
        self._call.request_bytes += len(piece)
        return piece


class UploadedForm:
    """A form with another name of its model, of which the beginning was read; raises BadRequest where it is unclear."""

    __slots__ = ("_beginning", "_finder", "_named", "_rest", "size_bytes")

    def __init__(self, beginning: bytes, rest: Upload, finder: FieldFinder) -> None:
        self._named = form_model(finder, beginning)
        self._beginning = beginning
        self._rest = rest
        self._finder = finder
        self.size_bytes = rest.size_bytes

    @property
    def named(self) -> NamedModel:
        """The model as far as the form was read."""
        return self._named

    def rename(self, model: str) -> None:
        """Let the model go up under another name."""
        renamed = self._named.renamed(model)
        if self.size_bytes is not None:
            self.size_bytes += len(renamed) - len(self._beginning)
        self._beginning = renamed

    def __aiter__(self) -> "UploadedForm":
        return self

    async def __anext__(self) -> bytes:
        if self._beginning:
            beginning, self._beginning = self._beginning, b""
            return beginning
        try:
            piece = await self._rest.__anext__()
        except StopAsyncIteration:
            self._require_end()
            raise
        self._finder.feed(piece)
        if self._finder.seen and not self._named.name:
            raise BadRequest("the form names its model behind the file; send the field 'model' first", param="model")
        return piece

    def _require_end(self) -> None:
        if not self._finder.ended:
            raise BadRequest("the form ends before its closing boundary")


async def uploaded_form(call: Call) -> UploadedForm:
    """Read a form up to its model, or as far as anything is held. Raises BadRequest."""
    if call.upload is None:
        raise Internal("a form was to be read of a call without an upload")
    rest = Counted(call, call.upload)
    finder = FieldFinder(call.headers.get(_CONTENT_TYPE, b""), b"model")
    held: list[bytes] = []
    held_bytes = 0
    async for piece in rest:
        finder.feed(piece)
        held.append(piece)
        held_bytes += len(piece)
        if finder.field is not None or finder.ended or held_bytes > _MOST_HELD_BYTES:
            break
    form = UploadedForm(b"".join(held), rest, finder)
    if finder.seen and not form.named.name:
        raise BadRequest("the form has a model without a name", param="model")
    return form


if TYPE_CHECKING:
    _: tuple[type[Upload], type[Upload]] = (Counted, UploadedForm)
