"""Who calls, as `switchgear.yaml` says it: organisations, projects, teams, users, service accounts and their keys.

A name is the identity of each: it never changes, and records, counters and bills hold it. Organisations own projects,
projects own teams, teams own people and programs; whatever an entry does not say follows from what it belongs to.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from switchgear.config.names import HIDDEN, Name
from switchgear.config.routing import ModelName
from switchgear.config.secret import Secret
from switchgear.config.traces import ProjectTraces

HASH_PREFIX: Final = "sha256:"
HASH: Final = r"^sha256:[0-9a-f]{64}$"
MAX_LABEL: Final = 256

Door = Literal[
    "anthropic", "azure", "bedrock", "cohere", "gemini", "openai", "traces", "traces_delete", "traces_read", "vendor"
]  # fmt: skip
Tag = Annotated[str, Meta(min_length=1, max_length=MAX_LABEL)]
Description = Annotated[str, Meta(description="For people; nothing reads it.")]


class OrganisationEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One organisation: a company, or a customer; it owns projects."""

    description: Description = ""
    disabled: Annotated[bool, Meta(description="Refuse every key that belongs to it.")] = False


class ProjectEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One project: what people work on together, and may not see of others."""

    description: Description = ""
    organisation: Annotated[Name | None, Meta(description="Who owns it.")] = None
    disabled: Annotated[bool, Meta(description="Refuse every key that belongs to it.")] = False
    traces: Annotated[ProjectTraces, Meta(description="What its spans keep.")] = ProjectTraces()


class TeamEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One team of a project."""

    description: Description = ""
    project: Annotated[Name | None, Meta(description="What it works on.")] = None
    disabled: Annotated[bool, Meta(description="Refuse every key that belongs to it.")] = False


class UserEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person."""

    description: Description = ""
    email: Annotated[
        str, Meta(description="Their address; single sign-on knows them by it where nothing better is there.")
    ] = ""
    teams: Annotated[
        tuple[Name, ...],
        Meta(description="Teams they are in. A key of theirs belongs to the only one, or names one of several."),
    ] = ()
    disabled: Annotated[bool, Meta(description="Refuse every key of theirs, and the console.")] = False


class ServiceAccountEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One program that calls: it has keys and no password."""

    description: Description = ""
    team: Annotated[Name | None, Meta(description="Whose program it is.")] = None
    project: Annotated[Name | None, Meta(description="What it belongs to; that of its team, where it has one.")] = None
    disabled: Annotated[bool, Meta(description="Refuse every key of its.")] = False


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One virtual key: what an application presents instead of a vendor's key. Give `hash` or `key`, not both."""

    name: Annotated[Name, Meta(description="What the journal calls the key.")]
    hash: Annotated[
        Annotated[str, Meta(pattern=HASH)] | None,
        Meta(
            description="`sha256:` and the SHA-256 of the key in hexadecimal; `switchgear key new` makes both.",
            extra=HIDDEN,
        ),
    ] = None
    key: Annotated[
        Secret | None,
        Meta(description="The key itself, at least 16 characters; by reference (`${SUPPORT_BOT_KEY}`), not in clear."),
    ] = None
    user: Annotated[Name | None, Meta(description="The person whose key it is.")] = None
    service_account: Annotated[Name | None, Meta(description="The program whose key it is.")] = None
    team: Annotated[
        Name | None, Meta(description="For which team it is used; follows from its owner where that is in one.")
    ] = None
    project: Annotated[Name | None, Meta(description="For which project; follows from the team.")] = None
    organisation: Annotated[Name | None, Meta(description="For which organisation; follows from the project.")] = None
    tags: Annotated[
        tuple[Tag, ...], Meta(description="Of every call under the key, beside those that the caller says.")
    ] = ()
    models: Annotated[
        tuple[ModelName, ...],
        Meta(description="Models the key may use: names, or prefixes that end in `*`. Empty: all."),
    ] = ()
    doors: Annotated[
        tuple[Door, ...],
        Meta(
            description="Doors the key may use, by the name in records. Empty: all but `traces_read`, by which clients "
            "of tracing tools read back and delete what was sent to the project."
        ),
    ] = ()
    ip_ranges: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses the key may be used from: `203.0.113.7`, `10.0.0.0/8`, `2001:db8::/32`. Empty: all. "
            "Behind a proxy that `server.trusted_proxies` names, the client's address counts."
        ),
    ] = ()
    expires_at: Annotated[
        str | None,
        Meta(
            description="When it ends: `2027-01-31T18:00:00Z`, any offset instead of the `Z`, or a day, which then "
            "begins without it, by UTC."
        ),
    ] = None
    disabled: Annotated[bool, Meta(description="Refuse the key without forgetting it.")] = False

    def digest(self) -> bytes:
        """The SHA-256 of the key; empty when the entry holds neither a hash nor a key."""
        if self.key is not None:
            return self.key.digest()
        return bytes.fromhex((self.hash or "").removeprefix(HASH_PREFIX))


def moment_ns(text: str) -> int:
    """Nanoseconds since the epoch of an ISO 8601 moment, or of a day's beginning in UTC.

    Raises ValueError for what is neither, and for a moment without an offset.
    """
    try:
        found = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("it has no offset; put a 'Z' behind it for UTC")
    return int(found.timestamp()) * 1_000_000_000
