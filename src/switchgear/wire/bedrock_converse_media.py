"""Images, documents and sound in Converse's blocks, both ways: bytes as base64, or objects in S3 as ``s3://`` URLs.

Converse fetches nothing from the web and keeps no files, so other URLs and file ids are refused by name.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Final, Literal
from unicodedata import normalize

from msgspec import Raw, Struct

from switchgear.kernel.chat import Audio, File, Image, Media
from switchgear.kernel.errors import BadRequest, UnsupportedField
from switchgear.wire.json_body import ABSENT, said

Block = dict[str, object]

IMAGE_FORMATS: Final = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
DOCUMENT_FORMATS: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
_IMAGES_BY_TYPE: Final = {kind: name for name, kind in IMAGE_FORMATS.items()} | {"image/jpg": "jpeg"}
_DOCUMENTS_BY_TYPE: Final = {kind: name for name, kind in DOCUMENT_FORMATS.items()}
_S3: Final = "s3://"
_NOT_IN_NAMES: Final = re.compile(r"[^0-9A-Za-z\-()\[\]]+")
"""A document's name has letters, digits, single spaces, hyphens, parentheses and brackets."""
_LONGEST_NAME: Final = 200
_NAMELESS: Final = "document"

ImageFormat = Literal["png", "jpeg", "gif", "webp"]
DocumentFormat = Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"]


class S3Location(Struct, forbid_unknown_fields=True):
    """An object in S3; that it belongs to another account has no equal elsewhere."""

    uri: str


class Source(Struct, rename="camel", forbid_unknown_fields=True):
    """Exactly one of the members is set; ``text`` only for documents."""

    bytes: str | None = None
    s3_location: S3Location | None = None
    text: str | None = None


class WireImage(Struct, forbid_unknown_fields=True):
    format: ImageFormat
    source: Source


class CitationSwitch(Struct, forbid_unknown_fields=True):
    enabled: bool


class WireDocument(Struct, forbid_unknown_fields=True):
    name: str
    source: Source
    format: DocumentFormat | None = None
    context: Raw = ABSENT
    citations: CitationSwitch | None = None


class WireAudio(Struct, forbid_unknown_fields=True):
    format: str
    source: Source


def read_image(wire: WireImage, place: str) -> Image:
    return Image(source=_read_source(wire.source, IMAGE_FORMATS[wire.format], place))


def read_document(wire: WireDocument, place: str) -> File:
    """Raises UnsupportedField for what only models that cite take: a context, the wish for citations."""
    if said(wire.context) is not None:
        raise refused(f"{place}.context", "a document's context has no equal in another dialect")
    if wire.citations is not None and wire.citations.enabled:
        raise refused(f"{place}.citations", "documents cannot be cited in another dialect")
    kind = DOCUMENT_FORMATS[wire.format or "txt"]
    if wire.source.text is not None:
        media = Media(data=b64encode(wire.source.text.encode()).decode(), media_type=kind)
    else:
        media = _read_source(wire.source, kind, place)
    return File(source=media, filename=wire.name)


def read_audio(wire: WireAudio, place: str) -> Audio:
    if wire.source.bytes is None:
        raise refused(f"{place}.source", "sound in S3 has no equal in another dialect")
    return Audio(data=wire.source.bytes, format=wire.format)


def _read_source(source: Source, kind: str, place: str) -> Media:
    if source.bytes is not None:
        return Media(data=source.bytes, media_type=kind)
    if source.s3_location is not None:
        return Media(url=source.s3_location.uri, media_type=kind)
    raise BadRequest(f"{place}.source must hold bytes or s3Location", param=f"{place}.source")


def write_image(part: Image, place: str) -> Block:
    if part.detail == "low":
        raise refused(f"{place}.image_url.detail", "models on Bedrock cannot be told to look in low detail")
    kind = part.source.media_type or _type_by_name(part.source.url, IMAGE_FORMATS)
    form = _IMAGES_BY_TYPE.get(kind or "")
    if form is None:
        raise refused(place, f"Bedrock takes images as {', '.join(IMAGE_FORMATS)}, not {kind or 'of unknown type'}")
    return {"image": {"format": form, "source": _write_source(part.source, place)}}


def write_document(part: File, place: str) -> Block:
    kind = part.source.media_type or _type_by_name(part.filename or part.source.url, DOCUMENT_FORMATS)
    form = _DOCUMENTS_BY_TYPE.get((kind or "").partition(";")[0])
    if form is None:
        raise refused(place, f"Bedrock takes files as {', '.join(DOCUMENT_FORMATS)}, not {kind or 'of unknown type'}")
    name = document_name(part.filename, form)
    return {"document": {"format": form, "name": name, "source": _write_source(part.source, place)}}


def write_audio(part: Audio, place: str) -> Block:
    if not part.data:
        raise refused(place, "sound that the model made earlier cannot be referred to")
    return {"audio": {"format": part.format, "source": {"bytes": part.data}}}


def document_name(filename: str | None, form: str) -> str:
    """A name as Bedrock allows it: a file's, without the ending that the format tells, with spaces for the rest."""
    stem = (filename or "").removesuffix(f".{form}")
    plain = normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return _NOT_IN_NAMES.sub(" ", plain).strip()[:_LONGEST_NAME].rstrip() or _NAMELESS


def is_base64(text: str) -> bool:
    """Whether ``text`` comes back the same from a reader that keeps the bytes it stands for."""
    try:
        return b64encode(b64decode(text, validate=True)).decode() == text
    except (Base64Error, ValueError):
        return False


def refused(param: str, reason: str) -> UnsupportedField:
    """The error for what Converse cannot say, or what it says and nobody else."""
    return UnsupportedField(f"{param}: {reason}", param=param)


def _type_by_name(name: str | None, formats: dict[str, str]) -> str | None:
    ending = (name or "").rpartition(".")[2].lower()
    return formats.get("jpeg" if ending == "jpg" else ending)


def _write_source(media: Media, place: str) -> Block:
    if media.file_id is not None:
        raise refused(place, "Bedrock keeps no files; send the bytes")
    if media.url is None:
        return {"bytes": media.data or ""}
    if not media.url.startswith(_S3):
        raise refused(place, "Bedrock fetches nothing from the web; send the bytes, or an s3:// URL")
    return {"s3Location": {"uri": media.url}}
