"""Roles: sets of permissions with explicit exceptions, and where each is held.

A permission is `resource:action`; a role allows and denies patterns of them, in which `*` stands for any resource or
any action.
A binding gives a role to somebody: everywhere, or in one organisation, project or team. What any role of
theirs denies in a place, no other allows there.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from switchgear.rest.principal import EVERYWHERE, Place
from switchgear.rest.route import ACTIONS

OWNER: Final = "owner"
PATTERN: Final = rf"^(\*|[a-z][a-z_]*):(\*|{'|'.join(ACTIONS)})$"
SUBJECT: Final = r"^(user|service_account|key):[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

PermissionPattern = Annotated[str, Meta(pattern=PATTERN)]
Named = Annotated[str, Meta(max_length=64)]


class Role(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody with this role may do."""

    description: Annotated[str, Meta(max_length=1000, description="For people; nothing reads it.")] = ""
    allow: Annotated[
        tuple[PermissionPattern, ...],
        Meta(max_length=500, description="Permissions: `model:write`, `model:*`, `*:read`, `*:*`."),
    ] = ()
    deny: Annotated[
        tuple[PermissionPattern, ...],
        Meta(max_length=500, description="Exceptions, which no other role of theirs makes good."),
    ] = ()


class Binding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who has a role, and where: at most one of organisation, project and team; none is everywhere."""

    subject: Annotated[str, Meta(pattern=SUBJECT, description="`user:NAME`, `service_account:NAME` or `key:NAME`.")]
    role: Annotated[str, Meta(max_length=64, description="A role that is built in, or one of your own.")]
    organisation: Annotated[Named, Meta(description="Only what belongs to it, and to its projects.")] = ""
    project: Annotated[Named, Meta(description="Only what belongs to it.")] = ""
    team: Annotated[Named, Meta(description="Only what belongs to it.")] = ""

    @property
    def place(self) -> Place:
        """Where it holds."""
        return Place(organisation=self.organisation, project=self.project, team=self.team)


_ENGINEERED: Final = (
    *("alert", "alert_rule", "alias", "batch", "drift", "key", "limit", "model", "price", "prompt", "provider"),
    *("score", "view"),
)
_VIEWED: Final = (
    *("alert", "alert_rule", "alias", "batch", "binding", "call", "comment", "drift", "key", "ledger", "limit"),
    *("model", "organisation", "price", "project", "prompt", "provider", "role", "route", "score"),
    *("service_account", "statement", "team", "traces", "user", "view"),
    *("alert", "alert_rule", "drift"),
    *(
        "alias",
        "batch",
        "binding",
        "call",
        "drift",
        "key",
        "ledger",
        "limit",
        "model",
        "organisation",
        "price",
        "project",
    ),
    *("prompt", "provider", "role", "route", "score", "service_account", "statement", "team", "traces", "user"),
)
"""What a viewer reads: named one by one, because what one role denies no other role of theirs makes good."""
BUILT_IN: Final[Mapping[str, Role]] = {
    OWNER: Role(description="Everything, and making others owners.", allow=("*:*",)),
    "admin": Role(description="Everything but making owners.", allow=tuple(f"*:{action}" for action in ACTIONS)),
    "engineer": Role(
        description="Reads everything; models, providers, prices, keys, limits, prompts, batches, alerts, scores, "
        "views and checks for drift are theirs; they comment on traces.",
        allow=(
            "*:read",
            "comment:write",
            *(f"{resource}:*" for resource in _ENGINEERED),
        ),
    ),
    "analyst": Role(description="Reads and exports everything.", allow=("*:read", "*:export")),
    "viewer": Role(
        description="Reads everything but who changed what.",
        allow=tuple(f"{resource}:read" for resource in _VIEWED),
    ),
}


def matches(pattern: str, permission: str) -> bool:
    """Whether a pattern of a role takes a permission in; also whether it takes all of another pattern in."""
    resource, _, action = pattern.partition(":")
    wanted, _, done = permission.partition(":")
    return resource in ("*", wanted) and action in ("*", done)


class Grant(Struct, frozen=True, kw_only=True):
    """A role in a place."""

    role: Role
    place: Place = EVERYWHERE
    projects: frozenset[str] = frozenset()
    """Those of its organisation."""

    def covers(self, place: Place) -> bool:
        """Whether it holds for what belongs to ``place``."""
        mine = self.place
        if mine.organisation:
            return place.organisation == mine.organisation or place.project in self.projects
        if mine.project:
            return place.project == mine.project
        return not mine.team or place.team == mine.team

    def allows(self, permission: str) -> bool:
        """Whether it allows this, somewhere."""
        return any(matches(pattern, permission) for pattern in self.role.allow)

    def denies(self, permission: str) -> bool:
        """Whether it denies this, somewhere."""
        return any(matches(pattern, permission) for pattern in self.role.deny)

    def places(self) -> tuple[Place, ...]:
        """Its place, and those inside it that do not say so themselves."""
        return (self.place, *(Place(project=project) for project in sorted(self.projects)))


class Member(Struct, frozen=True, kw_only=True):
    """Somebody with roles: what a request may do is asked of this."""

    kind: str
    name: str
    grants: tuple[Grant, ...] = ()

    def may(self, permission: str, place: Place) -> bool:
        """Whether a role of theirs allows this with what belongs to ``place``, and none denies it."""
        here = [grant for grant in self.grants if grant.covers(place)]
        return any(grant.allows(permission) for grant in here) and not any(grant.denies(permission) for grant in here)

    def places(self, permission: str) -> tuple[Place, ...]:
        """Where a role of theirs allows this, and none denies it everywhere."""
        if any(grant.denies(permission) for grant in self.grants if grant.place == EVERYWHERE):
            return ()
        return tuple(place for grant in self.grants if grant.allows(permission) for place in grant.places())

    def has_all_of(self, role: Role, place: Place) -> bool:
        """Whether they have themselves, in ``place``, everything that ``role`` allows: nobody gives what they lack."""
        here = [grant for grant in self.grants if grant.covers(place)]
        return all(self._has_pattern(here, each) for pattern in role.allow for each in _spelled_out(pattern))

    @staticmethod
    def _has_pattern(grants: list[Grant], pattern: str) -> bool:
        allowed = any(matches(mine, pattern) for grant in grants for mine in grant.role.allow)
        return allowed and not any(_overlap(denied, pattern) for grant in grants for denied in grant.role.deny)


LOCAL_OPERATOR: Final = Member(kind="local", name="local", grants=(Grant(role=BUILT_IN[OWNER]),))
"""Whoever is on the gateway's own machine, as long as nobody signs in there."""


def _spelled_out(pattern: str) -> tuple[str, ...]:
    """Every action on one resource by itself: who has each has them all. All of everything stays what owners have."""
    resource, _, action = pattern.partition(":")
    if resource == "*" or action != "*":
        return (pattern,)
    return tuple(f"{resource}:{each}" for each in ACTIONS)


def _overlap(one: str, other: str) -> bool:
    """Whether there is a permission that both patterns take in."""
    parts = zip(one.split(":"), other.split(":"), strict=True)
    return all("*" in pair or pair[0] == pair[1] for pair in parts)
