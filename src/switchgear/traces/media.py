"""Pictures, sounds and files that messages refer to: named by what they hold, kept once, seen by their project only."""

import asyncio
import codecs
import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest, BodyTooLarge, Forbidden, NotFound
from switchgear.kernel.ports import Database
from switchgear.traces.media_uses import note_use
from switchgear.traces.scores.model import MaskText
from switchgear.traces.tables import MEDIA

_TOKEN_BYTES: Final = 24
_LINK_NS: Final = 3_600_000_000_000
_SECOND_NS: Final = 1_000_000_000
_SWEPT_AT_ONCE: Final = 200
_TEXTS: Final = (
    "application/json",
    "application/xml",
    "application/yaml",
    "application/x-ndjson",
    "application/x-yaml",
)
"""Types that hold text, beside those that say so."""
_WIDE_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Rules(Struct, frozen=True, kw_only=True):
    """How much may be kept."""

    max_file_bytes: int = 32 * 1024 * 1024
    max_total_bytes: int = 10 * 1024 * 1024 * 1024


class Medium(Struct, frozen=True, kw_only=True):
    """One of a project."""

    project: str
    id: str
    digest: str
    """SHA-256 of what is kept; until it is here, of what is to be brought."""
    content_type: str
    bytes: int
    token: str
    """Who has it may bring the bytes."""
    state: str
    created_ns: int
    uploaded_ns: int
    used_ns: int
    """When somebody last told of it."""

    @property
    def is_here(self) -> bool:
        """Whether its bytes were brought."""
        return self.state == "here"

    def link(self, until_ns: int) -> str:
        """The signature of a link that shows it until then."""
        return hmac.digest(self.token.encode(), f"read {until_ns}".encode(), "sha256").hex()


class Expected(Struct, frozen=True, kw_only=True):
    """What somebody is going to bring."""

    id: str
    digest: str
    """SHA-256, in hexadecimal digits."""
    content_type: str
    bytes: int
    trace_id: str = ""
    """The trace that tells of it; empty where the client names none."""


