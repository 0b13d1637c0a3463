"""Media in Gemini's parts, both ways: bytes in base64 with their type, or the address of a file.

Google's own SDKs write base64 in its URL-safe alphabet (RFC 4648 §5), which its servers take and nobody else's do.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from switchgear.kernel.chat import Audio, File, Image, Media
from switchgear.kernel.errors import UnsupportedField

PCM16: Final = "pcm16"
"""What OpenAI calls 16-bit samples at 24 kHz, the only sound that Gemini's models make."""
_PCM16_TYPE: Final = "audio/L16;codec=pcm;rate=24000"
_PCM16_NAMES: Final = ("l16", "pcm")
_FORMATS: Final = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}
_TYPES: Final = {
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "txt": "text/plain",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "json": "application/json",
    "pdf": "application/pdf",
}
"""Media types by the end of a name: Gemini must be told, other dialects often do not say."""
_GOOGLES_FILES: Final = "https://generativelanguage.googleapis.com/"
_URL_SAFE: Final = str.maketrans("-_", "+/")
_BASE64_GROUP: Final = 4


class Blob(Struct, rename="camel", frozen=True):
    data: str = ""
    mime_type: str = ""
    display_name: str | None = None


class FileData(Struct, rename="camel", frozen=True):
    file_uri: str = ""
    mime_type: str | None = None
    display_name: str | None = None


class StrictBlob(Blob, rename="camel", frozen=True, forbid_unknown_fields=True):
    """A blob of a request, whose every member must be understood."""


class StrictFileData(FileData, rename="camel", frozen=True, forbid_unknown_fields=True):
    """A file of a request, likewise."""


def standard_base64(data: str) -> str:
    """The same bytes in the standard alphabet, with padding."""
    if "-" in data or "_" in data:
        data = data.translate(_URL_SAFE)
    return data + "=" * (-len(data) % _BASE64_GROUP)


def decoded_base64(data: str) -> bytes | None:
    """The bytes, from either alphabet; None when it is no base64."""
    try:
        return b64decode(standard_base64(data), validate=True)
    except (Base64Error, ValueError):
        return None


def read_blob(blob: Blob) -> Image | Audio | File:
    """Bytes as what their type says they are."""
    data = standard_base64(blob.data)
    main, _, rest = blob.mime_type.partition("/")
    if main == "audio":
        name = rest.partition(";")[0].strip().lower()
        return Audio(data=data, format=PCM16 if name in _PCM16_NAMES else _FORMATS.get(name, name))
    source = Media(data=data, media_type=blob.mime_type or None)
    return Image(source=source) if main == "image" else File(source=source, filename=blob.display_name)


def read_file(file: FileData) -> Image | File:
    """A file by its address; one in Google's own store means nothing elsewhere, so that it is a file id."""
    media_type = file.mime_type or _type_by_name(file.file_uri)
    foreign = "://" in file.file_uri and not file.file_uri.startswith(_GOOGLES_FILES)
    if foreign:
        source = Media(url=file.file_uri, media_type=media_type)
    else:
        source = Media(file_id=file.file_uri, media_type=media_type)
    is_image = (media_type or "").startswith("image/")
    return Image(source=source) if is_image else File(source=source, filename=file.display_name)


def write_media(part: Image | File, place: str) -> dict[str, object]:
    """``inlineData`` or ``fileData``. Raises UnsupportedField for bytes of which nobody says what they are."""
    source = part.source
    name = part.filename if isinstance(part, File) else None
    media_type = source.media_type or _type_by_name(name or source.url or "")
    written: dict[str, object] = {}
    if media_type is not None:
        written["mimeType"] = media_type
    if source.data is None:
        kind = "fileData"
        written["fileUri"] = source.url if source.url is not None else source.file_id
    elif media_type is None:
        raise UnsupportedField(f"{place}: Gemini must be told the media type of base64 data", param=place)
    else:
        kind = "inlineData"
        written["data"] = source.data
    if name is not None:
        written["displayName"] = name
    return {kind: written}


def write_audio(data: str, format: str) -> dict[str, object]:
    """``inlineData`` with sound in a format by OpenAI's name for it."""
    return {"inlineData": {"mimeType": _PCM16_TYPE if format == PCM16 else f"audio/{format}", "data": data}}


def _type_by_name(name: str, types: Mapping[str, str] = _TYPES) -> str | None:
    path = name.partition("?")[0].partition("#")[0]
    return types.get(path.rpartition(".")[2].lower()) if "." in path else None
