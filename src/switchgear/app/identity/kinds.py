"""Which objects of the control database gateways are told of, and the section of the file that each has the form of."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, convert, json, structs

from switchgear.auth.sealed import Sealed
from switchgear.config.feed import KeyHash, ManagedKey
from switchgear.config.identity import (
    Door,
    OrganisationEntry,
    ProjectEntry,
    ServiceAccountEntry,
    Tag,
    TeamEntry,
    UserEntry,
)
from switchgear.config.limits import LimitEntry
from switchgear.config.names import Name
from switchgear.config.routing import ModelEntry, ModelName
from switchgear.config.secret import Secret
from switchgear.models.rate_card import PriceCard

KEY: Final = "key"
SECRET: Final = "secret"  # noqa: S105 (the name of a kind)
HASHING_KEY: Final = "hashing_key"
HASHING_KEY_NAME: Final = "virtual-keys"

Entry = (
    OrganisationEntry | ProjectEntry | TeamEntry | UserEntry | ServiceAccountEntry | ModelEntry | PriceCard | LimitEntry
)
SECTIONS: Final[Mapping[str, tuple[str, type[Entry]]]] = {
    "organisation": ("organisations", OrganisationEntry),
    "project": ("projects", ProjectEntry),
    "team": ("teams", TeamEntry),
    "user": ("users", UserEntry),
    "service_account": ("service_accounts", ServiceAccountEntry),
    "model": ("models", ModelEntry),
    "price": ("prices", PriceCard),
    "limit": ("limits", LimitEntry),
}
"""By kind: the section, and the type of its entries."""
SEALED_FIELDS: Final = frozenset(("sealed", "hashes"))
"""What the audit log hides."""


class KeptSecret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret as it is kept."""

    description: str = ""
    sealed: Sealed


class KeyScopes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a managed key is, without its texts: the fields of an entry under `keys`."""

    user: Name | None = None
    service_account: Name | None = None
    team: Name | None = None
    project: Name | None = None
    organisation: Name | None = None
    tags: tuple[Tag, ...] = ()
    models: tuple[ModelName, ...] = ()
    doors: tuple[Door, ...] = ()
    ip_ranges: tuple[str, ...] = ()
    expires_at: str | None = None
    disabled: bool = False


class KeptKey(KeyScopes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A managed key as it is kept."""

    hashes: tuple[KeyHash, ...] = ()


def managed_key(name: str, kept: KeptKey) -> ManagedKey:
    """The key as gateways are told of it. Raises ValidationError for what no entry under `keys` may say."""
    return convert({"name": name, **structs.asdict(kept)}, ManagedKey, from_attributes=True)


def body_of(value: Struct) -> str:
    """A body for the store."""
    return json.encode(value, enc_hook=_refuse).decode()


def _refuse(value: object) -> object:
    raise TypeError(f"nothing in clear is stored: {Secret if isinstance(value, Secret) else type(value)}")