class Media:
    """Files in ``folder``, told of in the database. All methods raise OSError when either cannot be used."""

    def __init__(
        self,
        database: Database[AsyncConnection],
        folder: Path,
        clock: Clock,
        secret_hex: Callable[[int], str],
        mask: MaskText,
    ) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._secret_hex = secret_hex
        self._mask = mask
        self.rules = Rules()
        self._under_way: Counter[str] = Counter()
        """Digests of what is being written."""
        self._touched: set[str] = set()
        """The same, and what was written since files were swept last."""

    async def expect(self, project: str, coming: Expected) -> Medium:
        """Know of one that is to be brought, or is here already. Raises BodyTooLarge.

        That another project has the same bytes does not bring them here: who wants to see them must have them.
        """
        if coming.bytes > self.rules.max_file_bytes:
            raise BodyTooLarge(f"a file may have {self.rules.max_file_bytes} bytes, and this one has {coming.bytes}")
        if (known := await self._used(project, coming)) is not None:
            return known
        now_ns = self._clock.wall_ns()
        medium = Medium(
            project=project,
            id=coming.id,
            digest=coming.digest,
            content_type=coming.content_type,
            bytes=coming.bytes,
            token=self._secret_hex(_TOKEN_BYTES),
            state="expected",
            created_ns=now_ns,
            uploaded_ns=0,
            used_ns=now_ns,
        )
        try:
            async with self._database.write() as connection:
                kept = select(func.coalesce(func.sum(MEDIA.c.bytes), 0))
                if (await connection.execute(kept)).scalar_one() + coming.bytes > self.rules.max_total_bytes:
                    raise BodyTooLarge(
                        f"files of traces may take {self.rules.max_total_bytes} bytes, which are used up"
                    )
                values = {field: getattr(medium, field) for field in medium.__struct_fields__}
                await connection.execute(insert(MEDIA).values(**values))
                await note_use(connection, (project, coming.id), coming.trace_id, now_ns)
        except IntegrityError:
            # Somebody else told of the same one at this moment.
            return await self._used(project, coming) or await self._known(project, coming.id)
        return medium

    async def bring(self, project: str, id: str, token: str, content: bytes) -> None:
        """Keep the bytes of one that is expected, those of a text masked. Raises NotFound, Forbidden or BadRequest."""
        medium = await self._known(project, id)
        if not hmac.compare_digest(medium.token.encode(), token.encode()):
            raise Forbidden("this is not the link that was given for the file")
        if medium.is_here:
            return
        if hashlib.sha256(content).hexdigest() != medium.digest or len(content) != medium.bytes:
            raise BadRequest("the bytes are not those that were announced: their SHA-256 or their number differs")
        digest, content = await asyncio.to_thread(self._kept_of, medium, content)
        self._touched.add(digest)
        self._under_way[digest] += 1
        try:
            await asyncio.to_thread(self._write, digest, content)
            async with self._database.write() as connection:
                now_ns = self._clock.wall_ns()
                values = {"state": "here", "uploaded_ns": now_ns, "used_ns": now_ns, "digest": digest}
                mine = (MEDIA.c.project == project, MEDIA.c.id == id)
                await connection.execute(update(MEDIA).where(*mine).values(**values, bytes=len(content)))
        finally:
            self._under_way -= Counter((digest,))

    async def sweep(self) -> int:
        """Remove the files of what no project has any more, and those that were never finished; how many."""
        self._touched = set(self._under_way)
        count = 0
        paths = await asyncio.to_thread(_files, self._folder)
        for at in range(0, len(paths), _SWEPT_AT_ONCE):
            some = paths[at : at + _SWEPT_AT_ONCE]
            digests = {path: path.name.partition(".")[0] for path in some}
            async with self._database.read() as connection:
                asked = select(MEDIA.c.digest).where(MEDIA.c.digest.in_(set(digests.values())))
                known = set((await connection.execute(asked)).scalars())
            for path, digest in digests.items():
                is_finished = path.name == digest
                # What was begun meanwhile is not to be asked for: nothing is awaited between this and the removal.
                if digest not in self._touched and not (is_finished and digest in known):
                    path.unlink(missing_ok=True)
                    count += 1
        return count

    async def find(self, project: str, id: str) -> Medium | None:
        """None where there is none."""
        asked = select(MEDIA).where(MEDIA.c.project == project, MEDIA.c.id == id)
        async with self._database.read() as connection:
            row = (await connection.execute(asked)).mappings().first()
        return None if row is None else Medium(**row)

    def until_ns(self) -> int:
        """Until when a link that is made now shows something."""
        return (self._clock.wall_ns() + _LINK_NS) // _SECOND_NS * _SECOND_NS

    async def shown(self, project: str, id: str, until_ns: int, signature: str) -> tuple[Medium, bytes]:
        """One with its bytes, by a link. Raises NotFound or Forbidden."""
        medium = await self._known(project, id)
        if not hmac.compare_digest(medium.link(until_ns).encode(), signature.encode()):
            raise Forbidden("the link is not one that was given for the file")
        if until_ns < self._clock.wall_ns():
            raise Forbidden("the link is over; ask for a new one")
        if not medium.is_here:
            raise NotFound(f"the bytes of file {id[:64]!r} were never brought")
        return medium, await asyncio.to_thread(self._path(medium.digest).read_bytes)

    async def _used(self, project: str, coming: Expected) -> Medium | None:
        """Note that it was told of; None where there is none."""
        async with self._database.write() as connection:
            medium = (project, coming.id)
            if not await note_use(connection, medium, coming.trace_id, self._clock.wall_ns()):
                return None
        return await self.find(project, coming.id)

    async def _known(self, project: str, id: str) -> Medium:
        medium = await self.find(project, id)
        if medium is None:
            raise NotFound(f"there is no file {id[:64]!r}")
        return medium

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _kept_of(self, medium: Medium, content: bytes) -> tuple[str, bytes]:
        """What is kept, and its digest."""
        if _is_text(medium.content_type):
            content = _masked(content, lambda text: self._mask(medium.project, text))
        return hashlib.sha256(content).hexdigest(), content

    def _write(self, digest: str, content: bytes) -> None:
        """Keep it under its name when it is on the disk, so that a name never stands for a part."""
        path = self._path(digest)
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{self._secret_hex(8)}.new")
        try:
            with fresh.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        finally:
            fresh.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if path.is_file())


def _is_text(content_type: str) -> bool:
    kind = content_type.lower()
    return kind.startswith("text/") or kind in _TEXTS or kind.endswith(("+json", "+xml"))


def _masked(content: bytes, mask: Callable[[str], str]) -> bytes:
    """In whatever it is written; the same bytes where nothing is found."""
    encoding = "utf-16" if content.startswith(_WIDE_MARKS) else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        # It has a character for each byte.
        encoding = "latin-1"
        text = content.decode(encoding)
    masked = mask(text)
    return content if masked == text else masked.encode(encoding, "replace")
