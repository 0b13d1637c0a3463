"""Routes for a kind of object: a slice declares a :class:`Resource`, and has lists, versions and a way back.

::

    ROLES = Resource(kind="role", plural="roles", type=Role, about="What a role may do.")
    routes = resource_routes(ROLES, objects)

gives ``GET /roles``, ``POST /roles``, and ``GET``, ``PUT``, ``DELETE /roles/{name}``, ``GET /roles/{name}/versions``,
``POST /roles/{name}/revert``, with the permissions ``role:read``, ``role:write`` and ``role:delete``. What the
configuration file declares is listed with the rest, and is read-only here.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal, cast

from msgspec import Meta, Struct, ValidationError, defstruct, json, to_builtins
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.rest.audit import MASK, masked
from switchgear.rest.objects import Stored, Version
from switchgear.rest.principal import EVERYWHERE, Author, Place, Principal
from switchgear.rest.problem import Refused
from switchgear.rest.written import moment

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
Source = Literal["database", "file", "built_in"]
Body = Any
"""Of the resource's type, which only it knows."""


class Fixed(Struct, frozen=True, kw_only=True):
    """An object that the API cannot change: the file has it, or the program."""

    body: Body
    source: Source = "file"
    file: str = ""
    """Which file."""


class Proposal(Struct, frozen=True, kw_only=True):
    """A change that was made and is not committed: a check may still refuse it."""

    name: str
    before: Body
    """None: it was not there."""
    after: Body
    """None: it is deleted."""
    author: Author
    principal: Principal


def nothing_fixed() -> Mapping[str, Fixed]:
    """No object of the kind can be declared elsewhere."""
    return {}


def of_the_installation(name: str, body: Body) -> Place:
    """It belongs to nobody in particular."""
    return EVERYWHERE


class Resource(Struct, frozen=True, kw_only=True):
    """A kind of object. Raises ValueError for a type that would take fields it does not know."""

    kind: str
    plural: str
    type: type[Struct]
    about: str
    """One sentence, for the OpenAPI document."""
    place: Callable[[str, Body], Place] = of_the_installation
    """Whose an object is, by its name and body."""
    secrets: frozenset[str] = frozenset()
    """Fields that are written and never shown, however deep; `****` that is sent back means what it was."""
    fixed: Callable[[], Mapping[str, Fixed]] = nothing_fixed
    check: Callable[[AsyncConnection, Proposal], Awaitable[None]] | None = None
    """Raises Refused for a change that may not be; it is asked after the change, in its transaction."""
    name_pattern: str = NAME
    writable: bool = True
    """Whether the generic routes may change it; a kind with routes of its own for that says no."""

    def __post_init__(self) -> None:
        if not self.type.__struct_config__.forbid_unknown_fields:
            raise ValueError(f"{self.type.__name__} must forbid unknown fields")

    @property
    def names_hold_slashes(self) -> bool:
        """Whether a name may hold a slash."""
        return self.takes_name("a/b")

    def takes_name(self, name: str) -> bool:
        """Whether an object may be called so."""
        return re.fullmatch(self.name_pattern.removeprefix("^").removesuffix("$"), name) is not None

    def decoded(self, body: str) -> Body:
        """A body that was stored. Raises ValidationError when the type has changed too much since."""
        return json.decode(body, type=self.type)

    def encoded(self, body: Body) -> str:
        """A body to be stored."""
        return json.encode(body).decode()

    def shown(self, body: Body) -> object:
        """A body without its secrets, of JSON's types."""
        return masked(to_builtins(body, enc_hook=lambda _: MASK), self.secrets)

    def restored(self, body: Body, before: Body) -> Body:
        """``body`` with what it says is hidden (`****`) put back from ``before``."""
        if not self.secrets or before is None:
            return body
        merged = _unmasked(to_builtins(body), to_builtins(before), self.secrets)
        return json.decode(json.encode(merged), type=self.type)


