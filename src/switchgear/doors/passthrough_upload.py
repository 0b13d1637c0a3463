"""Bodies that are passed on while they arrive: how many bytes went by, and which model one names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest
from switchgear.kernel.upload import Upload
from switchgear.wire.json_member import MemberFinder
from switchgear.wire.multipart import FieldFinder, is_form
from switchgear.wire.named_model import NamedModel, form_model, member_model

LARGE_BYTES: Final = 1024 * 1024
"""What is larger is passed on while it arrives; of a form, so much is held while its model is looked for."""
_CONTENT_TYPE: Final = b"content-type"


class Body(Upload, Protocol):
    """An upload that knows whether any of it has left."""

    @property
    def begun(self) -> bool:
        """Whether a piece was taken: then it cannot be sent again."""
        ...


class Finder(Protocol):
    """Follows a body, and notes where its model stands."""

    seen: bool
    ended: bool

    def feed(self, data: bytes) -> None: ...


class Counted:
    """The upload of a call, counted in it."""

    __slots__ = ("_call", "_upload", "begun", "size_bytes")

    def __init__(self, call: Call, upload: Upload) -> None:
        self._call = call
        self._upload = upload
        self.begun = False
        self.size_bytes = upload.size_bytes

    def __aiter__(self) -> "Counted":
        return self

    async def __anext__(self) -> bytes:
        piece = await self._upload.__anext__()
        self.begun = True
        self._call.request_bytes += len(piece)
        return piece


class UploadedBody:
    """A body with another name of its model, of which the beginning was read."""

    __slots__ = ("_beginning", "_finder", "_rest", "begun", "named", "size_bytes")

    def __init__(self, named: NamedModel, rest: Upload, finder: Finder) -> None:
        self.named = named
        """The model as far as the body was read."""
        self._beginning = named.body
        self._rest = rest
        self._finder = finder
        self.begun = False
        self.size_bytes = rest.size_bytes

    def rename(self, model: str) -> None:
        """Let the model go up under another name."""
        renamed = self.named.renamed(model)
        if self.size_bytes is not None:
            self.size_bytes += len(renamed) - len(self._beginning)
        self._beginning = renamed

    def __aiter__(self) -> "UploadedBody":
        return self

    async def __anext__(self) -> bytes:
        self.begun = True
        if self._beginning:
            beginning, self._beginning = self._beginning, b""
            return beginning
        try:
            piece = await self._rest.__anext__()
        except StopAsyncIteration:
            if not self._finder.ended:
                raise BadRequest("the body ends before it is whole") from None
            raise
        self._finder.feed(piece)
        if self._finder.seen and not self.named.name:
            raise BadRequest("the form names its model behind the file; send the field 'model' first", param="model")
        return piece


async def uploaded(call: Call) -> UploadedBody | None:
    """What goes up piece by piece of a call that may name a model; None where the call's body is whole.

    Raises BadRequest where it is unclear which model is named.
    """
    if call.upload is None:
        return None
    rest = Counted(call, call.upload)
    content_type = call.headers.get(_CONTENT_TYPE, b"")
    if is_form(content_type):
        return await _form(rest, FieldFinder(content_type, b"model"))
    return await _json(call, rest)


async def _form(rest: Counted, finder: FieldFinder) -> UploadedBody:
    """Read a form up to its model, or as far as anything is held."""
    held: list[bytes] = []
    held_bytes = 0
    async for piece in rest:
        finder.feed(piece)
        held.append(piece)
        held_bytes += len(piece)
        if finder.field is not None or finder.ended or held_bytes > LARGE_BYTES:
            break
    named = form_model(finder, b"".join(held))
    if finder.seen and not named.name:
        raise BadRequest("the form has a model without a name", param="model")
    return UploadedBody(named, rest, finder)


async def _json(call: Call, rest: Counted) -> UploadedBody | None:
    """Read JSON up to its model, however far behind that stands: its members come in any order."""
    finder = MemberFinder("model")
    held: list[bytes] = []
    held_bytes = 0
    async for piece in rest:
        held.append(piece)
        held_bytes += len(piece)
        finder.feed(piece)
        if (finder.found is not None or finder.ended) and held_bytes > LARGE_BYTES:
            return UploadedBody(member_model(finder, b"".join(held)), rest, finder)
    call.body = b"".join(held)
    return None


async def unread(call: Call) -> Body | None:
    """What goes up piece by piece of a call that is passed on as it is; None where the call's body is whole."""
    if call.upload is None or call.tunnels:
        return None
    rest = Counted(call, call.upload)
    if rest.size_bytes is not None or not is_json(call.headers):
        return rest
    # In chunks, and perhaps small: there are servers that take no chunks.
    held: list[bytes] = []
    held_bytes = 0
    async for piece in rest:
        held.append(piece)
        held_bytes += len(piece)
        if held_bytes > LARGE_BYTES:
            return UploadedBody(NamedModel("", b"".join(held)), rest, _NothingToFind())
    call.body = b"".join(held)
    return None


def is_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body is said to be JSON."""
    return headers.get(_CONTENT_TYPE, b"").lower().startswith(b"application/json")


class _NothingToFind:
    """Follows a body that is nobody's business."""

    def __init__(self) -> None:
        self.seen = False
        self.ended = True

    def feed(self, data: bytes) -> None:
        """Nothing is looked for."""


if TYPE_CHECKING:
    _: tuple[type[Body], type[Body]] = (Counted, UploadedBody)
