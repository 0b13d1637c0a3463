"""What all doors for spans ask first: whose spans these are, and what the body is once it is inflated."""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

from fastapi import Request
from msgspec import Struct
from starlette.requests import ClientDisconnect

from switchgear.auth.model import KeyRing, VirtualKey
from switchgear.auth.stage import key_in
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import BadRequest, BodyTooLarge, Forbidden, Overloaded, Unauthenticated
from switchgear.rest.principal import Asker, Author
from switchgear.traces.intake import Origin
from switchgear.wire.inflate import inflated

Read = TypeVar("Read")

DOOR: Final = "traces"
"""How the ``doors`` of a virtual key call all of these."""
READING: Final = "traces_read"
"""How they call reading back what was sent: only keys that name it may, for applications' keys leak."""
DELETING: Final = "traces_delete"
"""How they call deleting traces: only keys that name it may."""
_DOES: Final = {READING: "read traces, or take back what was said of them", DELETING: "delete traces"}
DEFAULT_PROJECT: Final = "default"
_KEY_HEADERS: Final = ("x-api-key", "api_key", "api-key", "wandb-api-key")
_SENDER_PROJECTS: Final = (
    "langsmith-project",
    "x-project-name",
    "x-mlflow-experiment-id",
    "projectname",
    "x-bt-parent",
    "project_id",
)
"""Where vendors' clients say what they call their project."""
_MAX_PROJECT_CHARACTERS: Final = 200
_INLINE_BYTES: Final = 64 * 1024
_SCHEMES: Final = ("bearer", "apikey", "token")


class Limits(Struct, frozen=True, kw_only=True):
    """How much of requests is held at once."""

    max_body_bytes: int = 64 * 1024 * 1024
    """Of one, as it was sent."""
    max_held_bytes: int = 256 * 1024 * 1024
    """Of all."""
    max_inflated_at_once: int = 2
    """Large bodies that are inflated and read at the same time; each may take many times its size for a moment."""


class Entrance:
    """Lets in who has a virtual key, or needs none."""

    def __init__(
        self, ring: Callable[[], KeyRing], asker: Callable[[Request], Asker], clock: Clock, limits: Limits | None = None
    ) -> None:
        self._ring = ring
        self._asker = asker
        self._clock = clock
        self._limits = Limits() if limits is None else limits
        self._held_bytes = 0
        self._large = asyncio.Semaphore(self._limits.max_inflated_at_once)

    def origin(self, request: Request, door: str, right: str = DOOR) -> Origin:
        """Whose spans a request sends, reads or deletes, by its ``right``. Raises Unauthenticated or Forbidden."""
        return self.origin_of(self._asker(request), door, right)

    def author(self, request: Request, origin: Origin) -> Author:
        """Who changes something, for the audit log."""
        asker = self._asker(request)
        agent = asker.headers.get("user-agent", "")
        return Author(kind="key", name=origin.key, address=asker.address, user_agent=agent)

    def origin_of(self, asker: Asker, door: str, right: str = DOOR) -> Origin:
        """The same of whoever brings them otherwise than by a request of HTTP. Raises Unauthenticated or Forbidden."""
        ring = self._ring()
        sender_project = _sender_project(asker.headers)
        key = key_in(ring, presented_key(asker.headers), self._clock.wall_ns(), asker.address)
        if key is not None:
            _require_door(key, right)
            project = key.project or DEFAULT_PROJECT
            return Origin(project=project, door=door, key=key.name, sender_project=sender_project)
        if ring.allows_anonymous_loopback and asker.local and right != DELETING:
            return Origin(project=DEFAULT_PROJECT, door=door, sender_project=sender_project)
        raise Unauthenticated(
            "no valid virtual key was given: send one as 'Authorization: Bearer KEY', as the password of Basic, or as "
            "'x-api-key: KEY'; `switchgear keys create` makes one"
        )

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncGenerator[bytes]:
        """The body as it was sent, counted among all that are held until the end of the block.

        Raises BodyTooLarge, BadRequest for one that does not come to its end, Overloaded while too much is held.
        """
        pieces: list[bytes] = []
        size_bytes = 0
        try:
            async for piece in request.stream():
                size_bytes += len(piece)
                self._held_bytes += len(piece)
                if size_bytes > self._limits.max_body_bytes:
                    raise BodyTooLarge(
                        f"the body is over {self._limits.max_body_bytes} bytes; send fewer spans at once"
                    )
                if self._held_bytes > self._limits.max_held_bytes:
                    raise _too_much()
                pieces.append(piece)
            yield b"".join(pieces)
        except ClientDisconnect:
            raise BadRequest("the body did not come to its end") from None
        finally:
            self._held_bytes -= size_bytes

    @contextmanager
    def holding(self, size_bytes: int) -> Generator[None]:
        """Count a body that is here already among all that are held. Raises Overloaded while that is too much."""
        if self._held_bytes + size_bytes > self._limits.max_held_bytes:
            raise _too_much()
        self._held_bytes += size_bytes
        try:
            yield
        finally:
            self._held_bytes -= size_bytes

    async def read(self, body: bytes, encoding: str, read: Callable[[bytes], Read]) -> Read:
        """What ``read`` makes of the inflated body; large bodies are read in a thread, few at a time."""
        if len(body) <= _INLINE_BYTES and not encoding:
            return read(body)
        async with self._large:
            return await asyncio.to_thread(lambda: read(inflated(body, encoding)))


def _require_door(key: VirtualKey, right: str) -> None:
    """Raise Forbidden for a key without the right; to read and to delete is never meant by naming no doors."""
    if right in key.doors or (right == DOOR and not key.doors):
        return
    if right == DOOR:
        raise Forbidden(f"key {key.name!r} may not use the door {DOOR!r}; it may use {', '.join(key.doors)}")
    doors = ", ".join((*(key.doors or (DOOR,)), right))
    others = "" if key.doors else " and the doors of its calls, such as openai,"
    where = f"by PUT /api/v1/keys/{key.name}" if key.lookup else "under 'keys' in switchgear.yaml"
    raise Forbidden(
        f"key {key.name!r} may not {_DOES[right]}, which takes {right!r} among its doors: "
        f"give it doors: [{doors}]{others} {where}, or use another key for that"
    )


def _too_much() -> Overloaded:
    return Overloaded("too many spans are on their way in; send these again", retry_after_seconds=1)


def presented_key(headers: Mapping[str, str]) -> bytes:
    """The key that a request shows, in any of the ways in which clients of tracing products show theirs.

    Of user and password (a public and a secret key) it is the password.
    """
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        return _password(credentials)
    if credentials and scheme.lower() in _SCHEMES:
        return credentials.strip().encode("latin-1", "replace")
    if scheme and not credentials:
        return scheme.encode("latin-1", "replace")
    return next((found.strip().encode() for name in _KEY_HEADERS if (found := headers.get(name))), b"")


def _password(credentials: str) -> bytes:
    try:
        told = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
    user, _, password = told.partition(b":")
    return password or user


def _sender_project(headers: Mapping[str, str]) -> str:
    found = next((told for name in _SENDER_PROJECTS if (told := headers.get(name))), "")
    told = found.partition(":")[2] if found.startswith(("project_name:", "project_id:")) else found
    return told[:_MAX_PROJECT_CHARACTERS]