class Types(Struct, frozen=True, kw_only=True):
    """What the routes of a resource take and answer."""

    new: type[Struct]
    change: type[Struct]
    object: type[Struct]
    page: type[Struct]
    version_page: type[Struct]


def types_of(resource: Resource) -> Types:
    """Made from the resource's own type."""
    word = resource.type.__name__
    name = Annotated[str, Meta(pattern=resource.name_pattern)]
    spec = ("spec", resource.type)
    shown = defstruct(
        f"{word}Object",
        [
            ("kind", str),
            ("name", str),
            ("source", Source),
            spec,
            ("file", str | None, None),
            ("version", int, 0),
            ("created_at", str | None, None),
            ("created_by", str | None, None),
            ("updated_at", str | None, None),
            ("updated_by", str | None, None),
        ],
        kw_only=True,
    )
    version = defstruct(
        f"{word}Version",
        [("version", int), ("action", str), ("made_at", str), ("made_by", str), ("spec", resource.type | None)],
        kw_only=True,
    )
    return Types(
        new=defstruct(f"New{word}", [("name", name), spec], kw_only=True, forbid_unknown_fields=True),
        change=defstruct(f"Changed{word}", [spec], kw_only=True, forbid_unknown_fields=True),
        object=shown,
        page=defstruct(f"{word}Page", [("data", list[shown]), ("next", str | None)]),
        version_page=defstruct(f"{word}VersionPage", [("data", list[version]), ("next", str | None)]),
    )


def shown_stored(resource: Resource, stored: Stored) -> dict[str, object]:
    """An object of the database as the API shows it."""
    return {
        "kind": resource.kind,
        "name": stored.name,
        "source": "database",
        "file": None,
        "version": stored.version,
        "created_at": moment(stored.created_ns),
        "created_by": stored.created_by,
        "updated_at": moment(stored.updated_ns),
        "updated_by": stored.updated_by,
        "spec": masked(json.decode(stored.body), resource.secrets),
    }


def shown_fixed(resource: Resource, name: str, fixed: Fixed) -> dict[str, object]:
    """An object that the file or the program declares as the API shows it."""
    return {
        "kind": resource.kind,
        "name": name,
        "source": fixed.source,
        "file": fixed.file or None,
        "version": 0,
        "created_at": None,
        "created_by": None,
        "updated_at": None,
        "updated_by": None,
        "spec": resource.shown(fixed.body),
    }


def shown_version(resource: Resource, version: Version) -> dict[str, object]:
    """A version as the API shows it."""
    return {
        "version": version.version,
        "action": version.action,
        "made_at": moment(version.made_ns),
        "made_by": version.made_by,
        "spec": None if version.body is None else masked(json.decode(version.body), resource.secrets),
    }


def read_only(resource: Resource, name: str, fixed: Fixed) -> Refused:
    """Why an object cannot be changed here."""
    if fixed.source == "built_in":
        return Refused(409, "built_in", f"the {resource.kind} {name!r} is built in and cannot be changed")
    return Refused(
        409,
        "owned_by_file",
        f"the {resource.kind} {name!r} is declared in {fixed.file}, and can be changed only there",
        members={"source": "file", "file": fixed.file},
    )


def readable(resource: Resource, version: Version) -> Body:
    """The body of an old version. Raises Refused when it can no longer be used."""
    if version.body is None:
        raise Refused(409, "deleted_version", f"in version {version.version} the {resource.kind} was deleted")
    try:
        return resource.decoded(version.body)
    except ValidationError as error:
        raise Refused(409, "outdated_version", f"version {version.version} is no longer valid: {error}") from None


def _unmasked(value: object, before: object, secrets: frozenset[str]) -> object:
    if not isinstance(value, dict) or not isinstance(before, dict):
        return cast("object", value)
    new = cast("dict[str, object]", value)
    old = cast("dict[str, object]", before)
    return {
        key: old[key] if key in secrets and field == MASK and key in old else _unmasked(field, old.get(key), secrets)
        for key, field in new.items()
    }
