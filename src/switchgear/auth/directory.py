"""Who has which role where, read from the control database and the configuration file."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.auth.roles import BUILT_IN, OWNER, Binding, Grant, Member, Role
from switchgear.auth.standing import BINDING, ROLE, Standing, Standings, stored_bindings, stored_roles
from switchgear.rest.objects import Objects
from switchgear.rest.principal import EVERYWHERE, Place
from switchgear.rest.problem import Refused
from switchgear.rest.resource import Body, Fixed, Proposal, Resource


class Declared(Struct, frozen=True, kw_only=True):
    """What the configuration file says of roles, and whose its projects are."""

    file: str = ""
    roles: Mapping[str, Role] = {}
    bindings: Mapping[str, Binding] = {}
    organisations: Mapping[str, str] = {}
    """Of each project, by its name."""


class Directory:
    """Finds the roles of somebody; and refuses changes that would leave an installation without an owner."""

    def __init__(self, objects: Objects, declared: Callable[[], Declared] = Declared) -> None:
        self._objects = objects
        self._declared = declared
        self._standings = Standings(objects)

    async def member(self, connection: AsyncConnection, kind: str, name: str) -> Member:
        """Somebody with all their roles; without any, when nobody bound one to them."""
        standing, declared = await self._standings.now(connection), self._declared()
        subject = f"{kind}:{name}"
        kept = standing.bindings.get(subject, {})
        mine = [binding for key, binding in kept.items() if key not in declared.bindings]
        mine += [binding for binding in declared.bindings.values() if binding.subject == subject]
        roles = _every(standing, declared)
        organisations = {**standing.organisations, **declared.organisations}
        return Member(kind=kind, name=name, grants=_grants(mine, roles, organisations))

    async def roles(self, connection: AsyncConnection, names: Iterable[str]) -> list[Role]:
        """The roles of these names that there are."""
        known = _every(await self._standings.now(connection), self._declared())
        return [known[name] for name in names if name in known]

    def resources(self) -> tuple[Resource, Resource]:
        """Roles and bindings as the API manages them."""
        roles = Resource(
            kind=ROLE,
            plural="roles",
            type=Role,
            about="What somebody with a role may do.",
            fixed=self._fixed_roles,
            check=self._check_role,
        )
        bindings = Resource(
            kind=BINDING,
            plural="bindings",
            type=Binding,
            about="Who has which role, and where.",
            place=_place_of_binding,
            fixed=self._fixed_bindings,
            check=self._check_binding,
        )
        return roles, bindings

    # ------------------------------------------------------------------------------------------------------- reading

    def _fixed_roles(self) -> Mapping[str, Fixed]:
        declared = self._declared()
        built_in = {name: Fixed(body=role, source="built_in") for name, role in BUILT_IN.items()}
        return {**{name: Fixed(body=role, file=declared.file) for name, role in declared.roles.items()}, **built_in}

    def _fixed_bindings(self) -> Mapping[str, Fixed]:
        declared = self._declared()
        return {name: Fixed(body=binding, file=declared.file) for name, binding in declared.bindings.items()}

    async def _roles(self, connection: AsyncConnection) -> dict[str, Role]:
        return {**await stored_roles(connection, self._objects), **self._declared().roles, **BUILT_IN}

    async def _bindings(self, connection: AsyncConnection) -> dict[str, Binding]:
        return {**await stored_bindings(connection, self._objects), **self._declared().bindings}

    # ------------------------------------------------------------------------------------------------------ checking

    async def _check_role(self, connection: AsyncConnection, proposal: Proposal) -> None:
        role: Role | None = proposal.after
        bindings = await self._bindings(connection)
        holders = [name for name, binding in bindings.items() if binding.role == proposal.name]
        if role is None and holders:
            raise Refused(409, "role_in_use", f"the role {proposal.name!r} is still bound by {holders[0]!r}")
        if role is not None:
            _check_gives_what_it_has(proposal, role, EVERYWHERE)
        await self._check_owners(connection, proposal, {proposal.name: proposal.before}, {})

    async def _check_binding(self, connection: AsyncConnection, proposal: Proposal) -> None:
        binding: Binding | None = proposal.after
        if binding is not None:
            given = [field for field in ("organisation", "project", "team") if getattr(binding, field)]
            if len(given) > 1:
                raise Refused(422, "invalid_binding", f"a binding has one of {' and '.join(given)}, not both")
            role = (await self._roles(connection)).get(binding.role)
            if role is None:
                raise Refused(422, "unknown_role", f"there is no role {binding.role!r}")
            _check_gives_what_it_has(proposal, role, binding.place)
        await self._check_owners(connection, proposal, {}, {proposal.name: proposal.before})

    async def _check_owners(
        self,
        connection: AsyncConnection,
        proposal: Proposal,
        old_roles: Mapping[str, Role | None],
        old_bindings: Mapping[str, Binding | None],
    ) -> None:
        """Raises Refused when there was an owner before the change and is none after it."""
        roles, bindings = await self._roles(connection), await self._bindings(connection)
        after = _owners(roles, bindings)
        before = _owners(_put_back(roles, old_roles), _put_back(bindings, old_bindings))
        if before and not after:
            raise Refused(
                409,
                "last_owner",
                f"{min(before)} is the last owner; bind the role {OWNER!r} to somebody else first",
            )


def _every(standing: Standing, declared: Declared) -> dict[str, Role]:
    return {**standing.roles, **declared.roles, **BUILT_IN}


def _place_of_binding(name: str, binding: Body) -> Place:
    place: Place = binding.place
    return place


def _check_gives_what_it_has(proposal: Proposal, role: Role, place: Place) -> None:
    giver = proposal.principal
    if isinstance(giver, Member) and not giver.has_all_of(role, place):
        raise Refused(
            403, "permission_denied", "nobody can give what they do not have: the role allows more than yours"
        )


def _owners(roles: Mapping[str, Role], bindings: Mapping[str, Binding]) -> set[str]:
    """Everybody who may do everything, everywhere."""
    subjects = {binding.subject for binding in bindings.values() if binding.role == OWNER}
    found: set[str] = set()
    for subject in subjects:
        mine = (binding for binding in bindings.values() if binding.subject == subject)
        kind, _, name = subject.partition(":")
        member = Member(kind=kind, name=name, grants=_grants(mine, roles, {}))
        if member.has_all_of(BUILT_IN[OWNER], EVERYWHERE):
            found.add(subject)
    return found


def _grants(
    bindings: Iterable[Binding], roles: Mapping[str, Role], organisations: Mapping[str, str]
) -> tuple[Grant, ...]:
    return tuple(
        Grant(
            role=roles[binding.role],
            place=binding.place,
            projects=frozenset(
                project for project, owner in organisations.items() if owner and owner == binding.organisation
            ),
        )
        for binding in bindings
        if binding.role in roles
    )


def _put_back(now: Mapping[str, Body], before: Mapping[str, Body]) -> dict[str, Body]:
    """What there was before a change."""
    whole = {**now, **before}
    return {name: value for name, value in whole.items() if value is not None}
