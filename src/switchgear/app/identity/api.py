"""The management routes of identity: organisations, projects, teams, users, service accounts, keys and secrets."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, cast

from msgspec import Meta, Struct

from switchgear.app.identity.keys import DEFAULT_GRACE_SECONDS, Issued, Keys, kept_key
from switchgear.app.identity.kinds import KEY, SECTIONS, Entry, KeptKey, KeyScopes
from switchgear.app.identity.rules import AgreementCheck
from switchgear.app.identity.secrets import MAX_SECRET_BYTES, Secrets, kept_secret
from switchgear.app.identity.service import Identity
from switchgear.config.identity import Key
from switchgear.config.names import NAME
from switchgear.config.ownership import ownership
from switchgear.rest.etag import check_replaces, etag_of
from switchgear.rest.objects import Stored
from switchgear.rest.principal import EVERYWHERE, Place
from switchgear.rest.resource import Body, Fixed, Resource, shown_stored
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Answer, Asked, Route
from switchgear.rest.written import moment

_ABOUT: Final[Mapping[str, str]] = {
    "organisation": "A company, or a customer; it owns projects.",
    "project": "What people work on together, and may not see of others.",
    "team": "A team of a project.",
    "user": "A person.",
    "service_account": "A program that calls.",
}
_MAX_GRACE_SECONDS: Final = 31_622_400
HIDDEN: Final = frozenset(("hash",))
Name = Annotated[str, Meta(pattern=NAME)]


class NewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made."""

    name: Name
    spec: KeyScopes = KeyScopes()


class ChangedKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key may do from now on."""

    spec: KeyScopes


class Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a key is rotated."""

    grace_seconds: Annotated[
        float, Meta(ge=0, le=_MAX_GRACE_SECONDS, description="How long the present text still works.")
    ] = DEFAULT_GRACE_SECONDS


class IssuedKey(Struct, frozen=True, kw_only=True):
    """A key with its text, which is shown this once."""

    name: str
    key: str
    version: int


