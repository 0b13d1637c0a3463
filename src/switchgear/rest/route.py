"""A management route: what it takes, what it answers, and the permission it needs, in one value.

There is no route without a permission: making one fails. What is declared here is what is checked, and what the OpenAPI
document says.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeVar

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.rest.principal import Author, Place, Principal
from switchgear.rest.problem import forbidden, not_found

PREFIX: Final = "/api/v1"
ACTIONS: Final = ("read", "write", "delete", "rotate", "run", "export")
"""What can be done with a resource; a permission is `resource:action`."""
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_PERMISSION: Final = re.compile(rf"[a-z][a-z_]*:({'|'.join(ACTIONS)})")
_PATH: Final = re.compile(r"(/([a-z0-9_.-]+|\{[a-z_]+(:path)?\}))+")
_PARAMETER: Final = re.compile(r"\{([a-z_]+)(?::path)?\}")

Kind = TypeVar("Kind")


class Answer(Struct, frozen=True, kw_only=True):
    """What a handler gives back."""

    body: object = None
    """Anything that msgspec encodes, of the type that the route declares; bytes go out as they are."""
    status: int | None = None
    """Another than the route's own."""
    headers: tuple[tuple[str, str], ...] = ()
    etag: str = ""


class Asked(Struct, kw_only=True):
    """One request, checked: what a handler works on."""

    principal: Principal
    author: Author
    path: Mapping[str, str]
    headers: Mapping[str, str]
    permission: str
    query: object = None
    body: object = None
    transaction: AsyncConnection | None = None

    @property
    def connection(self) -> AsyncConnection:
        """The request's transaction: of a GET it reads; otherwise it is committed when the handler returns."""
        assert self.transaction is not None, "the route says that it needs no database"
        return self.transaction

    def query_as(self, kind: type[Kind]) -> Kind:
        """The query, of the type that the route declares."""
        assert isinstance(self.query, kind)
        return self.query

    def body_as(self, kind: type[Kind]) -> Kind:
        """The body, of the type that the route declares."""
        assert isinstance(self.body, kind)
        return self.body

    def allow(self, place: Place, what: str, seen_by: str = "") -> None:
        """Raises Refused unless the caller may do this with what belongs to ``place``.

        404 when they may not even know that it is there: when ``seen_by``, the permission to read it, is not theirs.
        """
        if self.principal.may(self.permission, place):
            return
        if seen_by and not self.principal.may(seen_by, place):
            raise not_found(what)
        raise forbidden(self.permission, f" for {what}")


Handler = Callable[[Asked], Awaitable[Answer]]


class Route(Struct, frozen=True, kw_only=True):
    """One method of one path below ``/api/v1``. Raises ValueError for a permission or a path that is none."""

    method: Method
    path: str
    """`/roles/{name}`; `{name:path}` where names may hold slashes."""
    permission: str
    summary: str
    handler: Handler
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    answer: object = None
    """The type of the answer's body; None: no body."""
    status: int = 200
    by_place: bool = False
    """Whether the handler itself checks the permission, for the place of what it finds (:meth:`Asked.allow`)."""
    tells_etag: bool = False
    refuses: tuple[int, ...] = ()
    """Statuses that the handler answers, beside those that follow from all the rest."""
    holds_secret: bool = False
    """Whether the answer holds something that is shown this once, and so is never kept for a repetition."""
    needs_database: bool = True
    max_body_bytes: int = 1_048_576
    media_type: str = "application/json"

    def __post_init__(self) -> None:
        if not _PERMISSION.fullmatch(self.permission):
            raise ValueError(f"{self.method} {self.path}: {self.permission!r} is no permission like 'role:read'")
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"{self.path!r} is no path like '/roles/{{name}}'")
        for kind in (self.query, self.body):
            if kind is not None and not kind.__struct_config__.forbid_unknown_fields:
                raise ValueError(f"{self.method} {self.path}: {kind.__name__} must forbid unknown fields")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def documented_path(self) -> str:
        """As OpenAPI writes it."""
        return PREFIX + self.path.replace(":path}", "}")

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"

    @property
    def takes_condition(self) -> bool:
        """Whether it wants to know which version is changed."""
        return self.changes and 428 in self.refuses