class NewSecret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret to be kept; it is never shown."""

    value: Annotated[str, Meta(min_length=1, max_length=MAX_SECRET_BYTES)]
    description: Annotated[str, Meta(max_length=1000)] = ""


class SecretObject(Struct, frozen=True, kw_only=True):
    """A secret without its value."""

    name: str
    description: str
    master_key: str
    """The id of the master key that it is sealed under."""
    version: int
    updated_at: str
    updated_by: str


class SecretList(Struct, frozen=True, kw_only=True):
    """All secrets, by name."""

    data: list[SecretObject]


def identity_routes(services: Identity, file: str) -> tuple[Route, ...]:
    """All of them; ``file`` is where what is read-only here is declared."""
    resources = (_resource(services, kind, file) for kind in _ABOUT)
    entries = (route for resource in resources for route in resource_routes(resource, services.objects))
    return (*entries, *key_routes(services, file), *secret_routes(services.secrets))


def _resource(services: Identity, kind: str, file: str) -> Resource:
    section, entry = SECTIONS[kind]

    def fixed() -> Mapping[str, Fixed]:
        declared = cast("Mapping[str, Entry]", getattr(services.rules.declared(), section))
        return {name: Fixed(body=one, file=file) for name, one in declared.items()}

    return Resource(
        kind=kind,
        plural=section,
        type=entry,
        about=_ABOUT[kind],
        place=_PLACES[kind],
        fixed=fixed,
        check=AgreementCheck(services.rules, section),
    )


def _of_organisation(name: str, body: Body) -> Place:
    return Place(organisation=name)


def _of_project(name: str, body: Body) -> Place:
    return Place(organisation=body.organisation or "", project=name)


def _of_team(name: str, body: Body) -> Place:
    return Place(project=body.project or "", team=name)


def _of_user(name: str, body: Body) -> Place:
    return EVERYWHERE


def _of_account(name: str, body: Body) -> Place:
    return Place(project=body.project or "", team=body.team or "")


_PLACES: Final[Mapping[str, Callable[[str, Body], Place]]] = {
    "organisation": _of_organisation,
    "project": _of_project,
    "team": _of_team,
    "user": _of_user,
    "service_account": _of_account,
}


def key_routes(services: Identity, file: str) -> tuple[Route, ...]:
    """Keys are read like every object, and changed by routes of their own: their texts are shown once."""

    def fixed() -> Mapping[str, Fixed]:
        return {key.name: Fixed(body=_scopes(key), file=file) for key in services.rules.declared().keys}

    def place(name: str, body: Body) -> Place:
        owner = ownership(services.rules.declared(), cast("KeptKey", body))
        return Place(organisation=owner.organisation, project=owner.project, team=owner.team)

    resource = Resource(
        kind=KEY,
        plural="keys",
        type=KeptKey,
        about="A virtual key: what an application presents instead of a vendor's key.",
        place=place,
        secrets=HIDDEN,
        fixed=fixed,
        writable=False,
    )
    changing = _ChangingKeys(services.keys, resource)
    reading = resource_routes(resource, services.objects)
    shown = next(route.answer for route in reading if route.tells_etag)
    return (*reading, *_issuing(changing), *_scoping(changing, shown))


def _issuing(changing: "_ChangingKeys") -> tuple[Route, ...]:
    return (
        Route(
            method="POST",
            path="/keys",
            permission="key:write",
            summary="Make a key; its text is shown this once.",
            handler=changing.create,
            body=NewKey,
            answer=IssuedKey,
            status=201,
            by_place=True,
            refuses=(409, 422),
            holds_secret=True,
        ),
        Route(
            method="POST",
            path="/keys/{name}/rotate",
            permission="key:rotate",
            summary="Give a key another text, which is shown this once; for a while both work.",
            handler=changing.rotate,
            body=Rotation,
            answer=IssuedKey,
            by_place=True,
            refuses=(404, 409),
            holds_secret=True,
        ),
    )


def _scoping(changing: "_ChangingKeys", shown: object) -> tuple[Route, ...]:
    return (
        Route(
            method="PUT",
            path="/keys/{name}",
            permission="key:write",
            summary="Change what a key may do, whose version If-Match names.",
            handler=changing.change,
            body=ChangedKey,
            answer=shown,
            by_place=True,
            tells_etag=True,
            refuses=(404, 409, 412, 422, 428),
        ),
        Route(
            method="POST",
            path="/keys/{name}/revoke",
            permission="key:write",
            summary="Refuse a key from now on, in every gateway within a second.",
            handler=changing.revoke,
            answer=shown,
            by_place=True,
            tells_etag=True,
            refuses=(404, 409),
        ),
        Route(
            method="DELETE",
            path="/keys/{name}",
            permission="key:delete",
            summary="Delete a key; its versions stay.",
            handler=changing.delete,
            status=204,
            by_place=True,
            refuses=(404, 409, 412, 428),
        ),
    )


def _scopes(key: Key) -> KeptKey:
    return KeptKey(**{field: getattr(key, field) for field in KeyScopes.__struct_fields__})


class _ChangingKeys:
    def __init__(self, keys: Keys, resource: Resource) -> None:
        self._keys = keys
        self._resource = resource

    async def create(self, asked: Asked) -> Answer:
        said = asked.body_as(NewKey)
        asked.allow(await self._keys.place(asked.connection, said.spec), f"key {said.name!r}")
        return _issued(await self._keys.create(asked.connection, said.name, said.spec, asked.author))

    async def change(self, asked: Asked) -> Answer:
        stored = await self._found(asked)
        said = asked.body_as(ChangedKey)
        asked.allow(await self._keys.place(asked.connection, said.spec), f"key {stored.name!r}", "key:read")
        check_replaces(asked.headers, etag_of(stored.version))
        return self._shown(await self._keys.change(asked.connection, stored.name, said.spec, asked.author))

    async def rotate(self, asked: Asked) -> Answer:
        stored = await self._found(asked)
        grace_seconds = asked.body_as(Rotation).grace_seconds
        return _issued(await self._keys.rotate(asked.connection, stored.name, grace_seconds, asked.author))

    async def revoke(self, asked: Asked) -> Answer:
        stored = await self._found(asked)
        return self._shown(await self._keys.revoke(asked.connection, stored.name, asked.author))

    async def delete(self, asked: Asked) -> Answer:
        stored = await self._found(asked)
        check_replaces(asked.headers, etag_of(stored.version))
        await self._keys.delete(asked.connection, stored.name, asked.author)
        return Answer()

    async def _found(self, asked: Asked) -> Stored:
        """Raises Refused when it is not there, or not for the caller."""
        stored = await self._keys.find(asked.connection, asked.path["name"])
        asked.allow(stored.place, f"key {stored.name!r}", "key:read")
        kept_key(stored)
        return stored

    def _shown(self, stored: Stored) -> Answer:
        return Answer(body=shown_stored(self._resource, stored), etag=etag_of(stored.version))


def _issued(issued: Issued) -> Answer:
    stored = issued.stored
    return Answer(body=IssuedKey(name=stored.name, key=issued.text, version=stored.version))


def secret_routes(secrets: Secrets) -> tuple[Route, ...]:
    """Secrets are written and never read back."""
    serving = _ServingSecrets(secrets)
    return (
        Route(
            method="GET",
            path="/secrets",
            permission="secret:read",
            summary="List the secrets, without their values.",
            handler=serving.list,
            answer=SecretList,
        ),
        Route(
            method="GET",
            path="/secrets/{name}",
            permission="secret:read",
            summary="One secret, without its value.",
            handler=serving.get,
            answer=SecretObject,
            tells_etag=True,
            refuses=(404,),
        ),
        Route(
            method="PUT",
            path="/secrets/{name}",
            permission="secret:write",
            summary="Keep a secret, in place of any other of its name.",
            handler=serving.put,
            body=NewSecret,
            answer=SecretObject,
            tells_etag=True,
            refuses=(404, 422),
        ),
        Route(
            method="DELETE",
            path="/secrets/{name}",
            permission="secret:delete",
            summary="Forget a secret.",
            handler=serving.delete,
            status=204,
            refuses=(404,),
        ),
    )


class _ServingSecrets:
    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def list(self, asked: Asked) -> Answer:
        return Answer(body=SecretList(data=[_secret(one) for one in await self._secrets.all(asked.connection)]))

    async def get(self, asked: Asked) -> Answer:
        stored = await self._secrets.find(asked.connection, asked.path["name"])
        return Answer(body=_secret(stored), etag=etag_of(stored.version))

    async def put(self, asked: Asked) -> Answer:
        said = asked.body_as(NewSecret)
        stored = await self._secrets.put(
            asked.connection, asked.path["name"], said.value, said.description, asked.author
        )
        return Answer(body=_secret(stored), etag=etag_of(stored.version))

    async def delete(self, asked: Asked) -> Answer:
        await self._secrets.delete(asked.connection, asked.path["name"], asked.author)
        return Answer()


def _secret(stored: Stored) -> SecretObject:
    kept = kept_secret(stored)
    return SecretObject(
        name=stored.name,
        description=kept.description,
        master_key=kept.sealed.master,
        version=stored.version,
        updated_at=moment(stored.updated_ns),
        updated_by=stored.updated_by,
    )
